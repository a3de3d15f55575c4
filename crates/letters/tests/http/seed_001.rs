//! Every example of seed 001, "save to capsule".

use axum::http::Method;
use serde_json::json;
use testkit::app::{TestApp, shape};

use crate::helpers::*;

testkit::both! {
    &[];

    /// `POST /mails`
    async fn seed_001_create(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let answer = app.post("/mails", &user, capsule()).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"mailId": "id:mail", "capsuleId": "id:capsule", "status": "=DRAFT",
                    "createdAt": "=2028-01-15T12:00:00Z"}
            }),
        );
    }

    /// `GET /mails?type=DRAFT&page=1&size=10`
    async fn seed_001_list(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = mail_id(&app.post("/mails", &user, capsule()).await);
        let answer = app.get("/mails?type=DRAFT&page=1&size=10", &user).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {
                    "list": [{
                        "mailId": format!("={mail}"), "title": "=写给未来的自己",
                        "sender": person(&user), "recipient": person(&user),
                        "sendTime": "=2035-12-31T23:59:59Z", "deliveryTime": null, "status": "=DRAFT",
                        "hasAttachments": true, "isEncrypted": false, "capsuleStyle": "=default"
                    }],
                    "total": 1, "page": 1, "size": 10
                }
            }),
        );
    }

    /// `GET /mails/{mailId}`
    async fn seed_001_detail(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = mail_id(&app.post("/mails", &user, capsule()).await);
        let answer = app.get(&format!("/mails/{mail}"), &user).await;
        let data = with(
            detail_of(&user),
            json!({
                "mailId": format!("={mail}"), "sendTime": "=2035-12-31T23:59:59Z",
                "createdAt": "=2028-01-15T12:00:00Z", "status": "=DRAFT", "canEdit": true, "canRevoke": false
            }),
        );
        shape(&answer.body, &json!({"code": 200, "message": "=success", "data": data}));
    }

    /// `PUT /mails/{mailId}`
    async fn seed_001_update(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let created = app.post("/mails", &user, capsule()).await;
        let mail = mail_id(&created);
        app.clock.set(at("2028-01-15T14:30:00Z"));
        let change = json!({"title": "更新后的标题", "content": "更新后的内容...",
            "sendTime": "2036-12-31T23:59:59Z"});
        let answer = app.put(&format!("/mails/{mail}"), &user, change).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"mailId": format!("={mail}"),
                    "capsuleId": exactly(&created.data()["capsuleId"]), "status": "=DRAFT",
                    "createdAt": "=2028-01-15T12:00:00Z", "updatedAt": "=2028-01-15T14:30:00Z"}
            }),
        );
        let detail = with(
            detail_of(&user),
            json!({
                "title": "=更新后的标题", "content": "=更新后的内容...", "sendTime": "=2036-12-31T23:59:59Z",
                "createdAt": "=2028-01-15T12:00:00Z", "status": "=DRAFT", "canEdit": true, "canRevoke": false
            }),
        );
        shape(&app.detail(&user, &mail).await, &detail);
    }

    /// `DELETE /mails/{mailId}`
    async fn seed_001_delete(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = mail_id(&app.post("/mails", &user, capsule()).await);
        let answer = app.delete(&format!("/mails/{mail}"), &user).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success", "data": {"mailId": format!("={mail}")}
            }),
        );
        app.get(&format!("/mails/{mail}"), &user).await.refused(404, &[]);
        assert!(app.list(&user, "type=DRAFT").await.is_empty());
    }

    /// The table of error codes; 403 and 422 are its notes 3 and 5.
    async fn seed_001_errors(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.post("/mails", &user, with(capsule(), json!({"title": null}))).await.refused(400, &["title"]);
        app.call(Method::POST, "/mails", None, Some(capsule())).await.refused(401, &[]);
        app.get("/mails/mail_1234567890", &user).await.refused(404, &[]);
        let past = with(capsule(), json!({"sendTime": "2025-12-31T23:59:59Z"}));
        app.post("/mails", &user, past).await.refused(422, &["sendTime"]);
        for _ in 0..10 {
            app.post("/mails", &user, capsule()).await.data();
        }
        app.post("/mails", &user, capsule()).await.refused(403, &["quota"]);
    }
}
