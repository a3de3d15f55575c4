//! Threads and mails that several counterparts have part in: what belongs to whom, in whatever order it is read.

use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::mailbox::Rig;

const OTHER: &str = "other@example.org";

/// A mail of the account's own, sent from elsewhere; its thread.
async fn sent(rig: &Rig, to: &str, subject: &str) -> serde_json::Value {
    let raw = format!(
        "From: {BRAND}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.com>\r\n\r\nhi"
    );
    let raw = data_encoding::BASE64URL_NOPAD.encode(raw.as_bytes());
    let sent = rig.house.google.as_owner(BRAND, "POST", "messages/send", json!({"raw": raw})).await;
    sent["threadId"].clone()
}

/// A mail to the account; `cc` are lines of its head.
fn mail(from: &str, cc: &str, subject: &str) -> String {
    format!(
        "From: {from}\r\nTo: {BRAND}\r\n{cc}Subject: {subject}\r\nMessage-ID: <{subject}@in.example>\r\n\r\nhi\r\n"
    )
}

testkit::both! {
    &testkit::app::migrations();

    /// What one of them answers is none of the other's business, unless it is told them, too.
    async fn an_answer_in_a_shared_thread(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation_with(1, CREATOR).await;
        rig.conversation_with(2, OTHER).await;
        rig.sync().await;
        let thread = sent(&rig, &format!("{CREATOR}, {OTHER}"), "A").await;
        rig.sync().await;
        let told = |from: &str, cc: &str, subject: &str| json!({"raw": mail(from, cc, subject), "threadId": thread});
        rig.deliver_mail(told(CREATOR, "", "B")).await;
        rig.deliver_mail(told(CREATOR, &format!("Cc: {OTHER}\r\n"), "C")).await;
        rig.deliver_mail(told("agent@talents.example", "", "D")).await;
        rig.sync().await;
        assert_eq!(rig.subjects(1).await, ["A", "B", "C", "D", "Rates for a collab"]);
        assert_eq!(rig.subjects(2).await, ["A", "C", "D"]);
    }

    /// A new mail that a search finds before history is asked for it is news all the same.
    async fn news_that_a_search_finds(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let now = rig.house.app.now() + std::time::Duration::from_secs(60);
        rig.house.google.set_now(now).await;
        rig.house.app.clock.set(now);
        // History does not know it yet; the search does.
        rig.house.google.fault(json!({"path": "history", "status": 200, "body": {"historyId": "1"}, "times": 1})).await;
        rig.deliver("A").await;
        rig.conversation_with(1, CREATOR).await;
        rig.sync().await;
        let stored: Vec<(String, bool)> = rig.stored(1).await.into_iter().map(|(.., s, past)| (s, past)).collect();
        assert_eq!(stored, [("A".to_owned(), false), ("Rates for a collab".to_owned(), true)]);
    }

    /// Only the counterpart's own word counts as one: no third person's, no machine's; what is unread follows Gmail.
    async fn the_counterparts_last_word(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        let shown = || async { crate::house::good(&rig.house.get("/conversations/1/", &rig.anna).await).clone() };
        let before = shown().await["last_inbound_time"].clone();
        assert!(before.is_string());
        let now = rig.house.app.now() + std::time::Duration::from_secs(3600);
        rig.house.google.set_now(now).await;
        rig.house.app.clock.set(now);
        let thread = rig.house.google.as_owner(BRAND, "GET", "messages/msg_seed1", json!(null)).await["threadId"].clone();
        rig.deliver_mail(json!({"raw": mail("agent@talents.example", "", "A"), "threadId": thread})).await;
        rig.deliver_mail(json!({"raw": mail(CREATOR, "Auto-Submitted: auto-replied\r\n", "Out of office")})).await;
        rig.sync().await;
        assert_eq!(rig.stored(1).await.len(), 3);
        assert_eq!(shown().await["last_inbound_time"], before);
        let unread = shown().await["unread_count"].as_i64().unwrap();
        let own = rig.deliver_mail(json!({"raw": mail(CREATOR, "", "B")})).await;
        rig.sync().await;
        assert_ne!(shown().await["last_inbound_time"], before);
        assert_eq!(shown().await["unread_count"], unread + 1);
        let read = json!({"removeLabelIds": ["UNREAD"]});
        rig.house.google.as_owner(BRAND, "POST", &format!("messages/{own}/modify"), read).await;
        rig.sync().await;
        assert_eq!(shown().await["unread_count"], unread);
        rig.house.google.as_owner(BRAND, "DELETE", &format!("messages/{own}"), json!(null)).await;
        rig.sync().await;
        assert_eq!(shown().await["last_inbound_time"], before);
    }

    /// What a third person wrote in a thread belongs to it, though it was read before there was a conversation.
    async fn a_thread_that_was_read_before(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let thread = rig.house.google.as_owner(BRAND, "GET", "messages/msg_seed1", json!(null)).await["threadId"].clone();
        rig.deliver_mail(json!({"raw": mail("agent@talents.example", "", "A"), "threadId": thread})).await;
        rig.deliver_mail(json!({"raw": mail("agent@talents.example", "", "B")})).await;
        rig.sync().await;
        let lists = rig.calls("/threads/").await;
        // Google's times go on with each call; ours stand.
        rig.pass(std::time::Duration::from_secs(60)).await;
        rig.conversation().await;
        assert_eq!(rig.subjects(1).await, ["A", "Rates for a collab"]);
        assert!(rig.stored(1).await.iter().all(|(.., past)| *past));
        assert_eq!(rig.calls("/threads/").await, lists + 1);
        // A mail that begins a thread costs no further call.
        rig.deliver("C").await;
        rig.sync().await;
        assert_eq!(rig.calls("/threads/").await, lists + 1);
        assert_eq!(rig.health().await["waiting"], 0);
    }

    /// What a search finds of another conversation stands in the new one by the same rule as any other mail; the
    /// counterpart's name is known from it.
    async fn what_is_kept_already(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation().await;
        sent(&rig, &format!("{CREATOR}, Other One <{OTHER}>"), "A").await;
        rig.deliver_mail(json!({"raw": mail(CREATOR, &format!("Cc: {OTHER}\r\n"), "B")})).await;
        rig.sync().await;
        assert_eq!(rig.subjects(1).await, ["A", "B", "Rates for a collab"]);
        rig.conversation_with(2, OTHER).await;
        rig.sync().await;
        assert_eq!(rig.subjects(2).await, ["A"], "a copy of what somebody else wrote is not theirs");
        assert_eq!(rig.sums(2).await.2.as_deref(), Some("Other One"));
        assert_eq!(rig.stored(1).await.len(), 3, "and each is stored once");
    }

    /// A report of a mail's return is of that mail's conversation alone, also when it is looked at once more.
    async fn a_bounce_in_a_shared_thread(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation_with(1, CREATOR).await;
        rig.conversation_with(2, OTHER).await;
        rig.sync().await;
        let mut tx = rig.house.app.system.db.begin().await.unwrap();
        tx.exec(
            db::sql!(
                "INSERT INTO gmail_outbox (id, user_id, credential_key, conversation_id, fingerprint, source, state,
                    message_id, envelope, due_at, created_at, updated_at, dispatch_no, fence, lookups, sends)
                 VALUES ('gout_1', 'u', $1, 1, $2, 'person', 'sending', 'A@example.com', '{}', 0, 0, 0, 0, 0, 0, 0)"
            ),
            db::args![&rig.key, vec![1u8]],
        ).await.unwrap();
        tx.commit().await.unwrap();
        let thread = sent(&rig, &format!("{CREATOR}, {OTHER}"), "A").await;
        let bounce = format!(
            "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\nTo: {BRAND}\r\nSubject: Undelivered\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nno such user\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n\r\n\
             Final-Recipient: rfc822; gone@x.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\nMessage-ID: <A@example.com>\r\nSubject: A\r\n\r\nhi\r\n--b--\r\n"
        );
        rig.deliver_mail(json!({"raw": bounce, "threadId": thread})).await;
        rig.sync().await;
        let subjects = || async { (rig.subjects(1).await, rig.subjects(2).await) };
        let before = subjects().await;
        assert_eq!(before.0, ["A", "Rates for a collab", "Undelivered"]);
        assert_eq!(before.1, ["A"]);
        rig.house.google.history_floor(BRAND).await;
        rig.pass(std::time::Duration::from_secs(3600)).await;
        assert_eq!(subjects().await, before);
    }

    /// Of a thread's mails only the large ones are read one by one.
    async fn a_thread_of_mails_of_all_sizes(t) {
        let Some(rig) = Rig::new(t).await else { return };
        let thread = rig.house.google.as_owner(BRAND, "GET", "messages/msg_seed1", json!(null)).await["threadId"].clone();
        let agent = "agent@talents.example";
        let large = mail(agent, "", "B") + &("x".repeat(76) + "\r\n").repeat(7 * 1024 * 1024 / 78);
        let mut ids = Vec::new();
        for raw in [mail(agent, "", "A"), large] {
            let id = rig.deliver_mail(json!({"raw": raw, "threadId": thread})).await;
            let path = format!("messages/{}$", id.replace('_', "%5F").replace('-', "%2D"));
            rig.house.google.fault(json!({"path": path, "query": "format=raw", "status": 500})).await;
            ids.push(id);
        }
        rig.conversation().await;
        let mut conn = rig.house.app.system.db.read().await.unwrap();
        let waiting: Vec<(String, bool)> =
            conn.all(db::sql!("SELECT gmail_id, large FROM gmail_fetches ORDER BY large"), db::args![]).await.unwrap();
        drop(conn);
        assert_eq!(waiting, [(ids[0].clone(), false), (ids[1].clone(), true)]);
        rig.pass(std::time::Duration::from_secs(91)).await;
        assert_eq!(rig.subjects(1).await, ["A", "B", "Rates for a collab"]);
    }
}
