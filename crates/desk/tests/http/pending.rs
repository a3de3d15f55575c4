//! The customer asks for a person on WeCom, and every workbench hears of it over its socket.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::app::shape;

use crate::{
    desk::agent,
    line::Line,
    socket::{Client, Node},
};

testkit::both! {
    &testkit::app::migrations();

    /// Callback, hand-over, `new_pending_session` to all; one accepts over the socket, both hear who, and only they hear on.
    async fn a_customer_who_waits(t) {
        let mut line = Line::new(t, None).await;
        let (anna, ben) = (agent(&line.desk.app, "anna").await, agent(&line.desk.app, "ben").await);
        let node = Node::start(&line.desk.app).await;
        let (mut hers, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        let (mut his, _) = Client::connect(node.address, &ben.id, &ben.token).await;
        let id = line.writes("c1", "转人工").await;
        line.desk.app.clock.advance(Duration::from_secs(1));
        line.desk.app.run_due().await;
        let mut seen = Vec::new();
        for client in [&mut hers, &mut his] {
            let frame = client.next_of("new_pending_session").await;
            assert_eq!(frame["sessionId"], id.as_str());
            let data = &frame["data"];
            let told = json!([data["sessionId"], data["status"], data["channelType"], data["handoverReason"], data["manualCsId"]]);
            assert_eq!(told, json!([id, "pending", "wechat", "requested", null]));
            shape(&json!([data["createdAt"], data["waitingSince"]]), &json!(["time"]));
            seen.push(frame["seq"].clone());
        }
        assert!(seen.iter().all(Value::is_number), "{seen:?}");
        assert_eq!(line.wecom.texts(), ["好的，正在为您转接人工客服，请稍候。"]);
        hers.say(json!({"type": "accept", "cid": "1", "sessionId": id})).await;
        let [ack, _] = hers.all_of(["ack", "session_accepted"]).await;
        assert_eq!(ack["cid"], "1");
        assert_eq!(his.next_of("session_accepted").await["data"]["manualCsId"], anna.id.as_str());
        line.writes("c1", "订单没收到").await;
        assert_eq!(hers.next_of("new_message").await["data"]["content"], "订单没收到");
        his.is_quiet().await;
        hers.say(json!({"type": "send_message", "cid": "2", "sessionId": id, "content": "马上查。"})).await;
        hers.next_of("ack").await;
        line.all_arrives().await;
        assert_eq!(line.voices(&id).await, ["notice", "manual"]);
        // Once each: a second question while they wait is no second session.
        node.stop(&line.desk.app).await;
    }
}
