//! Seed 004's sessions: list, read, accept, answer, close.

use serde_json::{Value, json};
use testkit::app::{TestApp, shape};

use crate::desk::{agent, data, get, post, receive, supervisor, words};

testkit::both! {
    &testkit::app::migrations();

    /// A message opens a session with the assistant; the same message again is nothing new.
    async fn a_message_opens_a_session(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        let hello = words(&app, "m1", "wm_1", "你好");
        assert_eq!(receive(&app, &[hello.clone(), hello.clone()]).await.new, 1);
        assert_eq!(receive(&app, &[hello]).await.repeated, 1);
        let answer = get(&app, "/sessions", &anna).await;
        shape(data(&answer), &json!([{
            "sessionId": "id:sess", "customerId": "=wm_1", "customerName": "=小明", "kfId": "=kf_1",
            "channelType": "=wechat", "status": "=ai", "manualCsId": null, "version": 1, "priority": 0,
            "waitingSince": null, "handoverReason": null, "lastMessage": "=你好", "lastMessageTime": "time",
            "messageCount": 1, "window": null, "closedAt": null, "createdAt": "time", "updatedAt": "time",
        }]));
        let id = id(data(&answer));
        let history = get(&app, &format!("/sessions/{id}/history"), &anna).await;
        shape(data(&history), &json!([{
            "msgId": "id:msg", "sessionId": format!("={id}"), "seqNo": 1, "senderType": "=customer",
            "senderId": "=wm_1", "content": "=你好", "msgType": "=text", "payload": null, "status": "=received",
            "failReason": null, "sentAt": "time", "createdAt": "time",
        }]));
    }

    /// A colleague took over from the assistant: accept is for what waits, messages are for the owner.
    async fn only_what_waits_is_accepted(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        receive(&app, &[words(&app, "m1", "wm_1", "你好")]).await;
        let id = id(data(&get(&app, "/sessions", &anna).await));
        let accept = post(&app, &format!("/sessions/{id}/accept"), &anna, json!({"csId": anna.id})).await;
        accept.refused(400, &["status"]);
        let message = post(&app, &format!("/sessions/{id}/message"), &anna, json!({"content": "您好"})).await;
        message.refused(400, &["status"]);
        for _ in 0..2 {
            let closed = post(&app, &format!("/sessions/{id}/close"), &anna, json!({})).await;
            assert_eq!(data(&closed)["status"], "closed");
        }
    }

    /// Only people of the desk may see it.
    async fn others_see_nothing(t) {
        let app = TestApp::new(t).await;
        let stranger = app.user("stranger").await;
        get(&app, "/sessions", &stranger).await.refused(403, &[]);
        let boss = supervisor(&app, "boss").await;
        assert_eq!(data(&get(&app, "/sessions", &boss).await), &json!([]));
    }
}

fn id(list: &Value) -> String {
    list[0]["sessionId"].as_str().unwrap().to_owned()
}
