//! Reading, history, watches, limits.

use std::time::Duration;

use google::{Change, Error, Format, HistoryQuery, Query};
use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::account::House;

const TOPIC: &str = "projects/test/topics/gmail";

#[tokio::test]
async fn messages_and_their_parts() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let raw = "From: Creator <creator@example.com>\r\nTo: brand@example.com\r\nSubject: =?utf-8?B?5oql5Lu3?=\r\n\
        Message-ID: <q@in.example>\r\nList-Id: <x.example>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=mx\r\n\r\n\
        --mx\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSee the file.\r\n\
        --mx\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK+/8=\r\n--mx--\r\n";
    let id = house.emulator.deliver(BRAND, json!({"raw": raw})).await["id"].as_str().unwrap().to_owned();

    let full = mailbox.message(&id, Format::Full).await.unwrap();
    assert_eq!(full.header("list-id"), Some("<x.example>"));
    assert!(full.history_id.is_some() && full.internal_date.is_some());
    let file = full.payload.parts.iter().find(|p| p.filename == "a.pdf").unwrap();
    let bytes = mailbox.attachment(&id, &file.part_id).await.unwrap();
    assert_eq!(bytes, b"%PDF-1.4\n\xfb\xff");
    assert_eq!(mailbox.attachment(&id, "99").await, Err(Error::NotFound));
    assert_eq!(mailbox.raw(&id).await.unwrap().bytes, raw.as_bytes());
    assert_eq!(mailbox.raw("no/such?id=1").await, Err(Error::NotFound));

    let all = mailbox.messages(&Query { labels: &["INBOX"], ..Query::default() }).await.unwrap();
    assert_eq!((all.messages.len(), all.next), (2, None));
    let q = Query { q: Some("rfc822msgid:q@in.example"), ..Query::default() };
    assert_eq!(mailbox.messages(&q).await.unwrap().messages[0].id, id);

    mailbox.modify(&id, &["STARRED"], &["UNREAD"]).await.unwrap();
    let labels = mailbox.message(&id, Format::Minimal).await.unwrap().labels;
    assert!(labels.contains(&"STARRED".to_owned()) && !labels.contains(&"UNREAD".to_owned()), "{labels:?}");
    let aliases = mailbox.send_as().await.unwrap();
    assert!(aliases.iter().any(|a| a.address == BRAND && a.is_usable()), "{aliases:?}");
}

#[tokio::test]
async fn history_by_pages_until_it_is_gone() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let start = mailbox.profile().await.unwrap().history_id;
    let mut came = Vec::new();
    house.emulator.config(json!({"pageSize": 5})).await;
    for n in 0..6 {
        let mail = json!({"from": CREATOR, "subject": format!("{n}"), "text": "x"});
        came.push(house.emulator.deliver(BRAND, mail).await["id"].as_str().unwrap().to_owned());
    }
    let newest = mailbox.messages(&Query::default()).await.unwrap();
    let older = Query { page: newest.next.as_deref(), ..Query::default() };
    let older = mailbox.messages(&older).await.unwrap();
    assert_eq!((newest.messages.len(), older.messages.len(), &older.next), (5, 2, &None));
    assert_eq!(
        newest.messages.iter().map(|m| &m.id).collect::<Vec<_>>(),
        came.iter().rev().take(5).collect::<Vec<_>>()
    );
    let changes = [Change::MessageAdded];
    let mut query = HistoryQuery { start, changes: &changes, page: None };
    let first = mailbox.history(&query).await.unwrap();
    assert_eq!(first.records.len(), 5);
    let next = first.next.clone().unwrap();
    query.page = Some(&next);
    let second = mailbox.history(&query).await.unwrap();
    assert_eq!((second.records.len(), &second.next, second.unreadable), (1, &None, 0));
    let added = first.records.iter().chain(&second.records).flat_map(|r| &r.added);
    assert_eq!(added.map(|t| t.message.message.id.clone()).collect::<Vec<_>>(), came);

    let end = HistoryQuery { start: second.history_id, changes: &changes, page: None };
    assert!(mailbox.history(&end).await.unwrap().records.is_empty());
    house.emulator.history_floor(BRAND).await;
    let gone = mailbox.history(&HistoryQuery { start, changes: &changes, page: None }).await;
    assert_eq!(gone, Err(Error::HistoryGone));
}

#[tokio::test]
async fn a_watch_is_renewed_moved_and_stopped() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let watch = mailbox.watch(TOPIC, &["INBOX", "SENT"]).await.unwrap();
    let days = watch.expires_at.since(house.clock.now()).as_secs() / 86_400;
    assert!((6..=7).contains(&days), "{watch:?}");
    assert_eq!(watch.history_id, mailbox.profile().await.unwrap().history_id);
    mailbox.watch(TOPIC, &["INBOX", "SENT"]).await.unwrap();
    assert!(house.emulator.log("/stop").await.is_empty());
    // Another topic's is in the way.
    mailbox.watch("projects/test/topics/other", &["INBOX"]).await.unwrap();
    let watches = house.emulator.watches().await;
    assert_eq!(watches.len(), 1);
    assert_eq!(watches[0]["topicName"], "projects/test/topics/other");
    assert_eq!(watches[0]["labelIds"], json!(["INBOX"]));
    let error = mailbox.watch("bogus", &[]).await.unwrap_err();
    assert!(matches!(&error, Error::Permanent { code, .. } if code == "invalidArgument"), "{error}");
    mailbox.stop().await.unwrap();
    mailbox.stop().await.unwrap();
    assert!(house.emulator.watches().await.is_empty());
}

#[tokio::test]
async fn limits_are_waited_out_and_not_beaten_on() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    let limit = json!({"path": "/profile$", "status": 429, "reason": "rateLimitExceeded",
        "message": "Too many concurrent requests for user.", "headers": {"Retry-After": "30"}});
    house.emulator.fault(limit).await;
    for expected in [30, 30] {
        let error = mailbox.profile().await.unwrap_err();
        let Error::Retry { after: Some(after), limited: true, .. } = error else { panic!("{error:?}") };
        assert_eq!(after.as_secs(), expected);
    }
    // All that is known of the mailbox, whoever calls.
    let other = house.connected(BRAND).await;
    other.messages(&Query::default()).await.unwrap_err();
    assert_eq!(house.emulator.log("/gmail/v1/").await.len(), 1);
    assert_eq!(house.governor(BRAND).held_until(), Some(house.clock.now() + Duration::from_secs(30)));
    house.connected(CREATOR).await.profile().await.unwrap();
    house.sim.advance(Duration::from_secs(30));
    mailbox.profile().await.unwrap();

    // 403 with a rate's reason backs off by itself, longer each time.
    let limit = json!({"path": "/profile$", "status": 403, "reason": "userRateLimitExceeded", "times": 3});
    house.emulator.fault(limit).await;
    for seconds in [1, 2, 4] {
        let Error::Retry { after: Some(after), .. } = mailbox.profile().await.unwrap_err() else { panic!() };
        assert_eq!(after.as_secs(), seconds);
        house.sim.advance(after);
    }
    mailbox.profile().await.unwrap();
}

#[tokio::test]
async fn what_never_helps_and_what_ends_the_day() {
    let Some(house) = House::new() else { return };
    let mailbox = house.connected(BRAND).await;
    for reason in ["domainPolicy", "insufficientPermissions", "accessNotConfigured"] {
        house.emulator.fault(json!({"path": "/profile$", "status": 403, "reason": reason})).await;
        let error = mailbox.profile().await.unwrap_err();
        assert!(matches!(&error, Error::Permanent { code, .. } if code == reason), "{error:?}");
    }
    for fault in [
        json!({"path": "/profile$", "status": 500}),
        json!({"path": "/profile$", "dropAfter": true}),
        json!({"path": "/profile$", "status": 200, "body": {"emailAddress": 7}}),
        json!({"path": "/profile$", "status": 200, "body": {"emailAddress": "a@x", "historyId": "many"}}),
    ] {
        house.emulator.fault(fault.clone()).await;
        let error = mailbox.profile().await.unwrap_err();
        assert!(matches!(error, Error::Retry { limited: false, .. }), "{fault}: {error:?}");
    }
    house.emulator.fault(json!({"path": "/profile$", "status": 403, "reason": "dailyLimitExceeded"})).await;
    let until = "2027-03-02T08:00:00Z".parse().unwrap();
    for _ in 0..2 {
        let error = mailbox.profile().await.unwrap_err();
        assert!(matches!(error, Error::DailyLimit { until: u, .. } if u == until), "{error:?}");
    }
    house.sim.set(until);
    mailbox.profile().await.unwrap();
}
