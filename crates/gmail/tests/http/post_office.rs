//! What the tests of sending have in common: a connected account, a call that is answered while the engine works, what
//! Gmail has got. Conversations and messages are put in by SQL, so that sending is tested by itself.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::{body::Body, http::Request};
use db::{args, sql};
use dispatch::{Engine, Retry, SingleOptions};
use kernel::Timestamp;
use mail::Incoming;
use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{Answer, User, settings::Settings},
    google::BRAND,
};

use crate::house::House;

/// Somebody who is not in the emulator.
pub const LI: &str = "li@example.cn";

/// A server, and a user whose account is BRAND.
pub async fn office(db: TestDb) -> Option<(House, User)> {
    office_with(db, |_| {}).await
}

/// The same with other settings.
pub async fn office_with(db: TestDb, change: impl FnOnce(&mut Settings)) -> Option<(House, User)> {
    let house = House::with(db, change).await?;
    let anna = house.app.user("anna").await;
    house.connect(&anna, BRAND).await;
    house.app.run_due().await;
    Some((house, anna))
}

/// A mail to LI with these fields beside.
pub fn mail_to_li(fields: Value) -> Value {
    let mut mail = json!({"to": LI, "subject": "Hello", "body": "Hello Li"});
    for (name, value) in fields.as_object().unwrap() {
        mail[name] = value.clone();
    }
    mail
}

impl House {
    fn sending(&self, who: &User, body: &Value, key: Option<&str>) -> Request<Body> {
        let mut request =
            Request::post("/api/gmail/send/").header("authorization", format!("Bearer {}", who.token));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.body(Body::from(body.to_string())).unwrap()
    }

    /// `POST /send/` while the engine works.
    pub async fn mail(&self, who: &User, body: Value) -> Answer {
        self.mail_under(who, body, None).await
    }

    /// The same under an idempotency key.
    pub async fn mail_under(&self, who: &User, body: Value, key: Option<&str>) -> Answer {
        self.while_working(self.app.send(self.sending(who, &body, key))).await
    }

    /// `POST /send/` alone: for what is held.
    pub async fn hold(&self, who: &User, body: Value) -> Answer {
        self.app.send(self.sending(who, &body, None)).await
    }

    /// Awaits something while the engine works; nothing of the engine's is broken off.
    pub async fn while_working<T>(&self, what: impl Future<Output = T>) -> T {
        let done = AtomicBool::new(false);
        let awaited = async {
            let end = what.await;
            done.store(true, Ordering::Relaxed);
            end
        };
        let work = async {
            while !done.load(Ordering::Relaxed) {
                self.app.run_due().await;
                tokio::task::yield_now().await;
            }
        };
        futures_util::future::join(awaited, work).await.0
    }

    /// What Gmail has got from BRAND, the oldest first, as it lies there.
    pub async fn sent_raw(&self) -> Vec<String> {
        let mut sent = self.google.sent(BRAND).await;
        sent.sort_by_key(|m| m["id"].as_str().unwrap().to_owned());
        sent.iter().map(|m| m["raw"].as_str().unwrap().to_owned()).collect()
    }

    /// The one mail that Gmail has got.
    pub async fn only_sent(&self) -> String {
        let mut sent = self.sent_raw().await;
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.remove(0)
    }

    /// Lets time pass, at Google too.
    pub async fn pass(&self, d: Duration) {
        self.app.clock.advance(d);
        self.google.set_now(self.app.now()).await;
    }

    /// `GET /outbox/{id}/`
    pub async fn out(&self, who: &User, id: &Value) -> Value {
        let answer = self.get(&format!("/outbox/{}/", id.as_str().unwrap()), who).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// A conversation of BRAND's with this counterpart, by SQL.
    pub async fn talk(&self, who: &User, counterpart: &str) -> i64 {
        let now = self.app.now();
        let mut tx = self.app.system.db.begin().await.unwrap();
        let key = credential(&mut tx, BRAND).await;
        let (id,): (i64,) =
            tx.one(sql!("SELECT COALESCE(MAX(id), 0) + 1 FROM gmail_conversations"), args![]).await.unwrap();
        tx.exec(
            sql!(
                "INSERT INTO gmail_conversations (id, user_id, credential_key, user_email, counterpart, address, held,
                    message_count, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, FALSE, 0, $7, $7)"
            ),
            args![id, &who.id, &key, BRAND, counterpart, mail::normal_form(counterpart), now],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Puts a mail into BRAND's mailbox and, by SQL, into a conversation; Gmail's id and its thread's.
    pub async fn came(&self, conversation: i64, raw: &str) -> (String, String) {
        let delivered = self.google.deliver(BRAND, json!({"raw": raw})).await;
        let id = |name: &str| delivered[name].as_str().unwrap().to_owned();
        self.came_as(conversation, raw, (&id("id"), &id("threadId"))).await;
        (id("id"), id("threadId"))
    }

    /// Puts a mail into a conversation by SQL alone.
    pub async fn came_as(&self, conversation: i64, raw: &str, (gmail_id, thread): (&str, &str)) {
        let now = self.app.now();
        let mail = Incoming::read(raw.as_bytes()).unwrap();
        let list = |all: &[mail::Mailbox]| {
            json!(all.iter().map(|m| json!({"name": m.name, "address": m.address})).collect::<Vec<_>>())
                .to_string()
        };
        let from = &mail.from[0];
        let inbound = from.address != BRAND;
        let mut tx = self.app.system.db.begin().await.unwrap();
        let credential = credential(&mut tx, BRAND).await;
        let key = kernel::id::new("gmsg", now);
        tx.exec(
            sql!(
                "INSERT INTO gmail_messages (key, credential_key, gmail_id, thread_id, rfc_message_id, direction, from_name,
                    from_address, reply_to, to_list, cc_list, subject, in_reply_to, refs, received_at, new_text, quoted,
                    signature, truncated, machine, kind, labels, backfill, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, '', '', FALSE, 'none',
                    'reply', '[]', FALSE, $15)"
            ),
            args![
                &key,
                &credential,
                gmail_id,
                thread,
                &mail.message_id,
                if inbound { "in" } else { "out" },
                &from.name,
                &from.address,
                list(&mail.reply_to),
                list(&mail.to),
                list(&mail.cc),
                &mail.subject,
                mail.in_reply_to.first().map(String::as_str),
                json!(mail.references).to_string(),
                now,
                &mail.text
            ],
        )
        .await
        .unwrap();
        tx.exec(
            sql!("INSERT INTO gmail_links (conversation_id, message_key, received_at) VALUES ($1, $2, $3)"),
            args![conversation, &key, now],
        )
        .await
        .unwrap();
        tx.exec(
            sql!("UPDATE gmail_conversations SET last_inbound_at = $2 WHERE id = $1"),
            args![conversation, inbound.then_some(now)],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    /// An engine of another process that sends mails; dropping what it does is the end of that process.
    pub fn sender(&self) -> Engine {
        let retry = Retry::INTERNAL;
        let options =
            SingleOptions { concurrency: 4, per_destination: 1, retry, timeout: Duration::from_secs(60) };
        let gmail = self.app.system.gmail.clone();
        Engine::builder(self.app.system.db.clone(), self.app.system.clock.clone())
            .single(gmail::SEND, options, gmail::SendMail::new(gmail))
            .build()
    }

    /// When a mail of the outbox says that it is tried again.
    pub async fn tried_at(&self, who: &User, id: &Value) -> Timestamp {
        self.out(who, id).await["waiting_until"].as_str().unwrap().parse().unwrap()
    }
}

async fn credential(tx: &mut db::Tx, address: &str) -> String {
    let (key,): (String,) =
        tx.one(sql!("SELECT key FROM gmail_credentials WHERE address = $1"), args![address]).await.unwrap();
    key
}

/// The values of a field in a mail's head, unfolded.
pub fn fields(raw: &str, name: &str) -> Vec<String> {
    let head = raw.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
    let wanted = format!("{}:", name.to_lowercase());
    head.split("\r\n")
        .filter(|line| line.to_lowercase().starts_with(&wanted))
        .map(|line| line.split_once(':').unwrap().1.trim().to_owned())
        .collect()
}

/// The one value of a field, if it is there.
pub fn field(raw: &str, name: &str) -> Option<String> {
    let mut all = fields(raw, name);
    assert!(all.len() < 2, "{name} comes {} times in {raw}", all.len());
    all.pop()
}

/// A mail's octets as they are read.
pub fn read(raw: &str) -> Incoming {
    Incoming::read(raw.as_bytes()).unwrap()
}

/// A file to send; its id.
pub async fn uploaded(house: &House, who: &User, name: &str, bytes: &[u8]) -> Value {
    let answer = upload(house, who, name, bytes).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["id"].clone()
}

/// `POST /attachments/`
pub async fn upload(house: &House, who: &User, name: &str, bytes: &[u8]) -> Answer {
    let head = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let body = [head.as_bytes(), bytes, b"\r\n--b--\r\n"].concat();
    let request = Request::post("/api/gmail/attachments/")
        .header("authorization", format!("Bearer {}", who.token))
        .header("content-type", "multipart/form-data; boundary=b");
    house.app.send(request.body(Body::from(body)).unwrap()).await
}
