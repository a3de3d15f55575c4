//! `GET /ws/cs/{csId}`: the handshake, and the life of the socket.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use httpkit::{Failure, PathId, Query, Refusals, text};
use kernel::Problem;
use serde_json::json;
use sockets::{Frame, Socket, Upgrade};

use super::{Connection, From, commands, enter, pace::Pace};
use crate::{
    Desk,
    store::{self, StreamRow},
    stream::{HEARTBEAT, NewPeer},
};

/// How long a client that names no place has to send `resume` before it gets what is live. Any frame ends the wait.
const WAIT: Duration = Duration::from_secs(1);

/// Connect an agent's workbench
///
/// A WebSocket of JSON texts; `docs/desk-websocket.md` has the protocol. The agent is proved by `Authorization: Bearer`, by
/// the subprotocols `desk.v1, bearer.<token>`, by `ticket` (from `POST /api/desk/ws-ticket`) or by `token`; `csId` is
/// the agent's own id. With `epoch` and `lastSeq` the stream goes on after that number.
#[utoipa::path(get, path = "/ws/cs/{csId}", tag = "desk",
    params(
        ("csId" = String, Path, description = "The agent's own id; a supervisor may name another's"),
        ("ticket" = Option<String>, Query, description = "From `POST /api/desk/ws-ticket`", max_length = 64),
        ("token" = Option<String>, Query, description = "An access token", max_length = 4096),
        ("epoch" = Option<String>, Query, description = "From `hello`, together with `lastSeq`", max_length = 64),
        ("lastSeq" = Option<i64>, Query, description = "The last number that was seen", minimum = 0)),
    responses((status = 101, description = "A WebSocket"), Refusals))]
pub(crate) async fn connect(
    State(desk): State<Desk>,
    PathId(cs_id): PathId,
    mut query: Query,
    request: Request,
) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let upgrade = Upgrade::from_parts(&mut parts)?;
    let f = &mut query.0;
    let ticket = f.optional::<text::Opaque<64>>("ticket").map(|ticket| ticket.0);
    let token = f.optional::<text::Opaque<4096>>("token").map(|token| token.0);
    let epoch = f.optional::<text::Line<64>>("epoch").map(|epoch| epoch.0);
    let last_seq = f.optional::<i64>("lastSeq");
    if last_seq.is_some_and(|seq| seq < 0) {
        f.bad("lastSeq", "must be a whole number from 0");
    }
    if last_seq.is_some() != epoch.is_some() {
        f.bad("epoch", "must come together with lastSeq");
    }
    query.0.finish()?;
    let from = last_seq.map(|last_seq| From { epoch, last_seq });

    let shown = enter::Shown::of(&parts.headers, &upgrade, ticket, token)?;
    enter::check_origin(&desk, &parts.headers)?;
    let entry = enter::enter(&desk, &cs_id, shown.credential).await?;
    let now = desk.clock().now();
    let stream = match entry.is_own {
        true => store::ensure_stream(desk.db(), &cs_id, entry.agent.supervisor, now).await?,
        false => {
            let stream = store::stream(&mut desk.db().read().await?, &cs_id).await?;
            stream.ok_or_else(|| Problem::not_found("agent"))?
        }
    };
    let upgrade = if shown.speaks_v1 { upgrade.choose(enter::V1)? } else { upgrade };
    let hub = desk.live().hub.clone();
    let serving = async move |socket| Box::pin(serve(desk, socket, entry, cs_id, stream, from)).await;
    Ok(upgrade.accept(&hub, serving)?.into_response())
}

async fn serve(
    desk: Desk,
    mut socket: Socket,
    entry: enter::Entry,
    stream_of: String,
    stream: StreamRow,
    from: Option<From>,
) {
    let handle = socket.handle();
    let own_id = entry.agent.id.clone().unwrap_or_else(|| stream_of.clone());
    let hello = json!({"type": "hello", "data": {
        "csId": stream_of,
        "epoch": stream.epoch,
        "head": stream.head,
        "heartbeatSeconds": HEARTBEAT.as_secs(),
        "time": desk.clock().now(),
    }});
    handle.send(&Frame::text(&hello.to_string()));
    let membership = desk.live().admit(NewPeer {
        handle: handle.clone(),
        stream: stream_of.clone(),
        epoch: stream.epoch.clone(),
        agent: own_id.clone(),
        supervisor: entry.agent.supervisor,
        login: entry.login,
    });
    let mut connection = Connection {
        socket_id: desk.live().socket_id(handle.id()),
        membership,
        agent: entry.agent,
        stream_of,
        stream,
        pace: Pace::new(desk.clock().now()),
        answers: commands::Answers::default(),
        handle,
        desk: &desk,
    };
    if entry.is_own
        && let Err(error) = desk.here(&[own_id]).await
    {
        // The next round of the upkeep says it.
        tracing::warn!(%error, "that an agent is there cannot be noted");
    }
    connection.begin(&mut socket, from).await;
    while let Some(text) = socket.recv().await {
        connection.hear(&text).await;
    }
    connection.end().await;
}

impl Connection<'_> {
    /// Finds out where the client wants to go on, and goes on there.
    async fn begin(&mut self, socket: &mut Socket, from: Option<From>) {
        if let Some(from) = from {
            return self.resume(&from).await;
        }
        let first = tokio::select! {
            first = socket.recv() => first,
            () = self.desk.clock().sleep(WAIT) => None,
        };
        let head = self.stream.head;
        match first {
            Some(text) if commands::is_resume(&text) => {
                self.hear(&text).await;
                if !self.desk.live().peers().has_joined(self.membership.id) {
                    // It was refused.
                    self.go_on(head).await;
                }
            }
            Some(text) => {
                self.go_on(head).await;
                self.hear(&text).await;
            }
            None => self.go_on(head).await,
        }
    }

    /// What others saw of it ends.
    async fn end(self) {
        let shown = self.desk.live().peers().shown(self.membership.id);
        if let Err(error) = self.hide(&shown, false).await {
            // After a while it is forgotten by itself.
            tracing::warn!(%error, "that a socket is gone cannot be noted");
        }
        if self.own_id() == self.stream_of
            && let Err(error) = self.desk.here(std::slice::from_ref(&self.stream_of)).await
        {
            tracing::warn!(%error, "that an agent was there cannot be noted");
        }
    }
}
