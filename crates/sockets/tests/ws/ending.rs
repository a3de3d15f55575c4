//! Pings, who is gone, and the end of the server.

use std::time::Duration;

use sockets::{By, Frame, INTERNAL, Limits, NORMAL, PING, PONG, RESTART, SILENT};
use tokio_util::sync::CancellationToken;

use crate::house::{self, House, Peer, TEXT};

/// A house whose hub runs.
async fn tended() -> (House, CancellationToken, tokio::task::JoinHandle<()>) {
    let house = House::new(Limits::default()).await;
    let (hub, stop) = (house.hub.clone(), CancellationToken::new());
    let run = tokio::spawn({
        let stop = stop.clone();
        async move { hub.run(stop).await }
    });
    (house, stop, run)
}

/// The hub looks once a second, and the clock of a test jumps in seconds.
const SLACK: Duration = Duration::from_secs(4);

#[tokio::test]
async fn who_answers_pings_stays() {
    let (mut house, ..) = tended().await;
    let (mut peer, mut socket) = house.pair().await;
    for _ in 0..5 {
        let before = house.sim.now();
        let ping = house.while_time_passes(peer.frame()).await;
        assert_eq!(ping, Some((house::PING, vec![])));
        let passed = house.sim.now().since(before);
        assert!(passed >= PING - SLACK && passed <= PING + SLACK, "{passed:?}");
        peer.send(house::PONG, b"").await;
        peer.send(TEXT, b"here").await;
        assert_eq!(socket.recv().await.as_deref(), Some("here"));
    }
    assert_eq!(socket.end(), None);
}

#[tokio::test]
async fn who_is_silent_is_closed_and_cut_off() {
    let (mut house, ..) = tended().await;
    let (mut peer, mut socket) = house.pair().await;
    let before = house.sim.now();
    assert_eq!(house.while_time_passes(socket.recv()).await, None);
    let passed = house.sim.now().since(before);
    assert!(passed >= PING + PONG && passed <= PING + PONG + SLACK, "{passed:?}");
    let end = socket.end().unwrap();
    assert_eq!((end.by, end.code), (By::Us, SILENT));
    // It does not close its side; then nobody waits for it any longer.
    house.while_time_passes(house.has(0)).await;
    assert_eq!(peer.frame().await, Some((house::PING, vec![])));
    assert_eq!(peer.closed().await, (SILENT, "no answer to a ping".to_owned()));
}

#[tokio::test]
async fn a_peer_is_not_silent_because_we_do_not_listen() {
    let (mut house, ..) = tended().await;
    let (mut peer, mut socket) = house.pair().await;
    peer.send(TEXT, b"unheard").await;
    let late = house.sim.now() + Duration::from_secs(180);
    let passed = async {
        while house.sim.now() < late {
            tokio::task::yield_now().await;
        }
    };
    house.while_time_passes(passed).await;
    assert_eq!(peer.frame().await, Some((house::PING, vec![])));
    assert_eq!(socket.end(), None);
    assert_eq!(socket.recv().await.as_deref(), Some("unheard"));
}

#[tokio::test]
async fn a_close_goes_behind_what_was_sent() {
    let mut house = House::new(Limits::default()).await;
    let (mut peer, mut socket) = house.pair().await;
    let handle = socket.handle();
    for n in 0..100 {
        assert!(handle.send(&Frame::text(&n.to_string())));
    }
    handle.close(4001, "the session has expired");
    handle.close(4002, "too late");
    assert!(!handle.is_open() && !handle.send(&Frame::text("late")) && !handle.room().await);
    assert_eq!(socket.recv().await, None);
    for n in 0..100 {
        assert_eq!(peer.text().await, n.to_string());
    }
    assert_eq!(peer.closed().await, (4001, "the session has expired".to_owned()));
    // Its answer, as the standard wants it.
    peer.send(house::CLOSE, &4001_u16.to_be_bytes()).await;
    drop(peer);
    house.has(0).await;
    assert_eq!(handle.end(), socket.end());
}

#[tokio::test]
async fn a_peer_that_breaks_off_is_noticed() {
    let mut house = House::new(Limits::default()).await;
    let (peer, mut socket) = house.pair().await;
    drop(peer);
    assert_eq!(socket.recv().await, None);
    let end = socket.end().unwrap();
    assert_eq!((end.by, end.code), (By::Nobody, 1006));
    assert!(!socket.handle().send(&Frame::text("x")));
    house.has(0).await;
}

#[tokio::test]
async fn dropping_a_socket_closes_it() {
    let mut house = House::new(Limits::default()).await;
    let (mut peer, socket) = house.pair().await;
    drop(socket);
    assert_eq!(peer.closed().await.0, NORMAL);

    let (mut peer, socket) = house.pair().await;
    let failed = tokio::spawn(async move {
        let _socket = socket;
        std::panic::resume_unwind(Box::new("a fault"));
    });
    assert!(failed.await.is_err());
    assert_eq!(peer.closed().await.0, INTERNAL);
}

#[tokio::test]
async fn the_server_closes_all_and_takes_no_more() {
    let (mut house, stop, run) = tended().await;
    let mut peers = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let (mut peer, socket) = house.pair().await;
        sockets.push(socket);
        peers.push(tokio::spawn(async move { (peer.closed().await, peer) }));
    }
    // One that does not close its side.
    let (deaf, _socket) = house.pair().await;
    let before = house.sim.now();
    stop.cancel();
    house.while_time_passes(run).await.unwrap();
    assert!(house.sim.now().since(before) >= Duration::from_secs(2));
    house.has(0).await;
    for peer in peers {
        let ((code, reason), _) = peer.await.unwrap();
        assert_eq!((code, reason.as_str()), (RESTART, "the server is restarting"));
    }
    drop(deaf);
    let mut late = Peer::over(tokio::net::TcpStream::connect(house.address).await.unwrap());
    let answer = late.ask(&house::request("/")).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("the server is restarting"), "{answer}");
}
