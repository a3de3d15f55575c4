//! What all signatures have in common: digests, their comparison, and how old a request may be.
//!
//! Promise: a digest is compared in constant time, whatever its text looks like.

use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::Timestamp;
use md5::Md5;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::Refusal;

/// So far may a request's time be from ours, either way.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The longest digest is SHA-256's.
const LONGEST: usize = 32;

pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length, so this cannot fail; a digest of nothing would match nothing.
    let Ok(mut mac) = <Hmac<Sha256>>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Whether `given` is this digest in hexadecimal digits of either case.
pub fn is_hex_of(digest: &[u8], given: &str) -> bool {
    let mut buffer = [0; LONGEST];
    if given.len() != digest.len() * 2 {
        return false;
    }
    let Some(bytes) = buffer.get_mut(..digest.len()) else { return false };
    HEXLOWER_PERMISSIVE.decode_mut(given.as_bytes(), bytes).is_ok() && same(digest, bytes)
}

/// Equality in constant time for texts of one length.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Whether a request of that time may still be taken; if so, from when on its time alone refuses it.
pub fn fresh(at: Timestamp, now: Timestamp, refused: &'static str) -> Result<Timestamp, Refusal> {
    if now.since(at) > TOLERANCE || at.since(now) > TOLERANCE {
        return Err(Refusal::Stale(refused));
    }
    Ok(at.plus(TOLERANCE))
}

/// Whole seconds since 1970 in decimal digits, as WeCom and the general form write times.
pub fn seconds(text: &str) -> Option<Timestamp> {
    let digits = (1..=11).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(Timestamp::from_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_standards_own() {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(hex(&sha1(&[b"a", b"bc"])), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&md5(&[b"ab", b"c"])), "900150983cd24fb0d6963f7d28e17f72");
        // RFC 4231, test case 2.
        let tag = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&tag), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_digest_is_told_from_what_resembles_it() {
        let digest = sha1(&[b"abc"]);
        assert!(is_hex_of(&digest, "a9993e364706816aba3e25717850c26c9cd0d89d"));
        assert!(is_hex_of(&digest, "A9993E364706816ABA3E25717850C26C9CD0D89D"));
        for bent in
            ["", "a9", "a9993e364706816aba3e25717850c26c9cd0d89", "g9993e364706816aba3e25717850c26c9cd0d89d"]
        {
            assert!(!is_hex_of(&digest, bent), "{bent}");
        }
        assert!(!is_hex_of(&digest, "b9993e364706816aba3e25717850c26c9cd0d89d"));
    }

    #[test]
    fn five_minutes_either_way_and_not_a_microsecond_more() {
        let now = Timestamp::from_seconds(1_767_225_600);
        for at in [now, now - TOLERANCE, now + TOLERANCE] {
            assert_eq!(fresh(at, now, "old"), Ok(at + TOLERANCE));
        }
        for at in [now - TOLERANCE - Duration::from_micros(1), now + TOLERANCE + Duration::from_micros(1)] {
            assert_eq!(fresh(at, now, "old"), Err(Refusal::Stale("old")));
        }
    }

    #[test]
    fn seconds_are_digits_alone() {
        assert_eq!(seconds("1409659813"), Some(Timestamp::from_seconds(1_409_659_813)));
        for bent in ["", "-1", "+1", " 1", "1.0", "1e9", "140965981300", "１"] {
            assert_eq!(seconds(bent), None, "{bent}");
        }
    }
}
