//! Agents' sockets from outside: a server on a real port, and a client that knows only bytes.

use std::net::SocketAddr;

use ::desk::Desk;
use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{TestApp, settings::Settings},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test says that it does not come.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// One more server on the test's database, with its keys: a node beside the first, or the first one again.
pub async fn server(t: &TestDb) -> TestApp {
    server_with(t, |_| {}).await
}

/// [`server`] with other settings.
pub async fn server_with(t: &TestDb, change: impl FnOnce(&mut Settings)) -> TestApp {
    let db = TestDb { db: t.again().await, url: t.url.clone(), dir: testkit::tempfile::tempdir().unwrap() };
    let data = t.dir.path().join("data");
    TestApp::with(db, |settings| {
        settings.storage = data.join("files");
        settings.data_dir = data;
        change(settings);
    })
    .await
}

/// A server on a port.
pub struct Node {
    pub address: SocketAddr,
    stop: CancellationToken,
    desk: JoinHandle<()>,
}

impl Node {
    pub async fn start(app: &TestApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let service = app.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(serving.into_future());
        let desk: Desk = app.system.desk.clone();
        let running = stop.clone();
        let desk = tokio::spawn(async move { desk.run(running).await });
        Self { address, stop, desk }
    }

    /// Stops it as `SIGTERM` does.
    pub async fn stop(self, app: &TestApp) {
        self.stop.cancel();
        while_time_passes(app, self.desk).await.unwrap();
    }
}

/// How long a second is while time passes: ten of them are the time in which a client must answer a ping.
const SECOND: std::time::Duration = std::time::Duration::from_millis(100);

/// Waits while the clock runs, a second at a time.
pub async fn while_time_passes<F: Future>(app: &TestApp, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut deadline = std::pin::pin!(tokio::time::timeout(PATIENCE, std::future::pending::<()>()));
    loop {
        tokio::select! {
            biased;
            done = &mut future => return done,
            _ = &mut deadline => panic!("it does not come"),
            _ = tokio::time::timeout(SECOND, std::future::pending::<()>()) => {
                app.clock.advance(std::time::Duration::from_secs(1));
            }
        }
    }
}

/// What a handshake came to.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub body: Value,
}

/// An agent's workbench.
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    /// The answer to the handshake.
    pub head: String,
}

impl Client {
    /// With a token in the header, at `/ws/cs/{path}`; `hello` is taken.
    pub async fn connect(address: SocketAddr, path: &str, token: &str) -> (Self, Value) {
        let bearer = format!("Bearer {token}");
        let mut client = Self::open(address, path, &[("Authorization", &bearer)]).await.unwrap();
        let hello = client.next().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        (client, hello["data"].clone())
    }

    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, Refused> {
        Self::open_with(address, path, headers, None).await
    }

    /// `buffer`: how little its kernel takes for it.
    pub async fn open_with(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
        buffer: Option<u32>,
    ) -> Result<Self, Refused> {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let mut stream = socket.connect(address).await.unwrap();
        let mut request = format!(
            "GET /ws/cs/{path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        let mut client = Self { stream, unread: Vec::new(), head: String::new() };
        let end = loop {
            if let Some(at) = client.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(client.more().await, "no answer");
        };
        client.head = String::from_utf8(client.unread.drain(..end).collect()).unwrap();
        let status = client.head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 101 {
            return Ok(client);
        }
        let length = client.head.to_lowercase();
        let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        let length: usize = length.parse().unwrap();
        while client.unread.len() < length {
            assert!(client.more().await, "a torn answer");
        }
        Err(Refused { status, body: serde_json::from_slice(&client.unread).unwrap() })
    }

    async fn more(&mut self) -> bool {
        let mut chunk = vec![0; 64 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut chunk)).await;
        let n = read.expect("nothing comes").unwrap_or(0);
        self.unread.extend_from_slice(&chunk[..n]);
        n > 0
    }

    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let [head, length, rest @ ..] = &self.unread[..] else { return None };
        let (n, at) = match length {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).unwrap(), 10),
            n => (usize::from(*n), 2),
        };
        let frame = (head & 0xf, self.unread.get(at..at + n)?.to_vec());
        self.unread.drain(..at + n);
        Some(frame)
    }

    /// The next frame of JSON, or the code with which the connection ends.
    pub async fn next_or_end(&mut self) -> Result<Value, u16> {
        loop {
            match self.take() {
                Some((1, text)) => return Ok(serde_json::from_slice(&text).unwrap()),
                Some((8, close)) => {
                    let code = close.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    self.write(8, &code.to_be_bytes()).await;
                    return Err(code);
                }
                Some((9, payload)) => self.write(10, &payload).await,
                Some(other) => panic!("{other:?}"),
                None => {
                    if !self.more().await {
                        return Err(1006);
                    }
                }
            }
        }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        self.next_or_end().await.unwrap()
    }

    /// The next frame of this type; others are passed over.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The next frames of these types, in whichever order they come; others are passed over.
    pub async fn all_of<const N: usize>(&mut self, kinds: [&str; N]) -> [Value; N] {
        let mut found = kinds.map(|_| Value::Null);
        while found.iter().any(Value::is_null) {
            let frame = self.next().await;
            if let Some(at) = kinds.iter().position(|kind| frame["type"] == *kind) {
                found[at] = frame;
            }
        }
        found
    }

    /// Shows a session: what the server answers, and who else does.
    pub async fn bind(&mut self, session: &str) -> [Value; 2] {
        self.say(json!({"type": "bind_session", "sessionId": session})).await;
        self.all_of(["bound", "viewers"]).await
    }

    /// The code with which the connection ends; what comes before is passed over.
    pub async fn end(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next_or_end().await {
                return code;
            }
        }
    }

    pub async fn say(&mut self, frame: Value) {
        self.write(1, frame.to_string().as_bytes()).await;
    }

    /// Says something and gets the next frame.
    pub async fn ask(&mut self, frame: Value) -> Value {
        self.say(frame).await;
        self.next().await
    }

    /// Nothing but the answer to this comes.
    pub async fn is_quiet(&mut self) {
        let pong = self.ask(json!({"type": "ping"})).await;
        assert_eq!(pong["type"], "pong", "{pong}");
    }

    pub async fn write(&mut self, opcode: u8, payload: &[u8]) {
        let mut bytes = vec![0x80 | opcode];
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
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        // A connection that is over is noticed by reading.
        let _ = self.stream.write_all(&bytes).await;
    }
}
