//! `load PORT PEERS PID BROADCASTS OUTSTANDING SINGLES`: opens the connections from one thread on epoll, has texts
//! of 200 bytes sent to all with so many outstanding, then single ones at 1,000 a second, and prints
//!
//!     messages/s, of the broadcasts
//!     p99 of their way, ms
//!     p50 and p99 of a single one's way, us
//!     memory of process PID for each connection, opened and idle, KiB
//!
//! Peer 0 commands and is told like the others. A text carries the moment at which it was sent.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    open: bool,
}

struct Load {
    poll: Poll,
    events: Events,
    peers: Vec<Peer>,
    open: usize,
    buffer: Vec<u8>,
    start: Instant,
    /// How long each text was on its way, in nanoseconds.
    ways: Vec<u64>,
}

fn masked(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    if payload.len() < 126 {
        frame.push(0x80 | payload.len() as u8);
    } else {
        frame.push(0x80 | 126);
        frame.extend((payload.len() as u16).to_be_bytes());
    }
    let mask = [1, 2, 3, 4];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn percentile(values: &mut [u64], share: f64) -> f64 {
    values.sort_unstable();
    values.get((values.len() as f64 * share) as usize).map_or(f64::NAN, |value| *value as f64)
}

impl Load {
    fn new() -> Self {
        Self {
            poll: Poll::new().unwrap(),
            events: Events::with_capacity(4096),
            peers: Vec::new(),
            open: 0,
            buffer: vec![0; 65_536],
            start: Instant::now(),
            ways: Vec::new(),
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn connect(&mut self, port: u16, id: usize) {
        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut stream = TcpStream::from_std(stream);
        let request = format!(
            "GET /?id={id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        self.poll.registry().register(&mut stream, Token(id), Interest::READABLE).unwrap();
        self.peers.push(Peer { stream, unread: Vec::new(), open: false });
    }

    fn command(&mut self, to: Option<usize>) {
        let payload = format!("{{\"t\":\"{:016x}\",\"p\":\"{}\"}}", self.now(), "x".repeat(168));
        let text = to.map_or_else(|| format!("b{payload}"), |id| format!("t{id} {payload}"));
        self.peers[0].stream.write_all(&masked(text.as_bytes())).unwrap();
    }

    /// Takes what has come.
    fn pump(&mut self, wait: Duration) {
        self.poll.poll(&mut self.events, Some(wait)).unwrap();
        for event in &self.events {
            let peer = &mut self.peers[event.token().0];
            loop {
                match peer.stream.read(&mut self.buffer) {
                    Ok(0) => panic!("the server closed a connection"),
                    Ok(n) => peer.unread.extend_from_slice(&self.buffer[..n]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            if !peer.open {
                let Some(end) = peer.unread.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                assert!(peer.unread.starts_with(b"HTTP/1.1 101"));
                peer.unread.drain(..end + 4);
                peer.open = true;
                self.open += 1;
            }
            let now = self.start.elapsed().as_nanos() as u64;
            let mut rest = &peer.unread[..];
            while let [head, length, more @ ..] = rest {
                let (n, more) = match (*length, more) {
                    (126, [a, b, more @ ..]) => (u16::from_be_bytes([*a, *b]) as usize, more),
                    (126, _) => break,
                    (n, more) => (n as usize, more),
                };
                let Some((payload, more)) = more.split_at_checked(n) else { break };
                if head & 15 == 9 {
                    let mut pong = masked(payload);
                    pong[0] = 0x8a;
                    peer.stream.write_all(&pong).unwrap();
                } else if let Some(sent) = payload.strip_prefix(b"{\"t\":\"").and_then(|rest| rest.get(..16))
                {
                    let sent = u64::from_str_radix(std::str::from_utf8(sent).unwrap(), 16).unwrap();
                    self.ways.push(now - sent);
                }
                rest = more;
            }
            peer.unread = rest.to_vec();
        }
    }
}

fn main() {
    let argument = |n: usize| -> usize { std::env::args().nth(n).unwrap().parse().unwrap() };
    let (port, peers, pid) = (argument(1) as u16, argument(2), argument(3) as u32);
    let (broadcasts, outstanding, singles) = (argument(4), argument(5), argument(6));
    let mut load = Load::new();
    let before = resident(pid);
    for id in 0..peers {
        load.connect(port, id);
        while load.peers.len() - load.open > 64 {
            load.pump(Duration::from_millis(10));
        }
    }
    while load.open < peers {
        load.pump(Duration::from_millis(10));
    }
    let opened = Instant::now();
    while opened.elapsed() < Duration::from_millis(1500) {
        load.pump(Duration::from_millis(50));
    }
    let memory = (resident(pid) - before) / peers as f64;

    let (began, mut sent) = (Instant::now(), 0);
    while load.ways.len() < broadcasts * peers {
        while sent < broadcasts && sent < load.ways.len() / peers + outstanding {
            load.command(None);
            sent += 1;
        }
        load.pump(Duration::from_millis(50));
    }
    let rate = load.ways.len() as f64 / began.elapsed().as_secs_f64();
    let p99 = percentile(&mut load.ways, 0.99) / 1e6;

    load.ways.clear();
    let (began, mut sent) = (Instant::now(), 0);
    while load.ways.len() < singles {
        if sent < singles && sent < (began.elapsed().as_secs_f64() * 1000.0) as usize {
            load.command(Some(1 + sent * 7919 % (peers - 1)));
            sent += 1;
        }
        load.pump(Duration::ZERO);
    }
    let (single50, single99) =
        (percentile(&mut load.ways, 0.5) / 1e3, percentile(&mut load.ways, 0.99) / 1e3);
    println!("{rate:.0} {p99:.1} {single50:.0} {single99:.0} {memory:.1}");
}
