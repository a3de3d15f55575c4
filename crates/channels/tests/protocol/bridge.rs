//! The general form: three ways to sign, one of them at a time.

use std::time::Duration;

use channels::{
    Content, MediaKind, Origin, Refusal,
    bridge::{Headers, Opened, Outgoing, Secret, send},
};
use kernel::Timestamp;
use serde_json::{Value, json};

use crate::field;

const SECRET: &str = "a-secret-of-the-bridge";
const NONCE: &str = "4f1d0a7c9b2e";

fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_225_600)
}

fn secret() -> Secret {
    Secret::new(SECRET).unwrap()
}

fn message() -> Value {
    json!({"messageId": "m-1", "kfId": "shop-1", "customerId": "c-1", "msgType": "text", "content": "你好"})
}

/// By headers.
fn open(body: &[u8]) -> Result<Opened, Refusal> {
    let signed = secret().sign(body, NONCE, now());
    let headers = Headers {
        signature: Some(&signed.signature),
        timestamp: Some(&signed.timestamp),
        nonce: Some(&signed.nonce),
    };
    secret().open(headers, "", body, now())
}

fn read(message: &Value) -> Result<Opened, Refusal> {
    open(message.to_string().as_bytes())
}

/// `docs/desk-channels.md` has this, made by openssl.
#[test]
fn the_signature_is_that_of_openssl() {
    let body = r#"{"messageId":"m-1","kfId":"shop-1","customerId":"c-1","msgType":"text","content":"hello"}"#;
    let signed = secret().sign(body.as_bytes(), NONCE, now());
    assert_eq!(signed.signature, "ce4839d4422a7daf45707fb74ce55556829b9b17810fc4177dddedb55ed28ec0");
}

/// A NUL in a text would stop everything that comes with it at PostgreSQL.
#[test]
fn no_text_holds_a_nul() {
    let said = json!({"messageId": "m\0-1", "kfId": "shop-1", "customerId": "c\0", "customerName": "\0x",
        "conversation": "r\0", "content": "a\0b"});
    let one = read(&said).unwrap().messages.remove(0);
    assert_eq!((one.external_id.as_str(), one.customer_id.as_str()), ("m-1", "c"));
    assert_eq!((one.customer_name.as_deref(), one.conversation.as_deref()), (Some("x"), Some("r")));
    assert_eq!(one.content, Content::Text { text: "ab".to_owned(), menu: None });
    let page = json!({"errcode": 0, "next_cursor": "c", "has_more": 0, "msg_list": [
        {"msgid": "m\0", "open_kfid": "kf", "external_userid": "c", "origin": 3, "send_time": 1, "msgtype": "text",
            "text": {"content": "\0", "menu_id": "k\0"}}]});
    let page = channels::wecom::parse_page(page.to_string().as_bytes(), now()).unwrap();
    assert_eq!(page.messages[0].external_id, "m");
    assert_eq!(page.messages[0].content, Content::Text { text: String::new(), menu: Some("k".to_owned()) });
}

#[test]
fn each_of_the_three_ways_opens() {
    let body = message().to_string();
    let by_headers = open(body.as_bytes()).unwrap();
    let signed = secret().sign(body.as_bytes(), NONCE, now());
    let query =
        format!("signature={}&timestamp={}&nonce={}", signed.signature, signed.timestamp, signed.nonce);
    let by_query = secret().open(Headers::default(), &query, body.as_bytes(), now()).unwrap();
    let mut wrapped = json!({"rawPayload": body, "signature": signed.signature, "nonce": signed.nonce,
        "timestamp": now().seconds()});
    let by_body =
        |wrapped: &Value| secret().open(Headers::default(), "", wrapped.to_string().as_bytes(), now());
    assert_eq!(by_query, by_headers);
    assert_eq!(by_body(&wrapped).unwrap(), by_headers);
    wrapped["timestamp"] = json!(signed.timestamp);
    assert_eq!(by_body(&wrapped).unwrap(), by_headers);
    assert_eq!(by_headers.once.key, NONCE);
    assert_eq!(by_headers.once.until, now() + Duration::from_secs(300));
    // What stands beside it is not signed and not read.
    wrapped["messageId"] = json!("m-2");
    assert_eq!(by_body(&wrapped).unwrap(), by_headers);
}

#[test]
fn parts_and_mixtures_are_refused_by_name() {
    let body = message().to_string();
    let signed = secret().sign(body.as_bytes(), NONCE, now());
    let (signature, timestamp, nonce) =
        (signed.signature.as_str(), signed.timestamp.as_str(), signed.nonce.as_str());
    let open = |headers, query: &str, body: &str| secret().open(headers, query, body.as_bytes(), now());
    let all = Headers { signature: Some(signature), timestamp: Some(timestamp), nonce: Some(nonce) };
    let query = format!("signature={signature}&timestamp={timestamp}&nonce={nonce}");
    assert_eq!(field(open(Headers { nonce: None, ..all }, "", &body)), "X-Nonce");
    assert_eq!(field(open(Headers { timestamp: None, ..all }, "", &body)), "X-Timestamp");
    assert_eq!(field(open(Headers { signature: None, ..all }, "", &body)), "X-Signature");
    assert_eq!(field(open(Headers::default(), &query.replace("&nonce", "&n"), &body)), "nonce");
    assert_eq!(field(open(all, &query, &body)), "signature");
    assert_eq!(field(open(all, "nonce=abcdefgh", &body)), "signature");
    assert_eq!(field(open(Headers::default(), &format!("{query}&nonce=x"), &body)), "nonce");
    assert!(matches!(open(Headers::default(), "", &body), Err(Refusal::Signature(_))));
    let wrapped = json!({"rawPayload": body, "signature": signature, "timestamp": timestamp});
    assert_eq!(field(open(Headers::default(), "", &wrapped.to_string())), "nonce");
    let wrapped =
        json!({"rawPayload": message(), "signature": signature, "timestamp": timestamp, "nonce": nonce});
    assert_eq!(field(open(Headers::default(), "", &wrapped.to_string())), "rawPayload");
    assert!(matches!(open(Headers::default(), "", r#"{"rawPayload":"{}"}"#), Err(Refusal::Signature(_))));
    // Signed twice over.
    assert_eq!(field(self::open(json!({"rawPayload": body}).to_string().as_bytes())), "rawPayload");
}

#[test]
fn who_when_and_what_are_bound() {
    let body = message().to_string();
    let signed = secret().sign(body.as_bytes(), NONCE, now());
    let headers = Headers {
        signature: Some(&signed.signature),
        timestamp: Some(&signed.timestamp),
        nonce: Some(&signed.nonce),
    };
    let refused = |headers, body: &str, secret: &Secret| {
        matches!(secret.open(headers, "", body.as_bytes(), now()), Err(Refusal::Signature(_)))
    };
    assert!(!refused(headers, &body, &secret()));
    assert!(refused(headers, &body.replace("你好", "您好"), &secret()));
    assert!(refused(headers, &body, &Secret::new("another-secret-of-it").unwrap()));
    assert!(refused(Headers { nonce: Some("another-nonce"), ..headers }, &body, &secret()));
    assert!(refused(Headers { timestamp: Some("1767225601"), ..headers }, &body, &secret()));
    let at = |at| secret().open(headers, "", body.as_bytes(), at);
    assert!(at(now() + Duration::from_secs(300)).is_ok());
    assert!(matches!(at(now() + Duration::from_secs(301)), Err(Refusal::Stale(_))));
    assert!(matches!(at(now() - Duration::from_secs(301)), Err(Refusal::Stale(_))));
    for nonce in ["short", "with space", "a\nb\nc\nd\ne", &"n".repeat(65)] {
        let headers = Headers { nonce: Some(nonce), ..headers };
        assert_eq!(field(secret().open(headers, "", body.as_bytes(), now())), "nonce");
    }
    let millis = Headers { timestamp: Some("1767225600000"), ..headers };
    assert_eq!(field(secret().open(millis, "", body.as_bytes(), now())), "timestamp");
    assert_eq!(Secret::new("short").unwrap_err().field, "secret");
}

#[test]
fn messages_are_read_field_by_field() {
    let full = json!({"messageId": "m-1", "kfId": "shop-1", "customerId": "c-1", "customerName": "小明",
        "conversation": "v-1", "sentAt": "2026-01-01T08:00:00+08:00", "senderType": "colleague", "msgType": "image",
        "content": "a.png", "mediaUrl": "https://files.example.com/a.png"});
    let opened = read(&full).unwrap();
    let [inbound] = &opened.messages[..] else { panic!("{opened:?}") };
    assert_eq!((inbound.origin, inbound.colleague.as_deref()), (Origin::Colleague, Some("shop-1")));
    assert_eq!(inbound.customer_name.as_deref(), Some("小明"));
    assert_eq!(inbound.conversation.as_deref(), Some("v-1"));
    assert_eq!(inbound.sent_at, now());
    let reference = "https://files.example.com/a.png".to_owned();
    assert_eq!(inbound.content, Content::Media { kind: MediaKind::Image, reference });
    assert_eq!(inbound.raw, full);
    let mut other = message();
    other["msgType"] = json!("sticker");
    let content = read(&other).unwrap().messages.remove(0).content;
    assert_eq!(content, Content::Other { kind: "sticker".to_owned(), text: "你好".to_owned() });
}

#[test]
fn what_is_wrong_with_a_message_is_named() {
    for (name, value) in [
        ("messageId", json!(null)),
        ("messageId", json!(7)),
        ("kfId", json!("")),
        ("customerId", json!("c".repeat(129))),
        ("customerName", json!({})),
        ("content", json!("")),
        ("sentAt", json!("yesterday")),
        ("senderType", json!("robot")),
        ("msgType", json!(["text"])),
    ] {
        let mut bad = message();
        bad[name] = value;
        assert_eq!(field(read(&bad)), name, "{bad}");
    }
    for url in [json!(null), json!("ftp://x/y"), json!("/etc/passwd")] {
        let mut bad = message();
        bad["msgType"] = json!("file");
        bad["mediaUrl"] = url;
        assert_eq!(field(read(&bad)), "mediaUrl");
    }
    let mut second = message();
    second["customerId"] = json!(null);
    let Err(Refusal::Malformed { field, reason }) = read(&json!([message(), second])) else { panic!() };
    assert_eq!((field, reason.as_str()), ("customerId", "is required (message 1)"));
    for body in [json!([]), json!(vec![message(); 101]), json!("text"), json!([1])] {
        assert_eq!(crate::field(read(&body)), "body");
    }
    assert_eq!(crate::field(open(b"{")), "body");
    assert_eq!(read(&json!(vec![message(); 100])).unwrap().messages.len(), 100);
}

#[test]
fn what_goes_out_is_whole() {
    let outgoing = Outgoing {
        message_id: "msg_1",
        kf_id: "shop-1",
        customer_id: "c-1",
        conversation: None,
        by_assistant: true,
        media: None,
        content: "您好",
        media_url: None,
        sent_at: now(),
    };
    let body: Value = serde_json::from_slice(&send(&outgoing).unwrap()).unwrap();
    let expected = json!({"messageId": "msg_1", "kfId": "shop-1", "customerId": "c-1", "conversation": null,
        "senderType": "ai", "msgType": "text", "content": "您好", "mediaUrl": null, "sentAt": "2026-01-01T00:00:00Z"});
    assert_eq!(body, expected);
    assert_eq!(send(&Outgoing { customer_id: "", ..outgoing }).unwrap_err().field, "customerId");
    assert_eq!(send(&Outgoing { content: "", ..outgoing }).unwrap_err().field, "content");
    assert_eq!(send(&Outgoing { media: Some(MediaKind::File), ..outgoing }).unwrap_err().field, "mediaUrl");
}
