//! Callbacks of Douyin and pushes of Doudian, forged and signed.
#![no_main]

use channels::{doudian, douyin};
use kernel::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let app = douyin::App::new("abc", "desk-test-secret", vec!["ou_shop".to_owned()]).expect("good keys");
    assert!(app.open(Some("00"), None, data, Timestamp::EPOCH).is_err(), "a forged callback is taken");
    if let Ok(douyin::Callback::Event(inbound)) = app.open(Some(&app.sign(data)), None, data, Timestamp::EPOCH) {
        assert!(!inbound.external_id.is_empty());
    }
    let app = doudian::App::new("abc", "desk-test-secret").expect("good keys");
    if let Ok(items) = app.open(Some("abc"), Some(&app.sign(data)), data, Timestamp::EPOCH) {
        assert!(items.iter().all(|item| !item.external_id.is_empty()));
    }
});
