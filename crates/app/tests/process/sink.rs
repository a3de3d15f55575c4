//! An SMTP server whose answers the test decides, and which remembers what it was given and when.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use kernel::Timestamp;
use mail_parser::MessageParser;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpSocket, TcpStream},
};

/// What becomes of a recipient.
#[derive(Debug, Clone, Copy)]
pub enum Verdict {
    Accept,
    /// Takes its time over the answer to the message.
    AcceptAfter(Duration),
    /// Says this to `RCPT`.
    Refuse(&'static str),
    /// Takes the message and never says so.
    Silence,
}

/// A message that came whole.
#[derive(Debug, Clone)]
pub struct Received {
    /// When its final dot came.
    pub at: Timestamp,
    /// The envelope's.
    pub from: String,
    pub to: String,
    pub raw: Vec<u8>,
}

impl Received {
    pub fn id(&self) -> String {
        let mail = MessageParser::default().parse(&self.raw).expect("a mail");
        mail.message_id().expect("a Message-ID").to_owned()
    }

    pub fn subject(&self) -> String {
        MessageParser::default().parse(&self.raw).unwrap().subject().unwrap_or_default().to_owned()
    }

    /// Its plain text.
    pub fn text(&self) -> String {
        MessageParser::default().parse(&self.raw).unwrap().body_text(0).unwrap().into_owned()
    }
}

type Policy = dyn Fn(&str, usize) -> Verdict + Send + Sync;

#[derive(Default)]
struct Seen {
    /// Every `RCPT`.
    asked: Vec<(String, Timestamp)>,
    received: Vec<Received>,
}

pub struct Sink {
    pub address: SocketAddr,
    socket: Option<TcpSocket>,
    policy: Arc<Policy>,
    seen: Arc<Mutex<Seen>>,
}

impl Sink {
    /// Has its port, and refuses connections until [`Sink::open`]. `policy` is asked for each recipient, with
    /// the number of times that it was named before.
    pub fn closed(policy: impl Fn(&str, usize) -> Verdict + Send + Sync + 'static) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        Self { address, socket: Some(socket), policy: Arc::new(policy), seen: Arc::default() }
    }

    pub fn start(policy: impl Fn(&str, usize) -> Verdict + Send + Sync + 'static) -> Self {
        let mut sink = Self::closed(policy);
        sink.open();
        sink
    }

    pub fn open(&mut self) {
        let listener = self.socket.take().expect("it is closed").listen(128).unwrap();
        let (policy, seen) = (Arc::clone(&self.policy), Arc::clone(&self.seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (policy, seen) = (Arc::clone(&policy), Arc::clone(&seen));
                // That the client goes away is the point of some tests.
                tokio::spawn(async move { drop(converse(stream, &*policy, &seen).await) });
            }
        });
    }

    pub fn url(&self) -> String {
        format!("smtp://{}?tls=none", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.seen.lock().unwrap().received.clone()
    }

    /// When this recipient was named.
    pub fn asked(&self, to: &str) -> Vec<Timestamp> {
        self.seen.lock().unwrap().asked.iter().filter(|(t, _)| t == to).map(|(_, at)| *at).collect()
    }

    /// Waits for a mail to this address with this in its subject.
    pub async fn mail(&self, to: &str, subject: &str) -> Received {
        let what = format!("a mail to {to} about {subject}");
        crate::eventually(Duration::from_secs(20), &what, async || {
            self.received().into_iter().find(|m| m.to == to && m.subject().contains(subject))
        })
        .await
    }
}

async fn converse(stream: TcpStream, policy: &Policy, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let mut io = BufReader::new(stream);
    let mut sender = String::new();
    let mut recipient: Option<(String, Verdict)> = None;
    io.get_mut().write_all(b"220 mx.test ESMTP\r\n").await?;
    loop {
        let mut line = String::new();
        if io.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.trim_end().split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-mx.test\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES",
            "MAIL" => {
                sender = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                "250 2.1.0 Ok"
            }
            "RCPT" => {
                let to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                let verdict = {
                    let mut seen = seen.lock().unwrap();
                    let before = seen.asked.iter().filter(|(t, _)| *t == to).count();
                    seen.asked.push((to.clone(), crate::now()));
                    policy(&to, before)
                };
                recipient = if let Verdict::Refuse(_) = verdict { None } else { Some((to, verdict)) };
                if let Verdict::Refuse(answer) = verdict { answer } else { "250 2.1.5 Ok" }
            }
            "DATA" if recipient.is_none() => "554 5.5.1 No valid recipients",
            "DATA" => {
                io.get_mut().write_all(b"354 go\r\n").await?;
                let Some(raw) = content(&mut io).await? else { return Ok(()) };
                let (to, verdict) = recipient.take().unwrap();
                seen.lock().unwrap().received.push(Received {
                    at: crate::now(),
                    from: sender.clone(),
                    to,
                    raw,
                });
                match verdict {
                    Verdict::AcceptAfter(time) => crate::pass(time).await,
                    Verdict::Silence => std::future::pending().await,
                    Verdict::Accept | Verdict::Refuse(_) => {}
                }
                "250 2.0.0 Ok: queued as 4ZK1m2"
            }
            "QUIT" => return io.get_mut().write_all(b"221 2.0.0 Bye\r\n").await,
            _ => "250 2.0.0 Ok",
        };
        io.get_mut().write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// The message, or `None` if its end did not come.
async fn content(io: &mut BufReader<TcpStream>) -> std::io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if io.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line == b".\r\n" {
            return Ok(Some(message));
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
