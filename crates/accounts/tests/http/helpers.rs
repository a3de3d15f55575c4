//! What the tests of accounts share.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User};

pub const SECOND: Duration = Duration::from_secs(1);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(86_400);
pub const MICRO: Duration = Duration::from_micros(1);

/// The seed's user.
pub fn zhangsan() -> Value {
    json!({"username": "张三", "email": "zhangsan@example.com", "password": "password123",
        "avatar": "https://example.com/avatar.jpg"})
}

/// `POST` without a token.
pub async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    app.call(Method::POST, path, None, Some(body)).await
}

/// `POST /auth/login`
pub async fn login(app: &TestApp, email: &str, password: &str) -> Answer {
    post(app, "/auth/login", json!({"email": email, "password": password})).await
}

/// `POST /auth/refresh`
pub async fn refresh(app: &TestApp, token: &str) -> Answer {
    post(app, "/auth/refresh", json!({"refreshToken": token})).await
}

/// The status of a request with this access token.
pub async fn status(app: &TestApp, token: &str) -> u16 {
    app.call(Method::GET, "/user/profile", Some(token), None).await.status.as_u16()
}

/// A user with the tokens that a refresh answered.
#[track_caller]
pub fn refreshed(user: &User, answer: &Answer) -> User {
    let text = |field: &str| answer.data()[field].as_str().expect("a token").to_owned();
    User { token: text("token"), refresh: text("refreshToken"), ..user.clone() }
}

/// A browser's subscription, as it is registered.
pub fn subscription(endpoint: &str) -> String {
    json!({
        "endpoint": format!("https://push.example.com/{endpoint}"),
        "expirationTime": null,
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg"
        }
    })
    .to_string()
}
