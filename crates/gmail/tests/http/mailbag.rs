//! Mails in the emulator and, as a sync stores them, in the conversations. Put in by SQL, so that reading is tested by
//! itself.

use db::{args, sql};
use mail::{Incoming, Kind};
use serde_json::{Value, json};
use testkit::app::User;

use crate::house::{House, good};

/// A mail that is there.
#[derive(Debug, Clone)]
pub struct Kept {
    pub gmail_id: String,
    pub thread_id: String,
    /// Ours.
    pub key: String,
}

/// The lines of a mail with a text.
pub fn plain(from: &str, to: &str, subject: &str, text: &str) -> String {
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{}@in.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n",
        data(subject, text)
    )
}

/// Something that differs from mail to mail.
fn data(subject: &str, text: &str) -> String {
    format!(
        "{}-{}",
        subject.len(),
        text.bytes().fold(7_u32, |sum, b| sum.wrapping_mul(31).wrapping_add(u32::from(b)))
    )
}

impl House {
    /// Makes a conversation; its id.
    pub async fn converse(&self, who: &User, account: &str, counterpart: &str) -> i64 {
        let body = json!({"user_email": account, "influencer_email": counterpart});
        good(&self.post("/conversations/", who, body).await)["conversation_id"].as_i64().unwrap()
    }

    /// Puts a mail into a mailbox and these conversations, a minute after the one before.
    pub async fn keep(&self, mailbox: &str, conversations: &[i64], raw: &str) -> Kept {
        self.keep_in(mailbox, conversations, raw, Value::Null).await
    }

    /// The same, into this thread.
    pub async fn keep_in(&self, mailbox: &str, conversations: &[i64], raw: &str, thread: Value) -> Kept {
        self.app.clock.advance(std::time::Duration::from_secs(60));
        let delivered = self.google.deliver(mailbox, json!({"raw": raw, "threadId": thread})).await;
        let text = |field: &str| delivered[field].as_str().unwrap().to_owned();
        let mut kept = Kept { gmail_id: text("id"), thread_id: text("threadId"), key: String::new() };
        kept.key = format!("gmsg_{}", kept.gmail_id.replace('_', ""));
        self.store(mailbox, conversations, raw, &kept).await;
        kept
    }

    async fn store(&self, mailbox: &str, conversations: &[i64], raw: &str, kept: &Kept) {
        let now = self.app.now();
        let mail = Incoming::read(raw.as_bytes()).unwrap();
        let split = mail.split();
        let classified = mail::classify(&mail, &split, now);
        let kind = match classified.kind {
            Kind::Reply => "reply",
            Kind::OutOfOffice { .. } => "out_of_office",
            Kind::Bounce { .. } => "bounce",
            Kind::OptOut => "opt_out",
            Kind::Complaint { .. } => "complaint",
            Kind::Notice => "notice",
        };
        let list = |all: &[mail::Mailbox]| {
            json!(all.iter().map(|m| json!({"name": m.name, "address": m.address})).collect::<Vec<_>>())
                .to_string()
        };
        let from = &mail.from[0];
        let direction = if from.address == mailbox { "out" } else { "in" };
        let mut tx = self.app.system.db.begin().await.unwrap();
        let (credential,): (String,) = tx
            .one(sql!("SELECT key FROM gmail_credentials WHERE address = $1"), args![mailbox])
            .await
            .unwrap();
        tx.exec(
            sql!(
                "INSERT INTO gmail_messages (key, credential_key, gmail_id, thread_id, rfc_message_id, direction, from_name,
                    from_address, reply_to, to_list, cc_list, subject, in_reply_to, refs, received_at, new_text, quoted,
                    signature, html, truncated, machine, kind, labels, backfill, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, FALSE,
                    'none', $20, '[\"INBOX\"]', FALSE, $15)"
            ),
            args![
                &kept.key,
                &credential,
                &kept.gmail_id,
                &kept.thread_id,
                &mail.message_id,
                direction,
                &from.name,
                &from.address,
                list(&mail.reply_to),
                list(&mail.to),
                list(&mail.cc),
                &mail.subject,
                mail.in_reply_to.first().map(String::as_str),
                json!(mail.references).to_string(),
                now,
                &split.new,
                &split.quoted,
                &split.signature,
                &mail.html,
                kind
            ],
        )
        .await
        .unwrap();
        let mut found = format!("{}\n{}", mail.subject, split.new);
        for file in &mail.attachments {
            found.push_str(&format!("\n{}", file.file_name));
            tx.exec(
                sql!(
                    "INSERT INTO gmail_parts (id, message_key, part_id, file_name, mime_type, content_id, inline, size)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                ),
                args![
                    kernel::id::new("gatt", now),
                    &kept.key,
                    &file.id,
                    &file.file_name,
                    &file.mime_type,
                    &file.content_id,
                    file.inline,
                    i64::try_from(file.size).unwrap()
                ],
            )
            .await
            .unwrap();
        }
        for term in kernel::terms::of_message(&found) {
            tx.exec(
                sql!("INSERT INTO gmail_terms (term, message_key, credential_key) VALUES ($1, $2, $3)"),
                args![term, &kept.key, &credential],
            )
            .await
            .unwrap();
        }
        for id in conversations {
            tx.exec(
                sql!(
                    "INSERT INTO gmail_links (conversation_id, message_key, received_at) VALUES ($1, $2, $3)"
                ),
                args![*id, &kept.key, now],
            )
            .await
            .unwrap();
            tx.exec(
                sql!(
                    "UPDATE gmail_conversations SET message_count = message_count + 1, last_message_key = $2,
                        last_message_at = $3 WHERE id = $1"
                ),
                args![*id, &kept.key, now],
            )
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// How many rows a table has.
    pub async fn rows(&self, table: &str) -> i64 {
        let mut conn = self.app.system.db.read().await.unwrap();
        let statement = match table {
            "gmail_messages" => sql!("SELECT COUNT(*) FROM gmail_messages"),
            "gmail_links" => sql!("SELECT COUNT(*) FROM gmail_links"),
            "gmail_parts" => sql!("SELECT COUNT(*) FROM gmail_parts"),
            "gmail_terms" => sql!("SELECT COUNT(*) FROM gmail_terms"),
            "gmail_notes" => sql!("SELECT COUNT(*) FROM gmail_notes"),
            "gmail_summaries" => sql!("SELECT COUNT(*) FROM gmail_summaries"),
            "gmail_conversations" => sql!("SELECT COUNT(*) FROM gmail_conversations"),
            other => panic!("{other}"),
        };
        let (count,): (i64,) = conn.one(statement, args![]).await.unwrap();
        count
    }
}
