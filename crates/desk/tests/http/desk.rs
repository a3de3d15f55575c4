//! What the tests of the desk have in common: agents, customers, and how both speak.

use ::desk::{ChannelType, Received, Source};
use accounts::Role;
use axum::{
    body::Body,
    http::{Method, Request, header},
};
use channels::{Content, Inbound, Origin};
use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User};

/// A user with this role.
pub async fn user(app: &TestApp, name: &str, role: Role) -> User {
    let user = app.user(name).await;
    app.system.accounts.admin_role(&user.email, role).await.unwrap();
    user
}

/// An agent.
pub async fn agent(app: &TestApp, name: &str) -> User {
    user(app, name, Role::Agent).await
}

/// A supervisor.
pub async fn supervisor(app: &TestApp, name: &str) -> User {
    user(app, name, Role::Supervisor).await
}

/// A request to `/api{path}`.
pub async fn call(
    app: &TestApp,
    method: Method,
    path: &str,
    who: Option<&User>,
    body: Option<Value>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("/api{path}"));
    if let Some(user) = who {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", user.token));
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    app.send(request.body(body).unwrap()).await
}

/// `GET`
pub async fn get(app: &TestApp, path: &str, who: &User) -> Answer {
    call(app, Method::GET, path, Some(who), None).await
}

/// `POST`
pub async fn post(app: &TestApp, path: &str, who: &User, body: Value) -> Answer {
    call(app, Method::POST, path, Some(who), Some(body)).await
}

/// `data` of a success.
#[track_caller]
pub fn data(answer: &Answer) -> &Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["code"], 0);
    assert_eq!(answer.body["message"], "success");
    &answer.body["data"]
}

/// A channel account that exists for the tests alone.
pub fn source() -> Source {
    Source { account_id: "chan_test".to_owned(), channel_type: ChannelType::Wechat }
}

/// What a customer writes.
pub fn words(app: &TestApp, id: &str, customer: &str, text: &str) -> Inbound {
    Inbound {
        external_id: id.to_owned(),
        kf_id: "kf_1".to_owned(),
        customer_id: customer.to_owned(),
        customer_name: Some("小明".to_owned()),
        conversation: None,
        origin: Origin::Customer,
        colleague: None,
        sent_at: app.now(),
        content: Content::Text { text: text.to_owned(), menu: None },
        raw: json!({}),
    }
}

/// Takes messages in, as a channel does.
pub async fn receive(app: &TestApp, messages: &[Inbound]) -> Received {
    let mut tx = app.system.db.begin().await.unwrap();
    let received = app.system.desk.receive(&mut tx, &source(), messages, app.now()).await.unwrap();
    tx.commit().await.unwrap();
    received
}
