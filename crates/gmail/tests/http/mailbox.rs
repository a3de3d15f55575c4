//! A connected mailbox with conversations, for the tests of reading it. Conversations are put into the database here: what
//! makes them is not what these tests are about.

use std::{net::SocketAddr, time::Duration};

use axum::http::Method;
use google::Expected;
use kernel::Timestamp;
use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{User, settings::Settings},
    google::{BRAND, CREATOR, SERVICE_ACCOUNT, SUBSCRIPTION},
};

use crate::house::{House, good};

/// What pushes are signed for.
pub const AUDIENCE: &str = "https://hongyan.test/api/gmail/webhook/";

/// A mail that is stored: Gmail's id, direction, subject, whether it is of the past.
pub type Stored = (String, String, String, bool);

/// Anna, who connected [`BRAND`], and nothing to be read.
pub struct Rig {
    pub house: House,
    pub anna: User,
    /// The account's key.
    pub key: String,
    /// The seed's id.
    pub id: i64,
}

/// Pushes are taken.
pub fn pushes(settings: &mut Settings) {
    settings.gmail.sync.push = Some(Expected {
        audience: AUDIENCE.to_owned(),
        service_account: SERVICE_ACCOUNT.to_owned(),
        subscription: Some(SUBSCRIPTION.to_owned()),
    });
}

/// Answers on a socket, and has the emulator sign for it; the URL of the webhook.
pub async fn listen(house: &House) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/gmail/webhook/", listener.local_addr().unwrap());
    let service = house.app.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    house.google.config(json!({"pushAud": AUDIENCE, "pushRetries": 0})).await;
    url
}

impl Rig {
    pub async fn new(db: TestDb) -> Option<Self> {
        Self::with(db, pushes).await
    }

    pub async fn with(db: TestDb, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let house = House::with(db, change).await?;
        let anna = house.app.user("anna").await;
        let id = house.connect(&anna, BRAND).await["id"].as_i64().unwrap();
        let mut conn = house.app.system.db.read().await.unwrap();
        let (key,): (String,) = conn
            .one(db::sql!("SELECT key FROM gmail_credentials WHERE id = $1"), db::args![id])
            .await
            .unwrap();
        drop(conn);
        house.app.run_due().await;
        Some(Self { house, anna, key, id })
    }

    /// A conversation with [`CREATOR`], whose past is read.
    pub async fn conversation(&self) -> i64 {
        self.conversation_with(1, CREATOR).await;
        self.sync().await;
        1
    }

    /// A conversation whose past is still to be listed.
    pub async fn conversation_with(&self, id: i64, counterpart: &str) {
        let now = self.house.app.now();
        let mut tx = self.house.app.system.db.begin().await.unwrap();
        tx.exec(
            db::sql!(
                "INSERT INTO gmail_conversations (id, user_id, credential_key, user_email, counterpart, address, held,
                    message_count, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $5, FALSE, 0, $6, $6)"
            ),
            db::args![id, &self.anna.id, &self.key, BRAND, counterpart, now],
        )
        .await
        .unwrap();
        tx.exec(
            db::sql!(
                "INSERT INTO gmail_backfills (conversation_id, credential_key, large, tries, asked_at)
                 VALUES ($1, $2, TRUE, 0, $3)"
            ),
            db::args![id, &self.key, now],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    /// Reads the mailbox now.
    pub async fn sync(&self) {
        self.want().await;
        self.house.app.run_due().await;
    }

    pub async fn want(&self) {
        let path = format!("/credentials/{}/sync/", self.id);
        let answer = self.house.call(Method::POST, &path, Some(&self.anna), Some(json!({}))).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
    }

    /// Lets time pass, here and at Google, and does what is due then.
    pub async fn pass(&self, time: Duration) {
        let now = self.house.app.now() + time;
        self.house.google.set_now(now).await;
        self.house.app.clock.set(now);
        self.house.app.system.gmail.look_after_mailboxes().await.unwrap();
        self.house.app.run_due().await;
    }

    /// A mail arrives from [`CREATOR`]; Gmail's id.
    pub async fn deliver(&self, subject: &str) -> String {
        self.deliver_mail(
            json!({"from": format!("Creator One <{CREATOR}>"), "subject": subject, "text": subject}),
        )
        .await
    }

    pub async fn deliver_mail(&self, mail: Value) -> String {
        let mut mail = mail;
        if mail.get("labelIds").is_none() {
            mail["labelIds"] = json!(["INBOX", "UNREAD"]);
        }
        self.house.google.deliver(BRAND, mail).await["id"].as_str().unwrap().to_owned()
    }

    /// The account as its owner sees it.
    pub async fn health(&self) -> Value {
        good(&self.house.get("/credentials/", &self.anna).await)["results"][0].clone()
    }

    /// What is stored of a conversation, by subject.
    pub async fn stored(&self, conversation: i64) -> Vec<Stored> {
        let mut conn = self.house.app.system.db.read().await.unwrap();
        conn.all(
            db::sql!(
                "SELECT m.gmail_id, m.direction, m.subject, m.backfill FROM gmail_messages AS m
                 JOIN gmail_links AS l ON l.message_key = m.key WHERE l.conversation_id = $1 ORDER BY m.subject"
            ),
            db::args![conversation],
        )
        .await
        .unwrap()
    }

    pub async fn subjects(&self, conversation: i64) -> Vec<String> {
        self.stored(conversation).await.into_iter().map(|(_, _, subject, _)| subject).collect()
    }

    /// A conversation's `message_count`, `last_message_at`, `name` and `backfilled_at`.
    pub async fn sums(&self, id: i64) -> (i64, Option<Timestamp>, Option<String>, Option<Timestamp>) {
        let mut conn = self.house.app.system.db.read().await.unwrap();
        conn.one(
            db::sql!(
                "SELECT message_count, last_message_at, name, backfilled_at FROM gmail_conversations WHERE id = $1"
            ),
            db::args![id],
        )
        .await
        .unwrap()
    }

    /// Calls that Google answered whose path holds this.
    pub async fn calls(&self, path: &str) -> usize {
        self.house.google.log(path).await.len()
    }

    /// Answers on a socket; the URL of the webhook.
    pub async fn listen(&self) -> String {
        listen(&self.house).await
    }

    /// How often the mailbox was wanted.
    pub async fn wanted(&self) -> i64 {
        let mut conn = self.house.app.system.db.read().await.unwrap();
        let (wanted,): (i64,) = conn
            .one(db::sql!("SELECT wanted FROM gmail_syncs WHERE credential_key = $1"), db::args![&self.key])
            .await
            .unwrap();
        wanted
    }
}
