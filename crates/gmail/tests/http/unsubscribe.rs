//! `List-Unsubscribe` and what its addresses do (RFC 2369, RFC 8058).

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};
use testkit::app::Answer;

use crate::{
    house::{House, good, refused},
    post_office::{LI, field, mail_to_li, office, office_with},
};

const SITE: &str = "https://hongyan.example";

async fn page(house: &House, method: Method, url: &str) -> Answer {
    let path = url.strip_prefix(SITE).unwrap();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("List-Unsubscribe=One-Click"))
        .unwrap();
    house.app.send(request).await
}

fn html(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.clone()).unwrap()
}

testkit::both! {
    &testkit::app::migrations();

    /// A first mail names an address that one click unsubscribes at, and one to write to. A GET changes nothing, a POST
    /// does: from then on there is no mail.
    async fn one_click(t) {
        let Some((house, anna)) = office_with(t, |s| s.public_url = Some(SITE.to_owned())).await else { return };
        good(&house.mail(&anna, mail_to_li(json!({}))).await);
        let raw = house.only_sent().await;
        assert_eq!(field(&raw, "list-unsubscribe-post").unwrap(), "List-Unsubscribe=One-Click");
        let ways = field(&raw, "list-unsubscribe").unwrap().replace(' ', "");
        let (url, mail_to) = ways.split_once(',').unwrap();
        assert_eq!(mail_to, "<mailto:brand@example.com?subject=unsubscribe>");
        let url = url.trim_matches(['<', '>']);
        assert!(url.starts_with(&format!("{SITE}/api/gmail/unsubscribe/")) && !url.contains(LI), "{url}");
        let held = house.hold(&anna, mail_to_li(json!({"hold_seconds": 60}))).await;
        let asked = page(&house, Method::GET, url).await;
        assert_eq!(asked.status, 200);
        let text = html(&asked);
        assert!(text.contains("method=\"post\"") && text.contains("退订") && text.contains(LI), "{text}");
        assert!(asked.headers["content-security-policy"].to_str().unwrap().contains("form-action 'self'"));
        assert_eq!(good(&house.get("/suppressions/", &anna).await)["count"], 0);
        for bent in [url.replace("/unsubscribe/", "/unsubscribe/A"), format!("{SITE}/api/gmail/unsubscribe/x.y/")] {
            assert_eq!(page(&house, Method::GET, &bent).await.status, 404);
            assert_eq!(page(&house, Method::POST, &bent).await.status, 404);
        }
        for _ in 0..2 {
            let done = page(&house, Method::POST, url).await;
            assert!(done.status == 200 && html(&done).contains("已退订"));
        }
        let list = house.get("/suppressions/", &anna).await;
        assert_eq!((&good(&list)["count"], &list.body["results"][0]["reason"]), (&json!(1), &json!("opt_out")));
        let out = house.out(&anna, &held.body["outbox_id"]).await;
        assert!(out["state"] == "failed" && out["error"].as_str().unwrap().contains("wants no more mail"), "{out}");
        let answer = house.hold(&anna, mail_to_li(json!({}))).await;
        refused(&answer, 422, &["to"]);
        assert!(answer.body["errors"]["to"].as_str().unwrap().contains("wants no more mail"), "{}", answer.body);
    }

    /// Who is told: those who never wrote, unless the sender says otherwise. Where there is no https, or several readers, an
    /// address to write to alone.
    async fn who_is_told(t) {
        let Some((house, anna)) = office_with(t, |s| s.public_url = Some(SITE.to_owned())).await else { return };
        let talk = house.talk(&anna, "wang@example.cn").await;
        let raw = "From: wang@example.cn\r\nTo: brand@example.com\r\nSubject: x\r\nMessage-ID: <w@x.cn>\r\n\r\nHello\r\n";
        house.came(talk, raw).await;
        for (n, (fields, told, click)) in [
            (json!({}), true, true),
            (json!({"unsubscribe": false}), false, false),
            (json!({"to": "wang@example.cn"}), false, false),
            (json!({"to": "wang@example.cn", "unsubscribe": true}), true, true),
            (json!({"to": "a@example.cn, b@example.cn"}), true, false),
            (json!({"bcc": "b@example.cn"}), true, false),
        ].into_iter().enumerate() {
            let mut mail = mail_to_li(fields);
            mail["subject"] = json!(format!("number {n}"));
            good(&house.mail(&anna, mail.clone()).await);
            let all = house.sent_raw().await;
            let raw = all.iter().find(|raw| raw.contains(&format!("number {n}"))).unwrap();
            assert_eq!(field(raw, "list-unsubscribe").is_some(), told, "{mail}");
            assert_eq!(field(raw, "list-unsubscribe-post").is_some(), click, "{mail}");
        }
    }

    /// Without https there is no one-click address.
    async fn without_https(t) {
        let Some((house, anna)) = office(t).await else { return };
        good(&house.mail(&anna, mail_to_li(json!({}))).await);
        let raw = house.only_sent().await;
        assert_eq!(field(&raw, "list-unsubscribe").unwrap(), "<mailto:brand@example.com?subject=unsubscribe>");
        assert_eq!(field(&raw, "list-unsubscribe-post"), None);
        assert_eq!(house.get("/suppressions/", &anna).await.body["results"], Value::Array(Vec::new()));
    }
}
