//! Mails by what they say.

use serde_json::{Value, json};
use testkit::{
    app::shape,
    google::{BRAND, CREATOR},
};

use crate::{
    house::{House, good, refused},
    mailbag::plain,
    mailbox::Rig,
    sync::base64,
};

testkit::both! {
    &testkit::app::migrations();

    /// By who wrote and to whom, with words beside; one's own address finds nothing.
    async fn by_people(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let first = rig.deliver_mail(json!({"from": "=?utf-8?B?5p2O6Zu3?= <creator@example.com>", "subject": "A", "text": "the offer"})).await;
        let raw = format!("From: {BRAND}\r\nTo: Creator One <{CREATOR}>\r\nCc: helper@talents.example\r\nSubject: B\r\n\r\nour answer");
        rig.house.google.as_owner(BRAND, "POST", "messages/send", json!({"raw": base64(&raw)})).await;
        rig.sync().await;
        for (query, subjects) in [
            ("creator@example.com", vec!["A", "B", "Rates for a collab"]),
            ("%E6%9D%8E%E9%9B%B7", vec!["A"]),
            ("creator+one+answer", vec!["B"]),
            ("talents", vec!["B"]),
            ("brand", vec![]),
        ] {
            let answer = rig.house.get(&format!("/search/?q={query}"), &rig.anna).await;
            let mut found: Vec<&str> =
                good(&answer)["results"].as_array().unwrap().iter().map(|hit| hit["subject"].as_str().unwrap()).collect();
            found.sort_unstable();
            assert_eq!(found, subjects, "{query}");
        }
        let hit = rig.house.get("/search/?q=%E6%9D%8E%E9%9B%B7", &rig.anna).await;
        assert_eq!(good(&hit)["results"][0]["message_id"], first);
    }

    /// Chinese and English, words that are not finished, file names; not what is quoted.
    async fn found(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        house.connect(&anna, CREATOR).await;
        let (one, two) =
            (house.converse(&anna, BRAND, "li@example.org").await, house.converse(&anna, BRAND, "wu@example.org").await);
        let other = house.converse(&anna, CREATOR, "li@example.org").await;
        let quoted = "We agree.\r\n\r\nOn Mon, 3 Jan 2028 at 10:00, Brand <brand@example.com> wrote:\r\n> an old wallaby\r\n";
        let first = house.keep(BRAND, &[one], &plain("Li <li@example.org>", BRAND, "Contract draft", quoted)).await;
        let second =
            house.keep(BRAND, &[one, two], &plain("li@example.org", BRAND, "报价单", "您好，我们的报价是五百元，可以退货。")).await;
        let file = "From: wu@example.org\r\nTo: brand@example.com\r\nSubject: Files\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee here\r\n--b\r\n\
            Content-Type: application/pdf\r\nContent-Disposition: attachment; filename*=UTF-8''%E5%90%88%E5%90%8Cv2.pdf\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--b--\r\n";
        let third = house.keep(BRAND, &[two], file).await;
        let fourth = house.keep(CREATOR, &[other], &plain("li@example.org", CREATOR, "Contract", "elsewhere")).await;
        let search = async |query: &str| house.get(&format!("/search/?q={query}"), &anna).await;
        for (query, ids) in [
            ("contract", vec![&fourth, &first]),
            ("CONTRACT+dra", vec![&first]),
            ("cont", vec![&fourth, &first]),
            ("contract&user_email=Brand@example.com", vec![&first]),
            ("contract&user_email=nobody@example.com", vec![]),
            ("%E6%8A%A5%E4%BB%B7", vec![&second]),
            ("%E8%B4%A7", vec![&second]),
            ("%E5%90%88%E5%90%8C", vec![&third]),
            ("v2", vec![&third]),
            ("wallaby", vec![]),
            ("contract+nothing", vec![]),
        ] {
            let answer = search(query).await;
            let found: Vec<&Value> = good(&answer)["results"].as_array().unwrap().iter().map(|hit| &hit["message_id"]).collect();
            let expected: Vec<&str> = ids.iter().map(|kept| kept.gmail_id.as_str()).collect();
            assert_eq!(found, expected, "{query}");
            assert_eq!(answer.body["count"], ids.len(), "{query}");
        }
        let hit = &good(&search("%E9%80%80%E8%B4%A7").await)["results"][0].clone();
        shape(hit, &json!({
            "conversation_ids": [one, two], "message_id": format!("={}", second.gmail_id),
            "thread_id": format!("={}", second.thread_id), "direction": "=in", "from_name": null,
            "from_email": "=li@example.org", "subject": "=报价单",
            "excerpt": "=您好，我们的报价是五百元，可以退货。", "timestamp": "time",
        }));
        let within = search(&format!("v2&conversation_id={one}")).await;
        assert_eq!(good(&within)["count"], 0);
        let paged = search("contract&page=2&page_size=1").await;
        assert_eq!((&good(&paged)["count"], &paged.body["results"][0]["message_id"]), (&json!(2), &json!(first.gmail_id)));
        refused(&house.get("/search/", &anna).await, 400, &["q"]);
        refused(&search("%3F%21").await, 422, &["q"]);
        refused(&search("x&conversation_id=99").await, 404, &[]);
        refused(&search("x&conversation_id=a&page=b").await, 400, &["conversation_id", "page"]);
    }
}
