//! A callback that `@wecom/crypto` from npm sealed and signed, through the whole server. Needs Node.js and
//! `HONGYAN_TEST_PEERS`.

use std::process::Command;

use serde_json::{Value, json};
use testkit::{
    app::TestApp,
    wecom::{AES_KEY, CORP_ID, TOKEN, Wecom},
};

use crate::{
    accounts::connect_wecom,
    callbacks::callback,
    desk::{data, get, supervisor},
};

const SCRIPT: &str = "
const { getSignature, encrypt } = require(process.argv[1] + '/@wecom/crypto');
const [token, key, corp, time, nonce, text] = process.argv.slice(2);
const sealed = encrypt(key, text, corp);
process.stdout.write(JSON.stringify([sealed, getSignature(token, time, nonce, sealed)]));
";

testkit::both! {
    &testkit::app::migrations();

    /// Sealed by the vendor's own library, taken by us, and its message pulled.
    async fn a_callback_by_the_vendors_library(t) {
        #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
        let Ok(peers) = std::env::var("HONGYAN_TEST_PEERS") else {
            eprintln!("skipped: HONGYAN_TEST_PEERS is not set");
            return;
        };
        let app = TestApp::new(t).await;
        let wecom = Wecom::start(app.system.clock.clone()).await;
        connect_wecom(&app, &wecom, &[]).await;
        let boss = supervisor(&app, "boss").await;
        wecom.says("m1", "kf", "c1", "你好");
        let time = app.now().seconds().to_string();
        let xml = format!(
            "<xml><ToUserName><![CDATA[{CORP_ID}]]></ToUserName><CreateTime>{time}</CreateTime>\
             <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event>\
             <Token><![CDATA[ENC1]]></Token><OpenKfId><![CDATA[kf]]></OpenKfId></xml>"
        );
        let node = Command::new("node")
            .args(["-e", SCRIPT, "--", &peers, TOKEN, AES_KEY, CORP_ID, &time, "n0nce", &xml])
            .output()
            .expect("node starts");
        assert!(node.status.success(), "{}", String::from_utf8_lossy(&node.stderr));
        let [sealed, signature]: [String; 2] = serde_json::from_slice(&node.stdout).unwrap();
        let path = format!("/wecom/callback?msg_signature={signature}&timestamp={time}&nonce=n0nce");
        let body = format!(
            "<xml><ToUserName><![CDATA[{CORP_ID}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
        );
        let answer = callback(&app, &path, &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.bytes.as_slice()), (200, &b"success"[..]));
        app.run_due().await;
        let list: Value = data(&get(&app, "/sessions", &boss).await).clone();
        assert_eq!(list[0]["lastMessage"], json!("你好"));
        assert_eq!(wecom.pull_tokens(), ["ENC1"]);
    }
}
