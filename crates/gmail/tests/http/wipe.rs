//! An account that is disconnected leaves nothing behind but whom its owner must not write to.

use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::{house::good, mailbox::Rig};

/// How many rows a table has.
macro_rules! rows {
    ($rig:expr, $($table:literal),+ $(,)?) => {{
        let mut conn = $rig.house.app.system.db.read().await.unwrap();
        let mut all: Vec<(&str, i64)> = Vec::new();
        $(
            let (n,): (i64,) =
                conn.one(db::sql!(concat!("SELECT COUNT(*) FROM ", $table)), db::args![]).await.unwrap();
            all.push(($table, n));
        )+
        all
    }};
}

macro_rules! every_table {
    ($rig:expr) => {
        rows!(
            $rig,
            "gmail_credentials",
            "gmail_hints",
            "gmail_syncs",
            "gmail_fetches",
            "gmail_backfills",
            "gmail_conversations",
            "gmail_messages",
            "gmail_links",
            "gmail_parts",
            "gmail_terms",
            "gmail_notes",
            "gmail_summaries",
            "gmail_outbox",
            "gmail_recipients",
            "gmail_upload_uses",
            "gmail_counters",
            "gmail_goals",
            "gmail_replies",
            "gmail_decisions",
        )
    };
}

/// Rows of what is not about reading, put there by hand.
async fn fill(rig: &Rig) {
    let mut tx = rig.house.app.system.db.begin().await.unwrap();
    for (statement, values) in [
        (db::sql!("INSERT INTO gmail_notes (id, conversation_id, text, created_at, updated_at) VALUES (1, 1, $1, 0, 0)"), "x"),
        (db::sql!("INSERT INTO gmail_summaries (conversation_id, last_message_key, summary, updated_at) VALUES (1, $1, '{}', 0)"), "x"),
        (db::sql!("INSERT INTO gmail_counters (scope, span, n) VALUES ('sends:' || $1, 1, 1)"), rig.key.as_str()),
        (db::sql!(
            "INSERT INTO gmail_suppressions (id, user_id, email, address, reason, created_at)
             VALUES (1, $1, 'a@b.example', 'a@b.example', 'manual', 0)"
        ), rig.anna.id.as_str()),
        (db::sql!(
            "INSERT INTO gmail_goals (id, user_id, conversation_id, goal_description, priority, auto_reply, active, progress,
                follow_up_days, follow_ups_sent, created_at, updated_at)
             VALUES (1, $1, 1, 'x', 1, TRUE, TRUE, 'open', '[]', 0, 0, 0)"
        ), rig.anna.id.as_str()),
        (db::sql!(
            "INSERT INTO gmail_replies (id, user_id, conversation_id, credential_key, address, state, text, alternatives, summary,
                reason, confidence, needs_human, suspicious, progress, engine, degraded, facts, removed_links, created_at)
             VALUES (1, $1, 1, 'x', 'x', 'waiting', 'x', '[]', 'x', 'x', 0.5, FALSE, FALSE, 'open', 'x', FALSE, '[]', '[]', 0)"
        ), rig.anna.id.as_str()),
        (db::sql!(
            "INSERT INTO gmail_decisions (id, user_id, conversation_id, message_key, turn, outcome, rule, reason, at)
             VALUES ('d', $1, 1, 'm', 't', 'no', 'x', 'x', 0)"
        ), rig.anna.id.as_str()),
        (db::sql!(
            "INSERT INTO gmail_hints (subscription, message_id, credential_key, received_at) VALUES ('s', 'm', $1, 0)"
        ), rig.key.as_str()),
        (db::sql!(
            "INSERT INTO gmail_fetches (credential_key, gmail_id, rank, large, place, tries, next_at)
             VALUES ($1, 'nothing', 0, FALSE, 0, 9, 0)"
        ), rig.key.as_str()),
    ] {
        tx.exec(statement, db::args![values]).await.unwrap();
    }
    tx.exec(
        db::sql!(
            "INSERT INTO gmail_outbox (id, user_id, credential_key, conversation_id, fingerprint, source, state,
                message_id, envelope, due_at, created_at, updated_at, dispatch_no, fence, lookups, sends)
             VALUES ('gout_1', $3, $1, 1, $2, 'person', 'held', 'own-1@example.com', '{}', 0, 0, 0, 0, 0, 0, 0)"
        ),
        db::args![&rig.key, vec![1u8], &rig.anna.id],
    )
    .await
    .unwrap();
    for statement in [
        db::sql!("INSERT INTO gmail_recipients (address, outbox_id) VALUES ('a@b.example', 'gout_1')"),
        db::sql!("INSERT INTO gmail_upload_uses (upload_id, outbox_id) VALUES ('gup_1', 'gout_1')"),
    ] {
        tx.exec(statement, db::args![]).await.unwrap();
    }
    tx.commit().await.unwrap();
}

testkit::both! {
    &testkit::app::migrations();

    async fn nothing_is_left(t) {
        let Some(rig) = Rig::new(t).await else { return };
        for n in 0..5 {
            rig.deliver(&format!("A{n}")).await;
        }
        let with_file = "From: creator@example.com\r\nTo: brand@example.com\r\nSubject: F\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\n\
            Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\
            Content-Transfer-Encoding: base64\r\n\r\naGk=\r\n--b--\r\n";
        rig.deliver_mail(json!({"raw": with_file})).await;
        rig.conversation().await;
        fill(&rig).await;
        rig.conversation_with(2, CREATOR.replace("creator", "other").as_str()).await;
        // Another one of the same person's stays.
        rig.house.connect(&rig.anna, CREATOR).await;
        let before = every_table!(rig);
        assert!(before.iter().all(|(_, n)| *n > 0), "{before:?}");
        rig.want().await;
        good(&rig.house.delete(&format!("/credentials/{}/", rig.id), &rig.anna).await);
        let visible = rows!(rig, "gmail_conversations", "gmail_goals", "gmail_replies", "gmail_outbox", "gmail_notes");
        assert!(visible.iter().all(|(_, n)| *n == 0), "at once: {visible:?}");
        rig.house.app.run_due().await;
        let left: Vec<_> = every_table!(rig).into_iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(left, [("gmail_credentials", 1), ("gmail_syncs", 1)]);
        assert_eq!(rows!(rig, "gmail_suppressions")[0].1, 1);
        // Connected again it begins anew.
        rig.house.connect(&rig.anna, BRAND).await;
        rig.house.app.run_due().await;
        assert_eq!(rows!(rig, "gmail_messages")[0].1, 0);
    }

    /// It goes while it is being read: nothing is written after it.
    async fn while_it_is_read(t) {
        let Some(rig) = Rig::new(t).await else { return };
        rig.conversation_with(1, CREATOR).await;
        for n in 0..9 {
            rig.deliver(&format!("A{n}")).await;
        }
        rig.want().await;
        rig.house.google.fault(json!({"path": "messages/", "delayMs": 40, "times": 12})).await;
        let path = format!("/credentials/{}/", rig.id);
        let (_, gone) = tokio::join!(rig.house.app.run_due(), rig.house.delete(&path, &rig.anna));
        good(&gone);
        rig.house.app.run_due().await;
        let left: Vec<_> = every_table!(rig).into_iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(left, []);
    }
}
