//! Accounts: connected, listed, made the default, connected anew, disconnected; and what of that is secret.

use serde_json::{Value, json};
use testkit::{
    app::shape,
    google::{BRAND, CLIENT_SECRET, CREATOR},
};

use crate::house::{House, good, refused};

testkit::both! {
    &testkit::app::migrations();

    /// The seed's way: initiate, visit, paste the address, list, default.
    async fn a_person_connects_accounts(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        let begun = house.post("/auth/initiate/", &anna, json!({"client_secret_json": house.client()})).await;
        shape(good(&begun), &json!({
            "auth_url": "string", "status": "=success", "redirect_uri": format!("={}", crate::house::callback()),
            "completes_itself": true, "expires_at": "time",
        }));
        let url = begun.body["auth_url"].as_str().unwrap();
        for part in ["code_challenge_method=S256", "access_type=offline", "prompt=consent", "state="] {
            assert!(url.contains(part), "{url}");
        }
        assert!(!url.contains(CLIENT_SECRET));
        let back = house.google.consent(url, BRAND).await;
        let body = json!({"client_secret_json": house.client(), "auth_code": back});
        let connected = house.post("/auth/complete/", &anna, body.clone()).await;
        shape(good(&connected), &json!({
            "id": 1, "email": format!("={BRAND}"), "is_default": true, "created_at": "time", "status": "=success",
        }));
        refused(&house.post("/auth/complete/", &anna, body).await, 422, &["auth_code"]);
        // A second one, by the code alone, and without the last slash.
        let back = house.consent(&anna, CREATOR).await;
        let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
        let body = json!({"client_secret_json": house.client(), "auth_code": code});
        let second = house.post("/auth/complete", &anna, body).await;
        assert_eq!((&good(&second)["id"], &second.body["is_default"]), (&json!(2), &json!(false)));
        let list = house.get("/credentials/", &anna).await;
        assert_eq!(good(&list)["count"], 2);
        shape(&list.body["results"][0], &json!({
            "id": 1, "email": format!("={BRAND}"), "is_default": true, "created_at": "time", "status": "=active",
            "status_reason": null, "last_sync": null, "last_push": null, "watch_expires": null, "watch_error": null,
            "limited_until": null,
            "sends_limited_until": null, "sends_today": 0, "cap": 50, "daily_cap": null, "aliases": [], "auto_reply": "=on",
            "name": null, "sending_hours": null,
            "limited_until": null, "sync_error": null, "waiting": 0, "skipped": 0,
        }));
        let done = house.post("/credentials/2/set_default/", &anna, json!({})).await;
        shape(good(&done), &json!({"status": "=success", "message": "string"}));
        let list = house.get("/credentials", &anna).await;
        let defaults: Vec<Value> =
            good(&list)["results"].as_array().unwrap().iter().map(|c| c["is_default"].clone()).collect();
        assert_eq!(defaults, [json!(false), json!(true)]);
    }

    /// The browser's way: Google sends it back to us, and that is all.
    async fn the_redirect_completes_it(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        let back = house.consent(&anna, BRAND).await;
        let path = back.split("/api/gmail").nth(1).unwrap();
        let page = house.call(axum::http::Method::GET, path, None, None).await;
        assert_eq!(page.status, 200);
        let html = String::from_utf8(page.bytes.to_vec()).unwrap();
        assert!(html.contains(BRAND) && html.contains("account of anna") && page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert_eq!(good(&house.get("/credentials/", &anna).await)["count"], 1);
        // Once.
        let again = house.call(axum::http::Method::GET, path, None, None).await;
        let html = String::from_utf8(again.bytes.to_vec()).unwrap();
        assert!(again.status == 422 && html.contains("no consent is open") && html.contains("only loaded again"), "{html}");
        let denied = house.call(axum::http::Method::GET, "/auth/callback/?error=access_denied&state=x", None, None).await;
        let html = String::from_utf8(denied.bytes.to_vec()).unwrap();
        assert!(denied.status == 422 && html.contains("did not allow"), "{html}");
    }

    /// Connecting an address again renews its one credential; another's account cannot be taken over.
    async fn an_address_has_one_credential(t) {
        let Some(house) = House::new(t).await else { return };
        let (anna, ben) = (house.app.user("anna").await, house.app.user("ben").await);
        let first = house.connect(&anna, BRAND).await;
        let again = house.connect(&anna, BRAND).await;
        assert_eq!((&again["id"], &again["created_at"]), (&first["id"], &first["created_at"]));
        assert_eq!(good(&house.get("/credentials/", &anna).await)["count"], 1);
        let back = house.consent(&ben, BRAND).await;
        let body = json!({"client_secret_json": house.client(), "auth_code": back});
        refused(&house.post("/auth/complete/", &ben, body).await, 409, &["email"]);
        assert_eq!(good(&house.get("/credentials/", &ben).await)["count"], 0);
        refused(&house.post("/credentials/1/set_default/", &ben, json!({})).await, 404, &[]);
        refused(&house.delete("/credentials/1/", &ben).await, 404, &[]);
        refused(&house.post("/credentials/x/set_default/", &anna, json!({})).await, 404, &[]);
    }

    /// The client's file may be given as the object that it is.
    async fn a_client_as_an_object(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        let client = house.google.client_secret();
        let begun = house.post("/auth/initiate/", &anna, json!({"client_secret_json": client})).await;
        let back = house.google.consent(good(&begun)["auth_url"].as_str().unwrap(), BRAND).await;
        // Either form is the same client.
        let body = json!({"client_secret_json": house.client(), "auth_code": back});
        good(&house.post("/auth/complete/", &anna, body).await);
        let back = house.consent(&anna, CREATOR).await;
        let body = json!({"client_secret_json": client, "auth_code": back});
        good(&house.post("/auth/complete/", &anna, body).await);
        for (bad, status) in [(json!([client]), 400), (json!(1), 400), (json!({}), 422), (json!({"web": {}}), 422)] {
            let answer = house.post("/auth/initiate/", &anna, json!({"client_secret_json": bad})).await;
            refused(&answer, status, &["client_secret_json"]);
        }
        let long = json!({"client_secret_json": {"web": {"client_id": "x".repeat(70_000)}}});
        refused(&house.post("/auth/initiate/", &anna, long).await, 422, &["client_secret_json"]);
    }

    /// An account that is connected again is asked for its aliases at once.
    async fn aliases_after_connecting_again(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        let aliases = async || good(&house.get("/credentials/", &anna).await)["results"][0]["aliases"].clone();
        house.connect(&anna, BRAND).await;
        house.app.run_due().await;
        assert_eq!(aliases().await, json!([]));
        let list = json!({"sendAs": [{"sendAsEmail": "sales@shop.example", "verificationStatus": "accepted"}]});
        house.google.fault(json!({"path": "/settings/sendAs", "status": 200, "body": list, "times": 1})).await;
        house.app.run_due().await;
        assert_eq!(aliases().await, json!([]));
        house.connect(&anna, BRAND).await;
        house.app.run_due().await;
        assert_eq!(aliases().await, json!(["sales@shop.example"]));
    }

    /// Stop, revoke, wipe; the oldest of the others becomes the default.
    async fn disconnected(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        let first = house.connect(&anna, BRAND).await;
        house.connect(&anna, CREATOR).await;
        good(&house.delete(&format!("/credentials/{}/", first["id"]), &anna).await);
        let revoked = house.google.log("/revoke").await;
        assert!(!revoked.is_empty());
        let list = house.get("/credentials/", &anna).await;
        assert_eq!((&good(&list)["count"], &list.body["results"][0]["is_default"]), (&json!(1), &json!(true)));
        refused(&house.delete(&format!("/credentials/{}/", first["id"]), &anna).await, 404, &[]);
        // Connected once more it is a new one.
        assert_eq!(house.connect(&anna, BRAND).await["id"], 3);
    }

    /// Of accounts that are connected at the same time one is the default; and the default goes on to another one.
    async fn one_default(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        let consents = [house.consent(&anna, BRAND).await, house.consent(&anna, CREATOR).await];
        let done = futures_util::future::join_all(consents.iter().map(|back| {
            house.post("/auth/complete/", &anna, json!({"client_secret_json": house.client(), "auth_code": back}))
        }))
        .await;
        assert!(done.iter().all(|answer| answer.status == 200));
        let list = house.get("/credentials/", &anna).await;
        let accounts = good(&list)["results"].as_array().unwrap().clone();
        let defaults: Vec<&Value> = accounts.iter().filter(|one| one["is_default"] == true).collect();
        assert!(accounts.len() == 2 && defaults.len() == 1, "{accounts:?}");
        good(&house.delete(&format!("/credentials/{}/", defaults[0]["id"]), &anna).await);
        let list = house.get("/credentials/", &anna).await;
        assert_eq!((&good(&list)["count"], &list.body["results"][0]["is_default"]), (&json!(1), &json!(true)));
    }

    /// No token and no client secret in the database, in answers, or after a rotation of the keys anywhere but under the new.
    async fn nothing_secret_lies_open(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.begin(&anna).await;
        house.connect(&anna, BRAND).await;
        let mut conn = house.app.system.db.read().await.unwrap();
        let kept: Vec<(Vec<u8>, Option<Vec<u8>>)> = conn
            .all(db::sql!("SELECT grant_sealed, access_sealed FROM gmail_credentials"), db::args![])
            .await
            .unwrap();
        let flows: Vec<(Vec<u8>, Vec<u8>)> =
            conn.all(db::sql!("SELECT client, verifier FROM gmail_flows"), db::args![]).await.unwrap();
        drop(conn);
        let (grant, access) = &kept[0];
        let all = [vec![grant.clone(), access.clone().unwrap()], flows.into_iter().flat_map(|(a, b)| [a, b]).collect()].concat();
        for sealed in all {
            let open = String::from_utf8_lossy(&sealed);
            for secret in [CLIENT_SECRET, "client_secret", "refresh", "Bearer", "ya29", "google_"] {
                assert!(!open.contains(secret), "{secret} lies open");
            }
        }
        let list = house.get("/credentials/", &anna).await.body.to_string();
        assert!(!list.contains(CLIENT_SECRET) && !list.contains("token") && !list.contains("scopes"));
    }
}
