//! `POST /notification/device` and `GET /notification/vapid-key`.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{TestApp, shape};

use crate::helpers::*;

fn web(device: &str, token: String) -> Value {
    json!({"deviceId": device, "platform": "WEB", "token": token})
}

testkit::both! {
    &[];

    /// A device replaces itself; there are at most fifty; its token is in no file as it is.
    async fn devices(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let register = |body: Value| app.post("/notification/device", &user, body);
        register(json!({})).await.refused(400, &["deviceId", "platform", "token"]);
        register(json!({"deviceId": "d", "platform": "SYMBIAN", "token": 7, "isEnabled": "x"}))
            .await
            .refused(400, &["isEnabled", "platform", "token"]);
        register(json!({"deviceId": "", "platform": "WEB", "token": "x".repeat(4097)}))
            .await
            .refused(422, &["deviceId", "token"]);
        let device = |n: usize| web(&format!("设备 {n}"), subscription(&format!("t0ken-of-push-{n}")));
        for n in 0..50 {
            register(device(n)).await.data();
        }
        register(device(50)).await.refused(422, &["deviceId"]);
        register(device(49)).await.data();
        if app.dir.join("hongyan.db").exists() {
            let stored = std::fs::read(app.dir.join("hongyan.db-wal")).unwrap();
            assert!(!stored.windows(13).any(|w| w == b"t0ken-of-push"));
            assert!(stored.windows("设备 49".len()).any(|w| w == "设备 49".as_bytes()));
        }
    }

    /// What is wrong with a token is said when it is registered, without the token.
    async fn tokens_are_checked(t) {
        let app = TestApp::new(t).await;
        let user = app.register(zhangsan()).await;
        let good = subscription("x");
        for (token, said) in [
            ("{}".to_owned(), "PushSubscription"),
            (good.replace("https://push.example.com", "http://push.example.com"), "https"),
            (good.replace("push.example.com", "127.0.0.1"), "public host"),
            (good.replace("push.example.com", "2130706433"), "public host"),
            (good.replace("push.example.com", "[::ffff:10.0.0.1]"), "public host"),
            (good.replace("push.example.com", "169.254.169.254"), "public host"),
            (good.replace("push.example.com", "localhost"), "public host"),
            (good.replace("push.example.com", "push.example.com:8443"), "port 443"),
            (good.replace("push.example.com", "user:geheim@push.example.com"), "user name"),
            (good.replace("BCVxsr7N", "BCVxsr7M"), "p256dh"),
            (good.replace("aSIgg", ""), "auth"),
        ] {
            let answer = app.post("/notification/device", &user, web("d", token)).await;
            answer.refused(422, &["token"]);
            let reason = answer.body["errors"]["token"].as_str().unwrap();
            assert!(reason.contains(said) && !reason.contains("geheim"), "{said}: {reason}");
        }
        // Kept, as the API promises for any token, though nothing can be sent to it.
        app.post("/notification/device", &user, web("d", "push-token".to_owned())).await.data();
        for platform in ["IOS", "ANDROID"] {
            let body = |token: &str| json!({"deviceId": "d", "platform": platform, "token": token});
            app.post("/notification/device", &user, body("a token")).await.refused(422, &["token"]);
            app.post("/notification/device", &user, body("令牌")).await.refused(422, &["token"]);
            app.post("/notification/device", &user, body("cS3:APA91b-_x")).await.data();
        }
    }

    /// Anybody may ask for it; it is the same at each start; its private half is for the owner of the folder only.
    async fn the_key_for_browsers(t) {
        let app = TestApp::new(t).await;
        let answer = app.call(Method::GET, "/notification/vapid-key", None, None).await;
        shape(answer.data(), &json!({"publicKey": "string"}));
        let key = answer.data()["publicKey"].as_str().unwrap();
        assert!(key.len() == 87 && key.starts_with('B'));
        use std::os::unix::fs::PermissionsExt as _;
        let file = app.dir.join("data/vapid");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let private = std::fs::read_to_string(file).unwrap();
        assert!(!answer.body.to_string().contains(private.trim()));
    }
}
