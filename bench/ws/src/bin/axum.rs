//! `axum PORT`: axum's own WebSockets with the two control texts of the benchmark: a task and a bounded channel
//! for each connection, small buffers, what has gathered is written before a flush.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use axum::{
    Router,
    extract::{
        Query, State,
        ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    routing::get,
    serve::ListenerExt as _,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;

type Hub = Arc<RwLock<HashMap<u64, mpsc::Sender<Utf8Bytes>>>>;

#[derive(serde::Deserialize)]
struct Who {
    id: u64,
}

fn command(text: &str, hub: &Hub) {
    let peers = hub.read().unwrap();
    if let Some(payload) = text.strip_prefix('b') {
        let payload = Utf8Bytes::from(payload);
        for peer in peers.values() {
            let _ = peer.try_send(payload.clone());
        }
    } else if let Some((id, payload)) = text.strip_prefix('t').and_then(|text| text.split_once(' '))
        && let Some(peer) = peers.get(&id.parse().unwrap())
    {
        let _ = peer.try_send(Utf8Bytes::from(payload));
    }
}

async fn serve(socket: WebSocket, id: u64, hub: Hub) {
    let (mut to, mut from) = socket.split();
    let (sender, mut queue) = mpsc::channel(256);
    hub.write().unwrap().insert(id, sender);
    'open: loop {
        tokio::select! {
            Some(text) = queue.recv() => {
                let mut next = Some(text);
                while let Some(text) = next {
                    if to.feed(Message::Text(text)).await.is_err() {
                        break 'open;
                    }
                    next = queue.try_recv().ok();
                }
                if to.flush().await.is_err() {
                    break;
                }
            }
            message = from.next() => match message {
                Some(Ok(Message::Text(text))) => command(&text, &hub),
                Some(Ok(_)) => {}
                _ => break,
            }
        }
    }
    hub.write().unwrap().remove(&id);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let upgrade = |upgrade: WebSocketUpgrade, Query(who): Query<Who>, State(hub): State<Hub>| async move {
        let upgrade = upgrade.read_buffer_size(4096).write_buffer_size(0);
        upgrade.on_upgrade(move |socket| serve(socket, who.id, hub))
    };
    let router = Router::new().route("/", get(upgrade)).with_state(Hub::default());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    axum::serve(listener.tap_io(|stream| stream.set_nodelay(true).unwrap()), router).await.unwrap();
}
