//! What is refused on the way to Google, and by which name; and that nothing is lost by it.

use serde_json::json;
use testkit::google::BRAND;

use crate::house::{House, good, refused};

testkit::both! {
    &testkit::app::migrations();

    /// Only an OAuth client's file for the configured endpoints is taken.
    async fn clients(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        let with = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut client = house.google.client_secret();
            change(&mut client);
            client.to_string()
        };
        for (json, part) in [
            (with(&|c| c["web"]["token_uri"] = json!("http://169.254.169.254/token")), "web.token_uri"),
            (with(&|c| c["web"]["auth_uri"] = json!("https://evil.example/auth")), "web.auth_uri"),
            (with(&|c| c["web"]["client_id"] = json!("")), "web.client_id"),
            (json!({"type": "service_account", "private_key": "x"}).to_string(), "service account"),
            ("AIzaSyA1234567890abcdefghijklmnopqrstuv".to_owned(), "API key"),
            ("{".to_owned(), "JSON"),
        ] {
            let answer = house.post("/auth/initiate/", &anna, json!({"client_secret_json": json})).await;
            refused(&answer, 422, &["client_secret_json"]);
            assert!(answer.body["errors"]["client_secret_json"].as_str().unwrap().contains(part), "{}", answer.body);
        }
        refused(&house.post("/auth/initiate/", &anna, json!({})).await, 400, &["client_secret_json"]);
        let both = json!({"client_secret_json": house.client(), "client_secret_file": house.client()});
        refused(&house.post("/auth/initiate/", &anna, both).await, 400, &["client_secret_file"]);
        let elsewhere = json!({"client_secret_json": house.client(), "redirect_uri": "https://evil.example/"});
        refused(&house.post("/auth/initiate/", &anna, elsewhere).await, 422, &["redirect_uri"]);
        let stranger = house.call(axum::http::Method::GET, "/credentials/", None, None).await;
        refused(&stranger, 401, &[]);
        assert!(house.google.log("/token").await.is_empty(), "nothing was called");
    }

    /// The client may be uploaded as a file, too.
    async fn a_file(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        let form = format!(
            "--b\r\nContent-Disposition: form-data; name=\"client_secret_file\"; filename=\"client.json\"\r\n\
             Content-Type: application/json\r\n\r\n{}\r\n--b--\r\n",
            house.client()
        );
        let request = axum::http::Request::post("/api/gmail/auth/initiate/")
            .header("authorization", format!("Bearer {}", anna.token))
            .header("content-type", "multipart/form-data; boundary=b")
            .body(axum::body::Body::from(form))
            .unwrap();
        let answer = house.app.send(request).await;
        let back = house.google.consent(good(&answer)["auth_url"].as_str().unwrap(), BRAND).await;
        let body = json!({"client_secret_json": house.client(), "auth_code": back});
        good(&house.post("/auth/complete/", &anna, body).await);
    }

    /// A consent is its user's, for ten minutes, with its client; what came of nothing may be tried again.
    async fn consents(t) {
        let Some(house) = House::new(t).await else { return };
        let (anna, ben) = (house.app.user("anna").await, house.app.user("ben").await);
        let back = house.consent(&anna, BRAND).await;
        let complete = |code: &str, client: String| json!({"client_secret_json": client, "auth_code": code});
        refused(&house.post("/auth/complete/", &ben, complete(&back, house.client())).await, 422, &["auth_code"]);
        let mut other = house.google.client_secret();
        other["web"]["client_id"] = json!("another.apps.googleusercontent.com");
        let wrong = house.post("/auth/complete/", &anna, complete(&back, other.to_string())).await;
        refused(&wrong, 422, &["client_secret_json"]);
        refused(&house.post("/auth/complete/", &anna, complete("nonsense", house.client())).await, 422, &["auth_code"]);
        refused(&house.post("/auth/complete/", &anna, json!({})).await, 400, &["auth_code", "client_secret_json"]);
        // Google is away for a moment: nothing is used up.
        house.google.fault(json!({"path": "^/token$", "status": 503, "times": 1})).await;
        refused(&house.post("/auth/complete/", &anna, complete(&back, house.client())).await, 503, &[]);
        good(&house.post("/auth/complete/", &anna, complete(&back, house.client())).await);
        // Eleven minutes later.
        let late = house.consent(&anna, BRAND).await;
        house.app.clock.advance(std::time::Duration::from_secs(660));
        refused(&house.post("/auth/complete/", &anna, complete(&late, house.client())).await, 422, &["auth_code"]);
        // Boxes that were unticked.
        let url = house.begin(&anna).await;
        let back = house.google.consent_to(&url, BRAND, "openid email").await;
        let partly = house.post("/auth/complete/", &anna, complete(&back, house.client())).await;
        refused(&partly, 422, &["auth_code"]);
        assert!(partly.body["errors"]["auth_code"].as_str().unwrap().contains("gmail.modify"));
        // What was used, or whose time is over, does not lie about with its client's secret.
        for _ in 0..12 {
            house.begin(&anna).await;
        }
        let open = || async {
            let mut conn = house.app.system.db.read().await.unwrap();
            let (n,): (i64,) = conn.one(db::sql!("SELECT COUNT(*) FROM gmail_flows"), db::args![]).await.unwrap();
            n
        };
        assert_eq!(open().await, 10);
        house.app.clock.advance(std::time::Duration::from_secs(660));
        house.app.system.gmail.look_after_mailboxes().await.unwrap();
        assert_eq!(open().await, 0);
    }

    /// The same address from 8 browsers at once: one credential.
    async fn at_once(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        let mut backs = Vec::new();
        for _ in 0..8 {
            backs.push(house.consent(&anna, BRAND).await);
        }
        let answers = futures_util::future::join_all(backs.iter().map(|back| {
            let body = json!({"client_secret_json": house.client(), "auth_code": back});
            house.post("/auth/complete/", &anna, body)
        }))
        .await;
        for answer in &answers {
            assert_eq!(good(answer)["id"], good(&answers[0])["id"]);
        }
        let list = house.get("/credentials/", &anna).await;
        assert_eq!((&good(&list)["count"], &list.body["results"][0]["is_default"]), (&json!(1), &json!(true)));
    }

    /// Whoever refuses: the dialect is the module's.
    async fn every_refusal(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        refused(&house.get("/nothing/", &anna).await, 404, &[]);
        refused(&house.get("/nothing", &anna).await, 404, &[]);
        refused(&house.delete("/goals/", &anna).await, 405, &[]);
        let push = house.call(axum::http::Method::POST, "/webhook/", None, Some(json!({}))).await;
        refused(&push, 503, &[]);
    }
}
