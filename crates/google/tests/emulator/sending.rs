//! Sending, and finding out what became of it.

use std::time::Duration;

use google::{Error, Format, Query};
use serde_json::{Value, json};
use testkit::google::{BRAND, CREATOR};

use crate::account::House;

fn mail(id: &str, more: &str, text: &str) -> Vec<u8> {
    format!(
        "From: Brand <{BRAND}>\r\nTo: {CREATOR}\r\nSubject: Re: Rates for a collab\r\nMessage-ID: <{id}>\r\n{more}\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

fn raws(sent: &[Value]) -> Vec<&str> {
    sent.iter().map(|m| m["raw"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_reply_stays_in_its_thread_and_arrives() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let seed = mailbox.message("msg_seed1", Format::Metadata(&["message-id"])).await.unwrap();
    assert_eq!(seed.header("Message-ID"), Some("<seed-1@example.com>"));
    let more = "In-Reply-To: <seed-1@example.com>\r\nReferences: <seed-1@example.com>\r\nAuto-Submitted: auto-replied\r\n";
    let sent = mailbox.send(&mail("a@desk.example", more, "谢谢！"), Some(&seed.thread_id)).await.unwrap();
    assert_eq!(
        (sent.thread_id.as_str(), sent.labels.as_slice()),
        (seed.thread_id.as_str(), &["SENT".to_owned()][..])
    );
    let raw = mailbox.raw(&sent.id).await.unwrap();
    assert_eq!(raw.bytes, mail("a@desk.example", more, "谢谢！"));
    let thread = mailbox.thread(&sent.thread_id, Format::Metadata(&["Auto-Submitted"])).await.unwrap();
    assert_eq!(thread.messages.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["msg_seed1", &sent.id]);
    assert_eq!(thread.messages[1].header("auto-submitted"), Some("auto-replied"));

    let creator = house.connected(CREATOR).await;
    let inbox = creator.messages(&Query { labels: &["INBOX"], ..Query::default() }).await.unwrap();
    assert_eq!(inbox.messages.len(), 1);
    assert!(
        String::from_utf8(creator.raw(&inbox.messages[0].id).await.unwrap().bytes)
            .unwrap()
            .contains("谢谢！")
    );
}

#[tokio::test]
async fn a_large_mail_is_uploaded_and_keeps_its_thread() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let thread = mailbox.message("msg_seed1", Format::Minimal).await.unwrap().thread_id;
    let line = format!("{}\r\n", "字x".repeat(15));
    let large = mail("big@desk.example", "", &line.repeat(4_000_000 / line.len()));
    let sent = mailbox.send(&large, Some(&thread)).await.unwrap();
    assert_eq!(sent.thread_id, thread);
    assert_eq!(house.emulator.log("/upload/gmail/v1/users/me/messages/send").await.len(), 1);
    assert!(mailbox.raw(&sent.id).await.unwrap().bytes == large, "other octets");
    // What is too large is not even tried.
    let error = mailbox.send(&vec![b'x'; google::LARGEST_MAIL + 1], None).await.unwrap_err();
    assert!(matches!(&error, Error::Permanent { code, .. } if code == "tooLarge"), "{error}");
    assert_eq!(house.emulator.sent(BRAND).await.len(), 1);
}

#[tokio::test]
async fn a_thread_of_another_mailbox_is_refused() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let error = mailbox.send(&mail("a@desk.example", "", "x"), Some("thread-of-others")).await.unwrap_err();
    assert!(matches!(&error, Error::Permanent { code, .. } if code == "threadNotFound"), "{error}");
    assert_eq!(raws(&house.emulator.sent(BRAND).await), [""; 0]);
}

#[tokio::test]
async fn a_lost_answer_is_in_doubt_and_the_mail_is_found() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let hour = Duration::from_secs(3600);
    let span = || house.clock.now() - hour..house.clock.now() + hour;
    house.emulator.fault(json!({"path": "messages/send$", "dropAfter": true})).await;
    let error = mailbox.send(&mail("lost@desk.example", "", "x"), None).await.unwrap_err();
    assert!(matches!(error, Error::InDoubt { .. }), "{error:?}");
    let found = mailbox.find_sent("<lost@desk.example>", span()).await.unwrap().unwrap();
    // Sent once, and not again by anything below us.
    let sent = house.emulator.sent(BRAND).await;
    assert_eq!(sent.iter().map(|m| m["id"].as_str().unwrap()).collect::<Vec<_>>(), [found.id.as_str()]);
    assert_eq!(mailbox.find_sent("never@desk.example", span()).await.unwrap(), None);

    // The search lags behind, and the id was replaced.
    house.emulator.config(json!({"indexLag": true, "rewriteMsgId": true})).await;
    house.emulator.fault(json!({"path": "messages/send$", "dropAfter": true})).await;
    mailbox.send(&mail("lost-2@desk.example", "", "x"), None).await.unwrap_err();
    let other = mailbox.find_sent("lost-2@desk.example", span()).await.unwrap().unwrap();
    assert_ne!(other.id, found.id);
    assert_eq!(mailbox.find_sent("<lost@desk.example>", span()).await.unwrap(), Some(found));
    assert_eq!(mailbox.find_sent("never@desk.example", span()).await.unwrap(), None);
    // A part of an id is another id.
    assert_eq!(mailbox.find_sent("ost@desk.example", span()).await.unwrap(), None);
    let error = mailbox.find_sent("x@y) OR in:inbox", span()).await.unwrap_err();
    assert!(matches!(&error, Error::Permanent { code, .. } if code == "invalidMessageId"), "{error}");
}

#[tokio::test]
async fn not_found_among_too_many_is_not_not_sent() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let start = house.clock.now();
    house.emulator.config(json!({"indexLag": true, "deliver": false})).await;
    for n in 0..201 {
        // Units come back.
        house.sim.advance(Duration::from_secs(2));
        house.emulator.set_now(house.clock.now()).await;
        mailbox.send(&mail(&format!("{n}@desk.example"), "", "x"), None).await.unwrap();
    }
    let units = || async {
        loop {
            house.sim.advance(Duration::from_millis(10));
            tokio::task::yield_now().await;
        }
    };
    let looked = |id: &'static str, seconds: u64| {
        let span = start..start + Duration::from_secs(seconds);
        let (mailbox, units) = (&mailbox, units());
        async move {
            tokio::select! {
                found = mailbox.find_sent(id, span) => found,
                () = units => unreachable!(),
            }
        }
    };
    let found = looked("never@desk.example", 3600).await;
    assert!(matches!(found, Err(Error::InDoubt { .. })), "{found:?}");
    // What was sent long after the mail in question is none of its concern.
    assert_eq!(looked("never@desk.example", 60).await.unwrap(), None);
    assert!(looked("20@desk.example", 60).await.unwrap().is_some());
    assert_eq!(looked("60@desk.example", 60).await.unwrap(), None);
}

/// What a limit breaks off goes on where it was, unless the limit lasts.
#[tokio::test]
async fn a_limit_does_not_begin_the_looks_anew() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let start = house.clock.now();
    house.emulator.config(json!({"indexLag": true, "deliver": false})).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(mailbox.send(&mail(&format!("{n}@desk.example"), "", "x"), None).await.unwrap().id);
    }
    let path = |n: usize| format!("messages/{}", ids[n].replace('_', "%5F").replace('-', "%2D"));
    let look = |id: &'static str| {
        let (mailbox, house) = (&mailbox, &house);
        async move {
            tokio::select! {
                found = mailbox.find_sent(id, start..start + Duration::from_secs(60)) => found,
                () = async {
                    loop {
                        house.sim.advance(Duration::from_millis(10));
                        tokio::task::yield_now().await;
                    }
                } => unreachable!(),
            }
        }
    };
    let limited = |seconds: u64| {
        json!({"path": path(2), "status": 429, "reason": "rateLimitExceeded",
            "headers": {"Retry-After": seconds.to_string()}})
    };
    house.emulator.fault(limited(5)).await;
    assert_eq!(look("2@desk.example").await.unwrap().unwrap().id, ids[2]);
    let mut looks = Vec::new();
    for n in 0..3 {
        looks.push(house.emulator.log(&path(n)).await.len());
    }
    assert_eq!(looks, [1, 1, 2]);
    house.emulator.fault(limited(3600)).await;
    let error = look("2@desk.example").await.unwrap_err();
    assert!(matches!(error, Error::Retry { limited: true, .. }), "{error:?}");
}

#[tokio::test]
async fn an_error_of_the_server_may_have_sent_it() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    for (status, in_doubt) in [(500, true), (503, true), (400, false), (403, false)] {
        let fault = json!({"path": "messages/send$", "status": status, "reason": "domainPolicy"});
        house.emulator.fault(fault).await;
        let error = mailbox.send(&mail("a@desk.example", "", "x"), None).await.unwrap_err();
        assert_eq!(matches!(error, Error::InDoubt { .. }), in_doubt, "{status}: {error:?}");
    }
    assert_eq!(house.emulator.log("messages/send").await.len(), 4);
}

#[tokio::test]
async fn a_sending_limit_stops_sends_alone_until_its_time() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let message = "User-rate limit exceeded.  Retry after 2027-03-01T10:00:00.000Z";
    let fault =
        json!({"path": "messages/send$", "status": 429, "reason": "rateLimitExceeded", "message": message});
    house.emulator.fault(fault).await;
    for _ in 0..2 {
        let error = mailbox.send(&mail("a@desk.example", "", "x"), None).await.unwrap_err();
        let Error::Retry { after: Some(after), limited: true, .. } = error else { panic!("{error:?}") };
        assert_eq!(after.as_secs(), 7200);
    }
    assert_eq!(house.emulator.log("messages/send").await.len(), 1, "Google was asked again before the time");
    mailbox.profile().await.unwrap();
    house.sim.set("2027-03-01T10:00:00Z".parse().unwrap());
    mailbox.send(&mail("a@desk.example", "", "x"), None).await.unwrap();
}
