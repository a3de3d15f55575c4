//! Seed 004's sessions: list, read, accept, answer, close.

use accounts::Role;
use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{TestApp, shape};

use crate::desk::{agent, call, data, get, post, put, receive, session, supervisor, user, waiting, words};

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
        let whole = json!({
            "sessionId": "id:sess", "customerId": "=wm_1", "customerName": "=小明", "kfId": "=kf_1",
            "channelType": "=wechat", "status": "=ai", "manualCsId": null, "version": 1, "priority": 0,
            "waitingSince": null, "handoverReason": null, "lastMessage": "=你好", "lastMessageTime": "time",
            "messageCount": 1, "window": null, "closedAt": null, "createdAt": "time", "updatedAt": "time",
            "queuePosition": null, "labels": [], "rating": null,
        });
        shape(data(&answer), &json!([whole]));
        let id = id(data(&answer));
        // One session by itself also says what WeCom would still take.
        let mut one = whole;
        one["window"] = json!({"expiresAt": "time", "left": 5});
        shape(data(&get(&app, &format!("/sessions/{id}"), &anna).await), &one);
        let history = get(&app, &format!("/sessions/{id}/history"), &anna).await;
        shape(data(&history), &json!([{
            "msgId": "id:msg", "sessionId": format!("={id}"), "seqNo": 1, "senderType": "=customer",
            "senderId": "=wm_1", "notice": false, "content": "=你好", "msgType": "=text", "payload": null, "status": "=received",
            "failReason": null, "sentAt": "time", "createdAt": "time",
        }]));
    }

    /// A person has the whole conversation: accept, answer, close; the customer who comes back has a new session.
    async fn from_waiting_to_closed(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let id = waiting(&app, "wm_1", &ben).await;
        let path = |what: &str| format!("/sessions/{id}/{what}");
        for _ in 0..2 {
            let accepted = post(&app, &path("accept"), &anna, json!({"csId": anna.id})).await;
            let accepted = data(&accepted);
            assert_eq!((&accepted["status"], &accepted["manualCsId"]), (&json!("manual"), &json!(anna.id)));
            assert_eq!(accepted["version"], 4, "what is one's own already changes nothing");
        }
        let late = post(&app, &path("accept"), &ben, json!({"csId": ben.id})).await;
        late.refused(400, &["manualCsId", "status"]);
        assert!(late.body["errors"]["manualCsId"].as_str().unwrap().contains(&anna.id));
        let sent = post(&app, &path("message"), &anna, json!({"content": "您好\n请问…"})).await;
        shape(data(&sent), &json!({
            "msgId": "id:msg", "sessionId": format!("={id}"), "seqNo": 2, "senderType": "=manual",
            "senderId": format!("={}", anna.id), "notice": false, "content": "=您好\n请问…", "msgType": "=text", "payload": null,
            "status": "=queued", "failReason": null, "sentAt": "time", "createdAt": "time",
        }));
        post(&app, &path("message"), &ben, json!({"content": "我来"})).await.refused(403, &["manualCsId"]);
        post(&app, &path("close"), &ben, json!({})).await.refused(403, &["manualCsId"]);
        for _ in 0..2 {
            let closed = post(&app, &path("close"), &anna, json!({})).await;
            assert_eq!((&data(&closed)["status"], &data(&closed)["version"]), (&json!("closed"), &json!(5)));
        }
        post(&app, &path("message"), &anna, json!({"content": "再见"})).await.refused(400, &["status"]);
        let again = post(&app, &path("accept"), &anna, json!({"csId": anna.id})).await;
        again.refused(400, &["manualCsId", "status"]);
        receive(&app, &[words(&app, "m9", "wm_1", "又来了")]).await;
        let list = get(&app, "/sessions", &anna).await;
        assert_eq!(data(&list).as_array().unwrap().len(), 2);
        assert_eq!((&data(&list)[0]["status"], &data(&list)[1]["status"]), (&json!("ai"), &json!("closed")));
    }

    /// Accept is for what waits, messages are for what a person has, close is for all.
    async fn only_what_waits_is_accepted(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        let id = session(&app, "wm_1").await;
        let path = |what: &str| format!("/sessions/{id}/{what}");
        post(&app, &path("accept"), &anna, json!({"csId": anna.id})).await.refused(400, &["status"]);
        post(&app, &path("message"), &anna, json!({"content": "您好"})).await.refused(400, &["status"]);
        for _ in 0..2 {
            let closed = post(&app, &path("close"), &anna, json!({})).await;
            assert_eq!(data(&closed)["status"], "closed");
        }
    }

    /// Every filter of the list, alone and together; what cannot be a value is named.
    async fn the_list_is_narrowed(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let boss = supervisor(&app, "boss").await;
        let (ai, closed) = (session(&app, "wm_1").await, session(&app, "wm_2").await);
        post(&app, &format!("/sessions/{closed}/close"), &anna, json!({})).await;
        let (pending, manual) = (waiting(&app, "wm_3", &ben).await, waiting(&app, "wm_4", &ben).await);
        post(&app, &format!("/sessions/{manual}/accept"), &anna, json!({"csId": anna.id})).await;
        let ids = |answer: testkit::app::Answer| -> Vec<String> {
            let list = data(&answer).as_array().unwrap().clone();
            list.iter().map(|s| s["sessionId"].as_str().unwrap().to_owned()).collect()
        };
        for (query, expected) in [
            ("", vec![&manual, &pending, &closed, &ai]),
            ("?status=ai", vec![&ai]),
            ("?status=pending", vec![&pending]),
            ("?status=manual", vec![&manual]),
            ("?status=closed", vec![&closed]),
            ("?channelType=wechat&status=ai", vec![&ai]),
            ("?channelType=jd", vec![]),
            ("?channelType=douyin", vec![]),
            (&format!("?csId={}", anna.id), vec![&manual]),
            (&format!("?csId={}", ben.id), vec![]),
            ("?limit=2", vec![&manual, &pending]),
            (&format!("?limit=2&before={pending}"), vec![&closed, &ai]),
            ("?order=queue", vec![&pending]),
            ("?status=", vec![&manual, &pending, &closed, &ai]),
        ] {
            let found = ids(get(&app, &format!("/sessions{query}"), &boss).await);
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
        }
        // What is another agent's, and what was closed without a person, is not an agent's to see.
        assert_eq!(ids(get(&app, "/sessions", &ben).await), [pending.clone(), ai.clone()]);
        for (query, field) in [
            ("status=open", "status"), ("channelType=qq", "channelType"), ("limit=0", "limit"),
            ("limit=501", "limit"), ("limit=x", "limit"), ("order=oldest", "order"),
            ("order=queue&before=sess_1", "before"),
        ] {
            get(&app, &format!("/sessions?{query}"), &boss).await.refused(400, &[field]);
        }
    }

    /// What is not there is 404 on every path; bodies are read field by field.
    async fn what_is_missing_and_what_is_malformed(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        for path in ["sess_none", "sess_none/history"] {
            get(&app, &format!("/sessions/{path}"), &anna).await.refused(404, &[]);
        }
        let own = json!({"csId": anna.id, "content": "x", "labels": [], "priority": 1});
        for verb in ["accept", "message", "close", "takeover", "release", "handback", "notes"] {
            post(&app, &format!("/sessions/sess_none/{verb}"), &anna, own.clone()).await.refused(404, &[]);
        }
        let transfer = json!({"csId": ben.id});
        post(&app, "/sessions/sess_none/transfer", &anna, transfer).await.refused(404, &[]);
        for verb in ["labels", "priority"] {
            put(&app, &format!("/sessions/sess_none/{verb}"), &anna, own.clone()).await.refused(404, &[]);
        }
        let id = waiting(&app, "wm_1", &ben).await;
        let path = |what: &str| format!("/sessions/{id}/{what}");
        post(&app, &path("accept"), &anna, json!({})).await.refused(400, &["csId"]);
        post(&app, &path("accept"), &anna, json!({"csId": 7})).await.refused(400, &["csId"]);
        post(&app, &path("accept"), &anna, json!({"csId": ben.id})).await.refused(403, &["csId"]);
        post(&app, &path("accept"), &anna, json!({"csId": anna.id})).await;
        post(&app, &path("message"), &anna, json!({})).await.refused(400, &["content"]);
        post(&app, &path("message"), &anna, json!({"content": " \n"})).await.refused(422, &["content"]);
        let long = "字".repeat(4001);
        post(&app, &path("message"), &anna, json!({"content": long})).await.refused(422, &["content"]);
        let odd = json!({"content": "x", "msgType": "hologram"});
        post(&app, &path("message"), &anna, odd).await.refused(422, &["msgType"]);
    }

    /// Only people of the desk may see it; a supervisor acts for others, an agent does not.
    async fn who_may_do_what(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let (stranger, boss) = (app.user("stranger").await, supervisor(&app, "boss").await);
        let operator = user(&app, "root", Role::Operator).await;
        get(&app, "/sessions", &stranger).await.refused(403, &[]);
        call(&app, Method::GET, "/sessions", None, None).await.refused(401, &[]);
        let id = waiting(&app, "wm_1", &ben).await;
        let path = |what: &str| format!("/sessions/{id}/{what}");
        let given = post(&app, &path("accept"), &boss, json!({"csId": anna.id})).await;
        assert_eq!(data(&given)["manualCsId"], json!(anna.id));
        get(&app, &format!("/sessions/{id}"), &ben).await.refused(404, &[]);
        get(&app, &path("history"), &ben).await.refused(404, &[]);
        let said = post(&app, &path("message"), &boss, json!({"content": "我是主管"})).await;
        assert_eq!(data(&said)["senderId"], json!(boss.id));
        let closed = post(&app, &path("close"), &operator, json!({})).await;
        assert_eq!(data(&closed)["status"], "closed");
    }

    /// Page by page forwards and back, nothing is missed and nothing comes twice while more arrives.
    async fn history_is_read_by_pages(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        let id = session(&app, "wm_1").await;
        let more = |n: i64, app: &TestApp| words(app, &format!("n{n}"), "wm_1", &format!("第{n}条"));
        let first: Vec<_> = (2..=7).map(|n| more(n, &app)).collect();
        receive(&app, &first).await;
        let page = async |query: String| -> Vec<i64> {
            let answer = get(&app, &format!("/sessions/{id}/history?{query}"), &anna).await;
            data(&answer).as_array().unwrap().iter().map(|m| m["seqNo"].as_i64().unwrap()).collect()
        };
        assert_eq!(page(String::new()).await, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(page("limit=3".to_owned()).await, [1, 2, 3]);
        assert_eq!(page("before=8&limit=3".to_owned()).await, [5, 6, 7]);
        receive(&app, &[more(8, &app)]).await;
        assert_eq!(page("after=3&limit=3".to_owned()).await, [4, 5, 6]);
        assert_eq!(page("before=5&limit=3".to_owned()).await, [2, 3, 4]);
        assert_eq!(page("before=2&limit=3".to_owned()).await, [1]);
        assert_eq!(page("after=2&before=5".to_owned()).await, [3, 4]);
        assert_eq!(page("before=1".to_owned()).await, [0; 0]);
        for (query, field) in
            [("after=-1", "after"), ("before=0", "before"), ("limit=10001", "limit"), ("after=x", "after")]
        {
            get(&app, &format!("/sessions/{id}/history?{query}"), &anna).await.refused(400, &[field]);
        }
    }

    /// Without authentication whoever calls is a supervisor, and says in whose name.
    async fn with_authentication_off(t) {
        let app = TestApp::with(t, |settings| settings.desk.auth = false).await;
        let id = session(&app, "wm_1").await;
        let call = async |method: Method, path: &str, body: Value| {
            call(&app, method, &format!("/sessions/{id}/{path}"), None, Some(body)).await
        };
        call(Method::POST, "takeover", json!({})).await.refused(400, &["csId"]);
        let taken = call(Method::POST, "takeover", json!({"csId": "kf01"})).await;
        assert_eq!(data(&taken)["manualCsId"], "kf01");
        let said = call(Method::POST, "message", json!({"content": "您好"})).await;
        assert_eq!(data(&said)["senderId"], "kf01");
        assert_eq!(data(&call(Method::POST, "release", json!({})).await)["status"], "pending");
        let accepted = call(Method::POST, "accept", json!({"csId": "kf02"})).await;
        assert_eq!(data(&accepted)["manualCsId"], "kf02");
        assert_eq!(data(&call(Method::POST, "close", json!({})).await)["status"], "closed");
    }
}

fn id(list: &Value) -> String {
    list[0]["sessionId"].as_str().unwrap().to_owned()
}
