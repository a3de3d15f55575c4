//! Whatever comes in, nothing panics, and what we seal is what we open.

use channels::{Refusal, bridge, doudian, douyin, jd, wecom};
use kernel::Timestamp;
use proptest::prelude::*;

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
