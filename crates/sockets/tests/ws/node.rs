//! A peer that others wrote: npm's `ws`.

use sockets::{By, Frame, Limits};

use crate::house::House;

const SCRIPT: &str = r#"
const WebSocket = require('ws');
const socket = new WebSocket(process.argv[1], ['bearer.abc', 'desk.v1']);
const sizes = [0, 1, 125, 126, 127, 1000, 65535, 65536];
let back = 0, pings = 0;
const text = n => String(n).padStart(4, '0') + '字'.repeat(n % 7) + 'x'.repeat(sizes[n % 8] > 30 ? sizes[n % 8] - 30 : 0);
socket.on('error', error => { console.log('error ' + error); process.exit(1); });
socket.on('open', () => {
  console.log('protocol ' + socket.protocol);
  for (let n = 0; n < 400; n++) socket.send(text(n));
  socket.ping('are you there');
});
socket.on('pong', data => { pings++; console.log('pong ' + data); });
socket.on('message', (data, binary) => {
  if (binary || data.toString() !== text(back)) { console.log('not what was sent: ' + back); process.exit(1); }
  if (++back === 400) socket.send('close me');
});
socket.on('close', (code, reason) => console.log('closed ' + code + ' ' + reason + ' after ' + back));
"#;

#[tokio::test]
async fn npm_ws_gets_its_echo_and_our_close() {
    #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
    let Ok(peers) = std::env::var("HONGYAN_TEST_PEERS") else {
        eprintln!("skipped: HONGYAN_TEST_PEERS is not set");
        return;
    };
    let mut house = House::new(Limits::default()).await;
    let url = format!("ws://{}/", house.address);
    let serving = async {
        let mut socket = house.accepted().await;
        let handle = socket.handle();
        while let Some(text) = socket.recv().await {
            if text == "close me" {
                handle.close(4001, "再见");
            } else {
                assert!(handle.room().await);
                handle.send(&Frame::text(&text));
            }
        }
        assert_eq!(socket.end().unwrap().by, By::Us);
        std::future::pending::<()>().await;
    };
    let client = tokio::task::spawn_blocking(move || {
        std::process::Command::new("node")
            .env("NODE_PATH", peers)
            .args(["-e", SCRIPT, &url])
            .output()
            .unwrap()
    });
    let output = tokio::select! {
        output = client => output.unwrap(),
        () = serving => unreachable!(),
    };
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = ["protocol desk.v1", "pong are you there", "closed 4001 再见 after 400"];
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_by_key(|line| expected.iter().position(|e| e == line));
    assert_eq!(lines, expected, "{}", String::from_utf8_lossy(&output.stderr));
    house.has(0).await;
}
