//! The callback's envelope, by the vectors that `@wecom/crypto`, wechatpy and Tencent's own sample agree on.

use std::time::Duration;

use channels::{
    Refusal,
    wecom::{Callback, Keys},
};
use data_encoding::{BASE64, HEXLOWER};
use kernel::Timestamp;
use serde_json::Value;

use crate::{field, text, vectors};

const TOKEN: &str = "QDG6eK";
const AES_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
const CORP: &str = "wx5823bf96d3bd56c7";

fn keys() -> Keys {
    Keys::new(TOKEN, AES_KEY, CORP).unwrap()
}

fn keys_of(vector: &Value) -> Keys {
    Keys::new(text(vector, "token"), text(vector, "encodingAESKey"), text(vector, "receiveid")).unwrap()
}

fn time_of(vector: &Value) -> Timestamp {
    Timestamp::from_seconds(text(vector, "timestamp").parse().unwrap())
}

fn random_of(vector: &Value) -> [u8; 16] {
    HEXLOWER.decode(text(vector, "random_hex").as_bytes()).unwrap().try_into().unwrap()
}

#[test]
fn every_vector_opens_and_seals_to_the_same_bytes() {
    let vectors = vectors("wecom");
    let positive = vectors["positive"].as_array().unwrap();
    assert_eq!(positive.len(), 6);
    for vector in positive {
        let (name, keys, now) = (text(vector, "name"), keys_of(vector), time_of(vector));
        let plain = text(vector, "plaintext");
        let query = text(vector, "get_query_echostr_urlencoded");
        assert_eq!(keys.verify_url(query, now).as_deref(), Ok(plain), "{name}");
        let sealed = keys.seal(plain, random_of(vector), text(vector, "nonce"), now);
        assert_eq!(sealed.encrypt, text(vector, "ciphertext_b64"), "{name}");
        assert_eq!(sealed.msg_signature, text(vector, "msg_signature"), "{name}");
        assert_eq!(sealed.query(), text(vector, "query"), "{name}");
        assert_eq!(sealed.echo_query(), query, "{name}");
        assert_eq!(sealed.body(), text(vector, "post_body_xml"), "{name}");
        assert_eq!(sealed.reply(), text(vector, "passive_reply_xml"), "{name}");
        let opened = keys.open(text(vector, "query"), text(vector, "post_body_xml").as_bytes(), now);
        if plain.trim_end().ends_with("</xml>") {
            let opened = opened.unwrap();
            assert_eq!(opened.xml, plain, "{name}");
            assert_eq!(opened.once.key, text(vector, "msg_signature"));
            assert_eq!(opened.once.until, now + Duration::from_secs(300));
        } else {
            assert_eq!(field(opened), "Encrypt", "{name}");
        }
    }
}

#[test]
fn the_vectors_say_what_they_say() {
    let vectors = vectors("wecom");
    let opened = |name: &str| {
        let vector =
            vectors["positive"].as_array().unwrap().iter().find(|v| text(v, "name").starts_with(name));
        let vector = vector.unwrap();
        keys_of(vector)
            .open(text(vector, "query"), text(vector, "post_body_xml").as_bytes(), time_of(vector))
            .unwrap()
            .callback
    };
    let pull = Callback::KfMsgOrEvent {
        open_kfid: "wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q".to_owned(),
        token: "ENCApHxnGDNAVNY4AaSJKj4Tb5mwsEMzxhFmHVGcra996NR".to_owned(),
        created_at: Timestamp::from_seconds(1_348_831_860),
    };
    assert_eq!(opened("A2"), pull);
    assert_eq!(opened("O1"), Callback::Other { event: "text".to_owned() });
}

#[test]
fn what_is_signed_and_malformed_is_refused_by_name() {
    let vectors = vectors("wecom");
    let malformed = vectors["malformed_but_signed"].as_array().unwrap();
    assert_eq!(malformed.len(), 7);
    let mut reasons = Vec::new();
    for vector in malformed {
        let (keys, now, encrypt) = (keys_of(vector), time_of(vector), text(vector, "ciphertext_b64"));
        let query = format!(
            "msg_signature={}&timestamp={}&nonce={}",
            text(vector, "msg_signature"),
            text(vector, "timestamp"),
            text(vector, "nonce")
        );
        let body = format!("<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>");
        let Err(Refusal::Malformed { field: "Encrypt", reason }) = keys.open(&query, body.as_bytes(), now)
        else {
            panic!("{} is taken", text(vector, "name"));
        };
        let echo = encrypt.replace('+', "%2B");
        assert_eq!(field(keys.verify_url(&format!("{query}&echostr={echo}"), now)), "echostr");
        reasons.push(reason);
    }
    assert_eq!(
        reasons,
        [
            "says that it is longer than it is",
            "has no padding of 1 to 32 bytes",
            "has no padding of 1 to 32 bytes",
            "has uneven padding",
            "is for another receiveid than ours",
            "is too short",
            "is no multiple of 16 bytes",
        ]
    );
}

#[test]
fn a_key_is_checked_when_it_is_given() {
    let bad = |token: &str, key: &str, receive_id: &str| Keys::new(token, key, receive_id).unwrap_err();
    assert_eq!(bad("", AES_KEY, CORP).field, "Token");
    assert_eq!(bad(&"t".repeat(33), AES_KEY, CORP).field, "Token");
    assert_eq!(bad("a b", AES_KEY, CORP).field, "Token");
    for key in ["", &AES_KEY[..42], &format!("{AES_KEY}="), &AES_KEY.replace('j', "!"), &"é".repeat(21)] {
        let error = bad(TOKEN, key, CORP);
        assert_eq!(error.field, "EncodingAESKey", "{key}");
        assert!(key.is_empty() || !error.to_string().contains(key), "a secret is repeated");
    }
    assert_eq!(bad(TOKEN, AES_KEY, &"c".repeat(65)).field, "receiveid");
    assert!(Keys::new(TOKEN, AES_KEY, "").is_ok());
    // Any letter or digit may be the last, although four bits of it count.
    for last in ('a'..='z').chain('A'..='Z').chain('0'..='9') {
        assert!(Keys::new(TOKEN, &format!("{}{last}", &AES_KEY[..42]), CORP).is_ok(), "{last}");
    }
    let shown = format!("{:?}", keys());
    assert!(!shown.contains(TOKEN) && shown.contains(CORP), "{shown}");
}

#[test]
fn signature_time_and_parameters_are_required() {
    let now = Timestamp::from_seconds(1_767_225_600);
    let sealed = keys().seal("<xml><Event>x</Event></xml>", [7; 16], "nonce", now);
    let open = |query: &str, now| keys().open(query, sealed.body().as_bytes(), now);
    assert!(open(&sealed.query(), now).is_ok());
    assert!(open(&format!("a=1&{}&b", sealed.query()), now).is_ok());
    for missing in ["msg_signature", "timestamp", "nonce"] {
        let query = sealed.query().replace(missing, "other");
        assert!(matches!(open(&query, now), Err(Refusal::Signature(_))), "{missing}");
        let twice = format!("{}&{missing}=1", sealed.query());
        assert_eq!(field(open(&twice, now)), missing);
    }
    let bent = sealed.query().replace("nonce=nonce", "nonce=nonca");
    assert!(matches!(open(&bent, now), Err(Refusal::Signature(_))));
    let later = |seconds| now + Duration::from_secs(seconds);
    assert!(open(&sealed.query(), later(300)).is_ok());
    assert!(open(&sealed.query(), now - Duration::from_secs(300)).is_ok());
    assert!(matches!(open(&sealed.query(), later(301)), Err(Refusal::Stale(_))));
    assert!(matches!(open(&sealed.query(), now - Duration::from_secs(301)), Err(Refusal::Stale(_))));
    // The signature comes first: a forger hears nothing of our clock.
    assert!(matches!(open(&bent, later(301)), Err(Refusal::Signature(_))));
    assert_eq!(field(keys().verify_url(&sealed.query(), now)), "echostr");
    // Base64 that nobody encoded for the query is still itself.
    let raw = format!("{}&echostr={}", sealed.query(), sealed.encrypt);
    assert!(keys().verify_url(&raw, now).is_ok());
}

#[test]
fn an_envelope_is_one_message_for_us() {
    let now = Timestamp::from_seconds(1_767_225_600);
    let sealed = keys().seal("<xml><Event>x</Event></xml>", [7; 16], "nonce", now);
    let open = |body: &str| keys().open(&sealed.query(), body.as_bytes(), now);
    let encrypt = format!("<Encrypt>{}</Encrypt>", sealed.encrypt);
    assert!(open(&format!("<xml>{encrypt}</xml>")).is_ok());
    assert_eq!(field(open("<xml></xml>")), "Encrypt");
    assert_eq!(field(open(&format!("<xml>{encrypt}{encrypt}</xml>"))), "Encrypt");
    assert_eq!(field(open(&format!("<xml><ToUserName>ww0</ToUserName>{encrypt}</xml>"))), "ToUserName");
    assert_eq!(field(open(&format!("<!DOCTYPE xml><xml>{encrypt}</xml>"))), "body");
    assert_eq!(field(open("{}")), "body");
    assert_eq!(field(keys().open(&sealed.query(), b"\xff", now)), "body");
    let other = Keys::new(TOKEN, AES_KEY, "ww0").unwrap();
    let alien = other.open(&sealed.query(), format!("<xml>{encrypt}</xml>").as_bytes(), now);
    assert_eq!(field(alien), "Encrypt");
}

#[test]
fn events_are_read_or_named() {
    let now = Timestamp::from_seconds(1_767_225_600);
    let read = |event: &str| {
        let sealed = keys().seal(&format!("<xml>{event}</xml>"), [1; 16], "nonce", now);
        keys().open(&sealed.query(), sealed.body().as_bytes(), now).map(|opened| opened.callback)
    };
    let change = "<MsgType>event</MsgType><Event>kf_account_auth_change</Event>\
        <AuthAddOpenKfId><![CDATA[wk1]]></AuthAddOpenKfId><AuthAddOpenKfId>wk2</AuthAddOpenKfId><AuthDelOpenKfId>wk3</AuthDelOpenKfId>";
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        read(change),
        Ok(Callback::KfAccountAuthChange { added: owned(&["wk1", "wk2"]), removed: owned(&["wk3"]) })
    );
    let other = |event: &str| Ok(Callback::Other { event: event.to_owned() });
    assert_eq!(read("<MsgType>event</MsgType><Event>change_contact</Event>"), other("change_contact"));
    assert_eq!(read(""), other(""));
    let kf = "<Event>kf_msg_or_event</Event>";
    assert_eq!(field(read(&format!("{kf}<CreateTime>1</CreateTime>"))), "OpenKfId");
    assert_eq!(field(read(&format!("{kf}<OpenKfId>wk</OpenKfId>"))), "CreateTime");
    let silent = read(&format!("{kf}<OpenKfId>wk</OpenKfId><CreateTime>1</CreateTime>")).unwrap();
    assert!(matches!(silent, Callback::KfMsgOrEvent { token, .. } if token.is_empty()));
}

/// Any bit of what is signed, or of the signature, makes another request of it.
#[test]
fn one_flipped_bit_is_refused() {
    let now = Timestamp::from_seconds(1_767_225_600);
    let sealed = keys().seal("<xml><Event>x</Event></xml>", [7; 16], "nonce", now);
    let cipher = BASE64.decode(sealed.encrypt.as_bytes()).unwrap();
    for bit in 0..cipher.len() * 8 {
        let mut bent = cipher.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        let body = format!("<xml><Encrypt>{}</Encrypt></xml>", BASE64.encode(&bent));
        let opened = keys().open(&sealed.query(), body.as_bytes(), now);
        assert!(matches!(opened, Err(Refusal::Signature(_))), "bit {bit}");
    }
    for (at, _) in sealed.msg_signature.char_indices() {
        let mut bent = sealed.msg_signature.clone().into_bytes();
        bent[at] = if bent[at] == b'0' { b'1' } else { b'0' };
        let query = sealed.query().replace(&sealed.msg_signature, std::str::from_utf8(&bent).unwrap());
        assert!(matches!(keys().open(&query, sealed.body().as_bytes(), now), Err(Refusal::Signature(_))));
    }
}
