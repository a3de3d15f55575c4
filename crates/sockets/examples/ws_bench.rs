//! `ws_bench PORT [THREADS]`: the two control texts of `bench/ws` on this crate: `b<text>` goes to all sockets,
//! `t<id> <text>` to the one that came as `?id=<id>`. For measuring only: anybody may connect and command.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{Router, extract::Request, response::IntoResponse as _, routing::get, serve::ListenerExt as _};
use kernel::Clock;
use sockets::{Frame, Handle, Hub, Limits, Socket, Upgrade};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct House {
    hub: Hub,
    ids: Arc<RwLock<HashMap<u64, Handle>>>,
}

impl House {
    async fn serve(self, mut socket: Socket, id: u64) {
        self.ids.write().unwrap_or_else(PoisonError::into_inner).insert(id, socket.handle());
        while let Some(text) = socket.recv().await {
            if let Some(text) = text.strip_prefix('b') {
                self.hub.broadcast(&Frame::text(text));
            } else if let Some((id, text)) = text.strip_prefix('t').and_then(|t| t.split_once(' ')) {
                let ids = self.ids.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(handle) = id.parse().ok().and_then(|id: u64| ids.get(&id)) {
                    handle.send(&Frame::text(text));
                }
            }
        }
        self.ids.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn upgrade(self, request: Request) -> axum::response::Response {
        let (mut parts, _) = request.into_parts();
        let id = parts.uri.query().and_then(|q| q.strip_prefix("id=")).and_then(|id| id.parse().ok());
        let hub = self.hub.clone();
        let answer = Upgrade::from_parts(&mut parts).and_then(|upgrade| {
            upgrade.accept(&hub, move |socket| self.serve(socket, id.unwrap_or_default()))
        });
        match answer {
            Ok(answer) => answer.into_response(),
            Err(problem) => (axum::http::StatusCode::BAD_REQUEST, problem.to_string()).into_response(),
        }
    }
}

fn main() -> io::Result<()> {
    let number = |at| std::env::args().nth(at).and_then(|text| text.parse::<u16>().ok());
    let runtime = match number(2).unwrap_or(1) {
        1 => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        n => tokio::runtime::Builder::new_multi_thread().worker_threads(n.into()).enable_all().build()?,
    };
    runtime.block_on(async {
        let house = House { hub: Hub::new(Clock::system(), Limits::default()), ids: Arc::default() };
        let hub = house.hub.clone();
        tokio::spawn(async move { hub.run(CancellationToken::new()).await });
        let router = Router::new().route("/", get(|request| async { house.upgrade(request) }));
        let listener = TcpListener::bind(("127.0.0.1", number(1).unwrap_or(8207))).await?;
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY was refused");
            }
        });
        axum::serve(listener, router).await
    })
}
