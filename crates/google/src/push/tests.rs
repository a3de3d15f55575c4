//! Pushes signed by keys of our own, served by a server of our own.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use axum::{Router, http::StatusCode, response::IntoResponse as _, routing::get};
use jsonwebtoken::{EncodingKey, Header};
use kernel::Sim;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const ACCOUNT: &str = "pusher@p.iam.gserviceaccount.com";
const AUDIENCE: &str = "https://desk.example/api/gmail/webhook/";
const SUBSCRIPTION: &str = "projects/p/subscriptions/gmail";

/// A key of Google's.
struct Key(&'static str, KeyPair);

impl Key {
    fn new(id: &'static str) -> Self {
        Self(id, KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn jwk(&self) -> Value {
        let public = self.1.public_key();
        let n = bytes::encode(public.modulus().big_endian_without_leading_zero());
        let e = bytes::encode(public.exponent().big_endian_without_leading_zero());
        json!({"kty": "RSA", "kid": self.0, "alg": "RS256", "use": "sig", "n": n, "e": e})
    }

    fn sign(&self, claims: &Value) -> String {
        let der = self.1.as_der().unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der.as_ref())
        );
        let header = Header { kid: Some(self.0.to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()).unwrap()
    }
}

/// What the server answers: status and keys.
type Served = Arc<Mutex<(u16, Vec<Value>)>>;

struct Google {
    served: Served,
    fetched: Arc<AtomicUsize>,
    sim: Arc<Sim>,
    pushes: Pushes,
}

impl Google {
    async fn with(keys: &[&Key]) -> Self {
        let served: Served = Arc::new(Mutex::new((200, keys.iter().map(|k| k.jwk()).collect())));
        let fetched = Arc::new(AtomicUsize::new(0));
        let (serving, counting) = (Arc::clone(&served), Arc::clone(&fetched));
        let router = Router::new().route(
            "/certs",
            get(move || async move {
                counting.fetch_add(1, Ordering::SeqCst);
                let (status, keys) = serving.lock().unwrap().clone();
                let body = json!({"keys": keys}).to_string();
                (StatusCode::from_u16(status).unwrap(), [("cache-control", "max-age=3600")], body)
                    .into_response()
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_uri = format!("http://{}/certs", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let (clock, sim) = Clock::simulated(Timestamp::from_seconds(1_800_000_000));
        let endpoints = Endpoints { jwks_uri, ..Endpoints::default() };
        let expected = Expected {
            audience: AUDIENCE.to_owned(),
            service_account: ACCOUNT.to_owned(),
            subscription: Some(SUBSCRIPTION.to_owned()),
        };
        let web = Web::new(&crate::web_settings()).unwrap();
        let pushes = Pushes::new(&web, &endpoints, expected, clock);
        Self { served, fetched, sim, pushes }
    }

    fn serve(&self, status: u16, keys: &[&Key]) {
        *self.served.lock().unwrap() = (status, keys.iter().map(|k| k.jwk()).collect());
    }

    fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }

    fn claims(&self) -> Value {
        let now = self.sim.now().seconds();
        json!({"iss": "https://accounts.google.com", "aud": AUDIENCE, "azp": "1", "sub": "1", "email": ACCOUNT,
            "email_verified": true, "iat": now, "exp": now + 3600})
    }

    async fn push(&self, token: &str) -> Result<Hint, Refused> {
        self.pushes.verify(&bearer(token), &body(r#"{"emailAddress":"A@x.cn","historyId":7}"#)).await
    }

    async fn signed(&self, key: &Key) -> Result<Hint, Refused> {
        self.push(&key.sign(&self.claims())).await
    }

    async fn with_claim(&self, key: &Key, name: &str, value: Value) -> Result<Hint, Refused> {
        let mut claims = self.claims();
        claims[name] = value;
        self.push(&key.sign(&claims)).await
    }
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

fn body(data: &str) -> Vec<u8> {
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, data);
    json!({"message": {"data": data, "messageId": "42", "message_id": "42",
        "publishTime": "2026-11-21T00:00:00.123Z", "attributes": {}}, "subscription": SUBSCRIPTION})
    .to_string()
    .into_bytes()
}

#[tokio::test]
async fn claims_are_checked_one_by_one() {
    let key = Key::new("a");
    let google = Google::with(&[&key]).await;
    let now = google.sim.now().seconds();
    let hint = google.signed(&key).await.unwrap();
    assert_eq!(
        (hint.address.as_str(), hint.history_id, hint.message_id.as_deref()),
        ("a@x.cn", Some(7), Some("42"))
    );
    for (claim, value) in [
        ("iss", json!("accounts.google.com")),
        ("email", json!(ACCOUNT.to_uppercase())),
        ("exp", json!(now - 59)),
        ("iat", json!(now + 60)),
        ("iat", json!(now - 3000)),
        ("exp", json!(100_000_000_000i64)),
    ] {
        assert!(google.with_claim(&key, claim, value.clone()).await.is_ok(), "{claim} {value}");
    }
    for (claim, value, status) in [
        ("iss", json!("https://accounts.google.com.evil.example"), 401),
        ("iss", json!(null), 401),
        ("exp", json!(now - 60), 401),
        ("exp", json!("tomorrow"), 401),
        ("exp", json!(null), 401),
        ("iat", json!(now + 61), 401),
        ("iat", json!(null), 401),
        ("aud", json!("https://other.example/"), 403),
        ("aud", json!([AUDIENCE, "https://other.example/"]), 401),
        ("aud", json!(null), 401),
        ("email", json!("someone@p.iam.gserviceaccount.com"), 403),
        ("email_verified", json!(false), 403),
        ("email_verified", json!("true"), 401),
    ] {
        let refused = google.with_claim(&key, claim, value.clone()).await.unwrap_err();
        let got = match refused {
            Refused::Unauthenticated(_) => 401,
            Refused::Forbidden(_) => 403,
            other => panic!("{claim} {value}: {other}"),
        };
        assert_eq!(got, status, "{claim} {value}");
    }
    assert_eq!(google.fetched(), 1);
}

#[tokio::test]
async fn forgeries() {
    let (key, other) = (Key::new("a"), Key::new("a"));
    let google = Google::with(&[&key]).await;
    let token = key.sign(&google.claims());
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
        panic!()
    };
    let header =
        |alg: &str| bytes::encode(json!({"alg": alg, "kid": "a", "typ": "JWT"}).to_string().as_bytes());
    let mine = bytes::encode(google.claims().to_string().replace("pusher", "forger").as_bytes());
    // The public key as an HMAC secret: the classic confusion.
    let secret = EncodingKey::from_secret(key.jwk()["n"].as_str().unwrap().as_bytes());
    let hs256 = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) };
    for forged in [
        other.sign(&google.claims()),
        format!("{}.{claims}.", header("none")),
        format!("{}.{claims}.{signature}", header("none")),
        format!("{}.{claims}.{signature}", header("HS256")),
        format!("{}.{mine}.{signature}", header("RS256")),
        format!("{}.{claims}.{signature}", header("RS512")),
        jsonwebtoken::encode(&hs256, &google.claims(), &secret).unwrap(),
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &google.claims(), &secret).unwrap(),
        "x".repeat(9000),
        "a.b.c".to_owned(),
        String::new(),
    ] {
        let refused = google.push(&forged).await.unwrap_err();
        assert!(matches!(refused, Refused::Unauthenticated(_)), "{forged}: {refused}");
    }
    let nothing = google.pushes.verify(&HeaderMap::new(), &body("{}")).await;
    assert_eq!(nothing, Err(Refused::Unauthenticated("there is no token")));
    let basic = HeaderMap::from_iter([(AUTHORIZATION, format!("Basic {token}").parse().unwrap())]);
    assert!(matches!(google.pushes.verify(&basic, &body("{}")).await, Err(Refused::Unauthenticated(_))));
}

#[tokio::test]
async fn keys_change_and_strangers_cannot_make_us_ask() {
    let (a, b, stranger) = (Key::new("a"), Key::new("b"), Key::new("s"));
    let google = Google::with(&[&a]).await;
    google.signed(&a).await.unwrap();
    // A new key is looked for at once.
    google.serve(200, &[&a, &b]);
    google.sim.advance(PAUSE_OVER);
    google.signed(&b).await.unwrap();
    assert_eq!(google.fetched(), 2);
    // Made-up ids are not, not all of them.
    for _ in 0..20 {
        assert!(matches!(google.signed(&stranger).await, Err(Refused::Unauthenticated(_))));
        google.signed(&a).await.unwrap();
    }
    assert_eq!(google.fetched(), 2);
    google.sim.advance(PAUSE_OVER);
    google.signed(&stranger).await.unwrap_err();
    assert_eq!(google.fetched(), 3);
    // An old key goes when its time is over.
    google.serve(200, &[&b]);
    google.signed(&a).await.unwrap();
    google.sim.advance(Duration::from_secs(3600));
    google.signed(&a).await.unwrap_err();
    google.signed(&b).await.unwrap();
    assert_eq!(google.fetched(), 4);
}

const PAUSE_OVER: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_outage_of_the_keys_is_bridged_for_a_day() {
    let (a, b) = (Key::new("a"), Key::new("b"));
    let google = Google::with(&[&a]).await;
    google.serve(503, &[]);
    assert_eq!(google.signed(&a).await, Err(Refused::Unavailable("the answer is 503".to_owned())));
    assert!(matches!(google.signed(&a).await, Err(Refused::Unavailable(_))));
    assert_eq!(google.fetched(), 1);
    google.serve(200, &[&a]);
    google.sim.advance(Duration::from_secs(5));
    google.signed(&a).await.unwrap();
    google.serve(500, &[]);
    google.sim.advance(kernel::time::days(1));
    google.signed(&a).await.unwrap();
    // A key that may be new is no forgery while nobody can say.
    assert!(matches!(google.signed(&b).await, Err(Refused::Unavailable(_))));
    google.sim.advance(Duration::from_secs(3600));
    assert!(matches!(google.signed(&a).await, Err(Refused::Unavailable(_))));
}

#[tokio::test]
async fn many_pushes_at_once_fetch_the_keys_once() {
    let key = Key::new("a");
    let google = Arc::new(Google::with(&[&key]).await);
    let token = key.sign(&google.claims());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (google, token) = (Arc::clone(&google), token.clone());
        all.spawn(async move { google.push(&token).await });
    }
    assert!(all.join_all().await.iter().all(Result::is_ok));
    assert_eq!(google.fetched(), 1);
}

fn read(body: &[u8]) -> Result<Hint, Refused> {
    Envelope::read(body, &HeaderMap::new()).map(|envelope| envelope.hint)
}

#[test]
fn envelopes_of_every_kind() {
    let full = read(&body(r#"{"emailAddress":" A@X.cn","historyId":"18446744073709551615"}"#)).unwrap();
    assert_eq!((full.address.as_str(), full.history_id), ("a@x.cn", Some(u64::MAX)));
    assert_eq!(full.published_at.unwrap().to_string(), "2026-11-21T00:00:00.123Z");
    let snake =
        json!({"message": {"data": bytes::encode(br#"{"emailAddress":"a@x.cn"}"#), "message_id": "1"}});
    let snake = read(snake.to_string().as_bytes()).unwrap();
    assert_eq!((snake.history_id, snake.message_id.as_deref(), snake.published_at), (None, Some("1"), None));
    let headers = HeaderMap::from_iter([("x-goog-pubsub-message-id".parse().unwrap(), "9".parse().unwrap())]);
    let bare = Envelope::read(br#"{"emailAddress":"a@x.cn","historyId":1}"#, &headers).unwrap().hint;
    assert_eq!((bare.history_id, bare.message_id.as_deref()), (Some(1), Some("9")));
    for bad in [
        "",
        "null",
        "[]",
        "7",
        "{}",
        r#"{"message":{}}"#,
        r#"{"message":{"data":7}}"#,
        r#"{"message":{"data":"***"}}"#,
        r#"{"message":{"data":"e30="}}"#,
        r#"{"message":{"data":"eA=="}}"#,
        r#"{"emailAddress":"nobody"}"#,
    ] {
        assert!(matches!(read(bad.as_bytes()), Err(Refused::Undecodable(_))), "{bad}");
    }
}

#[tokio::test]
async fn another_subscription_is_not_ours() {
    let key = Key::new("a");
    let google = Google::with(&[&key]).await;
    let other = String::from_utf8(body(r#"{"emailAddress":"a@x.cn"}"#)).unwrap().replace("/gmail", "/other");
    let refused = google.pushes.verify(&bearer(&key.sign(&google.claims())), other.as_bytes()).await;
    assert_eq!(refused, Err(Refused::Undecodable("it is of another subscription")));
}

proptest! {
    #[test]
    fn no_body_panics(bytes: Vec<u8>, text: String) {
        let _ = read(&bytes);
        let _ = read(&body(&text));
        let _ = read(json!({"message": {"data": text, "publishTime": text}, "emailAddress": text}).to_string().as_bytes());
    }
}
