//! Opens one callback over and over: `wecom hongyan|rustcrypto|aws-lc SECONDS` prints how many a second.
//!
//! `hongyan` is the whole way of a callback: query, XML of the envelope, constant-time signature, time, base64, AES,
//! padding, lengths, receiveid, UTF-8, XML of the message. The other two are its limit: signature, base64 and AES
//! alone, by the same message of 500 bytes.

use std::{hint::black_box, time::Instant};

use aes::{
    Aes256Dec,
    cipher::{BlockModeDecrypt as _, InnerIvInit as _, KeyInit as _, array::Array},
};
use aws_lc_rs::{
    cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey},
    constant_time, digest,
    iv::FixedLength,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use channels::wecom::Keys;
use kernel::Timestamp;
use sha1::{Digest as _, Sha1};

const TOKEN: &str = "tok123";
/// 43 digits of the base64 of 32 bytes, each 9.
const AES_KEY: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let which = arguments.next().expect("hongyan, rustcrypto or aws-lc");
    let seconds: f64 = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let now = Timestamp::from_seconds(1_700_000_000);
    let keys = Keys::new(TOKEN, AES_KEY, "ww1234567890abcdef").expect("good keys");
    let message = message();
    let sealed = keys.seal(&message, [5; 16], "nonce99", now);
    let (query, body) = (sealed.query(), sealed.body());
    let encrypt = sealed.encrypt.as_str();
    let mut parts = [TOKEN, "1700000000", "nonce99", encrypt];
    parts.sort_unstable();
    let want = Sha1::digest(parts.concat());
    let rate = match which.as_str() {
        "hongyan" => rate(seconds, || {
            let opened = keys.open(black_box(&query), black_box(body.as_bytes()), now).expect("opens");
            assert_eq!(opened.xml.len(), 500);
        }),
        "rustcrypto" => {
            let cipher = Aes256Dec::new(&[9; 32].into());
            rate(seconds, || {
                let mut hash = Sha1::new();
                signed(encrypt).iter().for_each(|part| hash.update(part));
                assert!(constant_time::verify_slices_are_equal(&hash.finalize(), &want).is_ok());
                let mut bytes = STANDARD.decode(black_box(encrypt)).expect("base64");
                let (blocks, _) = Array::slice_as_chunks_mut(&mut bytes);
                cbc::Decryptor::inner_iv_init(&cipher, &[9; 16].into()).decrypt_blocks(blocks);
                assert_eq!(&bytes[20..520], message.as_bytes());
            })
        }
        "aws-lc" => {
            let key = UnboundCipherKey::new(&AES_256, &[9; 32]).expect("a key");
            let key = DecryptingKey::cbc(key).expect("a key");
            rate(seconds, || {
                let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
                signed(encrypt).iter().for_each(|part| hash.update(part.as_bytes()));
                assert!(constant_time::verify_slices_are_equal(hash.finish().as_ref(), &want).is_ok());
                let mut bytes = STANDARD.decode(black_box(encrypt)).expect("base64");
                let iv = DecryptionContext::Iv128(FixedLength::from(&[9; 16]));
                let plain = key.decrypt(&mut bytes, iv).expect("decrypts");
                assert_eq!(&plain[20..520], message.as_bytes());
            })
        }
        other => panic!("hongyan, rustcrypto or aws-lc, not {other}"),
    };
    println!("{rate:.0}");
}

/// A `kf_msg_or_event` of 500 bytes, its token the longest part.
fn message() -> String {
    let around = |token: &str| {
        format!(
            "<xml><ToUserName><![CDATA[ww1234567890abcdef]]></ToUserName><CreateTime>1700000000</CreateTime>\
             <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event><Token><![CDATA[{token}]]></Token>\
             <OpenKfId><![CDATA[wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q]]></OpenKfId></xml>"
        )
    };
    around(&"t".repeat(500 - around("").len()))
}

fn signed(encrypt: &str) -> [&str; 4] {
    let mut parts = [TOKEN, "1700000000", "nonce99", black_box(encrypt)];
    parts.sort_unstable();
    parts
}

fn rate(seconds: f64, mut once: impl FnMut()) -> f64 {
    let (began, mut count) = (Instant::now(), 0u32);
    while began.elapsed().as_secs_f64() < seconds {
        (0..100).for_each(|_| once());
        count += 100;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}
