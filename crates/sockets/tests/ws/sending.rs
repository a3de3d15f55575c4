//! Order, slow peers, and many at once.

use sockets::{By, Frame, Handle, Limits, SLOW};
use tokio::io::AsyncReadExt as _;

use crate::house::{self, CLOSE, House, TEXT};

#[tokio::test]
async fn a_thousand_frames_arrive_in_order_however_they_are_read() {
    let mut house = House::new(Limits::default()).await;
    let (mut peer, socket) = house.pair().await;
    let handle = socket.handle();
    let sending = tokio::spawn(async move {
        for n in 0..1000_usize {
            let length = [0, 1, 118, 119, 120, 300, 65_528, 65_529, 70_000][n % 9];
            assert!(handle.room().await);
            assert!(handle.send(&Frame::text(&format!("{n:07}{}", "x".repeat(length)))));
        }
    });
    let mut chunk = vec![0; 100_000];
    let mut got = 0;
    for size in (0..).map(|n| [1, 2, 3, 7, 130, 4093, 65_537, 100_000][n % 8]) {
        let n = peer.stream.read(&mut chunk[..size]).await.unwrap();
        peer.feed(&chunk[..n]);
        while let Some((opcode, payload)) = peer.take() {
            assert_eq!(opcode, TEXT);
            assert_eq!(payload[..7], *format!("{got:07}").as_bytes());
            got += 1;
        }
        if got == 1000 {
            break;
        }
    }
    sending.await.unwrap();
}

const FILLING: &str = "................................................................";

/// Sends until the kernel takes no more for this peer.
async fn fill(slow: &Handle) {
    loop {
        slow.send(&Frame::text(FILLING));
        tokio::select! {
            biased;
            open = slow.room() => assert!(open),
            () = house::turns() => return,
        }
    }
}

#[tokio::test]
async fn a_slow_peer_is_closed_while_a_hundred_others_get_everything() {
    const FRAMES: usize = 200;
    let mut house = House::new(Limits { queue: 128 * 1024, ..Limits::default() }).await;
    let (mut slow, slow_socket) = house.narrow_pair().await;
    let mut sockets = Vec::new();
    let mut readers = Vec::new();
    for _ in 0..100 {
        let (mut peer, socket) = house.pair().await;
        sockets.push(socket);
        readers.push(tokio::spawn(async move {
            for n in 0..FRAMES {
                assert!(peer.text().await.starts_with(&format!("{n:07}")));
            }
        }));
    }
    fill(&slow_socket.handle()).await;
    for n in 0..FRAMES {
        for socket in &sockets {
            assert!(socket.handle().room().await);
        }
        house.hub.broadcast(&Frame::text(&format!("{n:07}{}", "x".repeat(4096))));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(sockets.iter().all(|socket| socket.end().is_none()));
    let end = slow_socket.end().unwrap();
    assert_eq!((end.by, end.code), (By::Us, SLOW));
    // It gets the first frames whole, and is told why there are no more.
    let mut n = 0;
    loop {
        match slow.frame().await.unwrap() {
            (TEXT, payload) if payload == FILLING.as_bytes() && n == 0 => continue,
            (TEXT, payload) => assert_eq!(payload[..7], *format!("{n:07}").as_bytes()),
            (CLOSE, payload) => {
                assert_eq!(payload[..2], SLOW.to_be_bytes());
                break;
            }
            other => panic!("{other:?}"),
        }
        n += 1;
    }
    assert!(n < FRAMES);
    assert_eq!(slow.frame().await, None);
    drop(slow);
    house.has(100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn senders_on_several_threads_keep_their_own_order() {
    const EACH: usize = 500;
    let mut house = House::new(Limits::default()).await;
    let (mut peer, socket) = house.pair().await;
    let (mut other, _other_socket) = house.pair().await;
    let mut senders = Vec::new();
    for who in 0..4 {
        let (handle, hub) = (socket.handle(), house.hub.clone());
        senders.push(tokio::spawn(async move {
            for n in 0..EACH {
                // Both ways of sending share one order.
                if n % 2 == 0 {
                    assert!(handle.send(&Frame::text(&format!("{who} {n}"))));
                } else {
                    hub.broadcast(&Frame::text(&format!("{who} {n}")));
                }
            }
        }));
    }
    let mut next = [0; 4];
    for _ in 0..4 * EACH {
        let text = peer.text().await;
        let (who, n) = text.split_once(' ').unwrap();
        let next = &mut next[who.parse::<usize>().unwrap()];
        assert_eq!(n.parse::<usize>().unwrap(), *next);
        *next += 1;
    }
    for _ in 0..2 * EACH {
        other.text().await;
    }
    for sender in senders {
        sender.await.unwrap();
    }
}

#[tokio::test]
async fn waiting_for_a_message_can_be_given_up() {
    let mut house = House::new(Limits::default()).await;
    let (mut peer, mut socket) = house.pair().await;
    let whole = crate::house::frame(0x81, b"in two parts");
    peer.raw(&whole[..9]).await;
    for _ in 0..20 {
        tokio::select! {
            biased;
            text = socket.recv() => panic!("{text:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    peer.raw(&whole[9..]).await;
    assert_eq!(socket.recv().await.as_deref(), Some("in two parts"));
}
