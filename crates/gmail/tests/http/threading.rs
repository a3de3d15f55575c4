//! Answers stand in their threads: `threadId`, `In-Reply-To`, `References` and subject on the octets that Gmail got.

use serde_json::{Value, json};
use testkit::google::BRAND;

use crate::{
    house::{House, good, refused},
    post_office::{LI, field, fields, office, read, uploaded},
};

/// A mail of somebody's, with these further fields.
fn mail(from: &str, subject: &str, more: &str) -> String {
    format!(
        "From: {from}\r\nTo: {BRAND}\r\nSubject: {subject}\r\n{more}MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n"
    )
}

/// Answers a message; what Gmail got, and in which thread.
async fn answered(
    house: &House,
    who: &testkit::app::User,
    talk: i64,
    id: &str,
    more: Value,
) -> (String, String) {
    let mut body = json!({"conversation_id": talk, "reply_to_message": id, "body": "Thank you"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = house.mail(who, body).await;
    let thread = good(&answer)["thread_id"].as_str().unwrap().to_owned();
    let sent = house.google.sent(BRAND).await;
    let it = sent.iter().find(|m| m["id"] == answer.body["message_id"]).unwrap();
    (it["raw"].as_str().unwrap().to_owned(), thread)
}

testkit::both! {
    &testkit::app::migrations();

    /// The first mail begins a thread; without anything said it belongs to the conversation that there is.
    async fn a_first_mail(t) {
        let Some((house, anna)) = office(t).await else { return };
        let talk = house.talk(&anna, "Li.Lei@gmail.com").await;
        let body = json!({"to": "lilei+x@googlemail.com", "subject": "Hello", "body": "x"});
        let answer = house.mail(&anna, body).await;
        assert_eq!(house.out(&anna, &good(&answer)["outbox_id"]).await["conversation_id"], talk);
        let raw = house.only_sent().await;
        assert!(field(&raw, "in-reply-to").is_none() && field(&raw, "references").is_none());
        let two = json!({"to": "lilei@gmail.com, han@example.cn", "subject": "Hello", "body": "x"});
        let two = house.mail(&anna, two).await;
        assert_eq!(house.out(&anna, &good(&two)["outbox_id"]).await["conversation_id"], Value::Null);
        assert_eq!(house.get(&format!("/outbox/?conversation_id={talk}"), &anna).await.body["count"], 1);
    }

    /// An answer, to Reply-To or the author; the prefixes of all languages once.
    async fn a_reply(t) {
        let Some((house, anna)) = office(t).await else { return };
        let talk = house.talk(&anna, LI).await;
        for (n, (subject, expected)) in [
            ("Rates", "Re: Rates"), ("Re: Rates", "Re: Rates"), ("AW: Rates", "Re: Rates"), ("回复：报价", "Re: 报价"),
            ("Re[2]: 回复: AW: 报价", "Re: 报价"), ("=?gb2312?B?sai82w==?=", "Re: 报价"), ("Fwd: Rates", "Re: Fwd: Rates"),
        ].into_iter().enumerate() {
            let more = format!("Message-ID: <in-{n}@x.cn>\r\nReferences: <a-{n}@x.cn>\r\n <b-{n}@x.cn>\r\n");
            let (id, thread) = house.came(talk, &mail("李雷 <li@example.cn>", subject, &more)).await;
            let (raw, sent_in) = answered(&house, &anna, talk, &id, json!({})).await;
            assert_eq!(read(&raw).subject, expected);
            assert_eq!(sent_in, thread);
            assert_eq!(field(&raw, "in-reply-to").unwrap(), format!("<in-{n}@x.cn>"));
            let references = format!("<a-{n}@x.cn> <b-{n}@x.cn> <in-{n}@x.cn>");
            assert_eq!(field(&raw, "references").unwrap(), references);
            assert_eq!(read(&raw).to[0].to_string(), "李雷 <li@example.cn>");
            assert!(field(&raw, "cc").is_none() && fields(&raw, "list-unsubscribe").is_empty());
        }
        let more = "Message-ID: <r@x.cn>\r\nReply-To: Office <office@example.cn>\r\n";
        let (id, _) = house.came(talk, &mail("li@example.cn", "Rates", more)).await;
        let (raw, _) = answered(&house, &anna, talk, &id, json!({"cc": "boss@example.cn"})).await;
        assert_eq!((read(&raw).to[0].address.as_str(), read(&raw).cc[0].address.as_str()), ("office@example.cn", "boss@example.cn"));
    }

    /// To all: without ourselves in whatever spelling, each once.
    async fn a_reply_to_all(t) {
        let Some((house, anna)) = office(t).await else { return };
        let talk = house.talk(&anna, LI).await;
        let raw = format!(
            "From: li@example.cn\r\nTo: {BRAND}, han@example.cn\r\nCc: Brand+shop@example.com, wang@example.cn, LI@example.cn\r\n\
             Subject: Rates\r\nMessage-ID: <1@x.cn>\r\n\r\nHello\r\n"
        );
        let (id, thread) = house.came(talk, &raw).await;
        let (raw, sent_in) = answered(&house, &anna, talk, &id, json!({"reply_all": true})).await;
        let of = |list: &[mail::Mailbox]| list.iter().map(|m| m.address.clone()).collect::<Vec<_>>();
        assert_eq!(of(&read(&raw).to), ["li@example.cn", "han@example.cn"]);
        assert_eq!((of(&read(&raw).cc), sent_in), (vec!["wang@example.cn".to_owned()], thread));
        let refusal = json!({"to": LI, "subject": "x", "body": "x", "reply_all": true});
        refused(&house.hold(&anna, refusal).await, 422, &["reply_all"]);
    }

    /// To one's own last message: it goes to whom that went, and stands under the Message-ID that Gmail gave that.
    async fn a_reply_to_our_own(t) {
        let Some((house, anna)) = office(t).await else { return };
        let talk = house.talk(&anna, LI).await;
        house.google.config(json!({"rewriteMsgId": true})).await;
        let first = house.mail(&anna, json!({"to": "Li <li@example.cn>", "subject": "Hello", "body": "x"})).await;
        let kept = house.only_sent().await;
        let id = field(&kept, "message-id").unwrap();
        assert!(id.contains("mail.gmail.com"), "rewritten: {id}");
        let out = house.out(&anna, &good(&first)["outbox_id"]).await;
        assert_eq!(format!("<{}>", out["rfc_message_id"].as_str().unwrap()), id);
        let ids = (first.body["message_id"].as_str().unwrap(), first.body["thread_id"].as_str().unwrap());
        house.app.run_due().await;
        let (raw, thread) = answered(&house, &anna, talk, ids.0, json!({})).await;
        assert_eq!((field(&raw, "in-reply-to"), thread.as_str()), (Some(id), ids.1));
        assert_eq!(read(&raw).to[0].to_string(), "Li <li@example.cn>");
    }

    /// More than sixty References: the first and the last stay, on lines that are not too long.
    async fn a_long_thread(t) {
        let Some((house, anna)) = office(t).await else { return };
        let talk = house.talk(&anna, LI).await;
        let all: Vec<String> = (0..90).map(|n| format!("<thread-message-number-{n:03}@a-long-domain.example.cn>")).collect();
        let more = format!("Message-ID: <last@x.cn>\r\nReferences: {}\r\n", all.join("\r\n "));
        let (id, _) = house.came(talk, &mail(LI, "Rates", &more)).await;
        let (raw, _) = answered(&house, &anna, talk, &id, json!({})).await;
        let references = read(&raw).references;
        assert_eq!(references.first().unwrap(), "thread-message-number-000@a-long-domain.example.cn");
        assert_eq!(references.last().unwrap(), "last@x.cn");
        assert_eq!(references[references.len() - 2], "thread-message-number-089@a-long-domain.example.cn");
        assert!(references.len() < 91 && raw.split("\r\n").all(|line| line.len() <= 998));
    }

    /// Without a Message-ID Gmail's thread holds it; under another subject it begins a thread of its own.
    async fn what_is_missing_or_changed(t) {
        let Some((house, anna)) = office(t).await else { return };
        let talk = house.talk(&anna, LI).await;
        let (id, thread) = house.came(talk, &mail(LI, "Rates", "")).await;
        let (raw, sent_in) = answered(&house, &anna, talk, &id, json!({})).await;
        assert_eq!((field(&raw, "in-reply-to"), sent_in), (None, thread));
        let (id, thread) = house.came(talk, &mail(LI, "Rates", "Message-ID: <2@x.cn>\r\n")).await;
        let (raw, _) = answered(&house, &anna, talk, &id, json!({"subject": "Something else"})).await;
        assert_eq!((read(&raw).subject.as_str(), field(&raw, "in-reply-to").unwrap().as_str()), ("Something else", "<2@x.cn>"));
        let (_, sent_in) = answered(&house, &anna, talk, &id, json!({"subject": "re:  Rates"})).await;
        assert_eq!(sent_in, thread);
        // Broken ids of a stranger's do not break ours.
        let evil = "Message-ID: <a b>\r\nReferences: nonsense <ok@x.cn> <\u{1}@x.cn>\r\n";
        let (id, _) = house.came(talk, &mail(LI, "Rates", evil)).await;
        let (raw, _) = answered(&house, &anna, talk, &id, json!({})).await;
        assert!(field(&raw, "references").is_none_or(|r| r.split(' ').all(|id| id.starts_with('<') && id.ends_with('>'))), "{raw}");
    }

    /// A thread that is not in the mailbox (any more) keeps no mail from leaving.
    async fn a_thread_that_is_gone(t) {
        let Some((house, anna)) = office(t).await else { return };
        let talk = house.talk(&anna, LI).await;
        house.came_as(talk, &mail(LI, "Rates", "Message-ID: <3@x.cn>\r\n"), ("msg_gone", "thr_of_another_mailbox")).await;
        let (raw, sent_in) = answered(&house, &anna, talk, "msg_gone", json!({})).await;
        assert_eq!(field(&raw, "in-reply-to").unwrap(), "<3@x.cn>");
        assert_ne!(sent_in, "thr_of_another_mailbox");
        house.only_sent().await;
        let elsewhere = house.talk(&anna, "han@example.cn").await;
        let body = json!({"conversation_id": elsewhere, "reply_to_message": "msg_gone", "body": "x"});
        refused(&house.hold(&anna, body).await, 422, &["reply_to_message"]);
    }

    /// A mail too large for JSON stands in its thread, too.
    async fn a_large_reply(t) {
        let Some((house, anna)) = office(t).await else { return };
        let talk = house.talk(&anna, LI).await;
        let (id, thread) = house.came(talk, &mail(LI, "Rates", "Message-ID: <4@x.cn>\r\n")).await;
        let octets: Vec<u8> = (0..4_000_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
        let file = uploaded(&house, &anna, "录像.bin", &octets).await;
        let (raw, sent_in) = answered(&house, &anna, talk, &id, json!({"attachments": [file]})).await;
        assert_eq!((sent_in, field(&raw, "in-reply-to").unwrap().as_str()), (thread, "<4@x.cn>"));
        let mail = read(&raw);
        assert_eq!(mail.attachments[0].file_name, "录像.bin");
        assert_eq!(&*mail.attachments[0].octets(raw.as_bytes()), &octets[..]);
        assert!(house.google.log("/upload/").await.len() == 1);
    }
}
