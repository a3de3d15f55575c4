//! The rules of RFC 6455, after the cases of the Autobahn test suite: fragments, control frames, reserved bits and
//! codes, lengths, UTF-8, closing.

use sockets::{By, Limits};

use crate::house::{BINARY, CLOSE, House, PING, PONG, TEXT, frame};

/// What a peer sends, first byte and payload of each frame; what arrives; with which code it is closed.
type Case<'a> = (&'a str, Vec<(u8, &'a [u8])>, Vec<&'a str>, u16);

async fn check(house: &mut House, (name, frames, texts, code): Case<'_>) {
    let (mut peer, mut socket) = house.pair().await;
    for (head, payload) in frames {
        // The server may have closed already.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.stream, &frame(head, payload)).await;
    }
    for text in texts {
        assert_eq!(socket.recv().await.as_deref(), Some(text), "{name}");
    }
    assert_eq!(socket.recv().await, None, "{name}");
    assert_eq!(peer.closed().await.0, code, "{name}");
    assert_eq!(socket.recv().await, None, "{name}: stays closed");
}

#[tokio::test]
async fn broken_rules_close_with_their_code() {
    let mut house = House::new(Limits::default()).await;
    let long = [b'x'; 126];
    let cases: Vec<Case<'_>> = vec![
        ("a reserved bit", vec![(0xc1, b"x")], vec![], 1002),
        ("all reserved bits", vec![(0x81, b"first"), (0xf1, b"x")], vec!["first"], 1002),
        ("a reserved data opcode", vec![(0x83, b"")], vec![], 1002),
        ("a reserved control opcode", vec![(0x8b, b"")], vec![], 1002),
        ("a ping in two", vec![(0x09, b"x")], vec![], 1002),
        ("a long ping", vec![(0x89, &long)], vec![], 1002),
        ("a long close", vec![(0x88, &long)], vec![], 1002),
        ("a continuation of nothing", vec![(0x80, b"x")], vec![], 1002),
        ("a text within a text", vec![(0x01, b"a"), (0x81, b"b")], vec![], 1002),
        ("a binary message", vec![(0x82, b"x")], vec![], 1003),
        ("not UTF-8", vec![(0x81, b"\xff\xfe")], vec![], 1007),
        ("a surrogate", vec![(0x81, b"\xed\xa0\x80")], vec![], 1007),
        ("too short a sequence at the end", vec![(0x81, b"\xe4\xbd")], vec![], 1007),
        ("too short a sequence over fragments", vec![(0x01, b"\xe4"), (0x80, b"\xbd")], vec![], 1007),
        ("not UTF-8, told before the end", vec![(0x01, b"\xe4\xbd\xa0\xff")], vec![], 1007),
        ("a close of one byte", vec![(0x88, b"\x03")], vec![], 1002),
        ("a close reason that is not UTF-8", vec![(0x88, b"\x03\xe8\xff")], vec![], 1007),
        ("nothing after a close", vec![(0x88, b"\x03\xe8"), (0x81, b"late")], vec![], 1000),
    ];
    for case in cases {
        check(&mut house, case).await;
    }
    house.has(0).await;
}

#[tokio::test]
async fn an_unmasked_frame_is_refused() {
    let mut house = House::new(Limits::default()).await;
    let (mut peer, mut socket) = house.pair().await;
    peer.raw(&[0x81, 1, b'x']).await;
    assert_eq!(socket.recv().await, None);
    assert_eq!(peer.closed().await.0, 1002);
}

#[tokio::test]
async fn close_codes_come_back_if_they_may_be_sent() {
    let mut house = House::new(Limits::default()).await;
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999] {
        let (mut peer, mut socket) = house.pair().await;
        let mut payload = u16::to_be_bytes(code).to_vec();
        payload.extend("再见".as_bytes());
        peer.send(CLOSE, &payload).await;
        assert_eq!(socket.recv().await, None);
        assert_eq!(peer.closed().await.0, code);
        let end = socket.end().unwrap();
        assert_eq!((end.by, end.code, end.reason.as_str()), (By::Peer, code, "再见"));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        let (mut peer, mut socket) = house.pair().await;
        peer.send(CLOSE, &u16::to_be_bytes(code)).await;
        assert_eq!(socket.recv().await, None);
        assert_eq!(peer.closed().await.0, 1002, "{code}");
    }
    let (mut peer, mut socket) = house.pair().await;
    peer.send(CLOSE, &[]).await;
    assert_eq!(socket.recv().await, None);
    assert_eq!(peer.closed().await, (0, String::new()));
    assert_eq!(socket.end().unwrap().code, 1005);
}

#[tokio::test]
async fn fragments_make_one_message_and_pings_between_them_are_answered() {
    let mut house = House::new(Limits::default()).await;
    let (mut peer, mut socket) = house.pair().await;
    // The characters are cut in two.
    let text = "客服 🙂".as_bytes();
    peer.raw(&frame(0x01, &text[..1])).await;
    peer.send(PING, b"between").await;
    peer.raw(&frame(0x00, &text[1..8])).await;
    peer.raw(&frame(0x00, &[])).await;
    peer.send(PONG, b"unasked").await;
    peer.raw(&frame(0x80, &text[8..])).await;
    peer.send(PING, &[7; 125]).await;
    peer.send(TEXT, b"").await;
    assert_eq!(socket.recv().await.as_deref(), Some("客服 🙂"));
    assert_eq!(socket.recv().await.as_deref(), Some(""));
    assert_eq!(peer.frame().await, Some((PONG, b"between".to_vec())));
    assert_eq!(peer.frame().await, Some((PONG, vec![7; 125])));
}

#[tokio::test]
async fn a_byte_at_a_time_is_enough() {
    let mut house = House::new(Limits::default()).await;
    let (mut peer, mut socket) = house.pair().await;
    let reading = tokio::spawn(async move { (socket.recv().await, socket) });
    for byte in frame(0x81, &[b'y'; 300]) {
        peer.raw(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(reading.await.unwrap().0.unwrap().len(), 300);
}

#[tokio::test]
async fn the_length_is_bounded_before_it_is_read() {
    let mut house = House::new(Limits::default()).await;
    let (mut peer, mut socket) = house.pair().await;
    peer.send(TEXT, &[b'x'; 65_536]).await;
    assert_eq!(socket.recv().await.unwrap().len(), 65_536);
    // Only the head of a frame that would be endless.
    peer.raw(&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]).await;
    assert_eq!(socket.recv().await, None);
    assert_eq!(peer.closed().await.0, 1009);

    let (mut peer, mut socket) = house.pair().await;
    peer.raw(&frame(0x01, &[b'x'; 40_000])).await;
    peer.raw(&frame(0x80, &[b'x'; 40_000])).await;
    assert_eq!(socket.recv().await, None);
    assert_eq!(peer.closed().await.0, 1009);
}

#[tokio::test]
async fn a_flood_of_pings_that_nobody_reads_the_answers_of_is_cut_off() {
    let mut house = House::new(Limits { queue: 64 * 1024, ..Limits::default() }).await;
    let (peer, mut socket) = house.narrow_pair().await;
    let (reading, mut writing) = peer.stream.into_split();
    let flood = tokio::spawn(async move {
        let many = frame(0x80 | PING, &[0; 125]).repeat(100);
        while tokio::io::AsyncWriteExt::write_all(&mut writing, &many).await.is_ok() {}
    });
    assert_eq!(socket.recv().await, None);
    assert_eq!(socket.end().unwrap().code, sockets::SLOW);
    flood.abort();
    drop(reading);
}

#[tokio::test]
async fn binary_is_refused_in_words() {
    let mut house = House::new(Limits::default()).await;
    let (mut peer, mut socket) = house.pair().await;
    peer.send(BINARY, &[0, 1, 2]).await;
    assert_eq!(socket.recv().await, None);
    assert_eq!(peer.closed().await, (1003, "only text is spoken here".to_owned()));
}
