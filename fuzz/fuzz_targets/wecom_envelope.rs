//! Callbacks of WeCom as they come, and cipher texts that are rightly signed, whatever is inside.
#![no_main]

use aes::{
    Aes256Enc,
    cipher::{BlockModeEncrypt as _, KeyIvInit as _, array::Array},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use channels::wecom::Keys;
use kernel::Timestamp;
use libfuzzer_sys::fuzz_target;
use sha1::{Digest as _, Sha1};

const NOW: Timestamp = Timestamp::from_seconds(1_409_659_813);
const TOKEN: &str = "QDG6eK";
/// 43 digits of the base64 of 32 bytes, each 9.
const AES_KEY: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";
const CORP: &str = "ww1";

fuzz_target!(|data: &[u8]| {
    let keys = Keys::new(TOKEN, AES_KEY, CORP).expect("good keys");
    // The query, a line's end, the body.
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (query, body) = data.split_at(end);
    let query = String::from_utf8_lossy(query);
    assert!(keys.open(&query, body, NOW).is_err(), "a forged callback is taken");
    assert!(keys.verify_url(&query, NOW).is_err(), "a forged check is answered");
    // The bytes as what is inside.
    let mut inside = data.to_vec();
    let (blocks, _) = Array::slice_as_chunks_mut(&mut inside);
    cbc::Encryptor::<Aes256Enc>::new(&[9; 32].into(), &[9; 16].into()).encrypt_blocks(blocks);
    if let Ok(message) = keys.verify_url(&signed(&STANDARD.encode(&inside)), NOW) {
        let padding = usize::from(data[data.len() - 1]);
        let content = &data[..data.len() - padding];
        assert!((1..=32).contains(&padding) && content.ends_with(CORP.as_bytes()));
        assert_eq!(&content[20..content.len() - CORP.len()], message.as_bytes());
        assert_eq!(content[16..20], u32::try_from(message.len()).expect("short").to_be_bytes());
    }
    // The bytes as the cipher text itself.
    let text = String::from_utf8_lossy(data);
    if !text.contains(['&', '%', '#']) {
        let _any = keys.verify_url(&signed(&text), NOW);
    }
});

/// The query of a URL's check with this cipher text.
fn signed(encrypt: &str) -> String {
    let mut parts = [TOKEN, "1409659813", "1372623149", encrypt];
    parts.sort_unstable();
    let digest = Sha1::digest(parts.concat());
    let signature: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    let echo = encrypt.replace('+', "%2B");
    format!("msg_signature={signature}&timestamp=1409659813&nonce=1372623149&echostr={echo}")
}
