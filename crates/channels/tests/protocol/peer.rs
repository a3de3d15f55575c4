//! `@wecom/crypto` from npm seals, we open; we seal, it opens. Needs Node.js and `HONGYAN_TEST_PEERS`.

use std::process::Command;

use channels::wecom::Keys;
use kernel::Timestamp;
use serde_json::{Value, json};

const AES_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
const CORP: &str = "ww1234567890abcdef";
/// Reads `{seal: [...], open: [...]}`, answers `{sealed: [...], opened: [...]}`.
const SCRIPT: &str = "
const { getSignature, encrypt, decrypt } = require(process.argv[1] + '/@wecom/crypto');
const [token, key, corp, time, nonce] = process.argv.slice(2, 7), work = JSON.parse(process.argv[7]);
const sealed = work.seal.map(text => { const e = encrypt(key, text, corp); return [e, getSignature(token, time, nonce, e)]; });
const opened = work.open.map(([e, s]) => { if (getSignature(token, time, nonce, e) !== s) throw new Error('signature'); return decrypt(key, e); });
process.stdout.write(JSON.stringify({ sealed, opened }));
";

#[test]
fn both_ways_with_npm() {
    #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
    let Ok(peers) = std::env::var("HONGYAN_TEST_PEERS") else {
        eprintln!("skipped: HONGYAN_TEST_PEERS is not set");
        return;
    };
    let (keys, now) = (Keys::new("QDG6eK", AES_KEY, CORP).unwrap(), Timestamp::from_seconds(1_767_225_600));
    // Every length of padding, one character of three bytes and one of four.
    let texts: Vec<String> = (0..70).map(|n| format!("{}你😀", "x".repeat(n))).collect();
    let ours: Vec<_> = texts.iter().map(|text| keys.seal(text, [5; 16], "n0nce", now)).collect();
    let open: Vec<_> = ours.iter().map(|sealed| json!([sealed.encrypt, sealed.msg_signature])).collect();
    let work = json!({"seal": texts, "open": open}).to_string();
    let node = Command::new("node")
        .args(["-e", SCRIPT, "--", &peers, "QDG6eK", AES_KEY, CORP, "1767225600", "n0nce", &work])
        .output()
        .expect("node starts");
    assert!(node.status.success(), "{}", String::from_utf8_lossy(&node.stderr));
    let answer: Value = serde_json::from_slice(&node.stdout).unwrap();
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(
            answer["opened"][n],
            json!({"message": text, "id": CORP, "random": answer["opened"][n]["random"]})
        );
        let (encrypt, signature) = (&answer["sealed"][n][0], answer["sealed"][n][1].as_str().unwrap());
        let echo = encrypt.as_str().unwrap().replace('+', "%2B");
        let query = format!("msg_signature={signature}&timestamp=1767225600&nonce=n0nce&echostr={echo}");
        assert_eq!(keys.verify_url(&query, now).as_deref(), Ok(text.as_str()));
    }
}
