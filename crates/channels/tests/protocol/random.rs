//! Whatever comes in, nothing panics, and what we seal is what we open.

use channels::{Refusal, bridge, doudian, douyin, jd, wecom};
use kernel::Timestamp;
use proptest::prelude::*;
use serde_json::json;

const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

proptest! {
    #[test]
    fn what_is_sealed_opens(
        message in "\\PC{0,200}",
        receive_id in "[!-~]{0,64}",
        random: [u8; 16],
        nonce in "[0-9A-Za-z]{1,20}",
        seconds in 0i64..99_999_999_999,
    ) {
        let (keys, now) = (wecom::Keys::new("t0ken", AES_KEY, &receive_id).unwrap(), Timestamp::from_seconds(seconds));
        let sealed = keys.seal(&message, random, &nonce, now);
        prop_assert_eq!(keys.verify_url(&sealed.echo_query(), now), Ok(message));
        let other = wecom::Keys::new("t0ken", AES_KEY, "wwother").unwrap();
        prop_assert!(receive_id == "wwother" || other.verify_url(&sealed.echo_query(), now).is_err());
        let stranger = wecom::Keys::new("another", AES_KEY, &receive_id).unwrap();
        let refused = matches!(stranger.verify_url(&sealed.echo_query(), now), Err(Refusal::Signature(_)));
        prop_assert!(refused);
    }

    #[test]
    fn any_bytes_are_refused_in_words(bytes: Vec<u8>, query in "\\PC{0,80}", signature in "\\PC{0,50}") {
        let now = Timestamp::from_seconds(1_767_225_600);
        let keys = wecom::Keys::new("t0ken", AES_KEY, "ww1").unwrap();
        prop_assert!(keys.open(&query, &bytes, now).is_err() && keys.verify_url(&query, now).is_err());
        let app = douyin::App::new("key", "secret", vec![]).unwrap();
        prop_assert!(app.open(Some(&signature), None, &bytes, now).is_err());
        let app = doudian::App::new("key", "secret").unwrap();
        prop_assert!(app.open(Some("key"), Some(&signature), &bytes, now).is_err());
        let app = jd::App::new("key", "0123456789abcdef0123456789abcdef").unwrap();
        prop_assert!(app.open(&bytes, now).is_err());
        let secret = bridge::Secret::new("0123456789abcdef").unwrap();
        let headers = bridge::Headers { signature: Some(&signature), timestamp: Some("1767225600"), nonce: Some("abcdefgh") };
        prop_assert!(secret.open(headers, "", &bytes, now).is_err());
        prop_assert!(secret.open(bridge::Headers::default(), &query, &bytes, now).is_err());
    }

    /// PostgreSQL takes no NUL in a text: none is in what was read, wherever it stood in what was said.
    #[test]
    fn no_text_holds_a_nul(texts in prop::collection::vec("[a\\x00]{1,4}", 12), kind in 0usize..8) {
        let now = Timestamp::from_seconds(1_767_225_600);
        let t = |n: usize| texts[n].as_str();
        let kinds = ["text", "image", "location", "link", "event", "miniprogram", "channels", "a\0"];
        let event = ["enter_session", "msg_send_fail", "user_recall_msg", "session_status_change"][kind % 4];
        let origin = if kind.is_multiple_of(2) { 3 } else { 5 };
        let item = json!({"msgid": t(0), "open_kfid": t(1), "external_userid": t(2), "origin": origin,
            "send_time": 1, "servicer_userid": t(3), "msgtype": kinds[kind],
            "text": {"content": t(4), "menu_id": t(5)}, "image": {"media_id": t(6)},
            "location": {"name": t(7), "address": t(8)}, "link": {"title": t(9), "url": t(10)},
            "event": {"event_type": event, "open_kfid": t(1), "external_userid": t(2), "welcome_code": t(4),
                "fail_msgid": t(5), "fail_type": 4, "recall_msgid": t(6), "change_type": 3}});
        let page = json!({"errcode": 0, "next_cursor": "c", "has_more": 0, "msg_list": [item]}).to_string();
        let page = wecom::parse_page(page.as_bytes(), now).unwrap();
        let mut read = page.messages;
        let said = json!({"messageId": t(0), "kfId": t(1), "customerId": t(2), "customerName": t(3), "conversation": t(4),
            "msgType": t(5), "content": t(6)}).to_string();
        let secret = bridge::Secret::new("0123456789abcdef").unwrap();
        let signed = secret.sign(said.as_bytes(), "abcdefgh", now);
        let headers = bridge::Headers {
            signature: Some(&signed.signature), timestamp: Some(&signed.timestamp), nonce: Some(&signed.nonce),
        };
        read.extend(secret.open(headers, "", said.as_bytes(), now).map(|opened| opened.messages).unwrap_or_default());
        let content = json!({"conversation_short_id": t(3), "server_message_id": t(0), "message_type": kinds[kind],
            "text": t(4), "resource_url": t(5), "create_time": now.micros() / 1000});
        let event = json!({"event": "im_receive_msg", "from_user_id": t(1), "to_user_id": "shop", "client_key": "key",
            "content": content}).to_string();
        let app = douyin::App::new("key", "secret", vec![]).unwrap();
        if let Ok(douyin::Callback::Event(event)) = app.open(Some(&app.sign(event.as_bytes())), None, event.as_bytes(), now) {
            read.push(*event);
        }
        prop_assert!(!read.is_empty());
        for message in read {
            let raw = message.raw.clone();
            let bare = channels::Inbound { raw: serde_json::Value::Null, ..message };
            // `{:?}` shows a NUL as `\0`.
            prop_assert!(!format!("{bare:?}").contains("\\0"), "{raw}");
        }
    }

    /// Signed by the right hand and still nonsense.
    #[test]
    fn any_signed_bytes_are_read_or_refused(bytes: Vec<u8>, text in "\\PC{0,80}") {
        let now = Timestamp::from_seconds(1_767_225_600);
        let app = douyin::App::new("key", "secret", vec!["ou_shop".to_owned()]).unwrap();
        let event = format!("{{\"event\":\"im_receive_msg\",\"content\":{}}}", serde_json::json!(text));
        for body in [&bytes[..], event.as_bytes()] {
            let _read = app.open(Some(&app.sign(body)), None, body, now);
        }
        let secret = bridge::Secret::new("0123456789abcdef").unwrap();
        let signed = secret.sign(&bytes, "abcdefgh", now);
        let headers = bridge::Headers {
            signature: Some(&signed.signature), timestamp: Some(&signed.timestamp), nonce: Some(&signed.nonce),
        };
        let _read = secret.open(headers, "", &bytes, now);
        let keys = wecom::Keys::new("t0ken", AES_KEY, "ww1").unwrap();
        let sealed = keys.seal(&format!("<xml>{text}</xml>"), [1; 16], "n", now);
        let _read = keys.open(&sealed.query(), sealed.body().as_bytes(), now);
        let _page = wecom::parse_page(&bytes, now);
    }
}
