//! What no route reaches by itself: mails that a machine asks for, and what arriving mails say about who wants none.

use std::time::Duration;

use kernel::{PageRequest, Timestamp};
use mail::{Incoming, Mailbox, OWN_MARK};
use testkit::{TestDb, app::TestApp};

use super::{NewSend, envelope::Envelope};
use crate::{
    AutoReply, Config, CredentialStatus, Gmail,
    model::{Direction, MailKind, SendState, Source, SuppressionReason},
    store::{self, CredentialRow, MessageRow, OutboxRow},
};

const LI: &str = "li@example.cn";

struct Desk {
    app: TestApp,
    gmail: Gmail,
    credential: CredentialRow,
}

async fn desk(db: TestDb) -> Desk {
    let app = TestApp::new(db).await;
    let blobs = blobs::Blobs::open(&app.dir.join("more")).unwrap();
    let config = Config { public_url: "https://hongyan.example".to_owned(), ..Config::default() };
    let system = &app.system;
    let gmail = Gmail::new(system.accounts.clone(), system.assistant.clone(), blobs, config).unwrap();
    let credential = account(app.now());
    let mut tx = gmail.db().begin().await.unwrap();
    assert!(store::insert_credential(&mut tx, &credential).await.unwrap());
    tx.commit().await.unwrap();
    Desk { app, gmail, credential }
}

fn account(now: Timestamp) -> CredentialRow {
    CredentialRow {
        id: 1,
        key: "gcred_1".to_owned(),
        user_id: "user_1".to_owned(),
        email: "Brand@example.com".to_owned(),
        address: "brand@example.com".to_owned(),
        is_default: true,
        status: CredentialStatus::Active,
        status_reason: None,
        grant_sealed: Vec::new(),
        access_sealed: None,
        access_expires_at: None,
        scopes: String::new(),
        version: 1,
        history_id: None,
        good_until: None,
        synced_at: None,
        topic: None,
        watch_expires_at: None,
        watch_error: None,
        limited_until: None,
        name: None,
        aliases: "[\"sales@shop.example\"]".to_owned(),
        aliases_at: None,
        auto_reply: AutoReply::On,
        daily_cap: None,
        sending_hours: None,
        created_at: now,
        updated_at: now,
    }
}

impl Desk {
    fn new_send(&self, source: Source, to: &str) -> NewSend {
        NewSend {
            source,
            conversation_id: Some(7),
            from: None,
            to: vec![Mailbox::new(to)],
            cc: Vec::new(),
            bcc: Vec::new(),
            subject: "Re: Rates".to_owned(),
            text: Some("Hello".to_owned()),
            html: None,
            attachments: Vec::new(),
            answers: None,
            due_at: self.app.now() + Duration::from_secs(60),
            reply_id: None,
            goal_id: None,
        }
    }

    async fn put(&self, new: &NewSend) -> String {
        let mut tx = self.gmail.db().begin().await.unwrap();
        let id = self.gmail.enqueue(&mut tx, &self.credential, new).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn row(&self, id: &str) -> OutboxRow {
        store::outbox(&mut self.gmail.db().read().await.unwrap(), id).await.unwrap().unwrap()
    }

    /// What the list says after a mail has come.
    async fn after(&self, raw: &str) -> Vec<(String, SuppressionReason)> {
        let mail = Incoming::read(raw.as_bytes()).unwrap();
        let classified = mail::classify(&mail, &mail.split(), self.app.now());
        let mut tx = self.gmail.db().begin().await.unwrap();
        let message = came(&mail, self.app.now());
        let noted =
            self.gmail.note_suppression(&mut tx, &self.credential, &message, &mail, &classified).await;
        noted.unwrap();
        tx.commit().await.unwrap();
        let mut conn = self.gmail.db().read().await.unwrap();
        let list = store::suppression_list(&mut conn, "user_1", None, PageRequest { page: 1, size: 100 })
            .await
            .unwrap();
        list.into_iter().map(|row| (row.email, row.reason)).collect()
    }
}

fn came(mail: &Incoming, now: Timestamp) -> MessageRow {
    MessageRow {
        key: "gmsg_1".to_owned(),
        credential_key: "gcred_1".to_owned(),
        gmail_id: "1".to_owned(),
        thread_id: "1".to_owned(),
        rfc_message_id: mail.message_id.clone(),
        direction: Direction::In,
        from_name: None,
        from_address: mail.from.first().map(|m| m.address.clone()).unwrap_or_default(),
        reply_to: "[]".to_owned(),
        to_list: "[]".to_owned(),
        cc_list: "[]".to_owned(),
        subject: mail.subject.clone(),
        in_reply_to: None,
        refs: "[]".to_owned(),
        received_at: now,
        new_text: mail.text.clone(),
        quoted: String::new(),
        signature: String::new(),
        html: None,
        truncated: false,
        machine: "none".to_owned(),
        kind: MailKind::Reply,
        labels: "[]".to_owned(),
        backfill: false,
        outbox_id: None,
        created_at: now,
    }
}

fn bounce(original: &str, recipient: &str, status: &str) -> String {
    format!(
        "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\nTo: brand@example.com\r\n\
         Subject: Delivery Status Notification (Failure)\r\nMIME-Version: 1.0\r\nReturn-Path: <>\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\nIt did not arrive.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example.cn\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: failed\r\n\
         Status: {status}\r\nDiagnostic-Code: smtp; 550 {status} no\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n\
         Message-ID: <{original}>\r\nSubject: Rates\r\n\r\n--b--\r\n"
    )
}

fn complaint(original: &str) -> String {
    format!(
        "From: Complaints <fbl@mx.example.cn>\r\nTo: brand@example.com\r\nSubject: Abuse report\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\nAn abuse report.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n\
         Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
         Message-ID: <{original}>\r\nFrom: brand@example.com\r\nSubject: Rates\r\n\r\nHello\r\n--b--\r\n"
    )
}

fn wish(from: &str) -> String {
    format!(
        "From: {from}\r\nTo: brand@example.com\r\nSubject: unsubscribe\r\nMessage-ID: <w@x.cn>\r\n\r\n\
         Please unsubscribe me.\r\n"
    )
}

testkit::both! {
    &testkit::app::migrations();

    /// What a machine sends unreviewed says so, and how to refuse more; what a person approved does not.
    async fn marks_of_machines(t) {
        let desk = desk(t).await;
        for (source, submitted) in [
            (Source::AutoReply, Some("auto-replied")),
            (Source::FollowUp, Some("auto-generated")),
            (Source::Approved, None),
        ] {
            let id = desk.put(&desk.new_send(source, LI)).await;
            let row = desk.row(&id).await;
            let envelope = Envelope::of(&row).unwrap();
            let octets = desk.gmail.octets_of(&row, &envelope).await;
            let raw = String::from_utf8(octets).unwrap().replace("\r\n ", " ");
            let has = |field: &str| raw.lines().find_map(|l| l.strip_prefix(&format!("{field}: ")));
            assert_eq!(has("Auto-Submitted"), submitted);
            assert_eq!(has("X-Auto-Response-Suppress"), submitted.map(|_| "All"));
            assert_eq!((has(OWN_MARK), has("Precedence")), (Some(id.as_str()), None));
            // The counterpart never wrote: all three say it.
            assert!(has("List-Unsubscribe").unwrap().starts_with("<https://hongyan.example/api/gmail/unsubscribe/"));
        }
        let answered = came(&Incoming::read(wish(LI).as_bytes()).unwrap(), desk.app.now());
        for (source, told) in [(Source::Approved, false), (Source::AutoReply, true)] {
            let new = NewSend { answers: Some(answered.clone()), ..desk.new_send(source, LI) };
            let id = desk.put(&new).await;
            assert_eq!(Envelope::of(&desk.row(&id).await).unwrap().unsubscribe, told);
        }
    }

    /// Only what waits and no person asked for is taken back, of one conversation.
    async fn taken_back(t) {
        let desk = desk(t).await;
        let mut ids = Vec::new();
        for source in [Source::AutoReply, Source::FollowUp, Source::Approved, Source::Person] {
            ids.push(desk.put(&desk.new_send(source, LI)).await);
        }
        let elsewhere = NewSend { conversation_id: Some(8), ..desk.new_send(Source::AutoReply, LI) };
        ids.push(desk.put(&elsewhere).await);
        let mut tx = desk.gmail.db().begin().await.unwrap();
        let count = desk.gmail.take_back_automatic(&mut tx, 7, "a person wrote").await.unwrap();
        tx.commit().await.unwrap();
        let mut states = Vec::new();
        for id in &ids {
            states.push(desk.row(id).await.state);
        }
        use SendState::{Cancelled, Held};
        assert_eq!((count, states), (2, vec![Cancelled, Cancelled, Held, Held, Held]));
        assert_eq!(desk.row(&ids[0]).await.error.as_deref(), Some("a person wrote"));
    }

    /// Over the cap, places are for those that could take them: not for what waits longer for something else.
    async fn places_under_the_cap(t) {
        let desk = desk(t).await;
        let begin = desk.app.now();
        let (second, day) = (Duration::from_secs(1), kernel::time::days(1));
        let mut ids = Vec::new();
        for n in 0..4 {
            desk.app.clock.set(begin + second * n);
            let due_at = desk.app.now();
            ids.push(desk.put(&NewSend { due_at, ..desk.new_send(Source::FollowUp, LI) }).await);
        }
        let now = desk.app.now();
        let credential = CredentialRow { daily_cap: Some(2), ..desk.credential.clone() };
        let mut tx = desk.gmail.db().begin().await.unwrap();
        assert!(store::begin_sending(&mut tx, &ids[0], 1, begin).await.unwrap());
        assert!(store::begin_sending(&mut tx, &ids[1], 1, begin + second).await.unwrap());
        let (first, next) = (begin + day, begin + second + day);
        let room = desk.gmail.room_at(&mut tx, &credential, &ids[3]).await.unwrap();
        assert_eq!(room, Some(next), "one that is due waits before");
        for (until, place) in
            [(now + second, next), (first, next), (next + second, first), (now + day * 5, first)]
        {
            let waiting = store::Waiting { reason: "something", until };
            store::note_waiting(&mut tx, &ids[2], waiting, now).await.unwrap();
            let room = desk.gmail.room_at(&mut tx, &credential, &ids[3]).await.unwrap();
            assert_eq!(room, Some(place), "{until}");
        }
    }

    /// Their own wish counts, and nobody's about somebody else; what waits to go to them is not sent.
    async fn opted_out(t) {
        let desk = desk(t).await;
        let ids = [
            desk.put(&desk.new_send(Source::Person, "Li+x@Example.cn")).await,
            desk.put(&desk.new_send(Source::AutoReply, LI)).await,
            desk.put(&desk.new_send(Source::Person, "han@example.cn")).await,
        ];
        assert_eq!(desk.after(&wish("sales@shop.example")).await, []);
        assert_eq!(desk.after(&wish(LI)).await, [(LI.to_owned(), SuppressionReason::OptOut)]);
        assert_eq!(desk.after(&wish(LI)).await.len(), 1);
        let states = [desk.row(&ids[0]).await.state, desk.row(&ids[1]).await.state, desk.row(&ids[2]).await.state];
        assert_eq!(states, [SendState::Failed, SendState::Cancelled, SendState::Held]);
        let mut tx = desk.gmail.db().begin().await.unwrap();
        let again = desk.gmail.enqueue(&mut tx, &desk.credential, &desk.new_send(Source::Approved, LI)).await;
        assert!(again.unwrap_err().errors["to"].contains("wants no more mail"));
    }

    /// A report is believed about a mail that this account sent, and those whom it was sent to.
    async fn reports(t) {
        let desk = desk(t).await;
        let id = desk.put(&desk.new_send(Source::Person, LI)).await;
        let ours = desk.row(&id).await.message_id;
        for raw in [
            bounce("somebody-elses@example.com", LI, "5.1.1"),
            bounce(&ours, "han@example.cn", "5.1.1"),
            bounce(&ours, LI, "5.2.2"),
            complaint("somebody-elses@example.com"),
        ] {
            assert_eq!(desk.after(&raw).await, [], "{raw}");
        }
        assert_eq!(desk.after(&bounce(&ours, LI, "5.1.1")).await, [(LI.to_owned(), SuppressionReason::Bounce)]);
        let id = desk.put(&desk.new_send(Source::Person, "han@example.cn")).await;
        let ours = desk.row(&id).await.message_id;
        let list = desk.after(&complaint(&ours)).await;
        assert_eq!(list[0], ("han@example.cn".to_owned(), SuppressionReason::Complaint));
    }
}
