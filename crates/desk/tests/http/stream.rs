//! Agents' streams: nothing is lost, nothing comes twice, whatever breaks.

use std::time::Duration;

use bus::nats::{Link, Url, subject};
use serde_json::{Value, json};
use testkit::{
    app::{TestApp, User, shape},
    nats::Nats,
};

use crate::{
    desk::{agent, data, get, post, receive, supervisor, words},
    socket::{Client, Node, server, server_with, while_time_passes},
};

/// A session of this customer that waits; its id.
pub async fn waiting(app: &TestApp, customer: &str) -> String {
    receive(app, &[words(app, &format!("{customer}-first"), customer, "你好")]).await;
    let mut conn = app.system.db.read().await.unwrap();
    let (id,): (String,) = conn
        .one(db::sql!("SELECT id FROM desk_sessions WHERE customer_id = $1"), db::args![customer])
        .await
        .unwrap();
    drop(conn);
    let mut tx = app.system.db.begin().await.unwrap();
    tx.exec(
        db::sql!("UPDATE desk_sessions SET status = 'pending', version = 2 WHERE id = $1"),
        db::args![&id],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

/// A session that this agent has; its id.
pub async fn owned(app: &TestApp, customer: &str, owner: &User) -> String {
    let id = waiting(app, customer).await;
    data(&post(app, &format!("/sessions/{id}/accept"), owner, json!({"csId": owner.id})).await);
    id
}

/// `/ws/cs/{csId}?…` that goes on after a number.
fn after(user: &User, epoch: &str, seq: i64) -> String {
    format!("{}?epoch={epoch}&lastSeq={seq}", user.id)
}

/// Reads on until `all` messages came, over connections that break off again and again; checks that each comes once,
/// in order, and without a gap in the stream.
async fn read_all(nodes: &[&Node], user: &User, all: usize, cuts: usize) -> Vec<i64> {
    let (mut client, hello) = Client::connect(nodes[0].address, &user.id, &user.token).await;
    let epoch = hello["epoch"].as_str().unwrap().to_owned();
    let (mut last, mut got, mut cut) = (0, Vec::new(), 0);
    client.say(json!({"type": "resume", "epoch": epoch, "lastSeq": last})).await;
    assert_eq!(client.next().await["type"], "resumed");
    while got.len() < all {
        let frame = client.next().await;
        let Some(seq) = frame["seq"].as_i64() else { continue };
        assert_eq!(seq, last + 1, "{frame}");
        last = seq;
        if frame["type"] == "new_message" {
            got.push(frame["data"]["seqNo"].as_i64().unwrap());
        }
        if cut < cuts && got.len() > (cut + 1) * all / (cuts + 2) {
            cut += 1;
            let node = nodes[cut % nodes.len()];
            // Both ways to go on.
            if cut % 2 == 0 {
                let path = after(user, &epoch, last);
                drop(std::mem::replace(
                    &mut client,
                    Client::connect(node.address, &path, &user.token).await.0,
                ));
            } else {
                let (mut next, again) = Client::connect(node.address, &user.id, &user.token).await;
                assert_eq!(again["epoch"], epoch);
                next.say(json!({"type": "resume", "epoch": epoch, "lastSeq": last})).await;
                client = next;
            }
        }
    }
    assert_eq!(cut, cuts);
    got
}

/// Fifty cuts while a thousand messages flow, written by one node and read from two in turn.
async fn across_nodes(app: &TestApp, other: &TestApp) {
    let (node, second) = (Node::start(app).await, Node::start(other).await);
    let anna = agent(app, "anna").await;
    let _first = Client::connect(node.address, &anna.id, &anna.token).await;
    owned(app, "wm_1", &anna).await;
    let writing = async {
        for n in 0..1000 {
            receive(app, &[words(app, &format!("m{n}"), "wm_1", &format!("消息 {n}"))]).await;
        }
    };
    let nodes = [&node, &second];
    let (got, ()) = tokio::join!(read_all(&nodes, &anna, 1000, 50), writing);
    assert_eq!(got, (2..1002).collect::<Vec<i64>>());
}

testkit::both! {
    &testkit::app::migrations();

    /// The seed's frames, word for word, with `seq` beside.
    async fn what_the_seed_pushes(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let (anna, bob) = (agent(&app, "anna").await, agent(&app, "bob").await);
        let id = waiting(&app, "wm_1").await;
        let (mut client, hello) = Client::connect(node.address, &anna.id, &anna.token).await;
        shape(&hello, &json!({
            "csId": format!("={}", anna.id), "epoch": "id:epoch", "head": 0, "heartbeatSeconds": 20, "time": "time",
        }));
        let [bound, viewers] = client.bind(&id).await;
        assert_eq!((&bound["sessionId"], &bound["data"]["lastSeqNo"]), (&json!(id), &json!(1)));
        assert_eq!(viewers["data"]["agents"], json!([anna.id]));
        let _other = Client::connect(node.address, &bob.id, &bob.token).await;
        post(&app, &format!("/sessions/{id}/accept"), &anna, json!({"csId": anna.id})).await;
        let accepted = client.next().await;
        assert_eq!(accepted["type"], "session_accepted");
        assert_eq!((&accepted["seq"], &accepted["data"]["manualCsId"]), (&json!(1), &json!(anna.id)));
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        shape(&client.next().await, &json!({
            "type": "=new_message", "sessionId": format!("={id}"), "seq": 2,
            "data": {
                "msgId": "id:msg", "sessionId": format!("={id}"), "seqNo": 2, "senderType": "=customer",
                "senderId": "=wm_1", "notice": false, "content": "=在吗", "msgType": "=text", "payload": null, "status": "=received",
                "failReason": null, "sentAt": "time", "createdAt": "time",
            },
        }));
        post(&app, &format!("/sessions/{id}/close"), &anna, json!({})).await;
        let closed = client.next().await;
        assert_eq!((&closed["type"], &closed["seq"]), (&json!("session_closed"), &json!(3)));
        assert_eq!(closed["data"]["closedBy"], anna.id);
        client.is_quiet().await;
    }

    /// A client of the seed says nothing at all and gets what is live.
    async fn a_client_that_says_nothing_goes_live(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let (mut client, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        owned(&app, "wm_1", &anna).await;
        let frame = while_time_passes(&app, client.next_of("session_accepted")).await;
        assert_eq!(frame["seq"], 1);
    }

    /// Fifty cuts while a thousand messages flow.
    async fn each_message_once_however_often_the_line_breaks(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let _first = Client::connect(node.address, &anna.id, &anna.token).await;
        owned(&app, "wm_1", &anna).await;
        let writing = async {
            for n in 0..1000 {
                receive(&app, &[words(&app, &format!("m{n}"), "wm_1", &format!("消息 {n}"))]).await;
            }
        };
        let nodes = [&node];
        let (got, ()) = tokio::join!(read_all(&nodes, &anna, 1000, 50), writing);
        assert_eq!(got, (2..1002).collect::<Vec<i64>>());
    }

    /// The same with two servers on one database: written by one, read from both.
    async fn each_message_once_across_nodes(t) {
        if t.db.is_shared() {
            across_nodes(&server(&t).await, &server(&t).await).await;
        }
    }

    /// The same where NATS carries the notices. The clock stands still: what comes is not found by looking.
    async fn each_message_once_across_nodes_over_nats(t) {
        let Some(nats) = t.db.is_shared().then(|| Nats::start("")).flatten() else { return };
        let url: Url = nats.url().parse().unwrap();
        let over = || server_with(&t, |settings| settings.nats = Some(url.clone()));
        let (one, two) = (over().await, over().await);
        let installation = db::installation(&mut t.db.read().await.unwrap()).await.unwrap();
        let mut links = Vec::new();
        for app in [&one, &two] {
            links.push(Link::start(&app.system.db, &url, subject(&installation)).await.unwrap());
        }
        across_nodes(&one, &two).await;
        for link in links {
            link.close().await;
        }
    }

    /// A stream is begun while messages come: what the snapshot has and what the stream has are everything, once.
    async fn a_new_stream_begins_without_a_gap(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let boss = supervisor(&app, "boss").await;
        for round in 0..5 {
            let anna = agent(&app, &format!("anna{round}")).await;
            let customer = format!("wm_{round}");
            let id = waiting(&app, &customer).await;
            data(&post(&app, &format!("/sessions/{id}/accept"), &boss, json!({"csId": anna.id})).await);
            let writing = async {
                for n in 0..40 {
                    receive(&app, &[words(&app, &format!("{customer}-{n}"), &customer, "在吗")]).await;
                }
            };
            let reading = async {
                let (mut client, hello) = Client::connect(node.address, &anna.id, &anna.token).await;
                client.say(json!({"type": "resume"})).await;
                let resync = client.next().await;
                assert_eq!(resync["data"]["reason"], "new", "{resync}");
                assert_eq!(resync["data"]["epoch"], hello["epoch"]);
                let shown = resync["data"]["sessions"][0]["messageCount"].as_i64().unwrap();
                let mut last = shown;
                while last < 41 {
                    let frame = client.next_of("new_message").await;
                    last += 1;
                    assert_eq!(frame["data"]["seqNo"], last, "{shown} were there");
                }
            };
            tokio::join!(writing, reading);
        }
    }

    /// A restart is a cut like any other: the stream and its epoch survive it.
    async fn a_restart_loses_nothing(t) {
        let app = server(&t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let (mut client, hello) = Client::connect(node.address, &anna.id, &anna.token).await;
        client.is_quiet().await;
        owned(&app, "wm_1", &anna).await;
        assert_eq!(client.next().await["seq"], 1);
        let ((), code) = tokio::join!(node.stop(&app), client.end());
        assert_eq!(code, 1012);
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        drop(app);
        let app = server(&t).await;
        let node = Node::start(&app).await;
        let path = after(&anna, hello["epoch"].as_str().unwrap(), 1);
        let (mut client, again) = Client::connect(node.address, &path, &anna.token).await;
        assert_eq!((&again["epoch"], &again["head"]), (&hello["epoch"], &json!(2)));
        assert_eq!(client.next().await, json!({"type": "resumed",
            "data": {"epoch": hello["epoch"], "from": 1, "head": 2}}));
        let missed = client.next().await;
        assert_eq!((&missed["seq"], &missed["data"]["content"]), (&json!(2), &json!("在吗")));
        receive(&app, &[words(&app, "m3", "wm_1", "谢谢")]).await;
        assert_eq!(client.next().await["seq"], 3);
    }

    /// What cannot be continued is said, with the sessions as they are, and goes on after that.
    async fn what_is_gone_is_said(t) {
        let app = server(&t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let (mut client, hello) = Client::connect(node.address, &anna.id, &anna.token).await;
        client.is_quiet().await;
        let id = owned(&app, "wm_1", &anna).await;
        let epoch = hello["epoch"].clone();
        for (asked, reason) in [
            (json!({"type": "resume", "epoch": "epoch_other", "lastSeq": 1}), "epoch"),
            (json!({"type": "resume", "epoch": epoch, "lastSeq": 7}), "ahead"),
            (json!({"type": "resume"}), "new"),
        ] {
            client.say(asked).await;
            let resync = client.next_of("resync").await;
            let sessions = resync["data"]["sessions"].clone();
            assert_eq!(resync["data"]["sessions"][0]["sessionId"], id);
            assert_eq!(resync["data"], json!({
                "epoch": epoch, "head": 1, "reason": reason, "more": false, "sessions": sessions,
            }));
        }
        app.clock.advance(Duration::from_secs(25 * 3600));
        let anna = app.login(&anna).await;
        app.system.desk.trim_streams().await.unwrap();
        let path = after(&anna, epoch.as_str().unwrap(), 0);
        let (mut client, again) = Client::connect(node.address, &path, &anna.token).await;
        assert_eq!((&again["epoch"], &again["head"]), (&epoch, &json!(1)));
        assert_eq!(client.next_of("resync").await["data"]["reason"], "trimmed");
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        assert_eq!(client.next_of("new_message").await["seq"], 2);
        // Whoever has everything up to what is gone misses nothing.
        let (mut client, _) = Client::connect(node.address, &after(&anna, epoch.as_str().unwrap(), 1), &anna.token).await;
        assert_eq!(client.next().await["type"], "resumed");
        assert_eq!(client.next_of("new_message").await["seq"], 2);
        // After days without anybody the stream is given up, and begun anew with the next socket.
        drop(client);
        node.stop(&app).await;
        let later = server(&t).await;
        later.clock.set(app.now() + Duration::from_secs(4 * 24 * 3600));
        later.system.desk.trim_streams().await.unwrap();
        let (node, anna) = (Node::start(&later).await, later.login(&anna).await);
        let (mut client, anew) = Client::connect(node.address, &path, &anna.token).await;
        assert_ne!(anew["epoch"], epoch);
        assert_eq!(client.next_of("resync").await["data"]["reason"], "epoch");
    }

    /// Each socket of an agent gets everything, from its own place.
    async fn two_sockets_of_one_agent(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let (mut one, hello) = Client::connect(node.address, &anna.id, &anna.token).await;
        one.is_quiet().await;
        owned(&app, "wm_1", &anna).await;
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        let path = after(&anna, hello["epoch"].as_str().unwrap(), 0);
        let (mut two, _) = Client::connect(node.address, &path, &anna.token).await;
        assert_eq!(two.next().await["type"], "resumed");
        receive(&app, &[words(&app, "m3", "wm_1", "谢谢")]).await;
        for client in [&mut one, &mut two] {
            for seq in 1..4 {
                assert_eq!(client.next().await["seq"], seq);
            }
            client.is_quiet().await;
        }
    }

    /// Who does not read is closed and comes back; the others do not notice.
    async fn a_slow_socket_holds_nobody_up(t) {
        const MESSAGES: i64 = 120;
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let (mut quick, hello) = Client::connect(node.address, &anna.id, &anna.token).await;
        quick.is_quiet().await;
        owned(&app, "wm_1", &anna).await;
        let epoch = hello["epoch"].as_str().unwrap();
        let bearer = format!("Bearer {}", anna.token);
        let headers = [("Authorization", bearer.as_str())];
        let mut slow = Client::open_with(node.address, &after(&anna, epoch, 1), &headers, Some(65_536)).await.unwrap();
        assert_eq!(slow.next().await["type"], "hello");
        assert_eq!(slow.next().await["type"], "resumed");
        let long = "长".repeat(20_000);
        assert_eq!(quick.next().await["seq"], 1);
        for n in 2..MESSAGES {
            receive(&app, &[words(&app, &format!("m{n}"), "wm_1", &long)]).await;
            assert_eq!(quick.next().await["seq"], n);
        }
        let mut last = 1;
        let code = loop {
            match slow.next_or_end().await {
                Ok(frame) => {
                    last += 1;
                    assert_eq!(frame["seq"], last);
                }
                Err(code) => break code,
            }
        };
        assert!(last < MESSAGES - 1, "it was quick enough");
        assert_eq!(code, 4008);
        let (mut back, _) = Client::connect(node.address, &after(&anna, epoch, last), &anna.token).await;
        assert_eq!(back.next().await["type"], "resumed");
        for seq in last + 1..MESSAGES {
            assert_eq!(back.next().await["seq"], seq);
        }
        quick.is_quiet().await;
    }

    /// A heartbeat says where the stream ends: who is behind it has missed something.
    async fn a_heartbeat_names_the_head(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let (mut client, _) = Client::connect(node.address, &anna.id, &anna.token).await;
        client.is_quiet().await;
        owned(&app, "wm_1", &anna).await;
        assert_eq!(client.next().await["seq"], 1);
        let beat: Value = while_time_passes(&app, client.next()).await;
        assert_eq!(beat, json!({"type": "heartbeat", "data": {"head": 1}}));
    }

    /// An acknowledged hour is enough; what nobody acknowledged stays for a day.
    async fn what_is_acknowledged_goes_sooner(t) {
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let (mut client, hello) = Client::connect(node.address, &anna.id, &anna.token).await;
        client.is_quiet().await;
        owned(&app, "wm_1", &anna).await;
        receive(&app, &[words(&app, "m2", "wm_1", "在吗")]).await;
        assert_eq!(client.next().await["seq"], 1);
        client.say(json!({"type": "ack", "seq": 1})).await;
        assert_eq!(client.next().await["seq"], 2);
        client.is_quiet().await;
        while_time_passes(&app, client.next_of("heartbeat")).await;
        app.clock.advance(Duration::from_secs(2 * 3600));
        app.system.desk.trim_streams().await.unwrap();
        let epoch = hello["epoch"].as_str().unwrap();
        let (mut late, _) = Client::connect(node.address, &after(&anna, epoch, 0), &anna.token).await;
        assert_eq!(late.next().await["data"]["reason"], "trimmed");
        let (mut late, _) = Client::connect(node.address, &after(&anna, epoch, 1), &anna.token).await;
        assert_eq!(late.next().await["type"], "resumed");
        assert_eq!(late.next().await["seq"], 2);
        data(&get(&app, "/sessions", &anna).await);
    }
}
