//! Every example of seed 002 that is about accounts: §1, §5.3–5.4, §6.2, §7, §8 and its error codes.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{PASSWORD, TestApp, User, png, shape};

use crate::helpers::*;

fn logged_in() -> Value {
    json!({
        "code": 200, "message": "=success",
        "data": {"userId": "id:user", "username": "=张三", "email": "=zhangsan@example.com",
            "avatar": "=https://example.com/avatar.jpg", "token": "string", "refreshToken": "string"}
    })
}

testkit::both! {
    &[];

    /// §1.1 `POST /auth/register`
    async fn seed_002_1_1_register(t) {
        let app = TestApp::new(t).await;
        let answer = post(&app, "/auth/register", zhangsan()).await;
        shape(&answer.body, &logged_in());
        assert_eq!(status(&app, answer.data()["token"].as_str().unwrap()).await, 200);
        post(&app, "/auth/register", zhangsan()).await.refused(409, &["email"]);
    }

    /// §1.2 `POST /auth/login`: the same answer.
    async fn seed_002_1_2_login(t) {
        let app = TestApp::new(t).await;
        let registered = app.register(zhangsan()).await;
        let answer = login(&app, "zhangsan@example.com", "password123").await;
        shape(&answer.body, &logged_in());
        assert_eq!(answer.data()["userId"], registered.id);
        assert_eq!(status(&app, answer.data()["token"].as_str().unwrap()).await, 200);
    }

    /// §1.3 `POST /auth/refresh`
    async fn seed_002_1_3_refresh(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let answer = refresh(&app, &user.refresh).await;
        shape(
            &answer.body,
            &json!({
                "code": 200, "message": "=success", "data": {"token": "string", "refreshToken": "string"}
            }),
        );
        assert_ne!(answer.data()["refreshToken"], user.refresh);
        assert_eq!(status(&app, answer.data()["token"].as_str().unwrap()).await, 200);
    }

    /// §1.4 `POST /auth/logout`
    async fn seed_002_1_4_logout(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let answer = app.call(Method::POST, "/auth/logout", Some(&user.token), None).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, json!({"code": 200, "message": "success", "data": null}));
    }

    /// §5.3 `GET /user/profile`; `emailVerified` is beside the seed's fields.
    async fn seed_002_5_3_get_profile(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        shape(
            &app.get("/user/profile", &user).await.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"userId": format!("={}", user.id), "username": "=张三", "email": "=zhangsan@example.com",
                    "emailVerified": "boolean", "avatar": "=https://example.com/avatar.jpg", "nickname": null,
                    "preferredBackground": "string", "preferredScene": "=SPACE",
                    "createdAt": "=2028-01-15T12:00:00Z", "lastLoginAt": "=2028-01-15T12:00:00Z"}
            }),
        );
        app.clock.advance(HOUR);
        let user = app.login(&user).await;
        let profile = app.get("/user/profile", &user).await;
        assert_eq!(profile.data()["createdAt"], "2028-01-15T12:00:00Z");
        assert_eq!(profile.data()["lastLoginAt"], "2028-01-15T13:00:00Z");
    }

    /// §5.4 `PUT /user/profile`
    async fn seed_002_5_4_update_profile(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        app.clock.advance(HOUR);
        let change = json!({"nickname": "小三", "avatar": "https://example.com/new.jpg",
            "preferredBackground": "aurora", "preferredScene": "OCEAN"});
        shape(
            &app.put("/user/profile", &user, change).await.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"userId": format!("={}", user.id), "username": "=张三", "email": "=zhangsan@example.com",
                    "nickname": "=小三", "avatar": "=https://example.com/new.jpg",
                    "preferredBackground": "=aurora", "preferredScene": "=OCEAN",
                    "updatedAt": "=2028-01-15T13:00:00Z"}
            }),
        );
        let capsules = app.get("/capsules", &user).await;
        assert_eq!(
            (&capsules.data()["scene"], &capsules.data()["background"]),
            (&json!("OCEAN"), &json!("aurora"))
        );
    }

    /// §6.2 `POST /upload/avatar`
    async fn seed_002_6_2_upload_avatar(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let answer = app.upload("/upload/avatar", &user, "me.png", &png(64, 64), None).await;
        shape(&answer.body, &json!({"code": 200, "message": "=success", "data": {"avatarUrl": "string"}}));
        let profile = app.get("/user/profile", &user).await;
        assert_eq!(profile.data()["avatar"], answer.data()["avatarUrl"]);
    }

    /// §7.1 `POST /notification/device`
    async fn seed_002_7_1_device(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let tokens = [("IOS", "push-token".to_owned()), ("ANDROID", "push-token".to_owned()), ("WEB", "push-token".to_owned()), ("WEB", subscription("x"))];
        for (platform, token) in tokens {
            let body = json!({"deviceId": "device-1", "platform": platform, "token": token,
                "isEnabled": true});
            shape(
                &app.post("/notification/device", &user, body).await.body,
                &json!({
                    "code": 200, "message": "=success", "data": {"deviceId": "=device-1", "isRegistered": true}
                }),
            );
        }
    }

    /// §7.2 `GET /notification/settings`
    async fn seed_002_7_2_get_settings(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        assert_eq!(
            app.get("/notification/settings", &user).await.body,
            json!({
                "code": 200, "message": "success",
                "data": {"emailNotification": true, "pushNotification": true, "deliveryReminder": true,
                    "receivedNotification": true}
            })
        );
    }

    /// §7.3 `PUT /notification/settings`
    async fn seed_002_7_3_update_settings(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        app.clock.advance(HOUR);
        let change = json!({"emailNotification": true, "pushNotification": false, "deliveryReminder": true,
            "receivedNotification": false});
        shape(
            &app.put("/notification/settings", &user, change).await.body,
            &json!({
                "code": 200, "message": "=success",
                "data": {"emailNotification": true, "pushNotification": false, "deliveryReminder": true,
                    "receivedNotification": false, "updatedAt": "=2028-01-15T13:00:00Z"}
            }),
        );
    }

    /// §8.1 `GET /user/subscription`, on both plans.
    async fn seed_002_8_1_subscription(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        assert_eq!(
            app.get("/user/subscription", &user).await.body,
            json!({
                "code": 200, "message": "success",
                "data": {"plan": "FREE", "remainingMails": 10, "maxAttachmentSize": 10_485_760,
                    "features": {"advancedTriggers": false, "customCapsules": false, "aiAssistant": true},
                    "expireDate": null}
            })
        );
        let until = app.now() + HOUR;
        let given = app.system.accounts.admin_plan(&user.email, accounts::Plan::Premium, Some(until)).await;
        given.unwrap();
        assert_eq!(
            app.get("/user/subscription", &user).await.data(),
            &json!({
                "plan": "PREMIUM", "remainingMails": null, "maxAttachmentSize": 104_857_600,
                "features": {"advancedTriggers": true, "customCapsules": true, "aiAssistant": true},
                "expireDate": until
            })
        );
        app.clock.set(until);
        let ended = app.get("/user/subscription", &user).await;
        assert_eq!((&ended.data()["plan"], &ended.data()["expireDate"]), (&json!("FREE"), &Value::Null));
    }

    /// The seed's error codes: 400, 401 and 409 here; 429 is in `limits`.
    async fn seed_002_errors(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let empty = post(&app, "/auth/register", json!({})).await;
        empty.refused(400, &["email", "password", "username"]);
        shape(
            &empty.body,
            &json!({"code": 400, "message": "string",
            "errors": {"email": "string", "password": "string", "username": "string"}}),
        );
        login(&app, &user.email, "wrong").await.refused(401, &[]);
        app.get("/user/profile", &User { token: format!("{}x", user.token), ..user.clone() })
            .await
            .refused(401, &[]);
        post(&app, "/auth/register", zhangsan()).await.refused(409, &["email"]);
        assert_eq!(PASSWORD, "password123", "the seed's");
    }
}
