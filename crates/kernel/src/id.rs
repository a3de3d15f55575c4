//! Ids: opaque strings with a prefix that says what they name, ordered by the time they were made.
//!
//! `mail_06ew1…`: the prefix, then the 16 bytes of a UUID version 7 (RFC 9562) in Crockford's base 32,
//! lower case, 26 characters. Byte order is time order, in SQLite and in any PostgreSQL collation.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

use crate::Timestamp;

static CROCKFORD: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    spec.encoding().ok()
});

/// The longest id that is taken from outside.
pub const MAX_LEN: usize = 64;

/// A new id, `{prefix}_{26 characters}`, that sorts after all earlier ones.
#[must_use]
pub fn new(prefix: &str, now: Timestamp) -> String {
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let nanos = u32::try_from(now.micros().rem_euclid(1_000_000) * 1000).unwrap_or(0);
    let uuid = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos));
    let text = CROCKFORD.as_ref().map_or_else(|| uuid.simple().to_string(), |e| e.encode(uuid.as_bytes()));
    format!("{prefix}_{text}")
}

/// Whether a text from outside has the form of an id with this prefix. What does not cannot exist.
#[must_use]
pub fn is(prefix: &str, text: &str) -> bool {
    text.len() <= MAX_LEN
        && text
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('_'))
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// `N` bytes from the system's random source.
///
/// # Errors
/// The system has no random source, which no server can run without.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn sorted_by_time_and_of_one_length() {
        let mut t: Timestamp = "1999-01-01T00:00:00Z".parse().unwrap();
        let mut last = String::new();
        for _ in 0..1000 {
            t = t + Duration::from_millis(977 * 60 * 60);
            let id = new("mail", t);
            assert!(id > last, "{id} after {last}");
            assert_eq!(id.len(), 31);
            assert!(is("mail", &id) && !is("user", &id));
            last = id;
        }
    }

    #[test]
    fn what_is_no_id() {
        for bad in ["", "mail", "mail_", "mail_a/b", "mail_a\0", "mail_é", "MAIL_1"] {
            assert!(!is("mail", bad), "{bad}");
        }
        assert!(is("mail", "mail_1234567890"));
    }
}
