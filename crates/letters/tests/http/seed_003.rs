//! Every example of seed 003, "send to future".

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User, shape};

use crate::helpers::*;

/// The countdown of the examples.
const COUNTDOWN: u64 = 94_608_000;
/// So long after the tests' start.
const SEND_TIME: &str = "2031-01-14T12:00:00Z";

/// Makes 001's draft and sends it as the example does.
async fn sent(app: &TestApp, user: &User) -> (String, Answer) {
    let mail = mail_id(&app.post("/mails", user, capsule()).await);
    let body = json!({"mailId": mail, "sendTime": SEND_TIME, "triggerType": "TIME", "triggerCondition": {}});
    let answer = app.post("/mails/send-to-future", user, body).await;
    (mail, answer)
}

testkit::both! {
    &[];

    /// `POST /mails/send-to-future`
    async fn seed_003_send_to_future(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let (mail, answer) = sent(&app, &user).await;
        let capsule = mail.replacen("mail", "capsule", 1);
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"mailId": format!("={mail}"), "capsuleId": format!("={capsule}"), "status": "=PENDING",
                    "sendTime": format!("={SEND_TIME}"), "countdown": COUNTDOWN,
                    "updatedAt": "=2028-01-15T12:00:00Z"}
            }),
        );
    }

    /// `GET /mails?type=SENT&status=PENDING&page=1&size=10`
    async fn seed_003_list(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let (mail, _) = sent(&app, &user).await;
        let answer = app.get("/mails?type=SENT&status=PENDING&page=1&size=10", &user).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {
                    "list": [{
                        "mailId": format!("={mail}"), "title": "=写给未来的自己",
                        "sender": person(&user), "recipient": person(&user),
                        "sendTime": format!("={SEND_TIME}"), "deliveryTime": null, "status": "=PENDING",
                        "hasAttachments": true, "isEncrypted": false, "capsuleStyle": "=default",
                        "countdown": COUNTDOWN
                    }],
                    "total": 1, "page": 1, "size": 10
                }
            }),
        );
    }

    /// `GET /mails/{mailId}`
    async fn seed_003_detail(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let (mail, _) = sent(&app, &user).await;
        let answer = app.get(&format!("/mails/{mail}"), &user).await;
        let data = with(
            detail_of(&user),
            json!({
                "mailId": format!("={mail}"), "sendTime": format!("={SEND_TIME}"),
                "createdAt": "=2028-01-15T12:00:00Z", "status": "=PENDING",
                "canEdit": false, "canRevoke": true, "countdown": COUNTDOWN
            }),
        );
        shape(&answer.body, &json!({"code": 200, "message": "=success", "data": data}));
    }

    /// `POST /mails/{mailId}/revoke`; `result` is there for 002's readers.
    async fn seed_003_revoke(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let (mail, _) = sent(&app, &user).await;
        app.clock.set(at("2028-01-15T14:30:00Z"));
        let answer = app.call(Method::POST, &format!("/mails/{mail}/revoke"), Some(&user.token), None).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"mailId": format!("={mail}"), "status": "=DRAFT", "result": "=REVOKED",
                    "revokedAt": "=2028-01-15T14:30:00Z"}
            }),
        );
        let detail = app.detail(&user, &mail).await;
        assert_eq!(
            (&detail["status"], &detail["canEdit"], &detail["canRevoke"]),
            (&json!("DRAFT"), &json!(true), &json!(false))
        );
        assert_eq!(detail["countdown"], Value::Null);
    }

    /// The table of error codes.
    async fn seed_003_errors(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let send = |body: Value| app.post("/mails/send-to-future", &user, body);
        send(json!({})).await.refused(400, &["mailId", "sendTime"]);
        let body = json!({"mailId": "mail_1234567890", "sendTime": SEND_TIME});
        app.call(Method::POST, "/mails/send-to-future", None, Some(body.clone())).await.refused(401, &[]);
        send(body).await.refused(404, &[]);
        let mail = app.draft(&user, json!({})).await;
        let place = json!({"location": {"city": "北京"}});
        let advanced = json!({"mailId": mail, "sendTime": SEND_TIME, "triggerType": "LOCATION",
            "triggerCondition": place});
        send(advanced).await.refused(403, &["triggerType"]);
        send(json!({"mailId": mail, "sendTime": "2025-12-31T23:59:59Z"})).await.refused(422, &["sendTime"]);
    }
}
