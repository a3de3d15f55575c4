//! `desk.state`: where WeCom has a conversation, so that its state and ours do not contradict each other.
//!
//! Whoever answers here, WeCom's own state stays 0 or 1: only there it takes messages of ours, so nothing is ever handed
//! to WeCom's pool or its people by us. Somebody may do that in WeCom's own client all the same. Asked when a session goes
//! to people, and when WeCom refuses a message for its state:
//!
//! - 0, 1: ours;
//! - 2, 3: WeCom's client has it. A session that nobody of ours has goes to the colleague there; the one who has it is told
//!   by a note;
//! - 4: WeCom ended it, and so do we when a message was refused. Otherwise the customer's next message begins it anew.

use channels::wecom::{State, get_state, parse_state};
use db::{Result, Tx};
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use kernel::Timestamp;

use super::{
    send::{Job, Sent},
    wecom::{Body, CallError, Wecom},
};
use crate::{
    Desk,
    model::{Actor, ChannelType, Command, Status, Step},
    notes, ops,
    store::{self, SessionRow},
    work,
};

/// Asks WeCom for the state of a session, which is the subject.
pub const STATE: &str = "desk.state";

/// Who has what waits in WeCom's pool.
const POOL: &str = "wecom-pool";

/// A session that went to people: WeCom is asked whether it is still ours to answer.
pub(crate) async fn plan(tx: &mut Tx, row: &SessionRow, before: Status, now: Timestamp) -> Result<()> {
    let to_people = before == Status::Ai && matches!(row.status, Status::Pending | Status::Manual);
    if !to_people || row.channel_type != ChannelType::Wechat {
        return Ok(());
    }
    let state = NewDispatch {
        id: format!("{}/state/{}", row.id, row.version),
        kind: STATE,
        subject: row.id.clone(),
        destination: row.account_id.clone(),
        payload: None,
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[state]).await.map(drop)
}

async fn ask(desk: &Desk, wecom: &Wecom, session: &SessionRow) -> std::result::Result<State, CallError> {
    let body = get_state(&session.kf_id, &session.customer_id);
    let (web, clock) = (&desk.0.channels.api, desk.clock());
    let answer = wecom.call(web, clock, "kf/service_state/get", Body::Json(&body)).await?;
    Ok(parse_state(answer.body())?)
}

/// What an agent is told of a state in which WeCom takes nothing of ours.
fn words(state: &State) -> Option<String> {
    match state {
        State::New | State::Assistant => None,
        State::Pool => Some(
            "the conversation waits in WeCom's own client: it is answered there, until it ends there"
                .to_owned(),
        ),
        State::Servicer(name) => Some(format!(
            "the conversation is with {name} in WeCom's own client: it is answered there, until it ends there"
        )),
        State::Ended => Some("WeCom ended the conversation: the customer must write first".to_owned()),
    }
}

/// The handler of [`STATE`].
pub struct Reconcile {
    /// The desk.
    pub desk: Desk,
}

impl Single for Reconcile {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { self.look(&dispatch.subject).await.unwrap_or_else(work::again) })
    }
}

impl Reconcile {
    async fn look(&self, id: &str) -> Result<Outcome> {
        let desk = &self.desk;
        let Some(session) = store::session(&mut desk.db().read().await?, id).await? else {
            return Ok(Outcome::Done("the session is gone".to_owned()));
        };
        let account = desk.account(&session.account_id).await?;
        let Some(wecom) = account.as_ref().and_then(|account| account.wecom()) else {
            return Ok(Outcome::Done("the channel has no states".to_owned()));
        };
        if !matches!(session.status, Status::Pending | Status::Manual) {
            return Ok(Outcome::Done(format!("is {} again", session.status.as_str())));
        }
        match ask(desk, wecom, &session).await {
            Ok(State::Ended) => Ok(Outcome::Done("not begun at WeCom".to_owned())),
            Ok(state) => {
                apply(desk, &session, &state).await?;
                Ok(Outcome::Done(words(&state).unwrap_or_else(|| "ours".to_owned())))
            }
            Err(error) => Ok(match Sent::from(error) {
                Sent::Took(answer) => Outcome::Done(answer),
                Sent::Never(reason) => Outcome::Dead(reason),
                Sent::Later(outcome) => outcome,
            }),
        }
    }
}

/// Brings our state in line with WeCom's.
async fn apply(desk: &Desk, session: &SessionRow, state: &State) -> Result<()> {
    let command = match state {
        State::New | State::Assistant => return Ok(()),
        State::Pool => Command::Colleague { name: POOL.to_owned() },
        State::Servicer(name) => Command::Colleague { name: name.clone() },
        State::Ended => Command::Close,
    };
    let now = desk.clock().now();
    let mut tx = desk.db().begin().await?;
    // What changed meanwhile was decided by somebody who knew more.
    let row = store::lock(&mut tx, &session.id).await?.filter(|row| row.version == session.version);
    let Some(mut row) = row else { return Ok(()) };
    let mut told = Vec::new();
    match row.state().after(&command, &Actor::Channel) {
        Ok(Step::Change(to)) => {
            ops::settle(&mut tx, &mut row, to, &command, &Actor::Channel, &mut told, now).await?;
        }
        Ok(Step::Stands) if !is_theirs(&row, &command) => {
            let content = words(state).unwrap_or_default();
            // Once for each time that somebody takes the session.
            let client_id = format!("state/{}", row.version);
            if store::same_client(&mut tx, &row.id, &client_id).await?.is_none() {
                let note = notes::Note { content: &content, mentions: &[], client_id: Some(&client_id) };
                notes::write(&mut tx, &mut row, &Actor::Channel, &note, &mut told, now).await?;
            }
        }
        _ => {}
    }
    store::tell(&mut tx, &told, now).await?;
    tx.commit().await
}

/// Whether who has the session is who would be given it.
fn is_theirs(row: &SessionRow, command: &Command) -> bool {
    matches!(command, Command::Colleague { name } if row.manual_cs_id.as_ref() == Some(name))
        || row.status == Status::Closed
}

impl Job<'_> {
    /// What a refusal for WeCom's state comes to; `None` if the state is ours, so that it may be tried once more.
    pub(in crate::channel) async fn wrong_state(&self, wecom: &Wecom) -> Result<Option<Sent>> {
        match ask(self.desk, wecom, self.session).await {
            Ok(state) => {
                apply(self.desk, self.session, &state).await?;
                Ok(words(&state).map(Sent::Never))
            }
            Err(error) => Ok(Some(error.into())),
        }
    }
}
