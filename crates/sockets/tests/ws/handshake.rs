//! From a request to a socket, or to a sentence that says what is wrong.

use sockets::Limits;

use crate::house::{House, Peer, TEXT, request};

#[tokio::test]
async fn the_answer_is_the_one_of_the_standard() {
    let mut house = House::new(Limits::default()).await;
    let stream = tokio::net::TcpStream::connect(house.address).await.unwrap();
    let mut peer = Peer::over(stream);
    let answer = peer.ask(&request("/")).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("upgrade: websocket\r\n") && answer.contains("connection: upgrade\r\n"));
    // RFC 6455, section 1.3.
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{answer}");
    assert!(answer.contains("sec-websocket-protocol: desk.v1\r\n"), "{answer}");
    assert!(!answer.contains("sec-websocket-extensions"));
    let mut socket = house.accepted().await;
    peer.send(TEXT, "你好".as_bytes()).await;
    assert_eq!(socket.recv().await.as_deref(), Some("你好"));
}

#[tokio::test]
async fn what_comes_right_behind_the_request_is_not_lost() {
    let mut house = House::new(Limits::default()).await;
    let mut peer = Peer::over(tokio::net::TcpStream::connect(house.address).await.unwrap());
    let mut bytes = request("/bare").into_bytes();
    bytes.extend(crate::house::frame(0x81, b"early"));
    peer.raw(&bytes).await;
    let answer = peer.ask("").await;
    assert!(answer.starts_with("HTTP/1.1 101 ") && !answer.contains("desk.v1"), "{answer}");
    assert_eq!(house.accepted().await.recv().await.as_deref(), Some("early"));
}

#[tokio::test]
async fn each_mistake_is_named() {
    let house = House::new(Limits::default()).await;
    let good = request("/");
    for (from, to, status, says) in [
        ("GET /", "POST /", 405, "a WebSocket begins with GET"),
        ("Upgrade: WebSocket\r\n", "", 400, "Upgrade: must be websocket"),
        ("Upgrade: WebSocket", "Upgrade: h2c", 400, "Upgrade: must be websocket"),
        ("keep-alive, Upgrade", "keep-alive", 400, "Connection: must name Upgrade"),
        ("Version: 13", "Version: 8", 400, "Sec-WebSocket-Version: must be 13"),
        ("Sec-WebSocket-Version: 13\r\n", "", 400, "Sec-WebSocket-Version: must be 13"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400, "Sec-WebSocket-Key: must be 16 bytes in base64"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "not base64, 24 letters!", 400, "Sec-WebSocket-Key"),
        ("bearer.abc, desk.v1", "bearer.abc, desk.v2", 400, "Sec-WebSocket-Protocol: must offer desk.v1"),
        (" HTTP/1.1", " HTTP/1.0", 400, "use HTTP/1.1"),
    ] {
        assert!(good.contains(from), "{from}");
        let mut peer = Peer::over(tokio::net::TcpStream::connect(house.address).await.unwrap());
        let answer = peer.ask(&good.replacen(from, to, 1)).await;
        assert_eq!(answer.get(9..12), Some(status.to_string().as_str()), "{to}: {answer}");
        assert!(answer.ends_with(says) || answer.contains(says), "{to}: {answer}");
    }
    assert!(house.hub.is_empty());
}
