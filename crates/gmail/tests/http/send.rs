//! Mails leave: what Gmail gets, what is refused, and that each leaves once.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::{app::shape, google::BRAND};

use crate::{
    house::{good, refused},
    post_office::{LI, field, fields, mail_to_li, office, read, uploaded},
};

testkit::both! {
    &testkit::app::migrations();

    /// Text beside HTML, files with Chinese names, cc, bcc: the octets that Gmail got.
    async fn everything_at_once(t) {
        let Some((house, anna)) = office(t).await else { return };
        let pdf = uploaded(&house, &anna, "报价单 2028.pdf", b"%PDF-1.7 \xff\x00").await;
        let csv = uploaded(&house, &anna, "价目.csv", "名称,价格\n".as_bytes()).await;
        let body = json!({
            "email": BRAND, "to": "李雷 <li@example.cn>, \"Han, Meimei\" <han@example.cn>", "cc": "wang@example.cn",
            "bcc": "boss@example.cn", "subject": "合作报价：首批 500 件", "attachments": [pdf, csv],
            "body": "<p>你好 <b>李雷</b></p><p>See <a href=\"https://shop.example/a\">here</a></p>",
        });
        let answer = house.mail(&anna, body).await;
        shape(good(&answer), &json!({
            "message_id": "string", "thread_id": "string", "status": "=sent", "timestamp": "time",
            "outbox_id": "id:gout", "due_at": "time", "waiting_reason": null,
        }));
        let raw = house.only_sent().await;
        let mail = read(&raw);
        let to: Vec<String> = mail.to.iter().map(ToString::to_string).collect();
        assert_eq!(to, ["李雷 <li@example.cn>", "Han, Meimei <han@example.cn>"]);
        assert_eq!((mail.cc[0].address.as_str(), mail.bcc[0].address.as_str()), ("wang@example.cn", "boss@example.cn"));
        assert_eq!((mail.subject.as_str(), mail.from[0].address.as_str()), ("合作报价：首批 500 件", BRAND));
        assert_eq!(mail.text, "你好 李雷\n\nSee here <https://shop.example/a>");
        assert!(mail.html.as_deref().unwrap().contains("<b>李雷</b>"));
        let files: Vec<_> =
            mail.attachments.iter().map(|f| (f.file_name.as_str(), f.mime_type.as_str(), f.octets(raw.as_bytes()))).collect();
        assert_eq!((files[0].0, files[0].1, &*files[0].2), ("报价单 2028.pdf", "application/pdf", &b"%PDF-1.7 \xff\x00"[..]));
        assert_eq!((files[1].0, files[1].1, &*files[1].2), ("价目.csv", "text/csv", "名称,价格\n".as_bytes()));
        assert!(raw.is_ascii() && raw.lines().all(|line| line.len() <= 998));
        assert!(field(&raw, "content-type").unwrap().starts_with("multipart/mixed"));
        let id = field(&raw, "message-id").unwrap();
        assert!(id.ends_with("@example.com>") && field(&raw, "in-reply-to").is_none(), "{id}");
        assert_eq!(field(&raw, "auto-submitted"), None);
        let outbox = house.out(&anna, &answer.body["outbox_id"]).await;
        assert_eq!(format!("<{}>", outbox["rfc_message_id"].as_str().unwrap()), id);
        assert!(raw.contains(answer.body["outbox_id"].as_str().unwrap()), "our mark");
    }

    /// Plain text stays text; a form does as well as JSON; the default account sends where none is named.
    async fn plainly(t) {
        let Some((house, anna)) = office(t).await else { return };
        good(&house.mail(&anna, mail_to_li(json!({"body": "a < b\n<li@example.cn>\n\n你好"}))).await);
        let raw = house.only_sent().await;
        assert!(field(&raw, "content-type").unwrap().starts_with("text/plain"), "{raw}");
        assert_eq!(read(&raw).text.trim_end(), "a < b\n<li@example.cn>\n\n你好");
        let form: String = [("to", LI), ("subject", "s"), ("body", "b"), ("reply_all", "false"), ("hold_seconds", "0")]
            .iter()
            .map(|(name, value)| {
                format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            })
            .collect();
        let request = axum::http::Request::post("/api/gmail/send/")
            .header("authorization", format!("Bearer {}", anna.token))
            .header("content-type", "multipart/form-data; boundary=b")
            .body(axum::body::Body::from(format!("{form}--b--\r\n")))
            .unwrap();
        good(&house.while_working(house.app.send(request)).await);
        assert_eq!(house.sent_raw().await.len(), 2);
    }

    /// Each bad field by its name; nothing leaves.
    async fn refusals(t) {
        let Some((house, anna)) = office(t).await else { return };
        let ben = house.app.user("ben").await;
        let theirs = uploaded(&house, &ben, "a.txt", b"x").await;
        for (fields, status, named) in [
            (json!({"to": "li@example.cn, nobody, x@y"}), 422, vec!["to"]),
            (json!({"to": null}), 422, vec!["to"]),
            (json!({"cc": "a b@c", "bcc": "@"}), 422, vec!["bcc", "cc"]),
            (json!({"subject": null}), 400, vec!["subject"]),
            (json!({"body": null}), 400, vec!["body"]),
            (json!({"body": 7, "reply_all": "maybe"}), 400, vec!["body", "reply_all"]),
            (json!({"email": "other@example.com"}), 422, vec!["email"]),
            (json!({"from": "boss@example.com"}), 422, vec!["from"]),
            (json!({"attachments": [theirs]}), 422, vec!["attachments"]),
            (json!({"attachments": ["gup_1"]}), 422, vec!["attachments"]),
            (json!({"hold_seconds": 86401}), 422, vec!["hold_seconds"]),
            (json!({"send_at": "tomorrow"}), 400, vec!["send_at"]),
            (json!({"send_at": "2030-01-01T00:00:00Z"}), 422, vec!["send_at"]),
            (json!({"conversation_id": 99}), 404, vec![]),
            (json!({"reply_to_message": "m1"}), 400, vec!["conversation_id"]),
            (json!({"text": "t"}), 422, vec!["text"]),
        ] {
            let answer = house.hold(&anna, mail_to_li(fields)).await;
            refused(&answer, status, &named);
        }
        let named = house.hold(&anna, mail_to_li(json!({"to": "nobody, li@example.cn, x@y"}))).await;
        let why = named.body["errors"]["to"].as_str().unwrap();
        assert!(why.contains("nobody") && why.contains("x@y") && !why.contains("li@"), "{why}");
        refused(&house.hold(&ben, mail_to_li(json!({}))).await, 422, &["email"]);
        assert!(house.google.log("/messages/send").await.is_empty());
        assert_eq!(good(&house.get("/outbox/", &anna).await)["count"], 0);
    }

    /// A line break in any field is refused or harmless.
    async fn line_breaks(t) {
        let Some((house, anna)) = office(t).await else { return };
        let evil = "x\r\nBcc: spy@example.cn\r\nX-Evil: 1";
        for name in ["to", "cc", "bcc", "subject", "from", "email", "reply_to_message"] {
            for evil in [evil.to_owned(), format!("{LI}\nX-Evil: 1"), format!("\"a\r\nX-Evil: 1\" <{LI}>")] {
                let answer = house.hold(&anna, mail_to_li(json!({name: evil}))).await;
                assert!(matches!(answer.status.as_u16(), 400 | 422), "{name}: {}", answer.body);
                assert!(answer.body["errors"][name].is_string() || name == "reply_to_message", "{name}: {}", answer.body);
            }
        }
        let file = uploaded(&house, &anna, "a%0D%0AX-Evil: 1.txt", b"x").await;
        let body = format!("<p>{evil}</p>\r\n\r\nX-Evil: 1\r\n.\r\n--b");
        let fine = json!({"body": body, "attachments": [file], "to": "\"X-Evil: 1\" <li@example.cn>"});
        good(&house.mail_under(&anna, mail_to_li(fine), Some("key")).await);
        let raw = house.only_sent().await;
        assert!(fields(&raw, "x-evil").is_empty() && field(&raw, "bcc").is_none(), "{raw}");
        assert_eq!(read(&raw).to.len(), 1);
    }

    /// The same key: the same mail and answer, however often and however many at once; another mail: 409.
    async fn idempotency(t) {
        let Some((house, anna)) = office(t).await else { return };
        let mail = || mail_to_li(json!({}));
        let eight = join_all((0..8).map(|_| house.mail_under(&anna, mail(), Some("k1"))));
        let answers = eight.await;
        for answer in &answers {
            assert_eq!(good(answer), &answers[0].body);
        }
        house.pass(Duration::from_secs(3600)).await;
        assert_eq!(good(&house.mail_under(&anna, mail(), Some("k1")).await), &answers[0].body);
        let other = house.mail_under(&anna, mail_to_li(json!({"body": "else"})), Some("k1")).await;
        refused(&other, 409, &["Idempotency-Key"]);
        house.only_sent().await;
        let ben = house.app.user("ben").await;
        refused(&house.mail_under(&ben, mail(), Some("k1")).await, 422, &["email"]);
        refused(&house.mail_under(&anna, mail(), Some(&"k".repeat(201))).await, 400, &["Idempotency-Key"]);
    }

    /// A repeated call gets its answer, though the same mail would be refused by now.
    async fn idempotency_outlives_what_changes(t) {
        let Some((house, anna)) = office(t).await else { return };
        let file = uploaded(&house, &anna, "rates.txt", b"rates").await;
        let mail = || mail_to_li(json!({"attachments": [file.clone()]}));
        let first = house.mail_under(&anna, mail(), Some("k1")).await;
        good(&house.post("/suppressions/", &anna, json!({"email": LI})).await);
        good(&house.patch("/credentials/1/", &anna, json!({"daily_cap": 1})).await);
        house.pass(kernel::time::days(9)).await;
        house.app.run_due().await;
        let anna = house.app.login(&anna).await;
        let path = format!("/attachments/{}/", file.as_str().unwrap());
        assert_eq!(house.delete(&path, &anna).await.status, 404, "it is gone");
        assert_eq!(good(&house.mail_under(&anna, mail(), Some("k1")).await), good(&first));
        refused(&house.mail_under(&anna, mail_to_li(json!({})), Some("k1")).await, 409, &["Idempotency-Key"]);
        assert_eq!(house.mail_under(&anna, mail_to_li(json!({})), Some("k2")).await.status, 422);
        house.only_sent().await;
    }

    /// The answer to a send is lost: it is found in the mailbox, and sent once; also where search lags behind.
    async fn a_lost_answer(t) {
        let Some((house, anna)) = office(t).await else { return };
        house.google.fault(json!({"path": "/messages/send", "dropAfter": true, "times": 1})).await;
        let answer = house.mail(&anna, mail_to_li(json!({}))).await;
        assert_eq!(good(&answer)["status"], "sent");
        assert!(answer.body["message_id"].is_string());
        house.only_sent().await;
        house.google.config(json!({"indexLag": true, "rewriteMsgId": true})).await;
        house.google.fault(json!({"path": "/messages/send", "dropAfter": true, "times": 1})).await;
        good(&house.mail(&anna, mail_to_li(json!({"subject": "second"}))).await);
        assert_eq!(house.sent_raw().await.len(), 2);
    }

    /// It was not done and the answer says nothing: it is looked for twice, half a minute apart, and only then sent again.
    async fn lost_before_it_was_done(t) {
        let Some((house, anna)) = office(t).await else { return };
        house.google.fault(json!({"path": "/messages/send", "status": 503, "times": 1})).await;
        let answer = house.mail(&anna, mail_to_li(json!({}))).await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (202, &json!("unknown")), "{}", answer.body);
        assert_eq!(answer.body["message_id"], Value::Null);
        house.pass(Duration::from_secs(29)).await;
        // Whatever else wakes mails does not shorten the time between two looks.
        good(&house.patch("/credentials/1/", &anna, json!({"daily_cap": 9})).await);
        house.app.run_due().await;
        assert!(house.sent_raw().await.is_empty());
        house.pass(Duration::from_secs(1)).await;
        house.app.run_due().await;
        let out = house.out(&anna, &answer.body["outbox_id"]).await;
        assert_eq!((&out["state"], &out["waiting_reason"]), (&json!("sent"), &Value::Null), "{out}");
        house.only_sent().await;
    }

    /// A server that never answers a send, and never does it: after five it is said to have failed, and can be tried again.
    async fn lost_for_good(t) {
        let Some((house, anna)) = office(t).await else { return };
        house.google.fault(json!({"path": "/messages/send", "status": 503, "times": 5})).await;
        let id = house.mail(&anna, mail_to_li(json!({}))).await.body["outbox_id"].clone();
        for _ in 0..12 {
            house.pass(Duration::from_secs(30)).await;
            house.app.run_due().await;
        }
        let out = house.out(&anna, &id).await;
        assert!(out["state"] == "failed" && out["error"].as_str().unwrap().contains("5 times"), "{out}");
        assert_eq!(house.google.log("/messages/send").await.len(), 5);
        let retry = format!("/outbox/{}/retry/", id.as_str().unwrap());
        assert_eq!(good(&house.post(&retry, &anna, json!({})).await)["state"], "unknown");
        // It is looked for once more, twice.
        house.app.run_due().await;
        assert_eq!(house.google.log("/messages/send").await.len(), 5);
        for _ in 0..6 {
            house.pass(Duration::from_secs(30)).await;
            house.app.run_due().await;
        }
        assert_eq!(house.out(&anna, &id).await["state"], "sent");
        refused(&house.post(&retry, &anna, json!({})).await, 409, &["state"]);
        house.only_sent().await;
    }

    /// Google says no for a while: the mail goes when it said, once; meanwhile it can be taken back.
    async fn limited(t) {
        let Some((house, anna)) = office(t).await else { return };
        let limit = json!({"path": "/messages/send", "status": 429, "reason": "rateLimitExceeded",
            "headers": {"retry-after": "7200"}, "times": 1});
        house.google.fault(limit).await;
        let answer = house.mail(&anna, mail_to_li(json!({}))).await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (202, &json!("held")), "{}", answer.body);
        assert!(answer.body["waiting_reason"].as_str().unwrap().contains("429"), "{}", answer.body);
        // Another one does not even ask.
        let other = house.mail(&anna, mail_to_li(json!({"subject": "other"}))).await;
        assert_eq!(other.status, 202);
        assert_eq!(house.google.log("/messages/send").await.len(), 1);
        let list = house.get("/credentials/", &anna).await;
        assert!(good(&list)["results"][0]["sends_limited_until"].is_string(), "{}", list.body);
        assert_eq!(list.body["results"][0]["sends_today"], 0);
        let until = house.tried_at(&anna, &answer.body["outbox_id"]).await;
        assert_eq!(until.since(house.app.now()).as_secs(), 7200);
        house.pass(Duration::from_secs(7199)).await;
        house.app.run_due().await;
        assert!(house.sent_raw().await.is_empty());
        house.pass(Duration::from_secs(2)).await;
        house.app.run_due().await;
        assert_eq!(house.sent_raw().await.len(), 2);
        assert_eq!(house.google.log("/messages/send").await.len(), 3);
    }

    /// Google is away before anything is sent: the mail waits, and goes when Google is back.
    async fn google_is_away(t) {
        let Some((house, anna)) = office(t).await else { return };
        house.pass(Duration::from_secs(3660)).await;
        house.google.fault(json!({"path": "^/token$", "status": 503, "times": 1})).await;
        let answer = house.mail(&anna, mail_to_li(json!({}))).await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (202, &json!("held")), "{}", answer.body);
        assert!(answer.body["waiting_reason"].as_str().unwrap().contains("503"), "{}", answer.body);
        house.pass(Duration::from_secs(60)).await;
        house.app.run_due().await;
        assert_eq!(house.out(&anna, &answer.body["outbox_id"]).await["state"], "sent");
        house.only_sent().await;
    }

    /// What Google refuses for good is said in its words, at once.
    async fn refused_by_google(t) {
        let Some((house, anna)) = office(t).await else { return };
        for (status, reason, message, answered) in [
            (400, "invalidArgument", "Invalid To header", 422),
            (403, "domainPolicy", "does not allow apps to use Gmail", 403),
        ] {
            house.google
                .fault(json!({"path": "/messages/send", "status": status, "reason": reason, "message": message, "times": 1}))
                .await;
            let answer = house.mail_under(&anna, mail_to_li(json!({})), Some(reason)).await;
            refused(&answer, answered, &[]);
            assert!(answer.body["message"].as_str().unwrap().contains(message), "{}", answer.body);
            house.pass(Duration::from_secs(1)).await;
            // And so it is for whoever asks again.
            refused(&house.mail_under(&anna, mail_to_li(json!({})), Some(reason)).await, answered, &[]);
        }
        let failed = house.get("/outbox/?state=failed", &anna).await;
        assert_eq!(good(&failed)["count"], 2);
        assert!(failed.body["results"][0]["error"].as_str().unwrap().contains("does not allow apps"));
        // An account is not disabled by it, and nothing of it counts.
        let list = house.get("/credentials/", &anna).await;
        assert_eq!((&list.body["results"][0]["status"], &list.body["results"][0]["sends_today"]), (&json!("active"), &json!(0)));
    }

    /// The grant is gone: mails wait until the account is connected again, for a week.
    async fn disconnected_by_google(t) {
        let Some((house, anna)) = office(t).await else { return };
        house.google.revoke(BRAND).await;
        let answer = house.mail(&anna, mail_to_li(json!({}))).await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (202, &json!("held")), "{}", answer.body);
        assert!(answer.body["waiting_reason"].as_str().unwrap().contains("connected again"), "{}", answer.body);
        house.pass(Duration::from_secs(3600)).await;
        house.app.run_due().await;
        house.connect(&anna, BRAND).await;
        house.app.run_due().await;
        assert_eq!(house.out(&anna, &answer.body["outbox_id"]).await["state"], "sent");
        house.google.revoke(BRAND).await;
        let late = house.mail(&anna, mail_to_li(json!({"subject": "late"}))).await;
        house.pass(kernel::time::days(7) + Duration::from_secs(3600)).await;
        house.app.run_due().await;
        let anna = house.app.login(&anna).await;
        let out = house.out(&anna, &late.body["outbox_id"]).await;
        assert!(out["state"] == "failed" && out["error"].as_str().unwrap().contains("week"), "{out}");
        house.only_sent().await;
    }

    /// An accepted alias may write, whether it is named as the account or as the author; no other address may.
    async fn aliases(t) {
        let Some((house, anna)) = office(t).await else { return };
        let list = json!({"sendAs": [
            {"sendAsEmail": BRAND, "isPrimary": true}, {"sendAsEmail": "sales@shop.example", "verificationStatus": "accepted"},
            {"sendAsEmail": "old@shop.example", "verificationStatus": "pending"},
        ]});
        house.google.fault(json!({"path": "/settings/sendAs", "status": 200, "body": list, "times": 2})).await;
        good(&house.mail(&anna, mail_to_li(json!({"from": "Sales <sales@shop.example>"}))).await);
        let raw = house.only_sent().await;
        assert_eq!(read(&raw).from[0].to_string(), "Sales <sales@shop.example>");
        assert!(field(&raw, "message-id").unwrap().ends_with("@shop.example>"));
        refused(&house.hold(&anna, mail_to_li(json!({"from": "old@shop.example"}))).await, 422, &["from"]);
        good(&house.mail(&anna, mail_to_li(json!({"email": "SALES@shop.example"}))).await);
        let list = house.get("/credentials/", &anna).await;
        assert_eq!(list.body["results"][0]["aliases"], json!(["sales@shop.example"]));
        // Once a day they are asked for; now it is gone.
        house.pass(kernel::time::days(1)).await;
        house.app.run_due().await;
        let anna = house.app.login(&anna).await;
        refused(&house.hold(&anna, mail_to_li(json!({"email": "sales@shop.example"}))).await, 422, &["email"]);
    }

    /// A mail bears the name that Gmail's settings have beside its address, unless it is given another; an alias without one the
    /// account's.
    async fn names(t) {
        let Some((house, anna)) = office(t).await else { return };
        let list = json!({"sendAs": [
            {"sendAsEmail": BRAND, "isPrimary": true, "displayName": "品牌部, Shanghai"},
            {"sendAsEmail": "sales@shop.example", "verificationStatus": "accepted", "displayName": "Sales"},
            {"sendAsEmail": "press@shop.example", "verificationStatus": "accepted", "displayName": ""},
            {"sendAsEmail": "odd@shop.example", "verificationStatus": "accepted", "displayName": "Odd\r\nBcc: x@example.org"},
        ]});
        house.google.fault(json!({"path": "/settings/sendAs", "status": 200, "body": list, "times": 1})).await;
        good(&house.mail(&anna, mail_to_li(json!({"from": "sales@shop.example"}))).await);
        for from in ["press@shop.example", "odd@shop.example", "Li Lei <sales@shop.example>", BRAND] {
            good(&house.mail(&anna, mail_to_li(json!({"from": from}))).await);
        }
        good(&house.mail(&anna, mail_to_li(json!({}))).await);
        let mut from: Vec<String> = house.sent_raw().await.iter().map(|raw| read(raw).from[0].to_string()).collect();
        from.sort_unstable();
        let own = format!("品牌部, Shanghai <{BRAND}>");
        let of_alias = |address: &str| format!("品牌部, Shanghai <{address}@shop.example>");
        let named = ["Li Lei <sales@shop.example>", "Sales <sales@shop.example>"].map(str::to_owned);
        let mut wanted = [named.to_vec(), vec![own.clone(), own, of_alias("press"), of_alias("odd")]].concat();
        wanted.sort_unstable();
        assert_eq!(from, wanted);
        let shown = house.get("/credentials/", &anna).await.body["results"][0].clone();
        assert_eq!(shown["name"], "品牌部, Shanghai");
        assert_eq!(shown["aliases"], json!(["odd@shop.example", "press@shop.example", "sales@shop.example"]));
    }

    /// A mail that would be larger than Gmail takes is refused before it is kept.
    async fn too_large(t) {
        let Some((house, anna)) = office(t).await else { return };
        let file = uploaded(&house, &anna, "a.bin", &vec![7; 14 * 1024 * 1024]).await;
        let answer = house.hold(&anna, mail_to_li(json!({"attachments": [file, file]}))).await;
        refused(&answer, 422, &["attachments"]);
        assert!(answer.body["errors"]["attachments"].as_str().unwrap().contains("36700160"), "{}", answer.body);
    }
}
