//! A caller of the API: HTTP/1.1 by hand, a connection for each request.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use kernel::Timestamp;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(35);
pub const PASSWORD: &str = "korrekt-pferd-batterie";

/// Whoever calls; the server's address may change under it. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Mutex<SocketAddr>>);

/// A registered user.
#[derive(Debug, Clone)]
pub struct User {
    pub id: String,
    pub email: String,
    pub token: String,
    pub refresh: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The body; null if it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// `data` of a 200.
    #[track_caller]
    pub fn data(&self) -> Value {
        let body = self.json();
        assert!(self.status == 200 && body["code"] == 200, "{} {}", self.status, self.text());
        body["data"].clone()
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(address)))
    }

    /// The server is found here from now on.
    pub fn moved(&self, address: SocketAddr) {
        *self.0.lock().unwrap() = address;
    }

    pub fn address(&self) -> SocketAddr {
        *self.0.lock().unwrap()
    }

    /// Sends a request and leaves the connection open for whatever comes.
    pub async fn open(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address()).await?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: hongyan.test\r\nConnection: close\r\n");
        if let Some(token) = token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let body = body.map(ToString::to_string);
        if let Some(body) = &body {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        let request = head + "\r\n" + &body.unwrap_or_default();
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }

    /// A request and its whole answer.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> io::Result<Answer> {
        let exchange = async {
            let mut stream = self.open(method, path, token, body.as_ref()).await?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            parse(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "half an answer"))
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// `GET`, of anything.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None, None).await.unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// A call of the API that must succeed.
    pub async fn api(&self, method: &str, path: &str, user: &User, body: Option<Value>) -> Value {
        let path = format!("/api/v1{path}");
        let answer = self.call(method, &path, Some(&user.token), body).await;
        answer.unwrap_or_else(|e| panic!("{method} {path}: {e}")).data()
    }

    pub async fn register(&self, name: &str) -> User {
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let answer = self.call("POST", "/api/v1/auth/register", None, Some(body)).await.unwrap();
        user(&answer.data())
    }

    pub async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.call("POST", "/api/v1/auth/login", None, Some(body)).await.unwrap()
    }

    /// Makes a letter and sends it to the future; its id.
    pub async fn send(&self, user: &User, title: &str, to: Option<&str>, at: Timestamp) -> String {
        let id = self.api("POST", "/mails", user, Some(draft(title, to))).await["mailId"]
            .as_str()
            .unwrap()
            .to_owned();
        self.api("POST", "/mails/send-to-future", user, Some(json!({"mailId": id, "sendTime": at}))).await;
        id
    }

    /// Every page of a list of letters.
    pub async fn list(&self, user: &User, query: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for page in 1.. {
            let data = self.api("GET", &format!("/mails?{query}&size=100&page={page}"), user, None).await;
            all.extend(data["list"].as_array().unwrap().iter().cloned());
            if data["list"].as_array().unwrap().len() < 100 {
                assert_eq!(data["total"], all.len(), "the total is that of the list");
                break;
            }
        }
        all
    }

    /// What is on record about one channel of a letter.
    pub async fn delivery(&self, author: &User, mail: &str, channel: &str) -> Option<Value> {
        let data = self.api("GET", &format!("/mails/{mail}/deliveries"), author, None).await;
        data["deliveries"].as_array().unwrap().iter().find(|d| d["channel"] == channel).cloned()
    }

    /// Waits until a channel of a letter is in this state.
    pub async fn settled(&self, author: &User, mail: &str, channel: &str, state: &str) -> Value {
        let what = format!("{channel} of {mail} is {state}");
        crate::eventually(Duration::from_secs(60), &what, async || {
            self.delivery(author, mail, channel).await.filter(|d| d["state"] == state)
        })
        .await
    }
}

/// Whom a registration or a login made.
pub fn user(data: &Value) -> User {
    let text = |name: &str| data[name].as_str().unwrap().to_owned();
    User { id: text("userId"), email: text("email"), token: text("token"), refresh: text("refreshToken") }
}

/// A letter to an address, or to oneself.
pub fn draft(title: &str, to: Option<&str>) -> Value {
    json!({
        "title": title, "content": format!("The text of {title}."), "status": "DRAFT",
        "recipientType": if to.is_some() { "SPECIFIC" } else { "SELF" }, "recipientEmail": to,
    })
}

/// A time in an answer.
#[track_caller]
pub fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is no time")).parse().unwrap()
}

/// A whole answer, or `None` if its end is missing.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = &bytes[end + 4..];
    let bytes = match headers.get("content-length") {
        Some(length) => body.get(..length.parse().ok()?)?.to_vec(),
        None if headers.get("transfer-encoding").is_some_and(|v| v == "chunked") => unchunk(body)?,
        None => body.to_vec(),
    };
    Some(Answer { status, headers, bytes })
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let end = body.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(out);
        }
        out.extend_from_slice(body.get(end + 2..end + 2 + size)?);
        body = body.get(end + 4 + size..)?;
    }
}
