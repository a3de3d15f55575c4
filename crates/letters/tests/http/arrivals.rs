//! What follows the delivery of letters: decided after it, once, by what is true then, whatever breaks off between.

use std::collections::BTreeMap;

use db::{DbError, Tx};
use dispatch::{Batch, BoxFuture, Dispatch, Engine, Retry};
use kernel::Timestamp;
use letters::{ARRIVED, Arrivals, INBOX, Inbox};
use serde_json::{Value, json};
use testkit::{
    app::{TestApp, User},
    push::Services,
};

use crate::{evidence::*, helpers::*, notifications::*};

/// A process that delivers letters and does nothing else: what follows is left behind, as if it had died.
fn delivering(app: &TestApp) -> Engine {
    let builder = Engine::builder(app.system.db.clone(), app.system.clock.clone());
    builder.batch(INBOX, Retry::INTERNAL, Inbox).build()
}

/// One that decides what follows, and sends nothing of it.
fn deciding(app: &TestApp) -> Engine {
    let arrivals = Arrivals { letters: app.system.letters.clone() };
    let builder = Engine::builder(app.system.db.clone(), app.system.clock.clone());
    builder.batch(ARRIVED, Retry::INTERNAL, arrivals).build()
}

/// Does all of its work and is gone before the commit.
struct Dies(Arrivals);

impl Batch for Dies {
    fn deliver<'a>(
        &'a self,
        tx: &'a mut Tx,
        batch: &'a [Dispatch],
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            self.0.deliver(tx, batch, now).await?;
            Err(DbError::Conflict("the process is gone".to_owned()))
        })
    }
}

/// How many dispatches there are, by kind and state.
async fn dispatches(app: &TestApp) -> BTreeMap<String, i64> {
    let mut conn = app.system.db.read().await.unwrap();
    let rows: Vec<(String, i64)> = conn
        .all(db::sql!("SELECT kind || ' ' || state, COUNT(*) FROM dispatches GROUP BY kind, state"), &[])
        .await
        .unwrap();
    rows.into_iter().filter(|(kind, _)| kind.starts_with("letter.")).collect()
}

fn are(all: &BTreeMap<String, i64>, expected: &[(&str, i64)]) -> bool {
    all.iter().map(|(kind, n)| (kind.as_str(), *n)).eq(expected.iter().copied())
}

/// Writes a thousand scheduled letters, due at once: each second one is `author`'s, the others `silent`'s; each tenth
/// goes to `reader`. Without the dispatches of mails and reminders.
async fn a_thousand(app: &TestApp, author: &User, silent: &User, reader: &User, due: Timestamp) {
    let numbers =
        "WITH RECURSIVE g(n) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT n + 1 FROM g WHERE n < 999)";
    let id = "'mail_' || CAST(1000000 + g.n AS TEXT)";
    let due = due.micros();
    let to = format!("CASE WHEN g.n % 10 = 0 THEN '{}' END", reader.email);
    for sql in [
        format!(
            "{numbers} INSERT INTO letters (id, owner_id, title, recipient_type, recipient_email, recipient_key, status,
                send_time, trigger_type, has_attachments, is_encrypted, capsule_style, ordinal, schedule_no,
                scheduled_at, scheduled_month, created_at, updated_at)
             SELECT {id}, CASE WHEN g.n % 2 = 0 THEN '{}' ELSE '{}' END, 'title',
                CASE WHEN g.n % 10 = 0 THEN 'SPECIFIC' ELSE 'SELF' END, {to}, {to}, 'SCHEDULED', {due}, 'TIME', FALSE,
                FALSE, 'default', g.n, 1, 1, '2027-01', 1, 1 FROM g",
            author.id, silent.id
        ),
        format!(
            "{numbers} INSERT INTO letter_contents (letter_id, content, trigger_condition)
             SELECT {id}, 'text', '{{}}' FROM g"
        ),
        format!(
            "{numbers} INSERT INTO dispatches (id, kind, subject, destination, state, due_at, next_at, created_at)
             SELECT {id} || '/1/inbox', 'letter.inbox', {id}, '', 'scheduled', {due}, {due}, 1 FROM g"
        ),
    ] {
        app.system.db.execute_raw(&sql).await.unwrap();
    }
}

/// How often each letter was pushed, by device and occasion.
fn pushed_of(services: &Services) -> BTreeMap<(String, String), BTreeMap<String, usize>> {
    let mut all: BTreeMap<_, BTreeMap<String, usize>> = BTreeMap::new();
    for call in services.calls() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let message = &call.body["message"];
        let letter = text(&message["data"]["url"]).rsplit_once('/').unwrap().1.to_owned();
        let to = (text(&message["token"]), text(&message["data"]["type"]));
        *all.entry(to).or_default().entry(letter).or_default() += 1;
    }
    all
}

testkit::both! {
    &[];

    /// A thousand letters of one moment, a process that dies after their delivery, and one that dies when all is decided
    /// and nothing committed. Then two at once: everybody is told of everything once.
    async fn a_thousand_letters_and_two_crashes(t) {
        let (app, services) = with_services(t, false).await;
        let (author, silent, reader) = (zhangsan(&app).await, app.user("silent").await, app.user("reader").await);
        quiet(&app, &silent).await;
        register(&app, &author, "phone", "a-phone").await;
        register(&app, &reader, "phone", "b-phone").await;
        let due = app.now() + DAY;
        a_thousand(&app, &author, &silent, &reader, due).await;
        app.clock.set(due);
        assert_eq!(delivering(&app).run_due().await.unwrap(), 1000);
        let waiting = [("letter.arrived scheduled", 20), ("letter.inbox done", 1000)];
        assert!(are(&dispatches(&app).await, &waiting), "{:?}", dispatches(&app).await);

        let dies = Dies(Arrivals { letters: app.system.letters.clone() });
        let dying = Engine::builder(app.system.db.clone(), app.system.clock.clone())
            .batch(ARRIVED, Retry::INTERNAL, dies).build();
        assert!(dying.run_due().await.unwrap_err().is_transient());
        assert!(are(&dispatches(&app).await, &waiting), "{:?}", dispatches(&app).await);

        let other = deciding(&app);
        let (theirs, _) = tokio::join!(other.run_due(), app.run_due());
        theirs.unwrap();
        app.run_due().await;
        // 500 of the author, of which 100 go to the reader; 500 of somebody who wants nothing.
        let done = [("letter.analysis scheduled", 10), ("letter.arrived done", 20), ("letter.inbox done", 1000),
            ("letter.notify-email done", 400), ("letter.notify-push done", 600)];
        let all = dispatches(&app).await;
        // Two that decide at once may cut the analyses differently.
        let cut = |all: &BTreeMap<String, i64>| {
            all.iter().filter(|(k, _)| *k != "letter.analysis scheduled").map(|(k, n)| (k.clone(), *n)).collect()
        };
        assert!(are(&cut(&all), &done[1..]) && all[done[0].0] >= 10, "{all:?}");
        let mut told = BTreeMap::<String, usize>::new();
        for mail in app.mails_to(&author.email) {
            assert_eq!(mail.subject, MAIL_OF_ARRIVAL);
            let letter = mail.text.split("/letters/").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
            *told.entry(letter).or_default() += 1;
        }
        assert_eq!((told.len(), app.mails().len()), (400, 400));
        let pushed = pushed_of(&services);
        let counts: Vec<(&str, &str, usize)> =
            pushed.iter().map(|((token, what), l)| (token.as_str(), what.as_str(), l.len())).collect();
        assert_eq!(counts, [("a-phone", "delivered", 100), ("a-phone", "received", 400), ("b-phone", "received", 100)]);
        assert!(pushed.values().flat_map(BTreeMap::values).all(|n| *n == 1));

        // Decided again, it is the same.
        app.system.db
            .execute_raw("UPDATE dispatches SET state = 'scheduled' WHERE kind = 'letter.arrived'").await.unwrap();
        assert_eq!(app.run_due().await, 20);
        assert_eq!((app.mails().len(), services.calls().len()), (400, 0));
    }

    /// What was taken down, or whose sender was blocked, after the delivery: before it is decided who is told, and after.
    async fn what_is_not_there_any_more(t) {
        let (app, services) = with_services(t, false).await;
        let (author, reader) = (zhangsan(&app).await, app.user("reader").await);
        let boss = operator(&app, "boss").await;
        app.premium(&author).await;
        register(&app, &author, "phone", "a-phone").await;
        register(&app, &reader, "phone", "b-phone").await;
        let block = json!({"userId": author.id});
        for decided in [false, true] {
            let send = app.now() + HOUR;
            let mut sent = Vec::new();
            for fields in [json!({}), to(&reader), to(&reader)] {
                let mail = app.draft(&author, fields).await;
                app.schedule(&author, &mail, send).await.data();
                sent.push(mail);
            }
            app.clock.set(send);
            assert_eq!(delivering(&app).run_due().await.unwrap(), 3);
            if decided {
                assert_eq!(deciding(&app).run_due().await.unwrap(), 1);
            }
            for mail in &sent[..2] {
                let path = format!("/admin/mails/{mail}/takedown");
                app.post(&path, &boss, json!({"reason": "It names a person."})).await.data();
            }
            app.post("/user/blocks", &reader, block.clone()).await.data();
            app.run_due().await;
            // The author does not learn of the block.
            let pushed = pushed_of(&services);
            let expected = [(("a-phone".to_owned(), "delivered".to_owned()), [(sent[2].clone(), 1)].into())].into();
            assert_eq!(pushed, expected, "decided: {decided}");
            assert_eq!(mails(&app, &author, MAIL_OF_ARRIVAL), 0);
            assert!(app.mails_to(&reader.email).is_empty());
            app.delete(&format!("/user/blocks/{}", author.id), &reader).await.data();
        }
    }
}
