//! Requests of bridges in the general form, forged and signed.
#![no_main]

use channels::bridge::{Headers, Secret};
use kernel::Timestamp;
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);

fuzz_target!(|data: &[u8]| {
    let secret = Secret::new("a-secret-of-the-bridge").expect("a good secret");
    // The query, a line's end, the body.
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (query, body) = data.split_at(end);
    let query = String::from_utf8_lossy(query);
    assert!(secret.open(Headers::default(), &query, body, NOW).is_err(), "a forged request is taken");
    let signed = secret.sign(data, "4f1d0a7c9b2e", NOW);
    let headers =
        Headers { signature: Some(&signed.signature), timestamp: Some(&signed.timestamp), nonce: Some(&signed.nonce) };
    if let Ok(opened) = secret.open(headers, "", data, NOW) {
        assert!(!opened.messages.is_empty());
        assert!(opened.messages.iter().all(|m| !m.external_id.is_empty() && !m.customer_id.is_empty()));
    }
});
