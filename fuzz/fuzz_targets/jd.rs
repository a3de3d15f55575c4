//! Forms of JD, forged and signed.
#![no_main]

use channels::jd::App;
use kernel::Timestamp;
use libfuzzer_sys::fuzz_target;

/// 2026-01-01 08:00:00 in Shanghai.
const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);

fuzz_target!(|data: &[u8]| {
    let app = App::new("yourappkey", "0123456789abcdef0123456789abcdef").expect("good keys");
    assert!(app.open(data, NOW).is_err(), "a forged callback is taken");
    // The bytes as the words of a signed callback.
    let param = String::from_utf8_lossy(data);
    let fields = [
        ("token", "t"),
        ("app_key", "yourappkey"),
        ("timestamp", "2026-01-01 08:00:00"),
        ("format", "json"),
        ("v", "1.0"),
        ("jd_param_json", &*param),
    ];
    let sign = app.sign_jos(&fields);
    let mut form = form_urlencoded::Serializer::new(String::new());
    let form = form.extend_pairs(fields).append_pair("sign", &sign).finish();
    if let Ok(opened) = app.open(form.as_bytes(), NOW) {
        assert!(!opened.inbound.external_id.is_empty());
    }
    // And as a cipher text, whose signature cannot be known before it is opened.
    let mut form = form_urlencoded::Serializer::new(String::new());
    let form = form.extend_pairs(&fields[..5]).append_pair("encrypt_jd_param_json", &param).append_pair("sign", &sign);
    assert!(app.open(form.finish().as_bytes(), NOW).is_err());
});
