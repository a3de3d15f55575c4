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

/// `PUT`
pub async fn put(app: &TestApp, path: &str, who: &User, body: Value) -> Answer {
    call(app, Method::PUT, path, Some(who), Some(body)).await
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

/// Takes messages in, as a channel does; a millisecond later something else may happen, so that ids are in order.
pub async fn receive(app: &TestApp, messages: &[Inbound]) -> Received {
    let mut tx = app.system.db.begin().await.unwrap();
    let received = app.system.desk.receive(&mut tx, &source(), messages, app.now()).await.unwrap();
    tx.commit().await.unwrap();
    app.clock.advance(std::time::Duration::from_millis(1));
    received
}

/// A new session of this customer's, with the assistant; its id.
pub async fn session(app: &TestApp, customer: &str) -> String {
    let id = format!("first of {customer} at {}", app.now().micros());
    receive(app, &[words(app, &id, customer, "你好")]).await;
    let mut conn = app.system.db.read().await.unwrap();
    let row: (String,) = conn
        .one(
            db::sql!("SELECT id FROM desk_sessions WHERE customer_id = $1 AND status <> 'closed'"),
            db::args![customer],
        )
        .await
        .unwrap();
    row.0
}

/// The same, waiting for a person: `by` had it and gave it back.
pub async fn waiting(app: &TestApp, customer: &str, by: &User) -> String {
    let id = session(app, customer).await;
    data(&post(app, &format!("/sessions/{id}/takeover"), by, json!({})).await);
    data(&post(app, &format!("/sessions/{id}/release"), by, json!({})).await);
    id
}

/// What an agent's stream holds: each frame's type, session and data, in order.
pub async fn told(app: &TestApp, user: &User) -> Vec<(String, String, Value)> {
    let rows: Vec<(String, String, String)> = app
        .system
        .db
        .read()
        .await
        .unwrap()
        .all(
            db::sql!(
                "SELECT b.type, b.session_id, b.data FROM desk_events AS e JOIN desk_event_bodies AS b
                    ON b.id = e.event_id WHERE e.agent_id = $1 ORDER BY e.seq"
            ),
            db::args![&user.id],
        )
        .await
        .unwrap();
    rows.into_iter().map(|(kind, id, data)| (kind, id, serde_json::from_str(&data).unwrap())).collect()
}

/// Gives an agent a stream, as their first connection does.
pub async fn listen(app: &TestApp, user: &User) {
    let mut tx = app.system.db.begin().await.unwrap();
    tx.exec(
        db::sql!(
            "INSERT INTO desk_streams (agent_id, epoch, head, tail, acked, used_at, supervising)
             SELECT id, CAST($2 AS TEXT), 0, 0, 0, CAST($3 AS BIGINT), role IN ('supervisor', 'operator')
             FROM users WHERE id = $1"
        ),
        db::args![&user.id, "epoch", app.now()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// Changes the desk's settings.
pub async fn settings(app: &TestApp, boss: &User, settings: Value) {
    let version = data(&get(app, "/desk/settings", boss).await)["version"].clone();
    let body = json!({"version": version, "settings": settings});
    data(&put(app, "/desk/settings", boss, body).await);
}
