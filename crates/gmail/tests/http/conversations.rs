//! Conversations: made once, found, changed, removed; and whose they are.

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::{
    app::{Answer, shape},
    google::{BRAND, CREATOR},
};

use crate::{
    house::{House, good, refused},
    mailbag::plain,
    mailbox::Rig,
};

const EVERYTHING: [&str; 7] = [
    "gmail_messages",
    "gmail_links",
    "gmail_parts",
    "gmail_terms",
    "gmail_notes",
    "gmail_summaries",
    "gmail_conversations",
];

testkit::both! {
    &testkit::app::migrations();

    /// The seed's fields, one for each account and counterpart, however the address is written.
    async fn made_and_listed(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        let body = json!({"user_email": "Brand@Example.com", "influencer_email": "Li.Lei@gmail.com"});
        let made = house.post("/conversations/", &anna, body).await;
        shape(good(&made), &json!({
            "conversation_id": 1, "user_email": format!("={BRAND}"), "influencer_email": "=Li.Lei@gmail.com",
            "created_at": "time", "status": "=success",
        }));
        for same in ["lilei+shop@googlemail.com", "LI.LEI@GMAIL.COM", " lilei@gmail.com "] {
            assert_eq!(house.converse(&anna, BRAND, same).await, 1, "{same}");
        }
        assert_eq!(house.converse(&anna, BRAND, "other@example.org").await, 2);
        house.keep(BRAND, &[1], &plain("Li Lei <li.lei@gmail.com>", BRAND, "Hello", "Hi")).await;
        house.app.system.db.execute_raw("UPDATE gmail_links SET unread = TRUE").await.unwrap();
        let list = house.get("/conversations/", &anna).await;
        assert_eq!(good(&list)["count"], 2);
        shape(&list.body["results"][0], &json!({
            "id": 1, "user_email": format!("={BRAND}"), "influencer_email": "=Li.Lei@gmail.com", "name": null,
            "last_message_time": "time", "last_inbound_time": null, "message_count": 1, "unread_count": 1, "in_inbox": false, "kb_id": null, "held": false,
            "away_until": null, "backfilled": false, "backfill_error": null, "created_at": "time",
        }));
        for (query, ids) in [
            ("influencer_email=LiLei@gmail.com", json!([1])),
            ("user_email=BRAND@example.com", json!([1, 2])),
            ("user_email=brand@example.com&influencer_email=OTHER@example.org", json!([2])),
            ("user_email=nobody@example.com", json!([])),
            ("unread=1", json!([1])),
            ("unread=0&in_inbox=false", json!([2])),
            ("in_inbox=1", json!([])),
            ("page=2&page_size=1", json!([2])),
            ("page=3&page_size=1", json!([])),
        ] {
            let list = house.get(&format!("/conversations/?{query}"), &anna).await;
            let found: Vec<&Value> = good(&list)["results"].as_array().unwrap().iter().map(|c| &c["id"]).collect();
            assert_eq!(json!(found), ids, "{query}");
        }
        refused(&house.get("/conversations/?page=0&page_size=101", &anna).await, 400, &["page", "page_size"]);
        assert_eq!(good(&house.get("/conversations/1", &anna).await), &list.body["results"][0]);
    }

    /// Read, unread, archived and back: in Gmail, and here at once; the next reading changes nothing.
    async fn marked(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let id = rig.conversation().await;
        let (house, anna) = (&rig.house, &rig.anna);
        let mails = [rig.deliver("A").await, rig.deliver("B").await];
        rig.sync().await;
        let path = format!("/conversations/{id}/");
        let seen = |answer: &Answer| (good(answer)["unread_count"].as_i64().unwrap(), answer.body["in_inbox"].as_bool().unwrap());
        assert_eq!(seen(&house.get(&path, anna).await), (3, true));
        let mark = async |body: Value| house.post(&format!("{path}mark/"), anna, body).await;
        let labels = async |id: &String| {
            let mail = house.google.as_owner(BRAND, "GET", &format!("messages/{id}?format=minimal"), Value::Null).await;
            let has = |label: &str| mail["labelIds"].as_array().unwrap().iter().any(|l| l == label);
            (has("UNREAD"), has("INBOX"))
        };
        assert_eq!(seen(&mark(json!({"unread": false})).await), (0, true));
        assert_eq!([labels(&mails[0]).await, labels(&mails[1]).await], [(false, true); 2]);
        let calls = rig.calls("/modify").await;
        assert_eq!(seen(&mark(json!({"unread": false})).await), (0, true));
        assert_eq!(rig.calls("/modify").await, calls, "nothing is left to do");
        assert_eq!(seen(&mark(json!({"unread": true, "in_inbox": false})).await), (1, false));
        assert_eq!([labels(&mails[0]).await, labels(&mails[1]).await], [(false, false), (true, false)]);
        rig.sync().await;
        assert_eq!(seen(&house.get(&path, anna).await), (1, false));
        assert_eq!(good(&house.get("/conversations/?in_inbox=0", anna).await)["count"], 1);
        assert_eq!(seen(&mark(json!({"in_inbox": true})).await), (1, true));
        assert_eq!(labels(&mails[1]).await, (true, true));
        // What Gmail refuses stays as it is, and is said.
        house.google.fault(json!({"path": "/modify", "status": 503, "times": 1})).await;
        refused(&mark(json!({"unread": false})).await, 503, &[]);
        assert_eq!(seen(&house.get(&path, anna).await), (1, true));
        rig.pass(std::time::Duration::from_secs(60)).await;
        assert_eq!(seen(&mark(json!({"unread": false, "in_inbox": false})).await), (0, false));
        // Fields, and whose it is.
        refused(&mark(json!({})).await, 400, &["unread"]);
        refused(&mark(json!({"unread": "x", "in_inbox": 2})).await, 400, &["in_inbox", "unread"]);
        let ben = house.app.user("ben").await;
        refused(&house.post(&format!("{path}mark/"), &ben, json!({"unread": true})).await, 404, &[]);
        rig.conversation_with(2, "quiet@example.org").await;
        refused(&house.post("/conversations/2/mark/", anna, json!({"in_inbox": true})).await, 422, &["in_inbox"]);
        house.google.revoke(BRAND).await;
        refused(&mark(json!({"unread": true})).await, 409, &[]);
    }

    /// What makes no conversation, by the field's name.
    async fn refused_by_name(t) {
        let Some(house) = House::new(t).await else { return };
        let (anna, ben) = (house.app.user("anna").await, house.app.user("ben").await);
        house.connect(&anna, BRAND).await;
        let with = |user: &str, other: &str| json!({"user_email": user, "influencer_email": other});
        refused(&house.post("/conversations/", &anna, json!({})).await, 400, &["influencer_email", "user_email"]);
        let post = |body: Value| house.post("/conversations/", &anna, body);
        refused(&post(with(CREATOR, "x@example.org")).await, 422, &["user_email"]);
        for bad in ["nobody", "a@b", "a b@example.org", "x@example.org\r\nBcc: y@example.org", "a@example.org, b@example.org"] {
            refused(&post(with(BRAND, bad)).await, 422, &["influencer_email"]);
        }
        refused(&post(with(BRAND, "Brand+x@example.com")).await, 422, &["influencer_email"]);
        house.app.system.db.execute_raw("UPDATE gmail_credentials SET aliases = '[\"sales@shop.example\"]'").await.unwrap();
        refused(&post(with(BRAND, "Sales@shop.example")).await, 422, &["influencer_email"]);
        let mut body = with(BRAND, "x@example.org");
        for (kb, status) in [(json!(7), 422), (json!("kb_nothing"), 422), (json!("many"), 400), (json!(true), 400)] {
            body["kb_id"] = kb;
            refused(&post(body.clone()).await, status, &["kb_id"]);
        }
        refused(&house.post("/conversations/", &ben, with(BRAND, "x@example.org")).await, 422, &["user_email"]);
        assert_eq!(house.rows("gmail_conversations").await, 0);
    }

    /// To anybody else it does not exist, nor does what is in it.
    async fn whose_it_is(t) {
        let Some(house) = House::new(t).await else { return };
        let (anna, ben) = (house.app.user("anna").await, house.app.user("ben").await);
        house.connect(&anna, BRAND).await;
        house.connect(&ben, CREATOR).await;
        let id = house.converse(&anna, BRAND, CREATOR).await;
        let kept = house.keep(BRAND, &[id], &plain(CREATOR, BRAND, "Rates", "secret rate")).await;
        house.post(&format!("/conversations/{id}/notes/"), &anna, json!({"text": "a"})).await;
        assert_eq!(good(&house.get("/conversations/", &ben).await)["count"], 0);
        let own = format!("/conversations/{id}/");
        for path in [
            own.clone(),
            format!("{own}messages/"),
            format!("{own}messages/{}/", kept.gmail_id),
            format!("{own}threads/"),
            format!("{own}notes/"),
            format!("/conversations/summary/{id}/"),
            format!("/attachments/{id}/"),
            format!("/search/?q=secret&conversation_id={id}"),
        ] {
            good(&house.get(&path, &anna).await);
            refused(&house.get(&path, &ben).await, 404, &[]);
            refused(&house.call(axum::http::Method::GET, &path, None, None).await, 401, &[]);
        }
        assert_eq!(good(&house.get("/search/?q=secret", &ben).await)["count"], 0);
        refused(&house.patch(&own, &ben, json!({"held": true})).await, 404, &[]);
        refused(&house.delete(&own, &ben).await, 404, &[]);
        refused(&house.post(&format!("{own}notes/"), &ben, json!({"text": "x"})).await, 404, &[]);
        refused(&house.put(&format!("{own}notes/1/"), &ben, json!({"text": "x"})).await, 404, &[]);
        refused(&house.delete(&format!("{own}notes/1/"), &ben).await, 404, &[]);
        for nothing in ["/conversations/x/", "/conversations/99999999999999999999/", "/conversations/9/", "/conversations/summary/x/"] {
            refused(&house.get(nothing, &anna).await, 404, &[]);
        }
    }

    /// The same counterpart in 8 calls at once, in 4 spellings: one conversation.
    async fn at_once(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        let spellings = ["li.lei@gmail.com", "LiLei@gmail.com", "lilei+a@gmail.com", "lilei@googlemail.com"];
        let ids = join_all((0..8).map(|n| house.converse(&anna, BRAND, spellings[n % 4]))).await;
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(house.rows("gmail_conversations").await, 1);
    }

    /// Bases by number or id, own or shared, and who answers.
    async fn changed(t) {
        let Some(house) = House::new(t).await else { return };
        let (anna, ben) = (house.app.user("anna").await, house.app.user("ben").await);
        house.connect(&anna, BRAND).await;
        let base = async |who: &testkit::app::User, shared: bool| {
            let request = axum::http::Request::post("/api/kb/bases")
                .header("authorization", format!("Bearer {}", who.token))
                .body(axum::body::Body::from(json!({"name": "b", "shared": shared}).to_string()));
            let made = house.app.send(request.unwrap()).await;
            (made.data()["kbId"].clone(), made.data()["number"].clone())
        };
        let (own, number) = base(&anna, false).await;
        let (_, of_ben) = base(&ben, false).await;
        let body = json!({"user_email": BRAND, "influencer_email": "x@example.org", "kb_id": number});
        good(&house.post("/conversations/", &anna, body).await);
        let seen = async || good(&house.get("/conversations/1/", &anna).await).clone();
        assert_eq!(seen().await["kb_id"], number);
        let patch = async |body: Value| house.patch("/conversations/1/", &anna, body).await;
        let held = patch(json!({"held": true})).await;
        assert_eq!((&good(&held)["held"], &held.body["kb_id"]), (&json!(true), &number), "what is absent stays");
        assert_eq!(good(&patch(json!({"kb_id": null})).await)["kb_id"], Value::Null);
        assert_eq!(good(&patch(json!({"kb_id": own})).await)["kb_id"], number);
        refused(&patch(json!({"kb_id": of_ben})).await, 422, &["kb_id"]);
        refused(&patch(json!({"held": "yes", "kb_id": []})).await, 400, &["held", "kb_id"]);
        // Made again without a base, it keeps its own.
        house.converse(&anna, BRAND, "x@example.org").await;
        assert_eq!(seen().await["kb_id"], number);
        // Shared with the desk: for those who work there.
        let boss = house.app.user("boss").await;
        house.app.system.accounts.admin_role(&boss.email, accounts::Role::Operator).await.unwrap();
        let boss = house.app.login(&boss).await;
        let (_, shared) = base(&boss, true).await;
        refused(&patch(json!({"kb_id": shared})).await, 422, &["kb_id"]);
        house.app.system.accounts.admin_role(&anna.email, accounts::Role::Agent).await.unwrap();
        let anna = house.app.login(&anna).await;
        let answer = house.patch("/conversations/1/", &anna, json!({"kb_id": shared})).await;
        assert_eq!(good(&answer)["kb_id"], shared);
        let request = axum::http::Request::delete(format!("/api/kb/bases/{}", own.as_str().unwrap()))
            .header("authorization", format!("Bearer {}", anna.token))
            .body(axum::body::Body::empty());
        house.app.send(request.unwrap()).await.data();
    }

    /// All that is ours goes, but for what stands in another conversation; Gmail keeps its mails.
    async fn removed(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        let one = house.converse(&anna, BRAND, CREATOR).await;
        let two = house.converse(&anna, BRAND, "carl@example.org").await;
        house.keep(BRAND, &[one], &plain(CREATOR, BRAND, "Only here", "one")).await;
        let both = house.keep(BRAND, &[one, two], &plain(CREATOR, &format!("{BRAND}, carl@example.org"), "Both", "two")).await;
        house.post(&format!("/conversations/{one}/notes/"), &anna, json!({"text": "a"})).await;
        good(&house.get(&format!("/conversations/summary/{one}/"), &anna).await);
        let called = house.google.log("/gmail/v1").await.len();
        shape(good(&house.delete(&format!("/conversations/{one}/"), &anna).await),
            &json!({"status": "=success", "message": "string"}));
        assert_eq!(house.google.log("/gmail/v1").await.len(), called, "nothing happens in Gmail");
        refused(&house.delete(&format!("/conversations/{one}/"), &anna).await, 404, &[]);
        let left = house.get(&format!("/conversations/{two}/messages/"), &anna).await;
        assert_eq!((&good(&left)["count"], &left.body["results"][0]["id"]), (&json!(1), &json!(both.gmail_id)));
        assert_eq!(good(&house.get("/search/?q=both", &anna).await)["results"][0]["conversation_ids"], json!([two]));
        good(&house.delete(&format!("/conversations/{two}/"), &anna).await);
        for table in EVERYTHING {
            assert_eq!(house.rows(table).await, 0, "{table}");
        }
        assert_eq!(house.converse(&anna, BRAND, CREATOR).await, 3, "no number is given twice");
    }
}
