//! What did not reach a customer of WeCom is sent again: once, whole, by whoever may write.

use std::time::Duration;

use db::{args, sql};
use futures_util::future::join;
use serde_json::{Value, json};

use crate::{
    desk::{agent, data, get, listen, post, told},
    wecom::Stage,
};

/// WeCom says that a message of ours, by its id there, did not arrive.
async fn fails(s: &mut Stage, event: &str, msgid: &str) {
    s.wecom.event(
        event,
        json!({"event_type": "msg_send_fail", "open_kfid": "kf", "external_userid": "c1", "fail_msgid": msgid,
            "fail_type": 10}),
    );
    s.told().await;
}

async fn last(s: &Stage, id: &str) -> Value {
    s.history(id).await.last().unwrap().clone()
}

async fn retry(s: &Stage, id: &str, message: &str) -> testkit::app::Answer {
    let answer = post(&s.app, &format!("/sessions/{id}/messages/{message}/retry"), &s.boss, json!({})).await;
    s.app.run_due().await;
    answer
}

testkit::both! {
    &testkit::app::migrations();

    /// WeCom took it and says later that it did not arrive: it leaves again, under another id each time, and what WeCom says
    /// of an earlier one changes nothing.
    async fn what_failed_after_all_is_sent_again(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        let message = data(&s.say(&id, "您好").await)["msgId"].as_str().unwrap().to_owned();
        s.app.run_due().await;
        fails(&mut s, "e1", &message).await;
        assert_eq!(last(&s, &id).await["status"], "failed");
        assert_eq!(data(&retry(&s, &id, &message).await)["status"], "queued");
        assert_eq!(s.wecom.texts(), ["您好", "您好"]);
        assert_eq!(last(&s, &id).await["status"], "sent");
        let second = s.wecom.sent()[1]["msgid"].as_str().unwrap().to_owned();
        assert_ne!(second, message);
        fails(&mut s, "e2", &message).await;
        assert_eq!(last(&s, &id).await["status"], "sent", "that was the first");
        fails(&mut s, "e3", &second).await;
        assert_eq!(last(&s, &id).await["status"], "failed");
        data(&retry(&s, &id, &message).await);
        assert_eq!(s.wecom.sent().len(), 3);
        fails(&mut s, "e4", "msg_none").await;
        fails(&mut s, "e5", "不是我们的").await;
        assert_eq!(last(&s, &id).await["status"], "sent");
    }

    /// Of several parts only those leave again that are missing, and only those are counted.
    async fn only_what_is_missing_is_sent_again(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        let text = "这是很长的一句话。".repeat(150);
        s.wecom.fail("kf/send_msg", [0, 95018, 95018]);
        let message = data(&s.say(&id, &text).await)["msgId"].as_str().unwrap().to_owned();
        s.app.run_due().await;
        assert_eq!((s.wecom.texts().len(), &last(&s, &id).await["status"]), (1, &json!("failed")));
        for text in ["一", "二", "三"] {
            data(&s.say(&id, text).await);
            s.app.run_due().await;
        }
        assert_eq!(s.detail(&id).await["window"]["left"], 1);
        data(&retry(&s, &id, &message).await);
        let texts = s.wecom.texts();
        assert_eq!(texts.len(), 5);
        assert_eq!([texts[0].as_str(), texts[4].as_str()].concat(), text);
        assert_eq!(s.detail(&id).await["window"]["left"], 0);
        // The second part alone did not arrive.
        let part = s.wecom.sent()[4]["msgid"].as_str().unwrap().to_owned();
        fails(&mut s, "e1", &part).await;
        retry(&s, &id, &message).await.refused(422, &["window"]);
        s.wecom.says("more", "kf", "c1", "?");
        s.told().await;
        data(&retry(&s, &id, &message).await);
        assert_eq!(s.wecom.texts().len(), 6);
        assert_eq!(s.wecom.texts()[5], texts[4]);
    }

    /// To send again is to write: in `manual` alone, by the one who has it or a supervisor.
    async fn whoever_may_write_may_send_again(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        let anna = agent(&s.app, "anna").await;
        data(&post(&s.app, &format!("/sessions/{id}/assign"), &s.boss, json!({"csId": anna.id})).await);
        s.wecom.fail("kf/send_msg", [95018, 95018]);
        let message = data(&s.say(&id, "您好").await)["msgId"].as_str().unwrap().to_owned();
        s.app.run_due().await;
        let ben = agent(&s.app, "ben").await;
        let path = format!("/sessions/{id}/messages/{message}/retry");
        post(&s.app, &path, &ben, json!({})).await.refused(403, &["manualCsId"]);
        data(&post(&s.app, &format!("/sessions/{id}/release"), &anna, json!({})).await);
        post(&s.app, &path, &ben, json!({})).await.refused(400, &["status"]);
        data(&post(&s.app, &format!("/sessions/{id}/accept"), &anna, json!({"csId": anna.id})).await);
        data(&post(&s.app, &format!("/sessions/{id}/close"), &anna, json!({})).await);
        post(&s.app, &path, &anna, json!({})).await.refused(400, &["status"]);
        s.app.run_due().await;
        assert_eq!(s.wecom.texts(), Vec::<String>::new());
    }

    /// What became of a message is told to whoever has its session then, not to whoever had it before.
    async fn the_owner_of_now_is_told(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        let (anna, ben) = (agent(&s.app, "anna").await, agent(&s.app, "ben").await);
        data(&post(&s.app, &format!("/sessions/{id}/assign"), &s.boss, json!({"csId": anna.id})).await);
        for user in [&anna, &ben] {
            listen(&s.app, user).await;
        }
        data(&s.say(&id, "您好").await);
        // Somebody gives the session to another while the message leaves.
        let mut tx = s.app.system.db.begin().await.unwrap();
        let given = tx
            .exec(sql!("UPDATE desk_sessions SET manual_cs_id = $2 WHERE id = $1"), args![&id, &ben.id])
            .await;
        assert_eq!(given.unwrap(), 1);
        let postgres = tx.is_postgres();
        let give = async {
            if postgres {
                crate::order::somebody_waits(&s.app, "desk_sessions").await;
            }
            tx.commit().await.unwrap();
        };
        join(s.app.run_due(), give).await;
        let status = async |user| {
            let told = told(&s.app, user).await;
            told.iter().filter(|(kind, ..)| kind == "message_status").count()
        };
        assert_eq!((status(&anna).await, status(&ben).await), (0, 1));
    }

    /// A file that cannot be had is said to be lost, whatever that comes from.
    async fn a_file_that_is_lost_is_said_to_be(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        s.wecom.sends_file("pic", "kf", "c1", "image", "a.png", b"x");
        s.wecom.fail("media/get", vec![-1; 4000]);
        s.told().await;
        assert!(last(&s, &id).await["payload"]["reference"].is_string());
        for _ in 0..80 {
            s.app.clock.advance(Duration::from_secs(3600));
            s.app.run_due().await;
        }
        s.boss = s.app.login(&s.boss).await;
        let lost = last(&s, &id).await["payload"]["lost"].as_str().unwrap().to_owned();
        assert!(lost.contains("WeCom answers -1"), "{lost}");
        let accounts = get(&s.app, "/desk/failed-messages", &s.boss).await;
        assert_eq!(data(&accounts), &json!([]), "it is the customer's");
    }

    /// A file of an account that was taken out of use is lost, too.
    async fn without_its_account_a_file_is_lost(t) {
        let mut s = Stage::new(t, &[]).await;
        let id = s.manual().await;
        s.wecom.sends_file("pic", "kf", "c1", "image", "a.png", b"x");
        s.wecom.fail("media/get", [-1]);
        s.told().await;
        let mut tx = s.app.system.db.begin().await.unwrap();
        tx.exec(sql!("UPDATE desk_accounts SET enabled = FALSE"), args![]).await.unwrap();
        tx.commit().await.unwrap();
        s.after(10).await;
        assert_eq!(last(&s, &id).await["payload"], json!({"lost": "the account is not in use"}));
    }
}
