//! [`Emulator`]: Google's OAuth, Gmail and Pub/Sub's pushes on loopback, in Node.js, by `@emulators/google` from npm and a
//! front of ours (`google/emulator.mjs`) that closes its gaps.
//!
//! `HONGYAN_TEST_PEERS` names the `node_modules` folder; without it such a test says that it was skipped.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use http::{Request, Response, header};
use kernel::Timestamp;
use serde_json::{Value, json};
use transports::web::{Reach, Web, WebSettings};
use url::{Url, form_urlencoded};

/// A mailbox with one message in it, `msg_seed1`, from [`CREATOR`].
pub const BRAND: &str = "brand@example.com";
/// An empty mailbox. What the one sends to the other arrives there.
pub const CREATOR: &str = "creator@example.com";
/// The OAuth client.
pub const CLIENT_ID: &str = "cid.apps.googleusercontent.com";
/// Its secret.
pub const CLIENT_SECRET: &str = "GOCSPX-x";
/// Whom pushes' tokens are from, unless told otherwise.
pub const SERVICE_ACCOUNT: &str = "pusher@test.iam.gserviceaccount.com";
/// The subscription that pushes, unless told otherwise.
pub const SUBSCRIPTION: &str = "projects/test/subscriptions/gmail-push";

const SCRIPT: &str = include_str!("google/emulator.mjs");

/// The services. Stopped when dropped.
pub struct Emulator {
    /// `http://127.0.0.1:…`
    pub url: String,
    redirect_uris: Vec<String>,
    web: Web,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Emulator {
    /// Started, with the client redirected to these URIs alone. Its clock stands at `now`, a millisecond later with each
    /// call, or is the machine's. `None` where Node's modules are not known.
    pub fn start(redirect_uris: &[&str], now: Option<Timestamp>) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
        let Ok(peers) = std::env::var("HONGYAN_TEST_PEERS") else {
            eprintln!("skipped: HONGYAN_TEST_PEERS is not set");
            return None;
        };
        // An ES module finds packages beside itself alone.
        let dir = tempfile::tempdir().expect("a temporary folder");
        let script = dir.path().join("emulator.mjs");
        std::fs::write(&script, SCRIPT).expect("the script is written");
        std::os::unix::fs::symlink(peers, dir.path().join("node_modules")).expect("a link");
        let seed = json!({
            "users": [{"email": BRAND, "name": "Brand Ops"}, {"email": CREATOR, "name": "Creator One"}],
            "oauth_clients": [{"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "name": "Desk",
                "redirect_uris": redirect_uris}],
            "messages": [{"id": "msg_seed1", "user_email": BRAND, "from": format!("Creator One <{CREATOR}>"),
                "to": BRAND, "subject": "Rates for a collab", "body_text": "Hi, I would love to make a video.",
                "label_ids": ["INBOX", "UNREAD"], "message_id": "<seed-1@example.com>"}],
        });
        let mut command = Command::new("node");
        command.arg(&script).env("SEED", seed.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(now) = now {
            command.env("NOW", millis(now).to_string());
        }
        let mut child = command.spawn().expect("Node.js starts");
        let mut said = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut said).expect("its output");
        let url = said.trim().strip_prefix("ready ").expect("the emulator starts").to_owned();
        // Nobody needs the rest, but a full pipe would stop it.
        std::thread::spawn(move || output.lines().for_each(drop));
        let mut settings = WebSettings::new(Reach::Anywhere);
        settings.max_answer = 256 * 1024 * 1024;
        let web = Web::new(&settings).expect("a client");
        let redirect_uris = redirect_uris.iter().map(|uri| (*uri).to_owned()).collect();
        Some(Self { url, redirect_uris, web, child, _dir: dir })
    }

    /// A URL of the services: `/token`, `/revoke`, `/o/oauth2/v2/auth`, `/oauth2/v3/certs`.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The client's JSON file, as Google's console gives it.
    pub fn client_secret(&self) -> Value {
        json!({"web": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "project_id": "test",
            "auth_uri": self.at("/o/oauth2/v2/auth"), "token_uri": self.at("/token"),
            "redirect_uris": self.redirect_uris}})
    }

    /// What a browser does: opens the authorization URL, chooses `account`, consents. The address that it is sent to.
    pub async fn consent(&self, authorization: &str, account: &str) -> String {
        let asked = Url::parse(authorization).expect("a URL");
        let scope =
            asked.query_pairs().find(|(name, _)| name == "scope").map(|(_, value)| value.into_owned());
        self.consent_to(authorization, account, &scope.expect("a scope")).await
    }

    /// [`Emulator::consent`] to these scopes alone, the other boxes unticked.
    pub async fn consent_to(&self, authorization: &str, account: &str, scope: &str) -> String {
        let page = self.send(Request::get(authorization), Vec::new()).await;
        assert_eq!(page.status(), 200, "{}", String::from_utf8_lossy(page.body()));
        let asked = Url::parse(authorization).expect("a URL");
        let kept = ["redirect_uri", "state", "client_id", "code_challenge", "code_challenge_method", "nonce"];
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("email", account)
            .append_pair("scope", scope)
            .extend_pairs(asked.query_pairs().filter(|(name, _)| kept.contains(&name.as_ref())))
            .finish();
        let click = Request::post(self.at("/o/oauth2/v2/auth/callback"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = self.send(click, form.into_bytes()).await;
        let location = answer.headers().get(header::LOCATION).expect("a redirect");
        location.to_str().expect("a URL").to_owned()
    }

    /// Puts a mail into `mailbox`: `from`, `subject`, `text`, `headers` (object), `messageId`, `threadId`, `labelIds`, or
    /// `raw` (RFC 5322). Gmail's answer: `id`, `threadId`, …
    pub async fn deliver(&self, mailbox: &str, mail: Value) -> Value {
        self.control("deliver", with(mail, "mailbox", mailbox)).await
    }

    /// The next calls that fit fail: `method`, `path`, `query` (regular expressions), `times`, and either `status` with `reason`,
    /// `message`, `headers`, `body`; or `dropAfter`: it is done and the answer lost; or `delayMs` beside these.
    pub async fn fault(&self, fault: Value) {
        self.control("fault", fault).await;
    }

    /// Nothing fails any more.
    pub async fn clear_faults(&self) {
        self.control("clear-faults", Value::Null).await;
    }

    /// Ends the account's access tokens before their time.
    pub async fn expire(&self, account: &str) {
        self.control("expire", json!({"email": account})).await;
    }

    /// The account's owner takes the consent back.
    pub async fn revoke(&self, account: &str) {
        self.control("revoke", json!({"email": account})).await;
    }

    /// A call of the account's owner's own program (Gmail's page, say), past everything of ours: `messages/{id}/trash`.
    pub async fn as_owner(&self, account: &str, method: &str, path: &str, body: Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(self.at(&format!("/gmail/v1/users/me/{path}")))
            .header(header::AUTHORIZATION, format!("Bearer _internal:{account}"))
            .header(header::CONTENT_TYPE, "application/json");
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = self.send(request, body).await;
        assert!(answer.status().is_success(), "{path}: {}", String::from_utf8_lossy(answer.body()));
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }

    /// Forgets the mailbox's history until now.
    pub async fn history_floor(&self, account: &str) {
        self.control("history-floor", json!({"email": account})).await;
    }

    /// Pushes, now, whether anything changed or not: `url`, `historyId`, `messageId`, `repeat`, `retries`, and what is to be
    /// wrong: `aud`, `saEmail`, `emailVerified`, `iss`, `expIn`, `badSignature`, `noAuth`, `data`, `subscription`. For
    /// each push `{messageId, historyId, statuses}`.
    pub async fn push(&self, account: &str, how: Value) -> Value {
        self.control("push", with(how, "email", account)).await
    }

    /// Sets `pushUrl` (pushes to it whenever a watched mailbox changes), `pushAud`, `pushRetries`, `tokenTtl` (seconds),
    /// `deliver`, `strip` (names of header fields that are lost on the way), `rewriteMsgId`, `indexLag`, `pageSize`.
    pub async fn config(&self, config: Value) {
        self.control("config", config).await;
    }

    /// Sets the clock, which stands from there on.
    pub async fn set_now(&self, now: Timestamp) {
        self.control("clock", json!({"now": millis(now)})).await;
    }

    /// The mails that the account has sent, with `id`, `threadId`, `raw`.
    pub async fn sent(&self, account: &str) -> Vec<Value> {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("email", account).finish();
        list(self.control(&format!("sent?{query}"), Value::Null).await)
    }

    /// The pushes so far.
    pub async fn pushes(&self) -> Vec<Value> {
        list(self.control("pushes", Value::Null).await)
    }

    /// The watches that ring: `email`, `topicName`, `exp`.
    pub async fn watches(&self) -> Vec<Value> {
        list(self.control("watches", Value::Null).await)
    }

    /// The calls so far whose path holds `path`: `method`, `path`, `status`.
    pub async fn log(&self, path: &str) -> Vec<Value> {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("path", path).finish();
        list(self.control(&format!("log?{query}"), Value::Null).await)
    }

    async fn control(&self, name: &str, body: Value) -> Value {
        let request =
            Request::post(self.at(&format!("/_ctl/{name}"))).header(header::CONTENT_TYPE, "application/json");
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = self.send(request, body).await;
        let text = String::from_utf8_lossy(answer.body());
        assert_eq!(answer.status(), 200, "{name}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{name}: {text}"))
    }

    async fn send(&self, request: http::request::Builder, body: Vec<u8>) -> Response<Vec<u8>> {
        self.web.send(request.body(body).expect("a request")).await.expect("the emulator answers")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn millis(t: Timestamp) -> i64 {
    t.micros() / 1000
}

fn with(mut object: Value, name: &str, value: &str) -> Value {
    object[name] = value.into();
    object
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        other => panic!("a list was expected: {other}"),
    }
}
