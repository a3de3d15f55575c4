//! [`TestApp`]: the whole server in the test's process, on a simulated clock, with the engine run by hand.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use app::{
    api,
    settings::{Database, Settings},
    system::System,
};
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use kernel::{Clock, Sim, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::TestDb;

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
        let system = System::build(&settings, clock, "http://hongyan.test").await.expect("the system starts");
        let router = api::router(&system, settings.limits, None);
        Self { router, system, clock: sim, outbox: settings.data_dir.join("outbox"), _db: db }
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

    /// Sends a request as it is.
    pub async fn send(&self, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40000))));
        let response = self.router.clone().oneshot(request).await.expect("the router answers");
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
        let answer = self.call(Method::POST, "/auth/register", None, Some(body)).await;
        let data = answer.data();
        let text = |field: &str| data[field].as_str().expect("a text").to_owned();
        User { id: text("userId"), email: text("email"), token: text("token"), refresh: text("refreshToken") }
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
