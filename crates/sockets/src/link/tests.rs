//! The queue of one connection, without a task that writes unless a test asks for it.

use std::{future::poll_fn, sync::Arc};

use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpSocket},
};

use super::*;

/// A link, and its peer with kernel buffers as small as they get.
async fn link(limit: usize) -> (Arc<Link>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(4096).unwrap();
    let peer = client.connect(listener.local_addr().unwrap()).await.unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    SockRef::from(&tcp).set_send_buffer_size(4096).unwrap();
    (Arc::new(Link::new(1, tcp, limit)), peer)
}

/// Lets it write until the connection is over, and reads what comes: opcode and payload of each frame.
async fn told(link: Arc<Link>, mut peer: TcpStream) -> Vec<(u8, Vec<u8>)> {
    let writing = tokio::spawn(async move { poll_fn(|cx| link.poll_write(cx)).await });
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).await.unwrap();
    drop(peer);
    writing.await.unwrap();
    let mut frames = Vec::new();
    let mut rest = &bytes[..];
    while let [head, length, more @ ..] = rest {
        let (n, more) = match length {
            126 => (usize::from(u16::from_be_bytes([more[0], more[1]])), &more[2..]),
            n => (usize::from(*n), more),
        };
        assert!(n <= more.len(), "a frame is torn");
        frames.push((head & 0xf, more[..n].to_vec()));
        rest = &more[n..];
    }
    frames
}

fn texts(frames: &[(u8, Vec<u8>)]) -> Vec<&str> {
    frames.iter().filter(|f| f.0 == 1).map(|f| std::str::from_utf8(&f.1).unwrap()).collect()
}

#[tokio::test]
async fn the_latest_state_replaces_an_earlier_one_and_overtakes_nothing() {
    let (link, peer) = link(10_000).await;
    for frame in [
        Frame::text("a"),
        Frame::latest("typing/7", "typing"),
        Frame::latest("typing/8", "other"),
        Frame::text("b"),
        Frame::latest("typing/7", "not typing"),
    ] {
        assert!(link.send(&frame));
    }
    link.close(1000, "");
    assert!(!link.send(&Frame::text("late")));
    assert_eq!(texts(&told(link, peer).await), ["a", "other", "b", "not typing"]);
}

#[tokio::test]
async fn states_take_a_quarter_of_the_queue_at_most() {
    let (link, peer) = link(4 * (10 + ENTRY)).await;
    assert!(link.send(&Frame::text("12345678")));
    // One quarter is full: neither the new state comes nor the one it replaces.
    assert!(link.send(&Frame::latest("x", "1")));
    assert!(link.send(&Frame::text("12345678")));
    assert!(link.send(&Frame::text("12345678")));
    assert!(link.send(&Frame::text("12345678")));
    assert!(link.end().is_none());
    link.close(1000, "");
    assert_eq!(texts(&told(link, peer).await), ["12345678"; 4]);
}

#[tokio::test]
async fn a_burst_is_not_slowness() {
    // Far more than the queue holds, before anything had a turn to write: the kernel takes it.
    let (link, peer) = link(10 * (1 + 2 + ENTRY)).await;
    for _ in 0..100 {
        assert!(link.send(&Frame::text("x")));
    }
    link.close(1000, "");
    assert_eq!(texts(&told(link, peer).await).len(), 100);
}

#[tokio::test]
async fn who_takes_nothing_is_closed_with_whole_frames() {
    let (link, peer) = link(40_000).await;
    let sent =
        (0..1000).take_while(|n| link.send(&Frame::text(&format!("{n:05}{}", "x".repeat(3000))))).count();
    assert!((13..1000).contains(&sent), "{sent}");
    let end = link.end().unwrap();
    assert_eq!((end.by, end.code), (By::Us, SLOW));
    let frames = told(link, peer).await;
    let (last, before) = frames.split_last().unwrap();
    // What was begun came whole and in order, then the close frame with its reason.
    for (n, text) in texts(before).iter().enumerate() {
        assert!(text.starts_with(&format!("{n:05}")) && text.len() == 3005);
    }
    assert!(before.len() < sent);
    assert_eq!((last.0, &last.1[..2]), (8, &SLOW.to_be_bytes()[..]));
    assert_eq!(std::str::from_utf8(&last.1[2..]).unwrap(), "too slow: come back and resume");
}

#[tokio::test]
async fn one_frame_may_be_longer_than_the_queue() {
    let (link, peer) = link(100).await;
    assert!(link.send(&Frame::text(&"x".repeat(50_000))));
    link.close(1000, "");
    assert_eq!(texts(&told(link, peer).await)[0].len(), 50_000);
}

#[tokio::test]
async fn room_is_waited_for_until_there_is_some() {
    let (link, peer) = link(10_000).await;
    assert!(link.room().await);
    while link.lock().bytes <= 2500 {
        assert!(link.send(&Frame::text("some text")));
    }
    let waiting = tokio::spawn({
        let link = Arc::clone(&link);
        async move { link.room().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let writing = tokio::spawn({
        let link = Arc::clone(&link);
        async move { poll_fn(|cx| link.poll_write(cx)).await }
    });
    assert!(waiting.await.unwrap());
    drop(peer);
    link.kill();
    writing.await.unwrap();
    assert!(!link.room().await);
}
