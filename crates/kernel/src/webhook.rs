//! Webhooks as the Standard Webhooks specification has them, so that its libraries can send and verify them.
//!
//! A message has `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature: v1,{base64}`: HMAC-SHA256 over
//! `{id}.{timestamp}.{raw body}` under the bytes of the secret, which is written `whsec_{base64}`. Signatures are
//! compared in constant time.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its own: the same message has the same id however often it is sent. No full stop, which separates it.
    pub id: &'a str,
    /// Seconds since 1970, as written.
    pub timestamp: &'a str,
    /// As it is on the wire.
    pub body: &'a [u8],
}

impl Message<'_> {
    fn mac(&self, key: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = <Hmac<Sha256>>::new_from_slice(key).ok()?;
        for part in [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", self.body] {
            mac.update(part);
        }
        Some(mac)
    }

    /// The value of `webhook-signature`; `None` if the key cannot be one.
    #[must_use]
    pub fn sign(&self, key: &[u8]) -> Option<String> {
        let tag = self.mac(key)?.finalize().into_bytes();
        Some(format!("v1,{}", BASE64.encode(&tag)))
    }

    /// Whether one of `signatures` (with a space between) was made with this key.
    #[must_use]
    pub fn is_signed(&self, key: &[u8], signatures: &str) -> bool {
        let signatures = signatures.split(' ').filter_map(|s| s.strip_prefix("v1,"));
        signatures
            .filter_map(|s| BASE64.decode(s.as_bytes()).ok())
            .any(|tag| self.mac(key).is_some_and(|mac| mac.verify_slice(&tag).is_ok()))
    }
}

/// How a secret is written for people: `whsec_…`
#[must_use]
pub fn written(secret: &[u8]) -> String {
    format!("whsec_{}", BASE64.encode(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks libraries' own tests.
    #[test]
    fn signs_as_the_specification_has_it() {
        let key = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: "1614265330",
            body: b"{\"test\": 2432232314}",
        };
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(message.sign(&key).as_deref(), Some(right));
        assert!(message.is_signed(&key, right));
        assert!(message.is_signed(&key, &format!("v1,AAAA v1a,xx {right}")));
        assert!(!message.is_signed(b"another key", right));
        assert!(!message.is_signed(&key, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="));
        assert!(!message.is_signed(&key, &right.replace("v1,", "v2,")));
        assert!(!message.is_signed(&key, "") && !message.is_signed(&key, "v1,"));
        assert!(!Message { body: b"{\"test\": 2432232315}", ..message }.is_signed(&key, right));
        assert!(!Message { id: "msg_other", ..message }.is_signed(&key, right));
        assert!(!Message { timestamp: "1614265331", ..message }.is_signed(&key, right));
        assert_eq!(written(&key), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }
}
