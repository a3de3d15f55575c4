//! Profile, notification settings, devices: what a user may set, and how it is refused.

use serde_json::{Value, json};
use testkit::app::{PASSWORD, TestApp};

use crate::helpers::*;

testkit::both! {
    &[];

    /// Absent fields and nulls stay as they were; unknown fields change nothing.
    async fn an_update_changes_what_it_names(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let profile = async || app.get("/user/profile", &user).await.data().clone();
        app.put("/user/profile", &user, json!({"nickname": "小三"})).await.data();
        let before = profile().await;
        app.put("/user/profile", &user, json!({})).await.data();
        app.put("/user/profile", &user, json!({"nickname": null, "avatar": null})).await.data();
        let not_theirs = json!({"email": "x@example.com", "username": "x", "role": "operator", "plan": "PREMIUM",
            "userId": "user_1", "emailVerified": true});
        app.put("/user/profile", &user, not_theirs).await.data();
        assert_eq!(profile().await, before);
        app.put("/user/profile", &user, json!({"preferredScene": "OCEAN"})).await.data();
        let mut after = before;
        after["preferredScene"] = json!("OCEAN");
        assert_eq!(profile().await, after);
        assert_eq!(app.get("/user/subscription", &user).await.data()["plan"], "FREE");
    }

    /// 400 and 422, with every bad field.
    async fn bad_profiles_are_refused(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let put = |body: Value| app.put("/user/profile", &user, body);
        put(json!({"nickname": 1, "avatar": 2, "preferredBackground": 3, "preferredScene": "DESERT"}))
            .await
            .refused(400, &["avatar", "nickname", "preferredBackground", "preferredScene"]);
        put(json!({"nickname": "", "avatar": "javascript:alert(1)", "preferredBackground": "a\nb"}))
            .await
            .refused(422, &["avatar", "nickname", "preferredBackground"]);
        put(json!({"nickname": "长".repeat(65)})).await.refused(422, &["nickname"]);
        put(json!({"nickname": "长".repeat(64)})).await.data();
        for url in [
            "//example.com/a",
            "data:image/png;base64,AA",
            "file:///etc/passwd",
            "http://",
            "https://a b/",
            "ftp://example.com/",
        ] {
            put(json!({"avatar": url})).await.refused(422, &["avatar"]);
        }
    }

    /// Who registers badly is told all at once, and no account is made.
    async fn bad_registrations_are_refused(t) {
        let app = TestApp::new(t).await;
        let register = |body: Value| post(&app, "/auth/register", body);
        register(json!({"username": 1, "email": [], "password": {}, "avatar": 7}))
            .await
            .refused(400, &["avatar", "email", "password", "username"]);
        register(json!({"username": "", "email": "nobody", "password": "1234567", "avatar": "x"}))
            .await
            .refused(422, &["avatar", "email", "password", "username"]);
        let base = json!({"username": "li", "email": "li@example.com", "password": PASSWORD});
        for (field, value) in [
            ("username", json!("x".repeat(65))),
            ("username", json!("a\u{0}b")),
            ("username", json!("a\nb")),
            ("email", json!("a b@example.com")),
            ("email", json!("@example.com")),
            ("email", json!("li@")),
            ("email", json!("li@example")),
            ("email", json!("li@[127.0.0.1]")),
            ("email", json!("\"li\"@example.com")),
            ("email", json!("li@example.com\r\nBcc: x@y.z")),
            ("email", json!("a\u{0}@example.com")),
            ("email", json!(format!("{}@example.com", "a".repeat(65)))),
            ("email", json!(format!("a@{}.com", "b".repeat(250)))),
            ("password", json!("1234567")),
            ("password", json!("x".repeat(129))),
            ("password", json!("x".repeat(5000))),
            ("password", json!("12345678\u{0}")),
        ] {
            let mut body = base.clone();
            body[field] = value;
            register(body).await.refused(422, &[field]);
        }
        login(&app, "li@example.com", PASSWORD).await.refused(401, &[]);
        // The shortest and the longest, of any characters.
        for (n, password) in ["密码密码密码密码", "        ", &"x".repeat(128)].into_iter().enumerate()
        {
            let email = format!("li{n}@example.com");
            register(json!({"username": "li", "email": email, "password": password})).await.data();
            login(&app, &email, password).await.data();
        }
    }

    /// Each setting by itself.
    async fn settings_change_one_by_one(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let mut expected = json!({"emailNotification": true, "pushNotification": true, "deliveryReminder": true,
            "receivedNotification": true});
        for field in ["emailNotification", "pushNotification", "deliveryReminder", "receivedNotification"] {
            app.put("/notification/settings", &user, json!({field: false})).await.data();
            expected[field] = json!(false);
            assert_eq!(app.get("/notification/settings", &user).await.data(), &expected);
        }
        let bad = json!({"emailNotification": "no", "pushNotification": 0});
        app.put("/notification/settings", &user, bad)
            .await
            .refused(400, &["emailNotification", "pushNotification"]);
        let other = app.user("other").await;
        assert_eq!(app.get("/notification/settings", &other).await.data()["emailNotification"], true);
    }
}
