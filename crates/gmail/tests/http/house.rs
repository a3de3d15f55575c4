//! What the tests of outreach have in common: a server whose Google is the emulator, and people who connect accounts.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use kernel::Timestamp;
use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{Answer, PUBLIC_URL, TestApp, User, settings::Settings},
    google::Emulator,
};

/// A server and its Google.
pub struct House {
    pub app: TestApp,
    pub google: Arc<Emulator>,
}

/// Where Google sends browsers back to.
pub fn callback() -> String {
    format!("{PUBLIC_URL}/api/gmail/auth/callback/")
}

impl House {
    /// `None` where Node's modules are not known.
    pub async fn new(db: TestDb) -> Option<Self> {
        Self::with(db, |_| {}).await
    }

    /// With other settings.
    pub async fn with(db: TestDb, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        // A moment earlier than here: its clock moves with every call.
        let now = testkit::app::START.parse::<Timestamp>().unwrap().minus(Duration::from_secs(10));
        let google = Arc::new(Emulator::start(&[&callback(), "http://localhost"], Some(now))?);
        Some(Self::at(db, google, change).await)
    }

    /// Another server at the same Google.
    pub async fn at(db: TestDb, google: Arc<Emulator>, change: impl FnOnce(&mut Settings)) -> Self {
        let at = |path: &str| google.at(path);
        let endpoints = google::Endpoints {
            auth_uri: at("/o/oauth2/v2/auth"),
            token_uri: at("/token"),
            revoke_uri: at("/revoke"),
            api_base: google.url.clone(),
            jwks_uri: at("/oauth2/v3/certs"),
        };
        let app = TestApp::with(db, |settings| {
            settings.gmail.endpoints = endpoints;
            // The clock stands: units that were used do not come back.
            settings.gmail.quota.units_per_minute = 1_000_000;
            change(settings);
        })
        .await;
        Self { app, google }
    }

    /// A request to `/api/gmail{path}`.
    pub async fn call(&self, method: Method, path: &str, who: Option<&User>, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/gmail{path}"));
        if let Some(user) = who {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", user.token));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.app.send(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str, who: &User) -> Answer {
        self.call(Method::GET, path, Some(who), None).await
    }

    pub async fn post(&self, path: &str, who: &User, body: Value) -> Answer {
        self.call(Method::POST, path, Some(who), Some(body)).await
    }

    pub async fn put(&self, path: &str, who: &User, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(who), Some(body)).await
    }

    pub async fn patch(&self, path: &str, who: &User, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(who), Some(body)).await
    }

    pub async fn delete(&self, path: &str, who: &User) -> Answer {
        self.call(Method::DELETE, path, Some(who), None).await
    }

    /// The OAuth client's file, as a text.
    pub fn client(&self) -> String {
        self.google.client_secret().to_string()
    }

    /// Begins to connect; where the person is sent.
    pub async fn begin(&self, who: &User) -> String {
        let answer = self.post("/auth/initiate/", who, json!({"client_secret_json": self.client()})).await;
        good(&answer)["auth_url"].as_str().unwrap().to_owned()
    }

    /// Consents for this account; where the browser is sent back to.
    pub async fn consent(&self, who: &User, account: &str) -> String {
        self.google.consent(&self.begin(who).await, account).await
    }

    /// Connects this account; its credential.
    pub async fn connect(&self, who: &User, account: &str) -> Value {
        let back = self.consent(who, account).await;
        let body = json!({"client_secret_json": self.client(), "auth_code": back});
        good(&self.post("/auth/complete/", who, body).await).clone()
    }
}

/// The body of a success.
#[track_caller]
pub fn good(answer: &Answer) -> &Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    &answer.body
}

/// A refusal in the dialect: the fields that it names.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, fields: &[&str]) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.body["status"], "error", "{}", answer.body);
    assert!(answer.body["message"].is_string() && answer.body.get("code").is_none(), "{}", answer.body);
    let named: Vec<&str> =
        answer.body["errors"].as_object().map(|e| e.keys().map(String::as_str).collect()).unwrap_or_default();
    assert_eq!(named, fields, "{}", answer.body);
}
