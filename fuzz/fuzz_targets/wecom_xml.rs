//! XML that WeCom signed, whatever it says.
#![no_main]

use channels::wecom::{Callback, Keys};
use kernel::Timestamp;
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_seconds(1_409_659_813);

fuzz_target!(|data: &str| {
    let keys = Keys::new("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "ww1").expect("good keys");
    let sealed = keys.seal(data, [7; 16], "1372623149", NOW);
    let opened = keys.open(&sealed.query(), sealed.body().as_bytes(), NOW);
    if let Ok(opened) = opened {
        assert_eq!(opened.xml, data);
        if let Callback::KfMsgOrEvent { open_kfid, .. } = opened.callback {
            assert!(!open_kfid.is_empty());
        }
    }
    // As the envelope itself.
    assert!(keys.open(&sealed.query(), data.as_bytes(), NOW).is_err());
});
