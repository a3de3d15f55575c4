//! `raw PORT`: the limit. One thread on epoll; a frame is encoded once, then one `write` for each peer.
//! For this benchmark alone: control frames are taken to be short and whole.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read as _, Write as _},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use sha1::{Digest as _, Sha1};

const LISTENER: Token = Token(0);

struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    open: bool,
    id: u64,
}

impl Peer {
    fn send(&mut self, frame: &[u8]) {
        let written = if self.unsent.is_empty() { self.stream.write(frame).unwrap_or(0) } else { 0 };
        self.unsent.extend_from_slice(&frame[written..]);
    }

    /// Reads what there is; false if it is gone.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(n) => self.unread.extend_from_slice(&buffer[..n]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    fn handshake(&mut self) {
        let request = String::from_utf8_lossy(&self.unread).into_owned();
        if !request.contains("\r\n\r\n") {
            return;
        }
        let header = |line: &str| line.to_ascii_lowercase().starts_with("sec-websocket-key:");
        let key = request.lines().find(|line| header(line)).map(|line| line[18..].trim()).unwrap();
        self.id = request.split("id=").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap();
        let accept = STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.stream.write_all(answer.as_bytes()).unwrap();
        self.open = true;
        self.unread = Vec::new();
    }

    /// The next text; `None` if none is whole yet.
    fn command(&mut self) -> Option<Vec<u8>> {
        let bytes = &self.unread;
        let (n, head) = match *bytes.get(1)? & 127 {
            126 => (u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]) as usize, 4),
            n => (n as usize, 2),
        };
        let mask = bytes.get(head..head + 4)?;
        let payload = bytes.get(head + 4..head + 4 + n)?;
        let text = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        self.unread.drain(..head + 4 + n);
        Some(text)
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    if payload.len() < 126 {
        frame.push(payload.len() as u8);
    } else {
        frame.push(126);
        frame.extend((payload.len() as u16).to_be_bytes());
    }
    frame.extend_from_slice(payload);
    frame
}

fn main() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into()).unwrap();
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).unwrap();
    let (mut peers, mut tokens) = (HashMap::<usize, Peer>::new(), HashMap::<u64, usize>::new());
    let (mut last, mut buffer) = (0, vec![0; 65_536]);
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    last += 1;
                    stream.set_nodelay(true).unwrap();
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(last), both).unwrap();
                    let peer = Peer { stream, unread: vec![], unsent: vec![], open: false, id: 0 };
                    peers.insert(last, peer);
                }
                continue;
            }
            let token = event.token().0;
            let Some(peer) = peers.get_mut(&token) else { continue };
            if event.is_writable() && !peer.unsent.is_empty() {
                let written = peer.stream.write(&peer.unsent).unwrap_or(0);
                peer.unsent.drain(..written);
            }
            let alive = peer.read(&mut buffer);
            if !peer.open {
                peer.handshake();
                tokens.insert(peer.id, token);
            }
            let mut commands = Vec::new();
            while let Some(text) = peer.command().filter(|_| peer.open) {
                commands.push(text);
            }
            if !alive {
                tokens.remove(&peer.id);
                peers.remove(&token);
            }
            for text in commands {
                if text[0] == b'b' {
                    let frame = frame(&text[1..]);
                    peers.values_mut().filter(|peer| peer.open).for_each(|peer| peer.send(&frame));
                } else if text[0] == b't' {
                    let space = text.iter().position(|byte| *byte == b' ').unwrap();
                    let id: u64 = std::str::from_utf8(&text[1..space]).unwrap().parse().unwrap();
                    if let Some(peer) = tokens.get(&id).and_then(|token| peers.get_mut(token)) {
                        peer.send(&frame(&text[space + 1..]));
                    }
                }
            }
        }
    }
}
