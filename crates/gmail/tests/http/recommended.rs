//! Recommended replies: proposed, listed, approved once, rejected, overtaken.

use std::time::Duration;

use serde_json::json;
use testkit::{
    app::shape,
    google::{BRAND, CREATOR},
};

use crate::{
    house::{good, refused},
    talk::{Talk, field},
};

testkit::both! {
    &testkit::app::migrations();

    /// The seed's answer, and what is added to it.
    async fn the_seeds_answer(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let id = talk.hears("Hi, my rate is 500.").await;
        let goal = talk.goal(json!({"instructions": "Always be kind."})).await;
        let body = json!({"conversation_id": talk.conversation, "custom_instructions": "Ask for a date."});
        let made = talk.post("/recommended-reply/", body).await;
        shape(&made, &json!({
            "id": 1, "conversation_id": talk.conversation, "status": "=waiting",
            "goal": {"id": goal, "description": "=Agree on a video in March"},
            "conversation_summary": "=They talk about a collab.",
            "last_message": {"sender": format!("=Creator One <{CREATOR}>"), "subject": "=Re: Rates for a collab",
                "content": "=Hi, my rate is 500.", "message_id": format!("={id}")},
            "to": [format!("={CREATOR}")],
            "recommended_reply": "=Thank you, that sounds good. Which week would suit you?",
            "alternative_replies": ["string"], "confidence": 0.9, "reason": "=plain", "needs_human": false,
            "suspicious": false, "follow_up": null, "engine": "string", "degraded": false, "facts_used": [],
            "removed_links": [], "outbox_id": null, "created_at": "time", "decided_at": null,
        }));
        let asked = talk.brain.last();
        for part in ["Always be kind.", "Ask for a date.", "my rate is 500", "Agree on a video in March"] {
            assert!(asked.contains(part), "{part} in {asked}");
        }
        assert_eq!(talk.get("/recommended-reply/1/").await, made);
        assert_eq!(talk.replies("status=waiting").await, [made]);
        assert!(talk.replies("status=approved").await.is_empty());
        assert!(talk.outbox().await.is_empty(), "nothing is sent");
    }

    /// Facts come from the conversation's knowledge base; links that nobody gave are taken out.
    async fn facts_and_links(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let base = talk.base("/kb/bases", json!({"name": "offers"})).await;
        let base = base["kbId"].as_str().unwrap().to_owned();
        let entry = json!({"question": "What is the offer, what do you pay?",
            "answer": "We pay 450 USD, see https://brand.example/offer"});
        let entry = talk.base(&format!("/kb/bases/{base}/entries"), entry).await;
        let entry = entry["entryId"].as_str().unwrap().to_owned();
        let path = format!("/conversations/{}/", talk.conversation);
        good(&talk.house.patch(&path, &talk.anna(), json!({"kb_id": base})).await);
        talk.brain.says(json!({"facts_used": [1],
            "recommended_reply": "See https://brand.example/offer. We pay 450 USD."}));
        talk.hears("What is the offer, and what do you pay?").await;
        let body = json!({"conversation_id": talk.conversation});
        let made = talk.post("/recommended-reply/", body.clone()).await;
        assert_eq!(made["facts_used"][0]["id"], entry.as_str(), "{made}");
        assert!(talk.brain.last().contains("450 USD"));
        assert_eq!(made["recommended_reply"], "See https://brand.example/offer. We pay 450 USD.");
        // A link that only the other side's mail has may be quoted by the model; it does not leave by itself.
        talk.hears("My portfolio is at https://portfolio.example/me and my rate is 500.").await;
        talk.brain.says(json!({"recommended_reply": "Thanks for https://portfolio.example/me and the rate."}));
        let made = talk.post("/recommended-reply/", body).await;
        assert_eq!(made["recommended_reply"], "Thanks for and the rate.");
        assert_eq!(made["removed_links"], json!(["https://portfolio.example/me"]));
    }

    /// Approved once, however often and by however many at once; it answers the mail.
    async fn approved_once(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.goal(json!({"auto_reply": false})).await;
        let made = talk.post("/recommended-reply/", json!({"conversation_id": talk.conversation})).await;
        let path = format!("/recommended-reply/{}/approve/", made["id"]);
        let wrong = talk.house.post(&path, &talk.anna(), json!({"expected_text": "something else"})).await;
        refused(&wrong, 409, &["expected_text"]);
        refused(&talk.house.post(&path, &talk.anna(), json!({"choice": 3})).await, 422, &["choice"]);
        refused(&talk.house.post(&path, &talk.anna(), json!({"hold_seconds": 86_401})).await, 422, &["hold_seconds"]);
        refused(&talk.house.post(&path, &talk.anna(), json!({"subject": "x"})).await, 422, &["subject"]);
        let body = json!({"expected_text": made["recommended_reply"]});
        let anna = talk.anna();
        let all = futures_util::future::join_all((0..6).map(|_| talk.house.post(&path, &anna, body.clone()))).await;
        let outbox = good(&all[0])["outbox_id"].clone();
        for one in &all {
            assert_eq!((&good(one)["outbox_id"], &one.body["status"]), (&outbox, &json!("approved")));
        }
        assert_eq!(talk.outbox().await.len(), 1);
        talk.house.app.run_due().await;
        let sent = talk.sent().await;
        assert_eq!(sent.len(), 1);
        let mail = &sent[0];
        assert_eq!(field(mail, "Subject").unwrap(), "Re: Rates for a collab");
        assert_eq!(field(mail, "In-Reply-To").unwrap(), "<seed-1@example.com>");
        assert!(field(mail, "From").unwrap().contains(BRAND) && field(mail, "To").unwrap().contains(CREATOR));
        assert!(field(mail, "Auto-Submitted").is_none(), "a person approved it: {mail}");
        refused(&talk.house.post(&format!("/recommended-reply/{}/reject/", made["id"]), &talk.anna(), json!({})).await, 409, &[]);
        assert_eq!(talk.get("/goals/1/").await["progress"], "advanced");
        // Somebody else's is nobody's.
        let ben = talk.house.app.user("ben").await;
        refused(&talk.house.post(&path, &ben, json!({})).await, 404, &[]);
        refused(&talk.house.get("/recommended-reply/1/", &ben).await, 404, &[]);
    }

    /// Other words, or an alternative; as text and as escaped HTML.
    async fn other_words(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let body = json!({"conversation_id": talk.conversation});
        let first = talk.post("/recommended-reply/", body.clone()).await;
        let path = format!("/recommended-reply/{}/approve/", first["id"]);
        let words = "Yes & <b>no</b>,\nsee you.";
        let done = talk.post(&path, json!({"text": words, "expected_text": first["recommended_reply"]})).await;
        assert_eq!(done["text"], words);
        talk.house.app.run_due().await;
        let sent = talk.sent().await;
        assert!(sent[0].contains("Yes &amp; &lt;b&gt;no&lt;/b&gt;,<br>"), "{}", sent[0]);
        talk.pass(Duration::from_secs(60)).await;
        talk.sync().await;
        talk.hears("And what do you think?").await;
        let second = talk.post("/recommended-reply/", body).await;
        let path = format!("/recommended-reply/{}/approve/", second["id"]);
        let done = talk.post(&path, json!({"choice": 2, "expected_text": "Let us talk."})).await;
        assert_eq!(done["text"], "Let us talk.");
    }

    /// A newer mail, theirs or a person's of ours, makes what waits stale.
    async fn overtaken(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let body = json!({"conversation_id": talk.conversation});
        let first = talk.post("/recommended-reply/", body.clone()).await;
        talk.hears("One more thing: I am away in April.").await;
        let path = format!("/recommended-reply/{}/", first["id"]);
        assert_eq!(talk.get(&path).await["status"], "stale");
        refused(&talk.house.post(&format!("{path}approve/"), &talk.anna(), json!({})).await, 409, &[]);
        // A person's own mail does it when it is asked for.
        let second = talk.post("/recommended-reply/", body.clone()).await;
        assert_eq!(second["last_message"]["content"], "One more thing: I am away in April.");
        let send = json!({"email": BRAND, "to": CREATOR, "subject": "hello", "body": "<p>by hand</p>",
            "conversation_id": talk.conversation});
        talk.house.app.run_due().await;
        let anna = talk.anna();
        let sent = talk.house.post("/send/", &anna, send);
        let (sent, ()) = futures_util::future::join(sent, async {
            for _ in 0..50 {
                talk.house.app.run_due().await;
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(sent.status.is_success(), "{}", sent.body);
        let path = format!("/recommended-reply/{}/", second["id"]);
        assert_eq!(talk.get(&path).await["status"], "stale");
        refused(&talk.house.post(&format!("{path}approve/"), &talk.anna(), json!({})).await, 409, &[]);
        let forced = talk.post(&format!("{path}approve/"), json!({"force": true})).await;
        assert!(forced["outbox_id"].is_string());
        // Rejected stays rejected.
        let third = talk.post("/recommended-reply/", body).await;
        let path = format!("/recommended-reply/{}/", third["id"]);
        for _ in 0..2 {
            assert_eq!(talk.post(&format!("{path}reject/"), json!({})).await["status"], "rejected");
        }
        refused(&talk.house.post(&format!("{path}approve/"), &talk.anna(), json!({"force": true})).await, 409, &[]);
    }

    /// A named mail; and what there is nothing to write for.
    async fn what_is_answered(t) {
        let Some(talk) = Talk::new(t).await else { return };
        talk.hears("Newer words.").await;
        let named = json!({"conversation_id": talk.conversation, "last_message_id": "msg_seed1"});
        let made = talk.post("/recommended-reply/", named).await;
        assert!(made["last_message"]["content"].as_str().unwrap().ends_with("Hi, I would love to make a video."));
        assert!(!talk.brain.last().contains("Newer words"));
        let wrong = json!({"conversation_id": talk.conversation, "last_message_id": "nope"});
        refused(&talk.house.post("/recommended-reply/", &talk.anna(), wrong).await, 422, &["last_message_id"]);
        refused(&talk.house.post("/recommended-reply/", &talk.anna(), json!({})).await, 400, &["conversation_id"]);
        let missing = json!({"conversation_id": 99});
        refused(&talk.house.post("/recommended-reply/", &talk.anna(), missing).await, 404, &[]);
        // Nobody wrote yet.
        let other = json!({"user_email": BRAND, "influencer_email": "new@elsewhere.example"});
        let other = talk.post("/conversations/", other).await["conversation_id"].clone();
        talk.house.app.run_due().await;
        let empty = json!({"conversation_id": other});
        refused(&talk.house.post("/recommended-reply/", &talk.anna(), empty.clone()).await, 422, &["conversation_id"]);
        talk.post("/goals/", json!({"conversation_id": other, "goal_description": "Win them for a video"})).await;
        let first = talk.post("/recommended-reply/", empty).await;
        assert!(first["last_message"].is_null() && first["to"] == json!(["new@elsewhere.example"]), "{first}");
        let path = format!("/recommended-reply/{}/approve/", first["id"]);
        refused(&talk.house.post(&path, &talk.anna(), json!({})).await, 400, &["subject"]);
        talk.post(&path, json!({"subject": "A video together?"})).await;
        talk.house.app.run_due().await;
        let sent = talk.sent().await;
        assert_eq!(field(&sent[0], "Subject").unwrap(), "A video together?");
        assert!(field(&sent[0], "To").unwrap().contains("new@elsewhere.example"));
    }
}
