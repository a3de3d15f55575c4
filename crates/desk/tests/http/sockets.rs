//! Who may open a socket, and what agents say over it.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{PUBLIC_URL, TestApp, User};

use crate::{
    desk::{agent, call, data, get, post, receive, supervisor, words},
    socket::{Client, Node, while_time_passes},
    stream::{owned, waiting},
};

async fn ticket(app: &TestApp, user: &User) -> String {
    let answer = post(app, "/desk/ws-ticket", user, json!({})).await;
    assert_eq!(data(&answer)["csId"], user.id);
    data(&answer)["ticket"].as_str().unwrap().to_owned()
}

async fn refused(node: &Node, path: &str, headers: &[(&str, &str)], status: u16) {
    let refused = Client::open(node.address, path, headers).await.err().expect(path);
    assert_eq!((refused.status, &refused.body["code"]), (status, &json!(status)), "{}", refused.body);
}

/// No message comes before the answer to this.
async fn is_told_nothing(client: &mut Client) {
    client.say(json!({"type": "ping"})).await;
    loop {
        let frame = client.next().await;
        assert_ne!(frame["type"], "new_message");
        if frame["type"] == "pong" {
            return;
        }
    }
}

testkit::both! {
    &testkit::app::migrations();

    /// Four ways to prove who one is.
    async fn who_may_come_in(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let (anna, boss) = (agent(&app, "anna").await, supervisor(&app, "boss").await);
        let (id, token) = (&anna.id, &anna.token);
        let bearer = format!("Bearer {token}");
        let protocols = format!("desk.v1, bearer.{token}");
        Client::open(node.address, id, &[("Authorization", &bearer)]).await.unwrap();
        Client::open(node.address, &format!("{id}?token={token}"), &[]).await.unwrap();
        let by_protocol = Client::open(node.address, id, &[("Sec-WebSocket-Protocol", &protocols)]).await.unwrap();
        let head = by_protocol.head.to_lowercase();
        assert!(head.contains("sec-websocket-protocol: desk.v1\r\n") && !head.contains("bearer"), "{head}");
        let once = ticket(&app, &anna).await;
        Client::open(node.address, &format!("{id}?ticket={once}"), &[]).await.unwrap();

        refused(&node, &format!("{id}?ticket={once}"), &[], 401).await;
        let late = ticket(&app, &anna).await;
        app.clock.advance(Duration::from_secs(31));
        refused(&node, &format!("{id}?ticket={late}"), &[], 401).await;
        refused(&node, id, &[], 401).await;
        refused(&node, id, &[("Authorization", "Bearer nonsense")], 401).await;
        refused(&node, &format!("{id}?token=nonsense"), &[], 401).await;
        let bare = format!("bearer.{token}");
        refused(&node, id, &[("Sec-WebSocket-Protocol", &bare)], 400).await;
        refused(&node, &boss.id, &[("Authorization", &bearer)], 403).await;
        let stranger = app.user("stranger").await;
        let theirs = format!("Bearer {}", stranger.token);
        refused(&node, &stranger.id, &[("Authorization", &theirs)], 403).await;
        refused(&node, &format!("{id}?lastSeq=1"), &[("Authorization", &bearer)], 400).await;
        // A supervisor may look over an agent's shoulder, if there is one.
        let bosss = format!("Bearer {}", boss.token);
        Client::open(node.address, id, &[("Authorization", &bosss)]).await.unwrap();
        refused(&node, "user_nobody", &[("Authorization", &bosss)], 404).await;
    }

    /// A ticket that many present at once lets one in.
    async fn a_ticket_is_good_once(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let path = format!("{}?ticket={}", anna.id, ticket(&app, &anna).await);
        let mut tries = Vec::new();
        for _ in 0..8 {
            let (address, path) = (node.address, path.clone());
            tries.push(tokio::spawn(async move { Client::open(address, &path, &[]).await.is_ok() }));
        }
        let mut let_in = 0;
        for one in tries {
            let_in += usize::from(one.await.unwrap());
        }
        assert_eq!(let_in, 1);
    }

    /// A page of somebody else's may not use what the browser reaches.
    async fn pages_of_others_are_refused(t) {
        let app = TestApp::with(t, |s| s.desk.allowed_origins = vec!["https://bench.example".to_owned()]).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let path = format!("{}?token={}", anna.id, anna.token);
        for origin in [PUBLIC_URL, "https://bench.example"] {
            Client::open(node.address, &path, &[("Origin", origin)]).await.unwrap();
        }
        for origin in ["https://evil.example", "null", "http://hongyan.test.evil.example"] {
            refused(&node, &path, &[("Origin", origin)], 403).await;
        }
    }

    /// Without authentication the path says who it is, as the seed has it.
    async fn without_authentication_the_path_counts(t) {
        let app = TestApp::with(t, |s| s.desk.auth = false).await;
        let node = Node::start(&app).await;
        let id = waiting(&app, "wm_1").await;
        let mut client = Client::open(node.address, "cs_007", &[]).await.unwrap();
        assert_eq!(client.next().await["data"]["csId"], "cs_007");
        client.say(json!({"type": "accept", "cid": "a1", "sessionId": id})).await;
        let [ack, pushed] = client.all_of(["ack", "session_accepted"]).await;
        assert_eq!(ack["data"]["manualCsId"], "cs_007", "{ack}");
        assert_eq!(pushed["seq"], 1);
    }

    /// A log-out ends the sockets that stand on it, and no others.
    async fn a_log_out_ends_it(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let again = app.login(&anna).await;
        let (mut one, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        let (mut two, _) = Client::connect(node.address, &anna.id, &again.token).await;
        app.post("/auth/logout", &anna, json!({})).await.data();
        let before = app.now();
        assert_eq!(while_time_passes(&app, one.end()).await, 4001);
        assert!(app.now().since(before) <= Duration::from_secs(60));
        two.say(json!({"type": "ping"})).await;
        two.next_of("pong").await;
    }

    /// A token's end is the socket's.
    async fn a_token_that_expires_ends_it(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let (mut client, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        client.is_quiet().await;
        app.clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(while_time_passes(&app, client.end()).await, 4001);
    }

    /// What makes no sense is answered with what is wrong; the connection stays.
    async fn bad_frames_are_answered(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let (mut client, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        client.write(1, b"not json").await;
        let error = client.next().await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(400)), "{error}");
        for (frame, code, fields) in [
            (json!([1]), 400, vec![]),
            (json!({"type": "dance"}), 400, vec!["type"]),
            (json!({}), 400, vec!["type"]),
            (json!({"type": "bind_session"}), 400, vec!["sessionId"]),
            (json!({"type": "bind_session", "sessionId": "sess_none"}), 404, vec![]),
            (json!({"type": "send_message", "sessionId": "sess_none", "content": ""}), 400, vec!["cid", "content"]),
            (json!({"type": "send_message", "cid": "", "sessionId": "sess_none", "content": "x"}), 400, vec!["cid"]),
            (json!({"type": "send_message", "cid": "c", "sessionId": "sess_none", "content": "x"}), 404, vec![]),
            (json!({"type": "resume", "lastSeq": -1}), 400, vec!["lastSeq"]),
            (json!({"type": "typing", "sessionId": "sess_none", "on": "yes"}), 400, vec!["on"]),
            (json!({"type": "ack", "seq": "x"}), 400, vec!["seq"]),
        ] {
            let error = client.ask(frame.clone()).await;
            assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{frame}: {error}");
            let named: Vec<&str> =
                error["errors"].as_object().map(|e| e.keys().map(String::as_str).collect()).unwrap_or_default();
            assert_eq!(named, fields, "{frame}: {error}");
        }
        client.is_quiet().await;
        let (mut big, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        big.write(1, &vec![b' '; 70_000]).await;
        assert_eq!(big.end().await, 1009);
        let (mut binary, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        binary.write(2, b"{}").await;
        assert_eq!(binary.end().await, 1003);
        let (mut endless, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        for _ in 0..400 {
            endless.say(json!({"type": "ping"})).await;
        }
        let mut slowed = 0;
        let code = loop {
            match endless.next_or_end().await {
                Ok(frame) => slowed += usize::from(frame["code"] == 429),
                Err(code) => break code,
            }
        };
        assert_eq!((code, slowed > 50), (4029, true));
    }

    /// The same `cid` is the same command, on this connection and on the next.
    async fn a_command_is_carried_out_once(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let id = owned(&app, "wm_1", &anna).await;
        let (mut client, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        let send = |text: &str| json!({"type": "send_message", "cid": "c-1", "sessionId": id, "content": text});
        client.say(send("您好")).await;
        let first = client.next_of("ack").await;
        assert_eq!((&first["cid"], &first["data"]["content"]), (&json!("c-1"), &json!("您好")));
        client.say(send("您好")).await;
        assert_eq!(client.next_of("ack").await, first);
        drop(client);
        let (mut client, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        client.say(send("您好")).await;
        assert_eq!(client.next_of("ack").await, first);
        let (mut client, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        assert_eq!(client.ask(send("别的")).await["code"], 409);
        let history = get(&app, &format!("/sessions/{id}/history"), &anna).await;
        let sent: Vec<&Value> = data(&history).as_array().unwrap().iter().map(|m| &m["content"]).collect();
        assert_eq!(sent, ["你好", "您好"]);
        for _ in 0..2 {
            client.say(json!({"type": "close", "cid": "c-2", "sessionId": id})).await;
            assert_eq!(client.next_of("ack").await["data"]["status"], "closed");
        }
        client.say(json!({"type": "accept", "cid": "c-3", "sessionId": id})).await;
        let refused = client.next_of("error").await;
        assert_eq!((&refused["type"], &refused["cid"], &refused["code"]), (&json!("error"), &json!("c-3"), &json!(400)));
    }

    /// Who looks at a session is known to those who look, and who writes; who is there, to supervisors.
    async fn agents_see_each_other(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let (anna, bob) = (agent(&app, "anna").await, agent(&app, "bob").await);
        let boss = supervisor(&app, "boss").await;
        // People of one moment have no order.
        let mut both = [&anna.id, &bob.id];
        both.sort();
        let both = json!(both);
        let id = waiting(&app, "wm_1").await;
        let (mut watching, _) = Client::connect(node.address, &boss.id, &boss.token).await;
        assert_eq!(watching.next().await["data"], json!({"csId": boss.id, "online": true}));
        let (mut one, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        assert_eq!(watching.next().await["data"], json!({"csId": anna.id, "online": true}));
        assert_eq!(one.bind(&id).await[1]["data"]["agents"], json!([anna.id]));
        let (mut two, _) = Client::connect(node.address, &bob.id, &bob.token).await;
        assert_eq!(two.bind(&id).await[1]["data"]["agents"], both);
        assert_eq!(one.next_of("viewers").await["data"]["agents"], both);
        two.say(json!({"type": "typing", "sessionId": id, "on": true})).await;
        assert_eq!(one.next().await, json!({
            "type": "typing", "sessionId": id, "data": {"csId": bob.id, "on": true},
        }));
        two.is_quiet().await;
        let unbound = two.ask(json!({"type": "unbind_session", "sessionId": id})).await;
        assert_eq!(unbound["type"], "unbound");
        assert_eq!(one.next_of("viewers").await["data"]["agents"], json!([anna.id]));
        two.bind(&id).await;
        assert_eq!(one.next_of("viewers").await["data"]["agents"], both);
        drop(two);
        assert_eq!(one.next_of("viewers").await["data"]["agents"], json!([anna.id]));
        assert_eq!(watching.next().await["data"], json!({"csId": bob.id, "online": true}));
        assert_eq!(app.system.desk.online().await.unwrap().len(), 3);
        // A blink changes nothing; half a minute does.
        let gone = while_time_passes(&app, async {
            tokio::select! {
                frame = watching.next_of("presence") => frame,
                end = one.end() => panic!("{end}"),
            }
        });
        let before = app.now();
        assert_eq!(gone.await["data"], json!({"csId": bob.id, "online": false}));
        assert!(app.now().since(before) >= Duration::from_secs(30));
        assert!(!app.system.desk.online().await.unwrap().contains(&bob.id));
    }

    /// Whoever shows a session gets its messages while they may see it: supervisors always.
    async fn who_watches_is_told(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let (anna, bob) = (agent(&app, "anna").await, agent(&app, "bob").await);
        let boss = supervisor(&app, "boss").await;
        let id = waiting(&app, "wm_1").await;
        let mut clients = Vec::new();
        for user in [&anna, &boss] {
            let (mut client, _) = Client::connect(node.address, &user.id, &user.token).await;
            client.bind(&id).await;
            clients.push(client);
        }
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        for client in &mut clients {
            assert_eq!(client.next_of("new_message").await["data"]["content"], "在吗");
        }
        data(&post(&app, &format!("/sessions/{id}/accept"), &bob, json!({"csId": bob.id})).await);
        receive(&app, &[words(&app, "m3", "wm_1", "谢谢")]).await;
        let [annas, bosss] = &mut clients[..] else { panic!() };
        assert_eq!(bosss.next_of("new_message").await["data"]["content"], "谢谢");
        annas.next_of("session_accepted").await;
        is_told_nothing(annas).await;
        bosss.say(json!({"type": "unbind_session", "sessionId": id})).await;
        bosss.next_of("unbound").await;
        receive(&app, &[words(&app, "m4", "wm_1", "再见")]).await;
        annas.say(json!({"type": "bind_session", "sessionId": id})).await;
        assert_eq!(annas.next_of("error").await["code"], 404);
        is_told_nothing(bosss).await;
    }

    /// A ticket is for people of the desk.
    async fn a_ticket_needs_a_token(t) {
        let app = TestApp::new(t).await;
        let stranger = app.user("stranger").await;
        post(&app, "/desk/ws-ticket", &stranger, json!({})).await.refused(403, &[]);
        call(&app, Method::POST, "/desk/ws-ticket", None, None).await.refused(401, &[]);
        call(&app, Method::GET, "/desk/ws-ticket", None, None).await.refused(405, &[]);
    }
}
