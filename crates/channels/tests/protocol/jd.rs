//! JD's callbacks and signatures, by the vectors and by what JD documents.

use std::time::Duration;

use aes::{
    Aes128Enc,
    cipher::{BlockModeEncrypt as _, KeyIvInit as _, block_padding::Pkcs7},
};
use channels::{
    Content, MediaKind, Origin, Refusal,
    jd::{App, Opened, Outgoing, accepted, again},
};
use kernel::Timestamp;
use serde_json::{Value, json};

use crate::{field, text, vectors};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// 2026-01-01 08:00:00 in Shanghai.
fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_225_600)
}

fn app() -> App {
    App::new("yourappkey", SECRET).unwrap()
}

fn encode(pairs: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

fn params(vector: &Value) -> Vec<(&str, &str)> {
    vector["params"].as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect()
}

/// A callback with these words, signed.
fn form(param: &str) -> Vec<(&str, &str)> {
    vec![
        ("token", "t"),
        ("app_key", "yourappkey"),
        ("timestamp", "2026-01-01 08:00:00"),
        ("format", "json"),
        ("v", "1.0"),
        ("jd_param_json", param),
    ]
}

fn signed(pairs: &[(&str, &str)]) -> Vec<u8> {
    // No value is empty here, so JOS' rule and opendj's are one.
    let sign = app().sign_jos(pairs);
    encode(&[pairs, &[("sign", sign.as_str())]].concat())
}

fn chat(from: &str, body: Value) -> Opened {
    let (customer, waiter) = (
        json!({"pin": "jd_c", "app": "im.customer"}),
        json!({"pin": "waiter_1", "app": "im.waiter", "clientType": "gw"}),
    );
    let (from, to) = if from == "customer" { (customer, waiter) } else { (waiter, customer) };
    let param = json!({"id": "7f9c", "lang": "zh_CN", "type": "chat_message", "from": from, "to": to, "body": body,
        "timestamp": 1_767_225_599_000_i64});
    app().open(&signed(&form(&param.to_string())), now()).unwrap()
}

#[test]
fn the_vectors_are_signed_as_they_say() {
    let vectors = vectors("signatures");
    let (callback, jos) = (&vectors["jd"][0], &vectors["jd"][1]);
    let mut pairs = params(callback);
    pairs.push(("sign", text(callback, "sign")));
    let opened = app().open(&encode(&pairs), now()).unwrap();
    assert_eq!((opened.inbound.content, opened.inbound.origin), (Content::Ignored, Origin::System));
    assert_eq!(opened.inbound.raw["billId"], "10003129");
    assert_eq!(opened.once.key, text(callback, "sign").to_ascii_lowercase());
    let mut pairs = params(jos);
    assert_eq!(app().sign_jos(&pairs), text(jos, "sign"));
    pairs.push(("empty", ""));
    assert_eq!(app().sign_jos(&pairs), text(jos, "sign"));
}

#[test]
fn a_callback_is_signed_timely_and_ours() {
    let pairs = form("{}");
    assert!(app().open(&signed(&pairs), now()).is_ok());
    let opened = |pairs: &[(&str, &str)], at| app().open(&signed(pairs), at);
    assert!(opened(&pairs, now() + Duration::from_secs(300)).is_ok());
    assert!(matches!(opened(&pairs, now() + Duration::from_secs(301)), Err(Refusal::Stale(_))));
    assert!(matches!(opened(&pairs, now() - Duration::from_secs(301)), Err(Refusal::Stale(_))));
    assert!(matches!(app().open(&encode(&pairs), now()), Err(Refusal::Signature(_))));
    let mut bent = signed(&pairs);
    let last = bent.len() - 1;
    bent[last] = if bent[last] == b'0' { b'1' } else { b'0' };
    assert!(matches!(app().open(&bent, now()), Err(Refusal::Signature(_))));
    for (at, (name, _)) in pairs.iter().enumerate() {
        let mut without = pairs.clone();
        without.remove(at);
        assert_eq!(field(opened(&without, now())), *name);
        let twice = [&pairs[..], &[(*name, "x")]].concat();
        assert_eq!(field(app().open(&encode(&twice), now())), "body");
    }
    for (name, value) in [
        ("app_key", "other"),
        ("format", "xml"),
        ("v", "2.0"),
        ("timestamp", "2026-01-01T08:00:00"),
        ("timestamp", "1767225600"),
        ("jd_param_json", "[]"),
        ("jd_param_json", "{"),
    ] {
        let bad: Vec<_> =
            pairs.iter().map(|(k, v)| if *k == name { (*k, value) } else { (*k, *v) }).collect();
        assert_eq!(field(opened(&bad, now())), name);
    }
    assert_eq!(App::new("k", "").unwrap_err().field, "app_secret");
}

#[test]
fn a_sealed_callback_is_opened_and_then_checked() {
    let plain = r#"{"billId":"1","name":"小明"}"#;
    let pairs = form(plain);
    let sign = app().sign_jos(&pairs);
    let seal = |plain: &str| {
        let (key, iv) = SECRET.as_bytes().split_at(16);
        let cipher = cbc::Encryptor::<Aes128Enc>::new_from_slices(key, iv).unwrap();
        let mut bytes = [plain.as_bytes(), &[0; 16]].concat();
        data_encoding::BASE64.encode(cipher.encrypt_padded::<Pkcs7>(&mut bytes, plain.len()).unwrap())
    };
    let sealed_form = |sealed: &str| {
        let mut pairs: Vec<_> = pairs.iter().copied().filter(|(key, _)| *key != "jd_param_json").collect();
        pairs.extend([("encrypt_jd_param_json", sealed), ("sign", sign.as_str())]);
        encode(&pairs)
    };
    let opened = app().open(&sealed_form(&seal(plain)), now()).unwrap();
    assert_eq!(opened.inbound.raw["name"], "小明");
    for sealed in [seal("{}"), "AAAA".to_owned(), "!".to_owned(), data_encoding::BASE64.encode(&[0; 32])] {
        assert!(matches!(app().open(&sealed_form(&sealed), now()), Err(Refusal::Signature(_))), "{sealed}");
    }
    let short = App::new("yourappkey", "short").unwrap();
    assert_eq!(field(short.open(&sealed_form(&seal(plain)), now())), "encrypt_jd_param_json");
}

#[test]
fn chats_have_two_sides() {
    let info = json!({"venderId": "10086", "askAllocateType": "multiChat", "sid": "sid-1", "source": "x"});
    let text = |content: &str| json!({"type": "text", "content": content, "chatinfo": info});
    let asked = chat("customer", text("有货吗")).inbound;
    assert_eq!(
        (asked.external_id.as_str(), asked.kf_id.as_str(), asked.customer_id.as_str()),
        ("7f9c", "10086", "jd_c")
    );
    assert_eq!((asked.origin, asked.conversation.as_deref()), (Origin::Customer, Some("sid-1")));
    assert_eq!(asked.sent_at, Timestamp::from_seconds(1_767_225_599));
    assert_eq!(asked.content, Content::Text { text: "有货吗".to_owned(), menu: None });
    let answered = chat("waiter", text("有")).inbound;
    assert_eq!((answered.origin, answered.colleague.as_deref()), (Origin::Colleague, Some("waiter_1")));
    assert_eq!(answered.customer_id, "jd_c");
    let picture = chat("customer", json!({"type": "image", "content": "https://img/x.jpg"})).inbound;
    assert_eq!(picture.kf_id, "waiter_1");
    assert_eq!(
        picture.content,
        Content::Media { kind: MediaKind::Image, reference: "https://img/x.jpg".to_owned() }
    );
    let strange = chat("customer", json!({"type": "hologram"})).inbound.content;
    assert_eq!(strange, Content::Other { kind: "unsupported".to_owned(), text: "hologram".to_owned() });
}

#[test]
fn what_we_send_is_what_we_would_take() {
    let outgoing = Outgoing {
        id: "msg_1",
        waiter: "waiter_1",
        customer: "jd_c",
        vender_id: "10086",
        conversation: "sid-1",
        text: "您好",
    };
    let form = app().send("t", &outgoing, now()).unwrap();
    let pairs: Vec<_> = form.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let opened = app().open(&encode(&pairs), now()).unwrap().inbound;
    assert_eq!(
        (opened.origin, opened.customer_id.as_str(), opened.kf_id.as_str()),
        (Origin::Colleague, "jd_c", "10086")
    );
    assert_eq!(opened.content, Content::Text { text: "您好".to_owned(), menu: None });
    let empty = Outgoing { text: "", ..outgoing };
    assert_eq!(app().send("t", &empty, now()).unwrap_err().field, "body.content");
    assert_eq!(accepted(), json!({"code": "0", "msg": "success", "data": ""}));
    assert_eq!(again()["code"], "-10000");
}
