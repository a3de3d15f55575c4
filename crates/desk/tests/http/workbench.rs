//! What agents do beside accepting and answering: transfer, release, hand back, take over, notes, labels, priority,
//! ready answers.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{TestApp, User, shape};

use crate::desk::{
    agent, call, data, get, listen, post, put, receive, session, supervisor, told, waiting, words,
};

async fn delete(app: &TestApp, path: &str, who: &User) -> testkit::app::Answer {
    call(app, Method::DELETE, path, Some(who), None).await
}

async fn online(app: &TestApp, who: &User) {
    data(&put(app, "/desk/agents/me", who, json!({"state": "online"})).await);
}

fn kinds(told: &[(String, String, Value)]) -> Vec<&str> {
    told.iter().map(|(kind, ..)| kind.as_str()).collect()
}

testkit::both! {
    &testkit::app::migrations();

    /// To an agent who is online with room; a supervisor may force it. The note goes along, and the customer sees neither.
    async fn a_session_is_transferred(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let (boss, stranger) = (supervisor(&app, "boss").await, app.user("stranger").await);
        listen(&app, &ben).await;
        let id = session(&app, "wm_1").await;
        let path = |verb: &str| format!("/sessions/{id}/{verb}");
        let to_ben = json!({"csId": ben.id, "note": "他问退货"});
        post(&app, &path("transfer"), &anna, to_ben.clone()).await.refused(400, &["status"]);
        data(&post(&app, &path("takeover"), &anna, json!({})).await);
        post(&app, &path("transfer"), &ben, to_ben.clone()).await.refused(403, &["manualCsId"]);
        post(&app, &path("transfer"), &anna, json!({"csId": "user_none"})).await.refused(422, &["csId"]);
        post(&app, &path("transfer"), &anna, json!({"csId": stranger.id})).await.refused(422, &["csId"]);
        post(&app, &path("transfer"), &anna, to_ben.clone()).await.refused(422, &["csId"]);
        let force = json!({"csId": ben.id, "force": true});
        post(&app, &path("transfer"), &anna, force.clone()).await.refused(403, &[]);
        online(&app, &ben).await;
        data(&put(&app, &format!("/desk/agents/{}", ben.id), &boss, json!({"capacity": 0})).await);
        post(&app, &path("transfer"), &anna, to_ben.clone()).await.refused(422, &["csId"]);
        data(&put(&app, &format!("/desk/agents/{}", ben.id), &boss, json!({"capacity": 1})).await);
        let given = post(&app, &path("transfer"), &anna, to_ben).await;
        assert_eq!((&data(&given)["status"], &data(&given)["manualCsId"]), (&json!("manual"), &json!(ben.id)));
        assert_eq!(data(&given)["lastMessage"], "你好", "a note is not the last message");
        let heard = told(&app, &ben).await;
        assert_eq!(kinds(&heard), ["session_accepted", "session_updated", "new_message"]);
        assert_eq!((&heard[2].2["content"], &heard[2].2["status"]), (&json!("他问退货"), &json!("internal")));
        // Full now, but a supervisor knows what they do.
        let other = session(&app, "wm_2").await;
        data(&post(&app, &format!("/sessions/{other}/takeover"), &anna, json!({})).await);
        let full = post(&app, &format!("/sessions/{other}/transfer"), &anna, json!({"csId": ben.id})).await;
        full.refused(422, &["csId"]);
        assert!(full.body["errors"]["csId"].as_str().unwrap().contains("1 of at most 1"));
        let forced = post(&app, &format!("/sessions/{other}/transfer"), &boss, force).await;
        assert_eq!(data(&forced)["manualCsId"], json!(ben.id));
    }

    /// Back to the queue the customer keeps the place; back to the assistant nobody waits.
    async fn a_session_is_given_back(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let id = waiting(&app, "wm_1", &ben).await;
        let path = |verb: &str| format!("/sessions/{id}/{verb}");
        let since = data(&get(&app, &format!("/sessions/{id}"), &anna).await)["waitingSince"].clone();
        app.clock.advance(std::time::Duration::from_secs(60));
        data(&post(&app, &path("accept"), &anna, json!({"csId": anna.id})).await);
        post(&app, &path("release"), &ben, json!({})).await.refused(403, &["manualCsId"]);
        let back = post(&app, &path("release"), &anna, json!({"note": "我要下班了"})).await;
        let back = data(&back);
        assert_eq!((&back["status"], &back["manualCsId"]), (&json!("pending"), &json!(null)));
        assert_eq!((&back["waitingSince"], &back["handoverReason"]), (&since, &json!("released")));
        let ai = post(&app, &path("handback"), &ben, json!({})).await;
        let ai = data(&ai);
        assert_eq!((&ai["status"], &ai["waitingSince"]), (&json!("ai"), &json!(null)));
        post(&app, &path("release"), &anna, json!({})).await.refused(400, &["status"]);
        post(&app, &path("handback"), &anna, json!({})).await.refused(400, &["status"]);
        data(&post(&app, &path("close"), &anna, json!({})).await);
        let boss = supervisor(&app, "boss").await;
        for verb in ["release", "handback", "takeover"] {
            post(&app, &path(verb), &boss, json!({})).await.refused(400, &["status"]);
            // What nobody had is nobody's to see any more.
            post(&app, &path(verb), &anna, json!({})).await.refused(404, &[]);
        }
    }

    /// From the assistant and out of the queue by any agent, from another agent by supervisors alone.
    async fn a_session_is_taken_over(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let boss = supervisor(&app, "boss").await;
        let id = session(&app, "wm_1").await;
        let path = format!("/sessions/{id}/takeover");
        assert_eq!(data(&post(&app, &path, &anna, json!({})).await)["manualCsId"], json!(anna.id));
        assert_eq!(data(&post(&app, &path, &anna, json!({})).await)["version"], 2, "it stands");
        post(&app, &path, &ben, json!({})).await.refused(403, &["manualCsId"]);
        post(&app, &path, &boss, json!({"csId": ben.id})).await.refused(422, &["csId"]);
        assert_eq!(data(&post(&app, &path, &boss, json!({})).await)["manualCsId"], json!(boss.id));
        let said = post(&app, &format!("/sessions/{id}/message"), &anna, json!({"content": "还在吗"})).await;
        said.refused(403, &["manualCsId"]);
    }

    /// A note is among ourselves: it moves nothing, and whom it mentions is told.
    async fn notes_stay_inside(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        for user in [&anna, &ben] {
            listen(&app, user).await;
        }
        let id = session(&app, "wm_1").await;
        let path = format!("/sessions/{id}/notes");
        data(&post(&app, &format!("/sessions/{id}/takeover"), &anna, json!({})).await);
        let before = data(&get(&app, &format!("/sessions/{id}"), &anna).await).clone();
        let note = post(&app, &path, &anna, json!({"content": "老客户", "mentions": [ben.id]})).await;
        shape(data(&note), &json!({
            "msgId": "id:msg", "sessionId": format!("={id}"), "seqNo": 2, "senderType": "=manual",
            "senderId": format!("={}", anna.id), "notice": false, "content": "=老客户", "msgType": "=note",
            "payload": {"mentions": [format!("={}", ben.id)]}, "status": "=internal", "failReason": null,
            "sentAt": "time", "createdAt": "time",
        }));
        assert_eq!(data(&get(&app, &format!("/sessions/{id}"), &anna).await), &before);
        for user in [&anna, &ben] {
            let heard = told(&app, user).await;
            assert_eq!(heard.last().unwrap().2["content"], "老客户");
        }
        // Whoever may not see the session writes no note on it.
        post(&app, &path, &ben, json!({"content": "x"})).await.refused(404, &[]);
        post(&app, &path, &anna, json!({"content": "x", "mentions": ["user_none"]})).await
            .refused(422, &["mentions[0]"]);
        post(&app, &path, &anna, json!({"content": "x", "mentions": "all"})).await.refused(400, &["mentions"]);
        post(&app, &path, &anna, json!({"mentions": []})).await.refused(400, &["content"]);
        let long = json!({"content": "字".repeat(2001)});
        post(&app, &path, &anna, long).await.refused(422, &["content"]);
    }

    /// Labels are put as a whole, shown in lists, counted and looked for.
    async fn labels(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        listen(&app, &anna).await;
        let (one, two) = (session(&app, "wm_1").await, session(&app, "wm_2").await);
        let set = async |id: &str, labels: Value| {
            put(&app, &format!("/sessions/{id}/labels"), &anna, json!({"labels": labels})).await
        };
        let labelled = set(&one, json!(["退货", " VIP ", "退货"])).await;
        assert_eq!(data(&labelled)["labels"], json!(["VIP", "退货"]));
        data(&set(&two, json!(["退货"])).await);
        let all = get(&app, "/desk/labels", &anna).await;
        assert_eq!(data(&all), &json!([{"name": "退货", "sessions": 2}, {"name": "VIP", "sessions": 1}]));
        let vip = get(&app, "/sessions?label=VIP", &anna).await;
        assert_eq!(data(&vip)[0]["sessionId"], json!(one));
        assert_eq!(data(&vip).as_array().unwrap().len(), 1);
        data(&set(&one, json!([])).await);
        assert_eq!(data(&get(&app, "/sessions?label=VIP", &anna).await), &json!([]));
        assert_eq!(told(&app, &anna).await[0].2["labels"], json!(["VIP", "退货"]));
        set(&one, json!("VIP")).await.refused(400, &["labels"]);
        set(&one, json!([1])).await.refused(400, &["labels"]);
        set(&one, json!(["字".repeat(33)])).await.refused(422, &["labels"]);
        set(&one, json!((0..21).map(|n| n.to_string()).collect::<Vec<_>>())).await.refused(422, &["labels"]);
        put(&app, &format!("/sessions/{one}/labels"), &anna, json!({})).await.refused(400, &["labels"]);
    }

    /// The queue is by priority, then by waiting; everybody sees their place.
    async fn the_queue_has_an_order(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let mut ids = Vec::new();
        for n in 0..3 {
            ids.push(waiting(&app, &format!("wm_{n}"), &ben).await);
            app.clock.advance(std::time::Duration::from_secs(10));
        }
        let queue = async || {
            let answer = get(&app, "/sessions?order=queue", &anna).await;
            let list = data(&answer).as_array().unwrap().clone();
            let places: Vec<_> = list.iter().map(|s| s["queuePosition"].as_i64().unwrap()).collect();
            assert_eq!(places, (1..=3).collect::<Vec<_>>());
            list.iter().map(|s| s["sessionId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(queue().await, ids);
        let path = format!("/sessions/{}/priority", ids[2]);
        assert_eq!(data(&put(&app, &path, &anna, json!({"priority": 5})).await)["priority"], 5);
        assert_eq!(queue().await, [ids[2].clone(), ids[0].clone(), ids[1].clone()]);
        let last = get(&app, &format!("/sessions/{}", ids[1]), &anna).await;
        assert_eq!(data(&last)["queuePosition"], 3);
        for (bad, status) in [(json!({"priority": 10}), 422), (json!({"priority": "x"}), 400), (json!({}), 400)] {
            put(&app, &path, &anna, bad).await.refused(status, &["priority"]);
        }
    }

    /// One's own and everybody's, with names filled in and uses counted.
    async fn ready_answers(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let boss = supervisor(&app, "boss").await;
        let add = async |user: &User, shortcut: &str, content: &str, shared: bool| {
            let body = json!({"shortcut": shortcut, "content": content, "shared": shared});
            post(&app, "/desk/canned", user, body).await
        };
        add(&anna, "hi", "x", true).await.refused(403, &[]);
        let shared = add(&boss, "hi", "您好{customerName},我是{agentName}{x}。", true).await;
        shape(data(&shared), &json!({
            "id": "id:canned", "shortcut": "=hi", "content": "=您好{customerName},我是{agentName}{x}。", "shared": true,
            "uses": 0, "lastUsedAt": null, "createdAt": "time", "updatedAt": "time",
        }));
        let shared = data(&shared)["id"].as_str().unwrap().to_owned();
        let own = data(&add(&anna, "hi", "嗨", false).await)["id"].as_str().unwrap().to_owned();
        add(&anna, "hi", "嗨嗨", false).await.refused(409, &["shortcut"]);
        let id = session(&app, "wm_1").await;
        let path = format!("/desk/canned/{shared}/render");
        let filled = post(&app, &path, &anna, json!({"sessionId": id})).await;
        assert_eq!(data(&filled)["content"], "您好小明,我是anna{x}。");
        post(&app, &path, &anna, json!({"sessionId": "sess_none"})).await.refused(404, &[]);
        assert_eq!(data(&post(&app, &path, &anna, json!({})).await)["content"], "您好,我是anna{x}。");
        let list = get(&app, "/desk/canned", &anna).await;
        let list: Vec<_> = data(&list).as_array().unwrap().iter().map(|c| c["uses"].as_i64().unwrap()).collect();
        assert_eq!(list, [2, 0]);
        assert_eq!(data(&get(&app, "/desk/canned", &ben).await).as_array().unwrap().len(), 1);
        // What is another's is not there; what is shared is the supervisors'.
        let change = json!({"shortcut": "hey", "content": "嘿"});
        for (user, canned, status) in [(&ben, &own, 404), (&anna, &shared, 403), (&boss, &own, 404)] {
            put(&app, &format!("/desk/canned/{canned}"), user, change.clone()).await.refused(status, &[]);
            delete(&app, &format!("/desk/canned/{canned}"), user).await.refused(status, &[]);
        }
        post(&app, &format!("/desk/canned/{own}/render"), &ben, json!({})).await.refused(404, &[]);
        let other = data(&add(&anna, "bye", "再见", false).await)["id"].as_str().unwrap().to_owned();
        let taken = json!({"shortcut": "hi", "content": "再见"});
        put(&app, &format!("/desk/canned/{other}"), &anna, taken).await.refused(409, &["shortcut"]);
        assert_eq!(data(&put(&app, &format!("/desk/canned/{own}"), &anna, change).await)["shortcut"], "hey");
        data(&delete(&app, &format!("/desk/canned/{own}"), &anna).await);
        delete(&app, &format!("/desk/canned/{own}"), &anna).await.refused(404, &[]);
        post(&app, "/desk/canned", &anna, json!({})).await.refused(400, &["content", "shortcut"]);
    }

    /// Messages are found by what is in them, by those who may see them.
    async fn messages_are_found(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let boss = supervisor(&app, "boss").await;
        let id = session(&app, "wm_1").await;
        for text in ["我要退货,订单A1029", "Where is my order?", "the parcel", "货到付款"] {
            receive(&app, &[words(&app, text, "wm_1", text)]).await;
        }
        let found = async |user: &User, q: &str| {
            let q: String = q.bytes().map(|b| format!("%{b:02X}")).collect();
            let answer = get(&app, &format!("/desk/search?q={q}"), user).await;
            let list = data(&answer).as_array().unwrap().clone();
            list.iter().map(|m| m["seqNo"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        for (q, expected) in [
            ("退货", vec![2]), ("货", vec![5, 2]), ("ORDER", vec![3]), ("ord", vec![3]), ("order where", vec![3]),
            ("is my", vec![3]), ("订单 a10", vec![2]), ("a1029", vec![2]), ("退款", vec![]), ("rder", vec![]),
            ("付款 order", vec![]), ("货到付款", vec![5]), ("你好", vec![1]), ("好", vec![1]), ("parc the", vec![]),
        ] {
            assert_eq!(found(&ben, q).await, expected, "{q}");
        }
        data(&post(&app, &format!("/sessions/{id}/takeover"), &anna, json!({})).await);
        assert_eq!((found(&ben, "退货").await, found(&anna, "退货").await), (vec![], vec![2]));
        assert_eq!(found(&boss, "退货").await, [2]);
        let all = get(&app, "/desk/search?q=%E8%B4%A7&limit=1", &boss).await;
        let last = data(&all)[0]["msgId"].as_str().unwrap().to_owned();
        let next = get(&app, &format!("/desk/search?q=%E8%B4%A7&limit=1&before={last}"), &boss).await;
        assert_eq!(data(&next)[0]["seqNo"], 2);
        get(&app, "/desk/search", &boss).await.refused(400, &["q"]);
        get(&app, "/desk/search?q=%3F", &boss).await.refused(422, &["q"]);
        get(&app, "/desk/search?q=x&limit=101", &boss).await.refused(400, &["limit"]);
    }

    /// A customer who writes to their agent waits again, and is answered.
    async fn waiting_is_what_the_customer_does(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        let id = session(&app, "wm_1").await;
        data(&post(&app, &format!("/sessions/{id}/takeover"), &anna, json!({})).await);
        let since = async || data(&get(&app, &format!("/sessions/{id}"), &anna).await)["waitingSince"].clone();
        assert_eq!(since().await, json!(null));
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        let first = since().await;
        assert!(first.is_string());
        app.clock.advance(std::time::Duration::from_secs(5));
        receive(&app, &[words(&app, "m3", "wm_1", "??")]).await;
        assert_eq!(since().await, first, "since the first of them");
        data(&post(&app, &format!("/sessions/{id}/message"), &anna, json!({"content": "在"})).await);
        assert_eq!(since().await, json!(null));
    }
}
