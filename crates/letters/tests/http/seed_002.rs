//! Every example of seed 002 that is about letters: §2, §3, §6.1, the error format and the usage walk.

use axum::http::Method;
use serde_json::json;
use testkit::app::{PASSWORD, TestApp, User, png, shape};

use crate::helpers::*;

testkit::both! {
    &[];

    /// §2.1 `POST /mails/create`
    async fn seed_002_2_1_create(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let body = with(
            future_mail(),
            json!({
                "triggerCondition": {
                    "location": {"latitude": 39.9042, "longitude": 116.4074, "city": "北京"},
                    "event": {"keywords": ["毕业"], "type": "graduation"}
                },
                "attachments": [{"type": "VOICE", "url": "https://example.com/a.mp3",
                    "thumbnail": "https://example.com/t.jpg"}]
            }),
        );
        let answer = app.post("/mails/create", &user, body).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"mailId": "id:mail", "capsuleId": "id:capsule", "status": "=DRAFT",
                    "createdAt": "=2028-01-15T12:00:00Z"}
            }),
        );
        let detail = app.detail(&user, &mail_id(&answer)).await;
        shape(
            &detail["triggerCondition"],
            &json!({
                "location": {"latitude": 39.9042, "longitude": 116.4074, "city": "=北京"},
                "event": {"keywords": ["=毕业"], "type": "=graduation"}
            }),
        );
    }

    /// §2.2 `GET /mails`; the countdown is a day's, as in the example.
    async fn seed_002_2_2_list(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = mail_id(&app.post("/mails/create", &user, future_mail()).await);
        app.schedule(&user, &mail, app.now() + DAY).await.data();
        let answer = app.get("/mails?type=SENT&status=PENDING&page=1&size=20", &user).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {
                    "list": [{
                        "mailId": "id:mail", "title": "=给未来的一封信",
                        "sender": person(&user), "recipient": person(&user),
                        "sendTime": "=2028-01-16T12:00:00Z", "deliveryTime": null, "status": "=PENDING",
                        "hasAttachments": false, "isEncrypted": false, "capsuleStyle": "=default",
                        "countdown": 86400
                    }],
                    "total": 1, "page": 1, "size": 20
                }
            }),
        );
        app.advance_to(app.now() + DAY).await;
        let user = app.login(&user).await;
        let answer = app.get("/mails?type=INBOX&status=DELIVERED", &user).await;
        shape(
            &answer.data()["list"],
            &json!([{
                "mailId": "id:mail", "title": "=给未来的一封信",
                "sender": person(&user), "recipient": person(&user),
                "sendTime": "=2028-01-16T12:00:00Z", "deliveryTime": "=2028-01-16T12:00:00Z",
                "status": "=DELIVERED", "hasAttachments": false, "isEncrypted": false, "capsuleStyle": "=default"
            }]),
        );
    }

    /// §2.3 `GET /mails/{mailId}` of a pending letter, with a file of ours.
    async fn seed_002_2_3_detail(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let bytes = png(400, 300);
        let file = app.attachment(&user, "a.png", &bytes, "IMAGE").await;
        let body = with(capsule(), json!({"attachments": [{"type": "IMAGE", "url": file["url"]}]}));
        let mail = mail_id(&app.post("/mails", &user, body).await);
        app.schedule(&user, &mail, app.now() + DAY).await.data();
        let detail = with(
            detail_of(&user),
            json!({
                "status": "=PENDING", "canEdit": false, "canRevoke": true, "countdown": 86400,
                "attachments": [{"id": exactly(&file["fileId"]), "type": "=IMAGE", "url": exactly(&file["url"]),
                    "thumbnail": exactly(&file["thumbnailUrl"]), "size": bytes.len()}]
            }),
        );
        shape(
            &app.get(&format!("/mails/{mail}"), &user).await.body,
            &json!({"code": 200, "message": "=success", "data": detail}),
        );
    }

    /// §2.4 `PUT /mails/{mailId}`: all fields optional, the answer like a creation's.
    async fn seed_002_2_4_update(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = mail_id(&app.post("/mails/create", &user, future_mail()).await);
        for body in [json!({}), json!({"title": "新"}), with(future_mail(), json!({"isEncrypted": true}))] {
            let answer = app.put(&format!("/mails/{mail}"), &user, body).await;
            shape(
                &answer.body,
                &json!({
                    "code": 200, "message": "=success",
                    "data": {"mailId": format!("={mail}"), "capsuleId": "id:capsule", "status": "=DRAFT",
                        "createdAt": "time", "updatedAt": "time"}
                }),
            );
        }
    }

    /// §2.5 `POST /mails/{mailId}/revoke`: 002's `REVOKED` is in `result`.
    async fn seed_002_2_5_revoke(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = mail_id(&app.post("/mails/create", &user, future_mail()).await);
        app.schedule(&user, &mail, app.now() + DAY).await.data();
        let answer = app.call(Method::POST, &format!("/mails/{mail}/revoke"), Some(&user.token), None).await;
        shape(
            answer.data(),
            &json!({"mailId": format!("={mail}"), "status": "=DRAFT",
            "result": "=REVOKED", "revokedAt": "time"}),
        );
    }

    /// §3.1 `GET /capsules`
    async fn seed_002_3_1_capsules(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let empty = app.get("/capsules", &user).await;
        assert_eq!(empty.data()["capsules"], json!([]));
        let mail = mail_id(&app.post("/mails/create", &user, future_mail()).await);
        app.schedule(&user, &mail, app.now() + 2 * DAY).await.data();
        app.clock.advance(DAY);
        let user = app.login(&user).await;
        let answer = app.get("/capsules", &user).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {
                    "capsules": [{
                        "capsuleId": format!("={}", mail.replacen("mail", "capsule", 1)),
                        "mailId": format!("={mail}"), "title": "=给未来的一封信",
                        "sendTime": "=2028-01-17T12:00:00Z", "deliveryTime": null, "progress": 0.5,
                        "position": {"x": "number", "y": "number", "z": "number"},
                        "style": "=default", "glowIntensity": "number"
                    }],
                    "scene": "=SPACE", "background": "string"
                }
            }),
        );
        let before = &answer.data()["capsules"][0];
        for axis in ["x", "y", "z"] {
            assert!((0.0..=1.0).contains(&before["position"][axis].as_f64().unwrap()));
        }
        assert!((0.0..=1.0).contains(&before["glowIntensity"].as_f64().unwrap()));
        app.advance_to(app.now() + DAY).await;
        let user = app.login(&user).await;
        let after = app.get("/capsules", &user).await.data()["capsules"][0].clone();
        assert_eq!(after["progress"], json!(1.0));
        assert_eq!(after["deliveryTime"], "2028-01-17T12:00:00Z");
        assert_eq!(after["position"], before["position"]);
    }

    /// §3.2 `PUT /capsules/{capsuleId}/style`
    async fn seed_002_3_2_capsule_style(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let created = app.post("/mails/create", &user, future_mail()).await;
        let capsule = created.data()["capsuleId"].as_str().unwrap().to_owned();
        let path = format!("/capsules/{capsule}/style");
        let answer = app.put(&path, &user, json!({"style": "crystal", "glowIntensity": 0.8})).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"capsuleId": format!("={capsule}"), "style": "=crystal", "glowIntensity": 0.8}
            }),
        );
        let view = app.get("/capsules", &user).await.data()["capsules"][0].clone();
        assert_eq!((&view["style"], &view["glowIntensity"]), (&json!("crystal"), &json!(0.8)));
        assert_eq!(app.detail(&user, &mail_id(&created)).await["capsuleStyle"], "crystal");
        // One of the two at a time; and what is not possible.
        let half = app.put(&path, &user, json!({"glowIntensity": 0})).await;
        assert_eq!((&half.data()["style"], &half.data()["glowIntensity"]), (&json!("crystal"), &json!(0.0)));
        app.put(&path, &user, json!({})).await.refused(400, &["style"]);
        app.put(&path, &user, json!({"style": 1, "glowIntensity": "x"}))
            .await
            .refused(400, &["glowIntensity", "style"]);
        app.put(&path, &user, json!({"glowIntensity": 1.01})).await.refused(422, &["glowIntensity"]);
        let other = app.user("other").await;
        app.put(&path, &other, json!({"style": "x"})).await.refused(404, &[]);
    }

    /// §6.1 `POST /upload/attachment`
    async fn seed_002_6_1_upload_attachment(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let bytes = png(640, 480);
        let answer = app.upload("/upload/attachment", &user, "照片.png", &bytes, Some("IMAGE")).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"fileId": "id:attach", "fileName": "=照片.png", "fileSize": bytes.len(),
                    "fileType": "=IMAGE", "mimeType": "=image/png", "url": "string", "thumbnailUrl": "string"}
            }),
        );
        let data = answer.data();
        let id = data["fileId"].as_str().unwrap();
        assert_eq!(data["url"], format!("http://hongyan.test/api/v1/files/{id}"));
        assert_eq!(data["thumbnailUrl"], format!("http://hongyan.test/api/v1/files/{id}/thumbnail"));
    }

    /// "Error format": `code`, `message`, and `errors` only where fields are meant.
    async fn seed_002_error_format(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let bad = app.post("/mails/create", &user, with(future_mail(), json!({"title": null}))).await;
        assert_eq!(bad.status, 400);
        shape(&bad.body, &json!({"code": 400, "message": "string", "errors": {"title": "string"}}));
        let none = app.get("/mails/mail_1", &user).await;
        assert_eq!(none.status, 404);
        shape(&none.body, &json!({"code": 404, "message": "string"}));
        let unauthorized = app.call(Method::GET, "/mails", Some("nonsense"), None).await;
        assert_eq!(unauthorized.status, 401);
        shape(&unauthorized.body, &json!({"code": 401, "message": "string"}));
    }

    /// "Usage": log in, create, list.
    async fn seed_002_usage_walk(t) {
        let app = TestApp::new(t).await;
        zhangsan(&app).await;
        let login = json!({"email": "zhangsan@example.com", "password": PASSWORD});
        let user = User::of(&app.call(Method::POST, "/auth/login", None, Some(login)).await);
        let created = app.post("/mails/create", &user, future_mail()).await;
        assert_eq!(created.data()["status"], "DRAFT");
        // It is a draft, so that the walk's `type=SENT` shows it only once it is on its way.
        assert!(app.list(&user, "type=SENT&page=1&size=10").await.is_empty());
        let mail = mail_id(&created);
        app.schedule(&user, &mail, at("2036-10-16T08:03:58.479Z")).await.data();
        assert_eq!(app.list(&user, "type=SENT&page=1&size=10").await, [mail]);
    }
}
