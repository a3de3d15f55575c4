//! What the tests of letters share.

use std::time::Duration;

use kernel::Timestamp;
use serde_json::{Value, json};
use testkit::app::{Answer, PASSWORD, TestApp, User};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(86_400);
pub const MICRO: Duration = Duration::from_micros(1);

/// A time.
#[track_caller]
pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// The seeds' author: 张三 with an avatar.
pub async fn zhangsan(app: &TestApp) -> User {
    app.register(json!({"username": "张三", "email": "zhangsan@example.com", "password": PASSWORD,
        "avatar": "https://example.com/avatar.jpg"}))
        .await
}

/// Somebody who is not told that letters have arrived: where dispatches or mails are counted.
pub async fn quiet(app: &TestApp, user: &User) {
    app.put("/notification/settings", user, json!({"receivedNotification": false})).await.data();
}

/// How many attempts were made at the dispatches of a kind.
pub async fn attempts(app: &TestApp, kind: &str) -> usize {
    let mut conn = app.system.db.read().await.unwrap();
    let all: Vec<(i64,)> =
        conn.all(db::sql!("SELECT attempt FROM dispatches WHERE kind = $1"), db::args![kind]).await.unwrap();
    all.into_iter().map(|(n,)| usize::try_from(n).unwrap()).sum()
}

/// An object with `more` laid over it; a `null` removes the field.
pub fn with(mut base: Value, more: Value) -> Value {
    let map = base.as_object_mut().expect("an object");
    for (key, value) in more.as_object().expect("an object") {
        if value.is_null() {
            map.remove(key);
        } else {
            map.insert(key.clone(), value.clone());
        }
    }
    base
}

/// The template of this very text.
#[track_caller]
pub fn exactly(text: &Value) -> Value {
    json!(format!("={}", text.as_str().expect("a text")))
}

/// The body of 001's example, due in the future of the tests' clock.
pub fn capsule() -> Value {
    json!({
        "title": "写给未来的自己",
        "content": "亲爱的未来的我,当你读到这封信时,希望你已经实现了现在的梦想...",
        "recipientType": "SELF",
        "sendTime": "2035-12-31T23:59:59Z",
        "triggerType": "TIME",
        "attachments": [{
            "type": "IMAGE",
            "url": "https://example.com/image.jpg",
            "thumbnail": "https://example.com/thumb.jpg"
        }],
        "isEncrypted": false,
        "capsuleStyle": "default",
        "status": "DRAFT"
    })
}

/// The body of 002's example.
pub fn future_mail() -> Value {
    json!({
        "title": "给未来的一封信",
        "content": "亲爱的未来的我,...",
        "recipientType": "SELF",
        "sendTime": "2036-10-16T08:03:58.479Z",
        "triggerType": "TIME",
        "triggerCondition": {},
        "attachments": [],
        "isEncrypted": false,
        "capsuleStyle": "default"
    })
}

/// The id in a creation's answer.
#[track_caller]
pub fn mail_id(answer: &Answer) -> String {
    answer.data()["mailId"].as_str().expect("an id").to_owned()
}

/// 张三 in a list.
pub fn person(user: &User) -> Value {
    json!({"userId": format!("={}", user.id), "username": "=张三", "avatar": "=https://example.com/avatar.jpg"})
}

/// 张三 in a detail.
pub fn person_detail(user: &User) -> Value {
    with(person(user), json!({"email": "=zhangsan@example.com"}))
}

/// What every detail has; `capsuleId` and `recipientType` are beside the seeds' fields.
pub fn detail_of(user: &User) -> Value {
    json!({
        "mailId": "id:mail",
        "capsuleId": "id:capsule",
        "title": "=写给未来的自己",
        "content": "=亲爱的未来的我,当你读到这封信时,希望你已经实现了现在的梦想...",
        "sender": person_detail(user),
        "recipient": person_detail(user),
        "recipientType": "=SELF",
        "sendTime": "time",
        "createdAt": "time",
        "deliveryTime": null,
        "status": "string",
        "triggerType": "=TIME",
        "triggerCondition": {},
        "attachments": [{
            "id": "id:attach",
            "type": "=IMAGE",
            "url": "=https://example.com/image.jpg",
            "thumbnail": "=https://example.com/thumb.jpg",
            "size": null
        }],
        "isEncrypted": false,
        "capsuleStyle": "=default",
        "canEdit": "boolean",
        "canRevoke": "boolean"
    })
}
