//! A server with a hub, and peers made of bytes.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse as _, routing::any};
use kernel::{Clock, Sim, Timestamp};
use sockets::{Hub, Limits, Socket, Upgrade};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
};

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// A server; what it accepts is handed to the test. `/` wants the subprotocol `desk.v1`, `/bare` none.
pub struct House {
    pub hub: Hub,
    pub sim: Arc<Sim>,
    pub address: SocketAddr,
    accepted: mpsc::UnboundedReceiver<Socket>,
}

impl House {
    pub async fn new(limits: Limits) -> Self {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let (clock, sim) = Clock::simulated(start);
        let hub = Hub::new(clock, limits);
        let (tell, accepted) = mpsc::unbounded_channel();
        let house = hub.clone();
        let upgrade = move |request: Request| {
            let (mut parts, _) = request.into_parts();
            let serve = move |socket| async move { tell.send(socket).unwrap() };
            let bare = parts.uri.path() == "/bare";
            let answer = Upgrade::from_parts(&mut parts)
                .and_then(|u| if bare { Ok(u) } else { u.choose("desk.v1") })
                .and_then(|u| u.accept(&house, serve));
            async move {
                answer.map_or_else(
                    |p| {
                        let status = StatusCode::from_u16(p.kind.status()).unwrap();
                        (status, p.to_string()).into_response()
                    },
                    |a| a.into_response(),
                )
            }
        };
        let router = Router::new().fallback(any(upgrade));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { hub, sim, address, accepted }
    }

    /// A peer and our end of it.
    pub async fn pair(&mut self) -> (Peer, Socket) {
        let peer = Peer::connect(self.address).await;
        (peer, self.accepted.recv().await.unwrap())
    }

    /// A peer whose kernel takes little for it.
    pub async fn narrow_pair(&mut self) -> (Peer, Socket) {
        let peer = Peer::connect_with(self.address, Some(4096)).await;
        (peer, self.accepted.recv().await.unwrap())
    }

    pub async fn accepted(&mut self) -> Socket {
        self.accepted.recv().await.unwrap()
    }

    /// Waits for `future` while the clock runs, a second at a time, and everything else has its turns.
    pub async fn while_time_passes<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                biased;
                done = &mut future => return done,
                () = turns() => self.sim.advance(std::time::Duration::from_secs(1)),
            }
        }
    }

    /// Waits until the hub has `n` sockets.
    pub async fn has(&self, n: usize) {
        while self.hub.len() != n {
            tokio::task::yield_now().await;
        }
    }
}

/// Lets everything that can go on do so.
pub async fn turns() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// The other side, frame by frame.
pub struct Peer {
    pub stream: TcpStream,
    unread: Vec<u8>,
}

pub fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: bearer.abc, desk.v1\r\n\r\n"
    )
}

impl Peer {
    /// Before the handshake.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, None).await
    }

    async fn connect_with(address: SocketAddr, buffer: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let stream = socket.connect(address).await.unwrap();
        let mut peer = Self::over(stream);
        let answer = peer.ask(&request("/")).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        peer
    }

    /// Sends a request; the answer's head, and its body if it is a refusal.
    pub async fn ask(&mut self, request: &str) -> String {
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(self.stream.read_u8().await.unwrap());
        }
        let mut answer = String::from_utf8(answer).unwrap();
        if let Some((_, n)) = answer.split_once("content-length: ") {
            let n: usize = n.split("\r\n").next().unwrap().parse().unwrap();
            let mut body = vec![0; n];
            self.stream.read_exact(&mut body).await.unwrap();
            answer.push_str(&String::from_utf8(body).unwrap());
        }
        answer
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// A final, masked frame.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.raw(&frame(0x80 | opcode, payload)).await;
    }

    /// The next frame's opcode and payload; `None` when the server has shut its side.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            if self.stream.read_buf(&mut self.unread).await.unwrap() == 0 {
                assert!(self.unread.is_empty(), "a torn frame at the end");
                return None;
            }
        }
    }

    pub async fn text(&mut self) -> String {
        match self.frame().await {
            Some((TEXT, payload)) => String::from_utf8(payload).unwrap(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The close frame that comes next, and then nothing: its code (0 if there is none) and its reason.
    pub async fn closed(&mut self) -> (u16, String) {
        let (opcode, payload) = self.frame().await.expect("a close frame");
        assert_eq!(opcode, CLOSE, "{payload:?}");
        assert_eq!(self.frame().await, None);
        match payload.split_at_checked(2) {
            Some((code, reason)) => {
                (u16::from_be_bytes([code[0], code[1]]), String::from_utf8(reason.to_vec()).unwrap())
            }
            None => (0, String::new()),
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.unread.extend(bytes);
    }

    pub fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let [head, length, rest @ ..] = &self.unread[..] else { return None };
        assert_eq!(head & 0x70, 0, "reserved bits");
        assert_eq!(length & 0x80, 0, "a server does not mask");
        let (n, at) = match length {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).unwrap(), 10),
            n => (usize::from(*n), 2),
        };
        let frame = (head & 0xf, self.unread.get(at..at + n)?.to_vec());
        self.unread.drain(..at + n);
        Some(frame)
    }
}

/// A masked frame with that first byte.
pub fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![head];
    match payload.len() {
        n @ 0..126 => bytes.push(0x80 | u8::try_from(n).unwrap()),
        n @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(n).unwrap().to_be_bytes());
        }
        n => {
            bytes.push(0x80 | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
