//! Threads and mails that several counterparts have part in: what belongs to whom, in whatever order it is read.

use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::mailbox::Rig;

const OTHER: &str = "other@example.org";

/// A mail of the account's own, sent from elsewhere; its thread.
async fn sent(rig: &Rig, to: &str, subject: &str) -> serde_json::Value {
    let raw = format!("From: {BRAND}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.com>\r\n\r\nhi");
    let raw = data_encoding::BASE64URL_NOPAD.encode(raw.as_bytes());
    let sent = rig.house.google.as_owner(BRAND, "POST", "messages/send", json!({"raw": raw})).await;
    sent["threadId"].clone()
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
        let told = |from: &str, cc: &str, subject: &str| {
            json!({"from": from, "to": BRAND, "cc": cc, "subject": subject, "text": "x", "threadId": thread})
        };
        rig.deliver_mail(told(CREATOR, "", "B")).await;
        rig.deliver_mail(told(CREATOR, OTHER, "C")).await;
        rig.deliver_mail(told("agent@talents.example", "", "D")).await;
        rig.sync().await;
        assert_eq!(rig.subjects(1).await, ["A", "B", "C", "D", "Rates for a collab"]);
        assert_eq!(rig.subjects(2).await, ["A", "C", "D"]);
    }
}
