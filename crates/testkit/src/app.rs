//! [`TestApp`]: the whole server in the test's process, on a simulated clock, with the engine run by hand.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

pub use app::settings;
use app::{
    api,
    settings::{Database, Settings},
    system::System,
};
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
};
use http_body_util::BodyExt as _;
use kernel::{Clock, Sim, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub use app::settings::Bounces;
pub use app::system::migrations;

use crate::TestDb;

/// Where people reach the server.
pub const PUBLIC_URL: &str = "http://hongyan.test";

/// When every test begins: a leap year's January, mid-month, mid-day.
pub const START: &str = "2028-01-15T12:00:00Z";

/// A server without a socket.
pub struct TestApp {
    /// The parts behind the router.
    pub system: System,
    /// The clock, which stands at [`START`].
    pub clock: Arc<Sim>,
    /// Everything that a server answers.
    pub router: Router,
    /// Where mail goes.
    pub outbox: PathBuf,
    /// Where everything is that the server keeps, a PostgreSQL database apart.
    pub dir: PathBuf,
    _db: TestDb,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The raw body.
    pub bytes: Vec<u8>,
    /// The body as JSON; null if it is none.
    pub body: Value,
}

impl Answer {
    /// `data` of a 200.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.body);
        assert_eq!(self.body["code"], 200);
        assert_eq!(self.body["message"], "success");
        &self.body["data"]
    }

    /// Checks a refusal: its status, the same in the body, and exactly these fields in `errors`.
    #[track_caller]
    pub fn refused(&self, status: u16, fields: &[&str]) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["code"], status);
        assert!(self.body["message"].as_str().is_some_and(|m| !m.is_empty()));
        let named: Vec<&str> = self.body["errors"]
            .as_object()
            .map(|e| e.keys().map(String::as_str).collect())
            .unwrap_or_default();
        assert_eq!(named, fields, "{}", self.body);
    }
}

/// Checks a value against a template, exactly: an object has these keys and no others; a list has at least
/// one entry and all are like the template's one.
///
/// A text names a type: `string`, `number`, `boolean`, `time` (RFC 3339 in UTC), `id:mail` (an id with that
/// prefix), each with `?` if it may be null. `=text` is that very text; any other value is itself.
#[track_caller]
pub fn shape(value: &Value, template: &Value) {
    let mut wrong = Vec::new();
    compare("", value, template, &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}\nin {value:#}");
}

fn compare(at: &str, value: &Value, template: &Value, wrong: &mut Vec<String>) {
    match (template, value) {
        (Value::String(kind), _) => {
            if !is_kind(kind, value) {
                wrong.push(format!("{at}: {value} is not {kind}"));
            }
        }
        (Value::Object(expected), Value::Object(found)) => {
            for (key, template) in expected {
                match found.get(key) {
                    Some(value) => compare(&format!("{at}.{key}"), value, template, wrong),
                    None => wrong.push(format!("{at}.{key} is missing")),
                }
            }
            let more = found.keys().filter(|key| !expected.contains_key(*key));
            wrong.extend(more.map(|key| format!("{at}.{key} is not expected")));
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == 1 => {
            if found.is_empty() {
                wrong.push(format!("{at} is empty"));
            }
            for (n, value) in found.iter().enumerate() {
                compare(&format!("{at}[{n}]"), value, &expected[0], wrong);
            }
        }
        _ if template == value => {}
        _ => wrong.push(format!("{at}: {value} is not {template}")),
    }
}

fn is_kind(kind: &str, value: &Value) -> bool {
    if let Some(text) = kind.strip_prefix('=') {
        return value == text;
    }
    let kind = match kind.strip_suffix('?') {
        Some(_) if value.is_null() => return true,
        Some(kind) => kind,
        None => kind,
    };
    let text = value.as_str();
    match kind {
        "string" => text.is_some(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "time" => text.is_some_and(|t| t.ends_with('Z') && t.parse::<Timestamp>().is_ok()),
        kind => match kind.strip_prefix("id:") {
            Some(prefix) => text.is_some_and(|t| kernel::id::is(prefix, t)),
            None => panic!("{kind} is no kind of value"),
        },
    }
}

/// A mail from the outbox, decoded.
#[derive(Debug, Clone)]
pub struct Mail {
    /// As it left.
    pub raw: String,
    /// The envelope's and header's recipient.
    pub to: String,
    /// Decoded.
    pub subject: String,
    /// The plain part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

impl Mail {
    fn parse(raw: &str) -> Self {
        let mail = mail_parser::MessageParser::default().parse(raw.as_bytes()).expect("a mail");
        let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).expect("a recipient");
        Self {
            raw: raw.to_owned(),
            to: to.to_owned(),
            subject: mail.subject().unwrap_or_default().to_owned(),
            text: mail.body_text(0).unwrap_or_default().into_owned(),
            html: mail.body_html(0).unwrap_or_default().into_owned(),
        }
    }

    /// The token of the mailed link.
    #[track_caller]
    pub fn token(&self) -> String {
        let (_, rest) = self.text.split_once("#token=").expect("a link with a token");
        rest.split_whitespace().next().expect("a token").to_owned()
    }

    /// The headers of the whole mail by name, in order, unfolded.
    pub fn headers(&self) -> Vec<(String, String)> {
        let (head, _) = self.raw.split_once("\r\n\r\n").expect("headers and a body");
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let lines = unfolded.split("\r\n").map(|line| line.split_once(": ").expect(line));
        lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// A picture of this size as PNG.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    picture(width, height, image::ImageFormat::Png)
}

/// A picture of this size as JPEG, with `note` in an EXIF segment.
pub fn jpeg_with_exif(width: u32, height: u32, note: &str) -> Vec<u8> {
    let plain = picture(width, height, image::ImageFormat::Jpeg);
    let exif = [b"Exif\0\0MM\0*\0\0\0\x08", note.as_bytes()].concat();
    let length = u16::try_from(exif.len() + 2).expect("a short note").to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, &exif, &plain[2..]].concat()
}

fn picture(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let shade = |n: u32| u8::try_from(n % 256).expect("a byte");
    let image =
        image::RgbImage::from_fn(width, height, |x, y| image::Rgb([shade(x), shade(y), shade(x * y)]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("a picture");
    bytes.into_inner()
}

/// A registered user.
#[derive(Debug, Clone)]
pub struct User {
    /// `user_…`
    pub id: String,
    /// As registered.
    pub email: String,
    /// The access token.
    pub token: String,
    /// The refresh token.
    pub refresh: String,
}

impl User {
    /// Whom a registration or a login answers.
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        let text = |field: &str| answer.data()[field].as_str().expect("a text").to_owned();
        Self { id: text("userId"), email: text("email"), token: text("token"), refresh: text("refreshToken") }
    }
}

/// The password of every [`TestApp::user`].
pub const PASSWORD: &str = "password123";

impl TestApp {
    /// A server on this database with the default settings.
    pub async fn new(db: TestDb) -> Self {
        Self::with(db, |_| {}).await
    }

    /// A server on this database with other settings.
    pub async fn with(db: TestDb, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::load(None, []).expect("the defaults are valid");
        settings.data_dir = db.dir.path().join("data");
        settings.storage = settings.data_dir.join("files");
        settings.limits = false;
        settings.database = match db.url.strip_prefix("sqlite:") {
            Some(file) => Database::Sqlite(file.into()),
            None => Database::Postgres(db.url.clone()),
        };
        change(&mut settings);
        let (clock, sim) = Clock::simulated(START.parse().expect("a time"));
        let public_url = settings.public_url.clone().unwrap_or_else(|| PUBLIC_URL.to_owned());
        let system = System::build(&settings, clock, &public_url).await.expect("the system starts");
        let router = api::router(&system, settings.limits, None);
        let (outbox, dir) = (settings.data_dir.join("outbox"), db.dir.path().to_owned());
        Self { router, system, clock: sim, outbox, dir, _db: db }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets the clock and does all that is due then; how many attempts that were.
    pub async fn advance_to(&self, t: Timestamp) -> usize {
        self.clock.set(t);
        self.run_due().await
    }

    /// Does all that is due; how many attempts that were.
    pub async fn run_due(&self) -> usize {
        self.system.engine.run_due().await.expect("the engine works")
    }

    /// Sends a request as it is; the answer may be a stream.
    pub async fn open(&self, mut request: Request<Body>) -> Response<Body> {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40000))));
        self.router.clone().oneshot(request).await.expect("the router answers")
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes().to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, bytes, body }
    }

    /// Sends JSON (or nothing) with a token (or without).
    pub async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).expect("a request")).await
    }

    /// `GET`
    pub async fn get(&self, path: &str, user: &User) -> Answer {
        self.call(Method::GET, path, Some(&user.token), None).await
    }

    /// `POST`
    pub async fn post(&self, path: &str, user: &User, body: Value) -> Answer {
        self.call(Method::POST, path, Some(&user.token), Some(body)).await
    }

    /// `PUT`
    pub async fn put(&self, path: &str, user: &User, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(&user.token), Some(body)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str, user: &User) -> Answer {
        self.call(Method::DELETE, path, Some(&user.token), None).await
    }

    /// Uploads a file with a multipart form; `kind` is the form's `type`.
    pub async fn upload(
        &self,
        path: &str,
        user: &User,
        name: &str,
        bytes: &[u8],
        kind: Option<&str>,
    ) -> Answer {
        let mut form = Vec::new();
        if let Some(kind) = kind {
            form.extend_from_slice(
                format!("--X\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\n{kind}\r\n").as_bytes(),
            );
        }
        form.extend_from_slice(
            format!("--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n")
                .as_bytes(),
        );
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n--X--\r\n");
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", user.token))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=X")
            .body(Body::from(form))
            .expect("a request");
        self.send(request).await
    }

    /// Registers `{name}@example.com` with [`PASSWORD`].
    pub async fn user(&self, name: &str) -> User {
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        self.register(body).await
    }

    /// Registers somebody.
    pub async fn register(&self, body: Value) -> User {
        User::of(&self.call(Method::POST, "/auth/register", None, Some(body)).await)
    }

    /// Logs in anew with [`PASSWORD`]: a token lasts a day, and tests let years pass.
    pub async fn login(&self, user: &User) -> User {
        let body = json!({"email": user.email, "password": PASSWORD});
        User::of(&self.call(Method::POST, "/auth/login", None, Some(body)).await)
    }

    /// Gives a user the premium plan, as `hongyan user plan` does.
    pub async fn premium(&self, user: &User) {
        let given = self.system.accounts.admin_plan(&user.email, app::Plan::Premium, None).await;
        given.expect("the plan is given");
    }

    /// Makes a draft to oneself with these fields beside the usual ones; its id.
    pub async fn draft(&self, user: &User, fields: Value) -> String {
        let mut body = json!({
            "title": "写给未来的自己", "content": "亲爱的未来的我", "recipientType": "SELF", "status": "DRAFT"
        });
        if let (Some(body), Some(fields)) = (body.as_object_mut(), fields.as_object()) {
            body.extend(fields.clone());
        }
        let answer = self.post("/mails", user, body).await;
        answer.data()["mailId"].as_str().expect("an id").to_owned()
    }

    /// Sends a draft to the future.
    pub async fn schedule(&self, user: &User, mail: &str, at: Timestamp) -> Answer {
        self.post("/mails/send-to-future", user, json!({"mailId": mail, "sendTime": at})).await
    }

    /// A letter's detail as this user sees it.
    pub async fn detail(&self, user: &User, mail: &str) -> Value {
        self.get(&format!("/mails/{mail}"), user).await.data().clone()
    }

    /// The ids of the letters in a list, in its order.
    pub async fn list(&self, user: &User, query: &str) -> Vec<String> {
        let answer = self.get(&format!("/mails?{query}"), user).await;
        let list = answer.data()["list"].as_array().expect("a list").iter();
        list.map(|mail| mail["mailId"].as_str().expect("an id").to_owned()).collect()
    }

    /// Makes a letter of a draft's fields and sends it to `now + 1 h`, then lets that time come; its id.
    pub async fn delivered(&self, user: &User, fields: Value) -> String {
        let mail = self.draft(user, fields).await;
        let at = self.now() + std::time::Duration::from_secs(3600);
        self.schedule(user, &mail, at).await.data();
        self.advance_to(at).await;
        mail
    }

    /// Uploads an attachment; what was answered.
    pub async fn attachment(&self, user: &User, name: &str, bytes: &[u8], kind: &str) -> Value {
        self.upload("/upload/attachment", user, name, bytes, Some(kind)).await.data().clone()
    }

    /// Gets a URL of ours with these headers, with a token or without.
    pub async fn fetch(&self, url: &str, token: Option<&str>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().uri(url.strip_prefix(PUBLIC_URL).unwrap_or(url));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// The files in the server's storage.
    pub fn stored_files(&self) -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![self.dir.join("data/files")]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.ends_with("lock") => {}
                    false => found.push(path),
                }
            }
        }
        found
    }

    /// The mails in the outbox to an address, decoded.
    pub fn mails_to(&self, address: &str) -> Vec<Mail> {
        let mails = self.mails();
        mails.iter().map(|raw| Mail::parse(raw)).filter(|mail| mail.to == address).collect()
    }

    /// The mails in the outbox, whole, sorted by file name.
    pub fn mails(&self) -> Vec<String> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.outbox)
            .map(|dir| dir.map(|entry| entry.expect("an entry").path()).collect())
            .unwrap_or_default();
        files.retain(|file| file.extension().is_some_and(|e| e == "eml"));
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).expect("a mail")).collect()
    }
}
