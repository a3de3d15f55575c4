//! [`Wecom`]: WeCom's customer-service API on loopback, as strict as the real one where it matters.
//!
//! It gives tokens and takes no other, serves `sync_msg` by cursor, counts the 48 hours and five messages after a customer's
//! own, takes messages in the states 0 and 1 alone and a `msgid` once, keeps files, and fails as it is told to. Callbacks are signed by [`Wecom::callback`].

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use channels::wecom::Keys;
use kernel::{Clock, Timestamp};
use serde_json::{Value, json};

/// The console's values.
pub const CORP_ID: &str = "wx5823bf96d3bd56c7";
/// The callback's token.
pub const TOKEN: &str = "QDG6eK";
/// Tencent's own sample, which is no canonical base64.
pub const AES_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
/// The app's secret.
pub const SECRET: &str = "app-secret";

const WINDOW: i64 = 48 * 3600;

/// The server. It ends with the test's runtime.
#[derive(Clone)]
pub struct Wecom {
    /// `http://127.0.0.1:…`
    pub url: String,
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    tokens: u32,
    items: Vec<Value>,
    /// Items of a page, at most.
    page: usize,
    /// So many empty pages with `has_more` come before each page.
    empty: u32,
    served_empty: u32,
    sent: Vec<Value>,
    welcomed: Vec<Value>,
    files: HashMap<String, (String, Vec<u8>)>,
    uploads: Vec<Vec<u8>>,
    windows: HashMap<String, (i64, u32)>,
    failures: HashMap<String, VecDeque<i64>>,
    calls: BTreeMap<String, u32>,
    pull_tokens: Vec<String>,
    /// Where conversations are that are not new.
    states: HashMap<String, (i64, String)>,
    kf_accounts: Option<Vec<Value>>,
}

impl Wecom {
    /// A server with this clock.
    pub async fn start(clock: Clock) -> Self {
        let inner = Arc::new(Mutex::new(Inner { page: 1000, ..Inner::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let this = Self { url, clock, inner };
        let router = Router::new()
            .route("/cgi-bin/gettoken", get(get_token))
            .route("/cgi-bin/media/get", get(get_media))
            .route("/cgi-bin/media/upload", post(upload))
            .route("/cgi-bin/kf/{*call}", post(call))
            .with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        this
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of callbacks.
    pub fn keys() -> Keys {
        Keys::new(TOKEN, AES_KEY, CORP_ID).expect("keys")
    }

    /// The account's fields, as the desk's API has them.
    pub fn fields(&self) -> BTreeMap<String, String> {
        let pairs = [
            ("corpId", CORP_ID),
            ("token", TOKEN),
            ("encodingAesKey", AES_KEY),
            ("secret", SECRET),
            ("apiBase", &self.url),
        ];
        pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    /// Pages of so many items, each after so many empty ones.
    pub fn pages(&self, items: usize, empty: u32) {
        let mut inner = self.lock();
        (inner.page, inner.empty) = (items, empty);
    }

    /// The next calls of `path` (`kf/send_msg`) answer these codes.
    pub fn fail(&self, path: &str, codes: impl IntoIterator<Item = i64>) {
        self.lock().failures.entry(path.to_owned()).or_default().extend(codes);
    }

    /// Ends the access token before its time.
    pub fn expire_token(&self) {
        self.lock().tokens += 1000;
    }

    /// Puts a customer's conversation into this state, with a person of WeCom's own client for 3.
    pub fn put(&self, customer: &str, state: i64, servicer: &str) {
        self.lock().states.insert(customer.to_owned(), (state, servicer.to_owned()));
    }

    /// What `kf/account/list` shows; without, the account `kf`.
    pub fn kf_accounts(&self, accounts: impl IntoIterator<Item = Value>) {
        self.lock().kf_accounts = Some(accounts.into_iter().collect());
    }

    /// An item as `sync_msg` has it.
    pub fn item(&self, item: Value) {
        self.lock().items.push(item);
    }

    /// A customer writes; their window is full again.
    pub fn says(&self, msgid: &str, kf: &str, customer: &str, text: &str) {
        let now = self.clock.now().seconds();
        let mut inner = self.lock();
        inner.windows.insert(customer.to_owned(), (now + WINDOW, 0));
        inner.items.push(json!({
            "msgid": msgid, "open_kfid": kf, "external_userid": customer, "send_time": now, "origin": 3,
            "msgtype": "text", "text": {"content": text},
        }));
    }

    /// A customer sends a file.
    pub fn sends_file(&self, msgid: &str, kf: &str, customer: &str, kind: &str, name: &str, bytes: &[u8]) {
        let now = self.clock.now().seconds();
        let media = format!("media-{msgid}");
        let mut inner = self.lock();
        inner.windows.insert(customer.to_owned(), (now + WINDOW, 0));
        inner.files.insert(media.clone(), (name.to_owned(), bytes.to_vec()));
        inner.items.push(json!({
            "msgid": msgid, "open_kfid": kf, "external_userid": customer, "send_time": now, "origin": 3,
            "msgtype": kind, kind: {"media_id": media},
        }));
    }

    /// Something happens.
    pub fn event(&self, msgid: &str, event: Value) {
        let now = self.clock.now().seconds();
        let item = json!({"msgid": msgid, "send_time": now, "origin": 4, "msgtype": "event", "event": event});
        self.item(item);
    }

    /// The bodies of `send_msg` that were taken, in order.
    pub fn sent(&self) -> Vec<Value> {
        self.lock().sent.clone()
    }

    /// The texts that were taken, in order.
    pub fn texts(&self) -> Vec<String> {
        let text = |body: &Value| body["text"]["content"].as_str().map(str::to_owned);
        self.sent().iter().filter_map(text).collect()
    }

    /// The bodies of `send_msg_on_event` that were taken.
    pub fn welcomed(&self) -> Vec<Value> {
        self.lock().welcomed.clone()
    }

    /// The forms of `media/upload`.
    pub fn uploads(&self) -> Vec<Vec<u8>> {
        self.lock().uploads.clone()
    }

    /// How often `path` was called.
    pub fn calls(&self, path: &str) -> u32 {
        self.lock().calls.get(path).copied().unwrap_or_default()
    }

    /// The callbacks' tokens that `sync_msg` was called with; empty for none.
    pub fn pull_tokens(&self) -> Vec<String> {
        self.lock().pull_tokens.clone()
    }

    /// A callback that there is something to pull: query and body. `salt` tells one from another.
    pub fn callback(&self, kf: &str, salt: u8) -> (String, String) {
        let now = self.clock.now();
        let xml = format!(
            "<xml><ToUserName><![CDATA[{CORP_ID}]]></ToUserName><CreateTime>{}</CreateTime>\
             <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event>\
             <Token><![CDATA[pull-{salt}]]></Token><OpenKfId><![CDATA[{kf}]]></OpenKfId></xml>",
            now.seconds()
        );
        Self::sealed(&xml, salt, now)
    }

    /// A callback with this message: query and body.
    pub fn sealed(xml: &str, salt: u8, at: Timestamp) -> (String, String) {
        let sealed = Self::keys().seal(xml, [salt; 16], &format!("nonce{salt}"), at);
        (sealed.query(), sealed.body())
    }
}

fn code(code: i64, message: &str) -> Response {
    Json(json!({"errcode": code, "errmsg": message})).into_response()
}

impl Inner {
    /// Counts a call; the failure that was ordered, or a token that is no longer good.
    fn enter(&mut self, path: &str, token: &str) -> Option<Response> {
        *self.calls.entry(path.to_owned()).or_default() += 1;
        if token != format!("token-{}", self.tokens) {
            return Some(code(42001, "access_token expired"));
        }
        let ordered = self.failures.get_mut(path).and_then(VecDeque::pop_front);
        ordered.filter(|ordered| *ordered != 0).map(|ordered| code(ordered, "as ordered"))
    }

    fn sync(&mut self, body: &Value) -> Response {
        let kf = &body["open_kfid"];
        self.pull_tokens.push(body["token"].as_str().unwrap_or_default().to_owned());
        let cursor = body["cursor"].as_str().unwrap_or("");
        let (position, _) = cursor.split_once('-').unwrap_or(("0", ""));
        let from: usize = position.parse().expect("our own cursor");
        let of_kf = |item: &&Value| [&item["open_kfid"], &item["event"]["open_kfid"]].contains(&kf);
        let all: Vec<&Value> = self.items.iter().filter(of_kf).collect();
        if self.served_empty < self.empty {
            self.served_empty += 1;
            let next = format!("{from}-empty{}", self.served_empty);
            let page = json!({"errcode": 0, "next_cursor": next, "has_more": 1, "msg_list": []});
            return Json(page).into_response();
        }
        let limit =
            body["limit"].as_u64().map_or(1000, |n| usize::try_from(n).expect("small")).min(self.page);
        let page: Vec<&Value> = all.iter().skip(from).take(limit).copied().collect();
        let next = from + page.len();
        let more = i32::from(next < all.len());
        let answer = json!({"errcode": 0, "errmsg": "ok", "next_cursor": format!("{next}-"), "has_more": more, "msg_list": page});
        self.served_empty = 0;
        Json(answer).into_response()
    }

    fn send(&mut self, body: Value, now: i64) -> Response {
        let customer = body["touser"].as_str().unwrap_or_default().to_owned();
        let msgid = body["msgid"].clone();
        if self.sent.iter().any(|sent| sent["msgid"] == msgid) {
            return code(40035, "msgid was used");
        }
        if body["text"]["content"].as_str().is_some_and(|text| text.len() > 2048) {
            return code(40058, "text too long");
        }
        if self.states.get(&customer).is_some_and(|(state, _)| !(0..=1).contains(state)) {
            return code(95018, "send msg session status invalid");
        }
        match self.windows.get_mut(&customer) {
            None => return code(95002, "no message of the customer"),
            Some((until, _)) if now >= *until => return code(95002, "48 hours"),
            Some((_, used)) if *used >= 5 => return code(95001, "five messages"),
            Some((_, used)) => *used += 1,
        }
        self.sent.push(body);
        Json(json!({"errcode": 0, "errmsg": "ok", "msgid": msgid})).into_response()
    }
}

type Params = Query<HashMap<String, String>>;

async fn get_token(State(wecom): State<Wecom>, Query(params): Params) -> Response {
    let mut inner = wecom.lock();
    *inner.calls.entry("gettoken".to_owned()).or_default() += 1;
    if params.get("corpsecret").map(String::as_str) != Some(SECRET) {
        return code(40001, "invalid credential");
    }
    inner.tokens += 1;
    let token = format!("token-{}", inner.tokens);
    Json(json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200})).into_response()
}

async fn call(
    State(wecom): State<Wecom>,
    Path(path): Path<String>,
    Query(params): Params,
    Json(body): Json<Value>,
) -> Response {
    let now = wecom.clock.now().seconds();
    let mut inner = wecom.lock();
    let token = params.get("access_token").cloned().unwrap_or_default();
    if let Some(failure) = inner.enter(&format!("kf/{path}"), &token) {
        return failure;
    }
    match path.as_str() {
        "sync_msg" => inner.sync(&body),
        "send_msg" => inner.send(body, now),
        "send_msg_on_event" => {
            let msgid = body["msgid"].clone();
            inner.welcomed.push(body);
            Json(json!({"errcode": 0, "msgid": msgid})).into_response()
        }
        "customer/batchget" => {
            let customer = &body["external_userid_list"][0];
            let list = json!([{"external_userid": customer, "nickname": format!("昵称 {}", customer.as_str().unwrap_or("")),
                "avatar": "https://example.com/avatar.png"}]);
            Json(json!({"errcode": 0, "customer_list": list})).into_response()
        }
        "service_state/get" => {
            let new = (0, String::new());
            let state = body["external_userid"].as_str().and_then(|customer| inner.states.get(customer));
            let (state, servicer) = state.unwrap_or(&new);
            Json(json!({"errcode": 0, "service_state": state, "servicer_userid": servicer})).into_response()
        }
        "account/list" => {
            let one = || vec![json!({"open_kfid": "kf", "name": "客服", "manage_privilege": true})];
            let all = inner.kf_accounts.clone().unwrap_or_else(one);
            let offset = body["offset"].as_u64().map_or(0, |n| usize::try_from(n).expect("small"));
            let page: Vec<Value> = all.into_iter().skip(offset).take(100).collect();
            Json(json!({"errcode": 0, "errmsg": "ok", "account_list": page})).into_response()
        }
        _ => code(40066, "invalid url"),
    }
}

async fn get_media(State(wecom): State<Wecom>, Query(params): Params) -> Response {
    let mut inner = wecom.lock();
    let token = params.get("access_token").cloned().unwrap_or_default();
    if let Some(failure) = inner.enter("media/get", &token) {
        return failure;
    }
    match params.get("media_id").and_then(|id| inner.files.get(id)) {
        Some((name, bytes)) => {
            let disposition = format!("attachment; filename=\"{name}\"");
            ([(header::CONTENT_DISPOSITION, disposition)], bytes.clone()).into_response()
        }
        None => code(40007, "invalid media_id"),
    }
}

async fn upload(
    State(wecom): State<Wecom>,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut inner = wecom.lock();
    let token = params.get("access_token").cloned().unwrap_or_default();
    if let Some(failure) = inner.enter("media/upload", &token) {
        return failure;
    }
    let form = headers.get(header::CONTENT_TYPE).and_then(|t| t.to_str().ok()).unwrap_or_default();
    if !form.starts_with("multipart/form-data; boundary=") {
        return code(40004, "invalid media type");
    }
    inner.uploads.push(body.to_vec());
    let id = format!("uploaded-{}", inner.uploads.len());
    Json(json!({"errcode": 0, "type": params.get("type"), "media_id": id, "created_at": "1"})).into_response()
}
