//! The servers of Douyin, JD and a bridge on loopback, as strict as the real ones about who asks and what.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use channels::{bridge, jd};
use kernel::Clock;
use serde_json::{Value, json};

/// What a peer is told to do with a request instead of what it does.
#[derive(Clone)]
pub enum Trouble {
    /// Answers this status.
    Status(u16),
    /// Answers this code of its own.
    Code(i64),
    /// Acts, and breaks off while it answers.
    Silence,
}

/// A server. It ends with the test's runtime.
#[derive(Clone)]
pub struct Peer {
    pub url: String,
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// Messages that were taken: what they said.
    taken: Vec<Value>,
    /// All that asked to be taken.
    seen: Vec<Value>,
    trouble: VecDeque<Trouble>,
    /// What was wrong with a request that no customer of ours should ever make.
    wrong: Vec<String>,
    tokens: Tokens,
}

/// Douyin's side of an authorisation.
struct Tokens {
    /// How often the access token was renewed; the one that is good is `act-{number}`.
    number: u32,
    ended: bool,
    renewals: u32,
    refresh: String,
    exchanges: u32,
    /// What a renewal answers instead.
    refusals: VecDeque<i64>,
    /// What an exchange answers instead.
    exchange_refusals: VecDeque<i64>,
    refresh_expires_in: u64,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            number: 0,
            ended: false,
            renewals: 0,
            refresh: "rft-0".to_owned(),
            exchanges: 0,
            refusals: VecDeque::new(),
            exchange_refusals: VecDeque::new(),
            refresh_expires_in: 30 * 86_400,
        }
    }
}

/// So long a token of Douyin is good.
pub const LIFE: Duration = Duration::from_secs(15 * 86_400);
/// JD's app.
pub const JD: (&str, &str) = ("jd-key", "jd-secret");
/// Douyin's app.
pub const CLIENT_KEY: &str = "ck";
/// A bridge's secret.
pub const BRIDGE: &str = "0123456789abcdef0123456789abcdef";

impl Peer {
    async fn serve(clock: Clock, router: Router<Self>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let this = Self { url, clock, inner: Arc::default() };
        let router = router.with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        this
    }

    /// Douyin's open platform.
    pub async fn douyin(clock: Clock) -> Self {
        let router = Router::new()
            .route("/im/send/msg/", post(douyin_send))
            .route("/oauth/refresh_token/", post(douyin_refresh))
            .route("/oauth/renew_refresh_token/", post(douyin_exchange));
        Self::serve(clock, router).await
    }

    /// JD's opendj.
    pub async fn jd(clock: Clock) -> Self {
        Self::serve(clock, Router::new().route("/", post(jd_send))).await
    }

    /// A bridge.
    pub async fn bridge(clock: Clock) -> Self {
        Self::serve(clock, Router::new().route("/", post(bridge_send))).await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What happens to the next requests.
    pub fn trouble(&self, trouble: impl IntoIterator<Item = Trouble>) {
        self.lock().trouble.extend(trouble);
    }

    /// What was taken; checks that nothing was ever asked wrongly.
    #[track_caller]
    pub fn taken(&self) -> Vec<Value> {
        let inner = self.lock();
        assert_eq!(inner.wrong, Vec::<String>::new());
        inner.taken.clone()
    }

    /// All that was sent, taken or not.
    pub fn seen(&self) -> Vec<Value> {
        self.lock().seen.clone()
    }

    /// Douyin takes the access token no longer.
    pub fn end_token(&self) {
        self.lock().tokens.ended = true;
    }

    /// How often tokens were renewed, and refresh tokens exchanged.
    pub fn renewals(&self) -> (u32, u32) {
        let inner = self.lock();
        (inner.tokens.renewals, inner.tokens.exchanges)
    }

    /// What the next renewals answer instead.
    pub fn refuse_renewals(&self, codes: impl IntoIterator<Item = i64>) {
        self.lock().tokens.refusals.extend(codes);
    }

    /// The refresh token's rest of life, and what the next exchanges answer instead of another.
    pub fn short_refresh(&self, rest: Duration, refusals: impl IntoIterator<Item = i64>) {
        let mut inner = self.lock();
        inner.tokens.refresh_expires_in = rest.as_secs();
        inner.tokens.exchange_refusals.extend(refusals);
    }

    /// The tokens that are good now.
    pub fn tokens(&self) -> (String, String) {
        let inner = self.lock();
        (format!("act-{}", inner.tokens.number), inner.tokens.refresh.clone())
    }
}

impl Inner {
    /// Takes a message, once for each id, unless trouble was ordered.
    fn take(&mut self, said: Value, id: &str, code: impl Fn(i64) -> Response) -> Response {
        self.seen.push(said.clone());
        let trouble = self.trouble.pop_front();
        match trouble {
            Some(Trouble::Status(status)) => {
                return StatusCode::from_u16(status).unwrap().into_response();
            }
            Some(Trouble::Code(number)) if number != 0 => return code(number),
            _ => {}
        }
        if self.taken.iter().all(|before| before["id"] != id) {
            self.taken.push(json!({"id": id, "said": said}));
        }
        match trouble {
            Some(Trouble::Silence) => {
                let broken = futures_util::stream::iter([
                    Ok(Bytes::from_static(b"{")),
                    Err(std::io::Error::other("broken off")),
                ]);
                Body::from_stream(broken).into_response()
            }
            _ => code(0),
        }
    }
}

fn douyin_code(code: i64) -> Response {
    Json(json!({"data": {"error_code": code, "description": "as ordered"}, "extra": {"logid": "1"}}))
        .into_response()
}

/// A message has no id of its own at Douyin; here it is known by its words.
async fn douyin_send(
    State(peer): State<Peer>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut inner = peer.lock();
    let token = headers.get("access-token").and_then(|t| t.to_str().ok()).unwrap_or_default().to_owned();
    if inner.tokens.ended || token != format!("act-{}", inner.tokens.number) {
        return douyin_code(2_190_008);
    }
    let text = body["content"]["text"]["text"].as_str().unwrap_or_default().to_owned();
    if query.get("open_id").map(String::as_str) != Some("shop")
        || body["content"]["msg_type"] != 1
        || text.is_empty()
    {
        inner.wrong.push(format!("{query:?} {body}"));
    }
    inner.take(body, &text, douyin_code)
}

fn form(body: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

async fn douyin_refresh(State(peer): State<Peer>, body: Bytes) -> Response {
    let (form, mut inner) = (form(&body), peer.lock());
    inner.tokens.renewals += 1;
    if let Some(refusal) = inner.tokens.refusals.pop_front() {
        return match refusal {
            500 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            code => douyin_code(code),
        };
    }
    if form["client_key"] != CLIENT_KEY || form["grant_type"] != "refresh_token" {
        inner.wrong.push(format!("{form:?}"));
    }
    if form["refresh_token"] != inner.tokens.refresh {
        return douyin_code(10_010);
    }
    // A token that is still good stays and only lives longer.
    if inner.tokens.ended || inner.tokens.number == 0 {
        inner.tokens.number += 1;
        inner.tokens.ended = false;
    }
    Json(json!({"data": {
        "access_token": format!("act-{}", inner.tokens.number), "description": "", "error_code": 0,
        "expires_in": LIFE.as_secs().to_string(), "open_id": "shop",
        "refresh_expires_in": inner.tokens.refresh_expires_in, "refresh_token": inner.tokens.refresh, "scope": "im",
    }, "message": "success"}))
    .into_response()
}

async fn douyin_exchange(State(peer): State<Peer>, body: Bytes) -> Response {
    let (form, mut inner) = (form(&body), peer.lock());
    inner.tokens.exchanges += 1;
    if let Some(refusal) = inner.tokens.exchange_refusals.pop_front() {
        return douyin_code(refusal);
    }
    if form["client_key"] != CLIENT_KEY || form["refresh_token"] != inner.tokens.refresh {
        inner.wrong.push(format!("{form:?}"));
        return douyin_code(10_010);
    }
    inner.tokens.refresh = format!("rft-{}", inner.tokens.exchanges);
    inner.tokens.refresh_expires_in = 30 * 86_400;
    Json(json!({"data": {"error_code": 0, "description": "", "expires_in": 30 * 86_400,
        "refresh_token": inner.tokens.refresh}, "message": "success"}))
    .into_response()
}

/// What JD itself would check: the form's signature, its time, its token.
async fn jd_send(State(peer): State<Peer>, headers: HeaderMap, body: Bytes) -> Response {
    let mut inner = peer.lock();
    let answer = |code: i64| {
        Json(json!({"code": code.to_string(), "msg": if code == 0 { "success" } else { "as ordered" }, "data": ""}))
            .into_response()
    };
    let opened = jd::App::new(JD.0, JD.1).unwrap().open(&body, peer.clock.now());
    let form = form(&body);
    let kind = headers.get("content-type").and_then(|t| t.to_str().ok());
    if opened.is_err() || form["token"] != "jd-token" || kind != Some("application/x-www-form-urlencoded") {
        inner.wrong.push(format!("{opened:?} {form:?}"));
        return answer(10_005);
    }
    let said: Value = serde_json::from_str(&form["jd_param_json"]).unwrap();
    let id = said["id"].as_str().unwrap_or_default().to_owned();
    if id.is_empty() || said["type"] != "chat_message" || said["from"]["app"] != "im.waiter" {
        inner.wrong.push(said.to_string());
    }
    inner.take(said, &id, answer)
}

/// What a bridge checks by our documents: the three headers over the raw body.
async fn bridge_send(State(peer): State<Peer>, headers: HeaderMap, body: Bytes) -> Response {
    let mut inner = peer.lock();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let claim = bridge::Headers {
        signature: header("x-signature"),
        timestamp: header("x-timestamp"),
        nonce: header("x-nonce"),
    };
    // Its own messages have the fields of ours, so what opens a callback opens this.
    let opened = bridge::Secret::new(BRIDGE).unwrap().open(claim, "", &body, peer.clock.now());
    if let Err(refusal) = &opened
        && matches!(refusal, channels::Refusal::Signature(_) | channels::Refusal::Stale(_))
    {
        inner.wrong.push(refusal.to_string());
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let said: Value = serde_json::from_slice(&body).unwrap();
    let id = said["messageId"].as_str().unwrap_or_default().to_owned();
    let status = |code: i64| match u16::try_from(code) {
        Ok(0) => Json(json!({"code": 0})).into_response(),
        status => StatusCode::from_u16(status.unwrap_or(500)).unwrap().into_response(),
    };
    inner.take(said, &id, status)
}
