//! The whole way, as somebody goes it who connects an account: what one part leaves is what the next one finds.

use std::time::{Duration, Instant};

use mail::Incoming;
use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::{
    house::good,
    mailbox::{listen, pushes},
    post_office::uploaded,
    talk::{Talk, field},
};

testkit::both! {
    &testkit::app::migrations();

    /// Connect, list, default, send with a file, push, the message in its conversation, summary, goal, recommended reply,
    /// automatic reply.
    async fn from_the_consent_to_the_automatic_reply(t) {
        let Some(talk) = Talk::with(t, pushes).await else { return };
        let (house, anna) = (&talk.house, talk.anna());

        let accounts = talk.get("/credentials/").await;
        assert_eq!((&accounts["count"], &accounts["results"][0]["email"]), (&json!(1), &json!(BRAND)));
        talk.post("/credentials/1/set_default/", json!({})).await;
        assert_eq!(talk.get("/credentials/").await["results"][0]["is_default"], true);
        assert!(house.begin(&anna).await.starts_with(&house.google.at("/o/oauth2/")), "another account may be connected");

        let file = uploaded(house, &anna, "报价单.pdf", b"%PDF-1.4 a price").await;
        let mail = json!({"to": CREATOR, "subject": "合作邀请 Collab?", "body": "<p>Shall we <b>work</b> together?</p>",
            "attachments": [file]});
        let sent = good(&house.mail_under(&anna, mail.clone(), Some("one")).await).clone();
        let again = good(&house.mail_under(&anna, mail, Some("one")).await).clone();
        assert_eq!((&sent["message_id"], &sent["thread_id"]), (&again["message_id"], &again["thread_id"]));
        let first = house.only_sent().await;
        let first = Incoming::read(first.as_bytes()).unwrap();
        assert_eq!((first.subject.as_str(), first.attachments[0].file_name.as_str()), ("合作邀请 Collab?", "报价单.pdf"));
        let first_id = first.message_id.unwrap();

        let url = listen(house).await;
        let watched = talk.post("/notifications/setup/", json!({"email": BRAND, "topic_name": "projects/test/topics/gmail"})).await;
        assert_eq!(watched["status"], "success", "{watched}");
        talk.pass(Duration::from_secs(1)).await;
        let answer = |text: &str, id: &str| {
            json!({"from": format!("Creator One <{CREATOR}>"), "subject": "Re: 合作邀请 Collab?",
                "text": format!("{text}\n\nOn Sat, Jan 15, 2028 at 12:00 PM Brand <brand@example.com> wrote:\n> Shall we work together?"), "messageId": format!("<{id}@example.com>"),
                "headers": {"In-Reply-To": format!("<{first_id}>"), "References": format!("<{first_id}>")},
                "threadId": sent["thread_id"]})
        };
        talk.deliver(answer("My rate is 500 dollars. Which month do you think of?", "h1")).await;
        let rung = Instant::now();
        house.google.push(BRAND, json!({"url": url})).await;
        house.app.run_due().await;
        let messages = talk.get(&format!("/conversations/{}/messages/", talk.conversation)).await;
        let took = rung.elapsed();
        let heard = messages["results"].as_array().unwrap().iter().find(|m| m["subject"] == "Re: 合作邀请 Collab?");
        let heard = heard.expect("the message that was pushed");
        assert_eq!(heard["text"], "My rate is 500 dollars. Which month do you think of?", "{heard}");
        assert!(took < Duration::from_secs(2), "{took:?}");

        talk.brain.says(json!({"summary": "They talk about the rate.", "key_points": ["500 dollars"],
            "sentiment": "POSITIVE", "open_questions": ["Which month?"]}));
        let summary = talk.get(&format!("/conversations/summary/{}/", talk.conversation)).await;
        assert_eq!((&summary["summary"], &summary["sentiment"]), (&json!("They talk about the rate."), &json!("POSITIVE")));

        let goal = talk.goal(json!({"priority": 4, "auto_reply": false, "goal_description": "Agree on a video in March for 500 dollars"})).await;
        let proposed = talk.post("/recommended-reply/", json!({"conversation_id": talk.conversation})).await;
        assert!(proposed["goal"]["id"] == goal && proposed["status"] == "waiting", "{proposed}");
        assert_eq!(proposed["last_message"]["subject"], "Re: 合作邀请 Collab?");
        assert_eq!(house.sent_raw().await.len(), 1, "a proposal waits for a person");

        good(&house.patch(&format!("/goals/{goal}/"), &anna, json!({"auto_reply": true})).await);
        talk.deliver(answer("And who would cut the video?", "h2")).await;
        house.google.push(BRAND, json!({"url": url})).await;
        house.app.run_due().await;
        assert_eq!(talk.last_decision().await, ("sent".to_owned(), "all_passed".to_owned()));
        talk.pass(Duration::from_secs(61)).await;
        let mails = talk.sent().await;
        assert_eq!(mails.len(), 2);
        let reply = &mails[1];
        assert_eq!(field(reply, "Auto-Submitted").as_deref(), Some("auto-replied"), "{reply}");
        assert_eq!(field(reply, "In-Reply-To").as_deref(), Some("<h2@example.com>"), "{reply}");
        let references = field(reply, "References").unwrap();
        assert!(references.starts_with(&format!("<{first_id}>")) && references.ends_with("<h2@example.com>"), "{references}");
        let placed = house.google.sent(BRAND).await;
        assert!(placed.iter().all(|mail| mail["threadId"] == sent["thread_id"]), "one thread at Gmail, too");
        talk.sync().await;
        let messages = talk.get(&format!("/conversations/{}/messages/", talk.conversation)).await;
        let subjects = messages["results"].as_array().unwrap().iter().filter(|m| m["thread_id"] == sent["thread_id"]);
        assert_eq!(subjects.count(), 4, "{messages}");
    }
}
