//! The client of `docs/desk-websocket.md`, run by node on npm's `ws`: what the document promises is what happens.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use testkit::app::TestApp;
use tokio::sync::mpsc;

use crate::{
    desk::{agent, data, get, receive, words},
    socket::Node,
    stream::owned,
};

const DOCUMENT: &str = include_str!("../../../../docs/desk-websocket.md");

/// Around the document's client: it is torn from its server again and again, and says what it is told.
const AROUND: &str = r#"
globalThis.WebSocket = require('ws');
const [base, csId, token, sessionId] = process.argv.slice(1);
globalThis.location = { host: base };
const ticket = async () => {
  const answer = await fetch(`http://${base}/api/desk/ws-ticket`,
    { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  return (await answer.json()).data.ticket;
};
let told = 0;
const desk = new Desk(csId, ticket, frame => {
  console.log(JSON.stringify(frame));
  if (frame.type === 'resync') desk.command('send_message', { sessionId, content: 'from the client' }, 'c-1');
  if (frame.seq && ++told % 23 === 0) desk.ws.terminate();
});
"#;

fn script() -> String {
    let (_, rest) = DOCUMENT.split_once("```js\n").expect("a script");
    let (client, _) = rest.split_once("```").expect("its end");
    // No certificate here.
    format!("{}{AROUND}", client.replace("wss://", "ws://").replace("this.wait = 500", "this.wait = 20"))
}

testkit::both! {
    &testkit::app::migrations();

    /// Three hundred messages over connections that break off: each once, in order; and the command once.
    async fn the_documents_client_misses_nothing(t) {
        #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
        let Ok(peers) = std::env::var("HONGYAN_TEST_PEERS") else {
            eprintln!("skipped: HONGYAN_TEST_PEERS is not set");
            return;
        };
        let app = TestApp::new(t).await;
        let node = Node::start(&app).await;
        let anna = agent(&app, "anna").await;
        let id = owned(&app, "wm_1", &anna).await;
        let mut browser = Command::new("node")
            .env("NODE_PATH", peers)
            .args(["-e", &script(), &node.address.to_string(), &anna.id, &anna.token, &id])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, mut lines) = mpsc::unbounded_channel();
        let output = BufReader::new(browser.stdout.take().unwrap());
        let reading = std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut next = async || {
            let line = tokio::time::timeout(Duration::from_secs(60), lines.recv()).await;
            serde_json::from_str::<Value>(&line.expect("nothing comes").expect("the client ended")).unwrap()
        };
        let resync = loop {
            let frame = next().await;
            if frame["type"] == "resync" {
                break frame;
            }
        };
        assert_eq!(resync["data"]["sessions"][0]["sessionId"], id);
        let writing = async {
            for n in 0..300 {
                receive(&app, &[words(&app, &format!("m{n}"), "wm_1", "在吗")]).await;
            }
        };
        let checking = async {
            let (mut seq, mut acks) = (resync["data"]["head"].as_i64().unwrap(), 0);
            let mut seen = resync["data"]["sessions"][0]["messageCount"].as_i64().unwrap();
            while seen < 302 || acks == 0 {
                let frame = next().await;
                if let Some(at) = frame["seq"].as_i64() {
                    seq += 1;
                    assert_eq!(at, seq, "{frame}");
                }
                if frame["type"] == "new_message" {
                    seen += 1;
                    assert_eq!(frame["data"]["seqNo"], seen);
                }
                acks += usize::from(frame["type"] == "ack" && frame["cid"] == "c-1");
            }
        };
        tokio::join!(writing, checking);
        let history = get(&app, &format!("/sessions/{id}/history"), &anna).await;
        let sent = data(&history).as_array().unwrap().iter().filter(|m| m["senderType"] == "manual").count();
        assert_eq!(sent, 1);
        browser.kill().unwrap();
        browser.wait().unwrap();
        reading.join().unwrap().unwrap();
    }
}
