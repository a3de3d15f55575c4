//! Mailboxes are read: what is stored, what is not, and that nothing is lost or stored twice, whatever happens.

use std::time::Duration;

use serde_json::json;
use testkit::{
    app::shape,
    google::{BRAND, CREATOR},
};

use crate::{
    house::{good, refused},
    mailbox::Rig,
};

const HOUR: Duration = Duration::from_secs(3600);

/// As Gmail takes mails.
pub fn base64(text: &str) -> String {
    data_encoding::BASE64URL_NOPAD.encode(text.as_bytes())
}

/// An id as it stands in the path of a call.
fn in_path(id: &str) -> String {
    id.replace('_', "%5F").replace('-', "%2D")
}

testkit::both! {
    &testkit::app::migrations();

    /// What was written before is found by searching; it is of the past. What comes then is news.
    async fn the_past_and_the_news(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let stored = rig.stored(1).await;
        assert_eq!(stored, [("msg_seed1".to_owned(), "in".to_owned(), "Rates for a collab".to_owned(), true)]);
        let (count, last, name, backfilled) = rig.sums(1).await;
        assert!(count == 1 && last.is_some() && backfilled.is_some());
        assert_eq!(name.as_deref(), Some("Creator One"));
        let raw = rig.calls("format=raw").await;
        rig.deliver("B").await;
        rig.deliver_mail(json!({"from": "someone@else.example", "subject": "C", "text": "no business of ours"})).await;
        rig.sync().await;
        assert_eq!(rig.subjects(1).await, ["B", "Rates for a collab"]);
        assert!(!rig.stored(1).await[0].3);
        assert_eq!(rig.calls("format=raw").await, raw + 1, "what belongs nowhere is not fetched");
        let health = rig.health().await;
        assert!(health["last_sync"].is_string() && health["waiting"] == 0 && health["skipped"] == 0, "{health}");
        // Found by its words.
        let mut conn = rig.house.app.system.db.read().await.unwrap();
        let terms: Vec<(String,)> =
            conn.all(db::sql!("SELECT term FROM gmail_terms WHERE term = 'b'"), db::args![]).await.unwrap();
        assert_eq!(terms.len(), 1);
    }

    /// Drafts, spam and what was thrown away are not stored; a thread brings its other people; a mail from one of our
    /// own addresses went out.
    async fn what_belongs_to_a_conversation(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        for label in ["SPAM", "TRASH", "DRAFT"] {
            rig.deliver_mail(json!({"from": CREATOR, "subject": label, "text": "x", "labelIds": [label]})).await;
        }
        let thread = rig.house.google.as_owner(BRAND, "GET", "messages/msg_seed1", json!(null)).await["threadId"].clone();
        rig.deliver_mail(json!({"from": "agent@talents.example", "subject": "D", "text": "x", "threadId": thread})).await;
        let raw = format!("From: {BRAND}\r\nTo: Creator <{CREATOR}>\r\nSubject: E\r\nMessage-ID: <e@example.com>\r\n\r\nhi");
        rig.house.google.as_owner(BRAND, "POST", "messages/send", json!({"raw": base64(&raw)})).await;
        rig.sync().await;
        let stored: Vec<(String, String)> =
            rig.stored(1).await.into_iter().map(|(_, direction, subject, _)| (subject, direction)).collect();
        let of = |s: &str, d: &str| (s.to_owned(), d.to_owned());
        assert_eq!(stored, [of("D", "in"), of("E", "out"), of("Rates for a collab", "in")]);
        // Not spam after all.
        let list = rig.house.google.as_owner(BRAND, "GET", "messages?labelIds=SPAM&includeSpamTrash=true", json!(null)).await;
        let spam = list["messages"][0]["id"].as_str().unwrap().to_owned();
        let change = json!({"removeLabelIds": ["SPAM"], "addLabelIds": ["INBOX"]});
        rig.house.google.as_owner(BRAND, "POST", &format!("messages/{spam}/modify"), change).await;
        rig.sync().await;
        assert!(rig.subjects(1).await.contains(&"SPAM".to_owned()));
    }

    /// What went out from here is known when it is read back, and stored once; a report of its return is stored, too.
    async fn own_sends_and_their_bounces(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let mut tx = rig.house.app.system.db.begin().await.unwrap();
        tx.exec(
            db::sql!(
                "INSERT INTO gmail_outbox (id, user_id, credential_key, conversation_id, fingerprint, source, state,
                    message_id, envelope, due_at, created_at, updated_at, dispatch_no, fence, lookups, sends)
                 VALUES ('gout_1', 'u', $1, 1, $2, 'person', 'sending', 'own-1@example.com', '{}', 0, 0, 0, 0, 0, 0, 0)"
            ),
            db::args![&rig.key, vec![1u8]],
        ).await.unwrap();
        tx.commit().await.unwrap();
        let raw = format!("From: {BRAND}\r\nTo: other@example.org\r\nSubject: O\r\nMessage-ID: <own-1@example.com>\r\n\r\nhi");
        rig.house.google.as_owner(BRAND, "POST", "messages/send", json!({"raw": base64(&raw)})).await;
        rig.sync().await;
        rig.sync().await;
        let mut conn = rig.house.app.system.db.read().await.unwrap();
        let ours: Vec<(String, Option<String>)> = conn
            .all(db::sql!("SELECT direction, outbox_id FROM gmail_messages WHERE subject = 'O'"), db::args![])
            .await
            .unwrap();
        drop(conn);
        assert_eq!(ours, [("out".to_owned(), Some("gout_1".to_owned()))]);
        // Gmail may replace the Message-ID; our mark stays.
        let raw = raw.replace("own-1@", "another@").replace("Subject: O", "Subject: P\r\nX-Hongyan-Outreach: gout_1");
        rig.house.google.as_owner(BRAND, "POST", "messages/send", json!({"raw": base64(&raw)})).await;
        rig.sync().await;
        assert!(rig.subjects(1).await.contains(&"P".to_owned()));
        let bounce = "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\nTo: brand@example.com\r\n\
            Subject: Undelivered\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/plain\r\n\r\nno such user\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
            Reporting-MTA: dns; x.example\r\n\r\nFinal-Recipient: rfc822; other@example.org\r\nAction: failed\r\n\
            Status: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <own-1@example.com>\r\n\
            Subject: O\r\n\r\nhi\r\n--b--\r\n";
        rig.deliver_mail(json!({"raw": bounce})).await;
        rig.deliver_mail(json!({"raw": bounce.replace("own-1@", "foreign@")})).await;
        rig.sync().await;
        let bounces = rig.subjects(1).await.iter().filter(|s| *s == "Undelivered").count();
        assert_eq!(bounces, 1);
    }

    /// History that does not reach back: all is listed; what is older than answers may be is of the past.
    async fn a_lost_history_loses_nothing(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let gone = rig.deliver("A0").await;
        rig.sync().await;
        rig.house.google.config(json!({"pageSize": 2})).await;
        for subject in ["A1", "A2", "A3"] {
            rig.deliver(subject).await;
        }
        rig.house.google.as_owner(BRAND, "DELETE", &format!("messages/{gone}"), json!(null)).await;
        let now = rig.house.app.now() + 48 * HOUR;
        rig.house.google.set_now(now).await;
        rig.house.app.clock.set(now);
        for subject in ["B1", "B2", "B3"] {
            rig.deliver(subject).await;
        }
        rig.house.google.history_floor(BRAND).await;
        rig.pass(HOUR).await;
        let stored: Vec<(String, bool)> = rig.stored(1).await.into_iter().map(|(_, _, s, past)| (s, past)).collect();
        let of = |s: &str, past| (s.to_owned(), past);
        assert_eq!(stored, [
            of("A1", false), of("A2", false), of("A3", false), of("B1", false), of("B2", false), of("B3", false),
            of("Rates for a collab", true),
        ]);
        // Once more, as a search may lag behind.
        rig.pass(HOUR).await;
        assert_eq!(rig.stored(1).await.len(), 7);
        // From there on history is walked again.
        let lists = rig.calls("/messages?").await;
        rig.deliver("C").await;
        rig.pass(HOUR).await;
        assert_eq!((rig.subjects(1).await.len(), rig.calls("/messages?").await), (8, lists));
    }

    /// What is deleted or thrown away there goes here; what is taken back comes back, and is no news; labels follow.
    async fn follows_what_gmail_holds(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let (a, b, c) = (rig.deliver("A").await, rig.deliver("B").await, rig.deliver("C").await);
        rig.sync().await;
        assert_eq!(rig.sums(1).await.0, 4);
        let owner = |method: &'static str, path: String, body| {
            let google = &rig.house.google;
            async move { google.as_owner(BRAND, method, &path, body).await }
        };
        owner("POST", format!("messages/{a}/modify"), json!({"addLabelIds": ["STARRED"], "removeLabelIds": ["UNREAD"]})).await;
        owner("POST", format!("messages/{b}/trash"), json!({})).await;
        owner("DELETE", format!("messages/{c}"), json!(null)).await;
        let fetched = rig.calls(&in_path(&a)).await;
        rig.sync().await;
        assert_eq!(rig.subjects(1).await, ["A", "Rates for a collab"]);
        let mut conn = rig.house.app.system.db.read().await.unwrap();
        let (labels,): (String,) = conn
            .one(db::sql!("SELECT labels FROM gmail_messages WHERE subject = 'A'"), db::args![]).await.unwrap();
        let (terms,): (i64,) = conn
            .one(db::sql!("SELECT COUNT(*) FROM gmail_terms WHERE term IN ('b', 'c')"), db::args![]).await.unwrap();
        drop(conn);
        assert!(labels.contains("STARRED") && !labels.contains("UNREAD"), "{labels}");
        assert_eq!((terms, rig.calls(&in_path(&a)).await), (0, fetched), "labels cost no call");
        let (count, last, ..) = rig.sums(1).await;
        assert_eq!(count, 2);
        owner("POST", format!("messages/{b}/untrash"), json!({})).await;
        // Google's times go on with each call; ours stand.
        rig.pass(Duration::from_secs(60)).await;
        rig.sync().await;
        let back: Vec<_> = rig.stored(1).await.into_iter().filter(|(id, ..)| *id == b).collect();
        assert!(back.len() == 1 && back[0].3, "{back:?}");
        assert!(rig.sums(1).await.0 == 3 && rig.sums(1).await.1 > last);
    }

    /// Google wants no call for a while: the account says until when, and nothing is lost.
    async fn a_limit_is_waited_for(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        rig.deliver("A").await;
        rig.house.google.fault(json!({"path": "history", "status": 429, "reason": "rateLimitExceeded",
            "headers": {"retry-after": "7200"}})).await;
        rig.sync().await;
        let health = rig.health().await;
        let until = health["limited_until"].as_str().unwrap().parse::<kernel::Timestamp>().unwrap();
        assert!(until > rig.house.app.now() + HOUR && health["status"] == "active", "{health}");
        let calls = rig.calls("/gmail/v1/").await;
        rig.pass(HOUR).await;
        assert_eq!((rig.calls("/gmail/v1/").await, rig.subjects(1).await.len()), (calls, 1));
        rig.pass(HOUR + Duration::from_secs(10)).await;
        assert_eq!(rig.subjects(1).await, ["A", "Rates for a collab"]);
        assert!(rig.health().await["limited_until"].is_null());
    }

    /// A token that ends is renewed unseen; a grant that ends is said, to the owner by mail, once.
    async fn tokens_and_grants_that_end(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        rig.deliver("A").await;
        rig.house.google.expire(BRAND).await;
        rig.sync().await;
        assert_eq!(rig.subjects(1).await.len(), 2);
        rig.house.google.revoke(BRAND).await;
        rig.deliver("B").await;
        rig.sync().await;
        let health = rig.health().await;
        assert!(health["status"] == "needs_reconnect" && health["status_reason"].is_string(), "{health}");
        rig.house.app.system.gmail.look_after_mailboxes().await.unwrap();
        rig.house.app.run_due().await;
        let told = rig.house.app.mails_to(&rig.anna.email);
        let told: Vec<_> = told.iter().filter(|mail| mail.subject.contains("Gmail")).collect();
        assert!(told.len() == 1 && told[0].text.contains(BRAND), "{told:?}");
        let refused = rig.house.post(&format!("/credentials/{}/sync/", rig.id), &rig.anna, json!({})).await;
        assert_eq!(refused.status, 409);
        rig.house.connect(&rig.anna, BRAND).await;
        rig.house.app.run_due().await;
        assert_eq!(rig.subjects(1).await, ["A", "B", "Rates for a collab"]);
        assert_eq!(rig.health().await["status"], "active");
    }

    /// A mail that cannot be fetched is skipped in the end, holds up no other, and may be asked for again.
    async fn a_poisonous_mail(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let bad = rig.deliver("A").await;
        rig.house.google.fault(json!({"path": format!("messages/{}$", in_path(&bad)), "status": 500, "times": 5})).await;
        rig.sync().await;
        rig.deliver("B").await;
        rig.sync().await;
        assert_eq!(rig.subjects(1).await, ["B", "Rates for a collab"]);
        assert_eq!((&rig.health().await["waiting"], &rig.health().await["skipped"]), (&json!(1), &json!(0)));
        // An hour passes before the last try.
        for minutes in [2, 5, 14] {
            rig.pass(Duration::from_secs(60 * minutes)).await;
        }
        rig.pass(Duration::from_secs(60 * 40)).await;
        assert_eq!((&rig.health().await["waiting"], &rig.health().await["skipped"]), (&json!(1), &json!(0)));
        rig.pass(Duration::from_secs(60)).await;
        let health = rig.health().await;
        assert_eq!((&health["waiting"], &health["skipped"], &health["status"]), (&json!(0), &json!(1), &json!("active")));
        // Which one, and why; for its owner alone.
        let path = format!("/credentials/{}/skipped/", rig.id);
        let anna = rig.house.app.login(&rig.anna).await;
        let list = rig.house.get(&path, &anna).await;
        shape(good(&list), &json!({"count": 1, "results": [{
            "message_id": format!("={bad}"), "thread_id": null, "reason": "string", "tries": 5, "failed_at": "time",
        }]}));
        assert_ne!(list.body["results"][0]["reason"], "", "{}", list.body);
        assert_eq!(good(&rig.house.get(&format!("{path}?page=2"), &anna).await), &json!({"count": 1, "results": []}));
        let ben = rig.house.app.user("ben").await;
        refused(&rig.house.get(&path, &ben).await, 404, &[]);
        rig.deliver("C").await;
        rig.sync().await;
        assert_eq!(rig.subjects(1).await, ["A", "B", "C", "Rates for a collab"]);
        assert_eq!(rig.health().await["skipped"], 0);
        assert_eq!(good(&rig.house.get(&path, &anna).await)["count"], 0);
    }

    /// An outage is nobody's own failure.
    async fn an_outage_skips_nothing(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        rig.deliver("A").await;
        rig.house.google.fault(json!({"path": "messages/|profile", "status": 503, "times": 40})).await;
        rig.sync().await;
        for _ in 0..30 {
            rig.pass(Duration::from_secs(90)).await;
        }
        assert_eq!(rig.subjects(1).await, ["A", "Rates for a collab"]);
        assert_eq!(rig.health().await["skipped"], 0);
    }

    /// The walk breaks off between pages: the place stays, and all is stored once.
    async fn broken_off_between_pages(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        rig.house.google.config(json!({"pageSize": 2})).await;
        for n in 1..=7 {
            rig.deliver(&format!("A{n}")).await;
        }
        let place = |rig: &Rig| {
            let (db, key) = (rig.house.app.system.db.clone(), rig.key.clone());
            async move {
                let mut conn = db.read().await.unwrap();
                let (place,): (i64,) = conn
                    .one(db::sql!("SELECT history_id FROM gmail_credentials WHERE key = $1"), db::args![&key])
                    .await.unwrap();
                place
            }
        };
        let before = place(&rig).await;
        rig.house.google.fault(json!({"path": "history", "query": "pageToken=4", "status": 500})).await;
        rig.sync().await;
        assert_eq!((place(&rig).await, rig.subjects(1).await.len()), (before, 1));
        assert_eq!(rig.health().await["waiting"], 4);
        rig.pass(Duration::from_secs(5)).await;
        assert!(place(&rig).await > before);
        assert_eq!(rig.stored(1).await.len(), 8);
    }

    /// A past of several pages is listed on where it broke off.
    async fn a_past_of_pages(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.house.google.config(json!({"pageSize": 2})).await;
        for n in 1..=6 {
            rig.deliver(&format!("A{n}")).await;
        }
        rig.sync().await;
        rig.conversation_with(1, CREATOR).await;
        rig.house.google.fault(json!({"path": "messages$", "query": "pageToken=4", "status": 500})).await;
        rig.sync().await;
        let lists = rig.calls("/messages?").await;
        rig.pass(Duration::from_secs(5)).await;
        assert_eq!(rig.calls("/messages?").await, lists + 2, "page three and four");
        let stored = rig.stored(1).await;
        assert!(stored.len() == 7 && stored.iter().all(|(.., past)| *past));
        assert!(rig.sums(1).await.3.is_some());
    }

    /// A search that Gmail refuses is begun anew, in the end given up, and holds up no other.
    async fn a_refused_search(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let refuse = |times: u32| rig.house.google.fault(json!({"path": "messages$", "query": "other%40", "status": 400,
            "reason": "invalidArgument", "times": times}));
        refuse(3).await;
        rig.conversation_with(1, "other@example.org").await;
        rig.conversation_with(2, CREATOR).await;
        rig.sync().await;
        assert!(rig.sums(1).await.3.is_some() && rig.sums(2).await.3.is_some() && rig.sums(2).await.0 == 1);
        refuse(50).await;
        rig.conversation_with(3, "another@example.org").await;
        rig.sync().await;
        assert!(rig.sums(3).await.3.is_none());
        let seen = rig.house.get("/conversations/3/", &rig.anna).await;
        let error = good(&seen)["backfill_error"].as_str().unwrap();
        assert!(error.contains("refuses to search") && seen.body["backfilled"] == false, "{error}");
        assert!(rig.health().await["sync_error"].is_null());
        rig.deliver("A").await;
        rig.sync().await;
        assert_eq!(rig.subjects(2).await.len(), 2);
    }

    /// A conversation is removed while Gmail is asked for its past: nothing more is read for it.
    async fn removed_while_its_past_is_listed(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation_with(1, CREATOR).await;
        rig.house.google.fault(json!({"path": "messages$", "query": "creator%40", "delayMs": 500})).await;
        let remove = async {
            while rig.calls("creator%40").await == 0 {}
            rig.house.delete("/conversations/1/", &rig.anna).await
        };
        let (removed, ()) = tokio::join!(remove, rig.sync());
        good(&removed);
        assert_eq!(rig.calls("format=raw").await, 0);
        let health = rig.health().await;
        assert!(health["waiting"] == 0 && health["sync_error"].is_null() && health["last_sync"].is_string(), "{health}");
    }

    /// An account that Gmail refuses to read is left alone until it is polled, whatever waits there.
    async fn a_refused_account_is_not_asked_at_once(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation_with(1, CREATOR).await;
        rig.house.google.fault(json!({"path": "history", "status": 403, "reason": "domainPolicy", "times": 50})).await;
        rig.sync().await;
        assert!(rig.health().await["sync_error"].is_string());
        let calls = rig.calls("/gmail/v1/").await;
        for _ in 0..5 {
            rig.pass(Duration::from_secs(60)).await;
        }
        assert_eq!(rig.calls("/gmail/v1/").await, calls);
        rig.house.google.clear_faults().await;
        rig.pass(Duration::from_secs(600)).await;
        assert_eq!(rig.subjects(1).await.len(), 1);
        assert!(rig.health().await["sync_error"].is_null());
    }

    /// Large mails are taken in, one by one: those of the past are known by a search, new ones by their heads.
    async fn large_mails(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let large = |subject: &str| {
            let file = "QUJD".repeat(19) + "\r\n";
            format!(
                "From: {CREATOR}\r\nTo: {BRAND}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
                 Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\n\
                 Content-Type: video/mp4; name=a.mp4\r\nContent-Disposition: attachment; filename=a.mp4\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{}--b--\r\n",
                file.repeat(7 * 1024 * 1024 / 78)
            )
        };
        rig.deliver_mail(json!({"raw": large("A")})).await;
        rig.sync().await;
        rig.conversation().await;
        assert_eq!(rig.calls("larger").await, 1);
        rig.deliver_mail(json!({"raw": large("B")})).await;
        rig.sync().await;
        assert_eq!(rig.subjects(1).await, ["A", "B", "Rates for a collab"]);
        let mut conn = rig.house.app.system.db.read().await.unwrap();
        let sizes: Vec<(i64,)> = conn.all(db::sql!("SELECT size FROM gmail_parts"), db::args![]).await.unwrap();
        assert!(sizes.len() == 2 && sizes.iter().all(|(size,)| *size > 5_000_000), "{sizes:?}");
    }

    /// Gmail's search does not know a mail yet: it is asked once more, and no third time.
    async fn a_search_that_lags_behind(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.deliver("A").await;
        rig.sync().await;
        rig.conversation_with(1, CREATOR).await;
        rig.house.google.fault(json!({"path": "messages$", "status": 200, "times": 2, "body": {"resultSizeEstimate": 0}})).await;
        rig.sync().await;
        assert_eq!(rig.stored(1).await, []);
        rig.pass(Duration::from_secs(8 * 60)).await;
        assert_eq!(rig.subjects(1).await, ["A", "Rates for a collab"]);
        assert!(rig.stored(1).await.iter().all(|(.., past)| *past));
        let lists = rig.calls("/messages?").await;
        rig.pass(HOUR).await;
        assert_eq!(rig.calls("/messages?").await, lists);
    }

    /// Nothing rings: the mailbox is read all the same.
    async fn quiet_mailboxes_are_polled(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        // By then its past was listed once more.
        rig.pass(Duration::from_secs(500)).await;
        rig.deliver("A").await;
        rig.pass(Duration::from_secs(500)).await;
        assert_eq!(rig.subjects(1).await.len(), 1);
        rig.pass(Duration::from_secs(200)).await;
        assert_eq!(rig.subjects(1).await.len(), 2);
    }

    /// What was asked for belongs to whoever owns the account.
    async fn whose_it_is(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let ben = rig.house.app.user("ben").await;
        let path = format!("/credentials/{}/sync/", rig.id);
        assert_eq!(rig.house.post(&path, &ben, json!({})).await.status, 404);
        for path in ["/notifications/setup/", "/notifications/stop/"] {
            let body = json!({"email": BRAND, "topic_name": "projects/test/topics/gmail"});
            assert_eq!(rig.house.post(path, &ben, body).await.status, 404);
        }
        assert_eq!(good(&rig.house.get("/credentials/", &ben).await)["count"], 0);
    }
}
