//! Web Push (RFC 8030, 8291, 8292): to browsers, through the push service that each of them names.

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    encoding::{AsBigEndian as _, EcPrivateKeyBin},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, StatusCode, header};
use jsonwebtoken::EncodingKey;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Message, Pushed, clipped, ece, is_transient, later, sign, unsent};
use crate::web::{Reach, Web, retry_after};

/// The server's own key, by which push services know it (RFC 8292).
#[derive(Clone)]
pub struct Vapid {
    key: EncodingKey,
    /// As browsers want it: base64url of the uncompressed point.
    public: String,
}

/// No private key of P-256: 32 octets in base64url, as every Web Push tool writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a private key of P-256 in base64url (32 octets)")]
pub struct InvalidVapidKey;

impl Vapid {
    /// Reads a private key.
    ///
    /// # Errors
    /// [`InvalidVapidKey`]
    pub fn read(text: &str) -> Result<Self, InvalidVapidKey> {
        let scalar = decode(text.trim()).filter(|s| s.len() == 32).ok_or(InvalidVapidKey)?;
        let private = PrivateKey::from_private_key(&ECDH_P256, &scalar).map_err(|_| InvalidVapidKey)?;
        let public = private.compute_public_key().map_err(|_| InvalidVapidKey)?;
        let alg = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(alg, &scalar, public.as_ref())
            .map_err(|_| InvalidVapidKey)?;
        let document = pair.to_pkcs8v1().map_err(|_| InvalidVapidKey)?;
        Ok(Self {
            key: EncodingKey::from_ec_der(document.as_ref()),
            public: URL_SAFE_NO_PAD.encode(public.as_ref()),
        })
    }

    /// A new private key, as [`Vapid::read`] takes it. `None` without randomness.
    #[must_use]
    pub fn generate() -> Option<String> {
        let private = PrivateKey::generate(&ECDH_P256).ok()?;
        let scalar: EcPrivateKeyBin<'_> = private.as_be_bytes().ok()?;
        Some(URL_SAFE_NO_PAD.encode(scalar.as_ref()))
    }

    /// The public key for the browser's `applicationServerKey`: base64url of 65 octets.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }
}

/// What a browser's `PushSubscription` says.
#[derive(Debug)]
pub struct Subscription {
    endpoint: Url,
    key: Vec<u8>,
    auth: Vec<u8>,
}

#[derive(Deserialize)]
struct Written {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

impl Subscription {
    /// Reads the JSON of a `PushSubscription` whose endpoint is within `reach`.
    ///
    /// # Errors
    /// What is wrong with it, without any part of it.
    pub fn read(json: &str, reach: Reach) -> Result<Self, String> {
        let written: Written = serde_json::from_str(json).map_err(|_| {
            "must be a PushSubscription as JSON: {\"endpoint\":…,\"keys\":{\"p256dh\":…,\"auth\":…}}"
                .to_owned()
        })?;
        let endpoint = reach.check(&written.endpoint).map_err(|e| format!("its endpoint {e}"))?;
        let key = decode(&written.keys.p256dh).filter(|key| key.len() == ece::POINT && ece::is_key(key));
        let key = key.ok_or("its keys.p256dh must be a public key of P-256 in base64url (65 octets)")?;
        let auth = decode(&written.keys.auth).filter(|auth| auth.len() == ece::AUTH);
        let auth = auth.ok_or("its keys.auth must be 16 octets in base64url")?;
        Ok(Self { endpoint, key, auth })
    }

    /// The URL that messages go to; whoever has it can write to the browser's owner, though not in our name.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    /// The push service.
    #[must_use]
    pub fn host(&self) -> &str {
        self.endpoint.host_str().unwrap_or_default()
    }
}

/// Browsers write base64url without padding; some libraries pad, or write plain base64.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(super) struct WebPush {
    pub(super) web: Web,
    pub(super) reach: Reach,
    pub(super) vapid: Vapid,
    /// `mailto:` or `https:`: whom a push service may write to about us.
    pub(super) contact: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: String,
    exp: i64,
    sub: &'a str,
}

/// What the service worker gets.
#[derive(Serialize)]
struct Payload<'a> {
    title: &'a str,
    body: &'a str,
    url: &'a str,
    #[serde(rename = "type")]
    occasion: &'a str,
    #[serde(rename = "mailId")]
    subject: &'a str,
    /// For the `tag` of the shown notification: a newer one of the same letter replaces it.
    tag: &'a str,
}

impl WebPush {
    pub(super) async fn push(&self, token: &str, m: &Message, now: Timestamp) -> Pushed {
        let to = match Subscription::read(token, self.reach) {
            Ok(to) => to,
            Err(problem) => return Pushed::Gone(format!("the subscription is not usable: {problem}")),
        };
        let request = match self.request(&to, m, now) {
            Ok(request) => request,
            Err(reason) => return Pushed::Refused(reason.to_owned()),
        };
        let answer = match self.web.send(request).await {
            Ok(answer) => answer,
            Err(error) => return unsent(error),
        };
        // The path is what makes the endpoint a secret.
        let secret = to.endpoint.path().trim_start_matches('/');
        let said = format!("{} {}", answer.status().as_u16(), clipped(answer.body(), secret));
        match answer.status() {
            status if status.is_success() => Pushed::Taken(said),
            StatusCode::NOT_FOUND | StatusCode::GONE => Pushed::Gone(said),
            status if is_transient(status) => later(said, retry_after(answer.headers(), now)),
            _ => Pushed::Refused(said),
        }
    }

    fn request(
        &self,
        to: &Subscription,
        m: &Message,
        now: Timestamp,
    ) -> Result<Request<Vec<u8>>, &'static str> {
        let payload = Payload {
            title: &m.title,
            body: &m.body,
            url: &m.url,
            occasion: m.occasion,
            subject: &m.subject,
            tag: &m.collapse,
        };
        let text = serde_json::to_vec(&payload).map_err(|_| "the message cannot be written")?;
        let body = ece::encrypt(&to.key, &to.auth, &text).map_err(|_| "the message cannot be encrypted")?;
        let claims = Claims {
            aud: to.endpoint.origin().ascii_serialization(),
            // At most a day (RFC 8292 §2); half of one bears with clocks that differ.
            exp: now.seconds() + 12 * 3600,
            sub: &self.contact,
        };
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        let jwt = sign(&header, &claims, &self.vapid.key).ok_or("the VAPID token cannot be signed")?;
        Request::post(to.endpoint.as_str())
            .header(header::AUTHORIZATION, format!("vapid t={jwt}, k={}", self.vapid.public))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_ENCODING, "aes128gcm")
            .header("ttl", m.ttl.as_secs())
            .header("urgency", "normal")
            .header("topic", &m.collapse)
            .body(body)
            .map_err(|_| "the request cannot be written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

    fn read(endpoint: &str, key: &str, auth: &str) -> Result<Subscription, String> {
        let json = format!(r#"{{"endpoint":"{endpoint}","keys":{{"p256dh":"{key}","auth":"{auth}"}}}}"#);
        Subscription::read(&json, Reach::Public)
    }

    #[test]
    fn subscriptions() {
        let good = "https://updates.push.services.mozilla.com/wpush/v2/x";
        let read_good = read(good, KEY, "BTBZMqHH6r4Tts7J_aSIgg").unwrap();
        assert_eq!(read_good.host(), "updates.push.services.mozilla.com");
        // Padded, and in plain base64.
        assert!(read(good, &KEY.replace('_', "/").replace('-', "+"), "BTBZMqHH6r4Tts7J/aSIgg==").is_ok());
        for (endpoint, key, auth, named) in [
            ("http://push.example.com/x", KEY, "BTBZMqHH6r4Tts7J_aSIgg", "endpoint"),
            ("https://169.254.169.254/x", KEY, "BTBZMqHH6r4Tts7J_aSIgg", "endpoint"),
            (good, "BCVxsr7N", "BTBZMqHH6r4Tts7J_aSIgg", "p256dh"),
            (good, &KEY.replace("iw4", "iw8"), "BTBZMqHH6r4Tts7J_aSIgg", "p256dh"),
            (good, KEY, "BTBZMqHH6r4Tts7J", "auth"),
            (good, KEY, "*", "auth"),
        ] {
            let error = read(endpoint, key, auth).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
        for json in ["", "push-token", "{}", "[]", r#"{"endpoint":"https://x.example/"}"#] {
            assert!(Subscription::read(json, Reach::Public).is_err(), "{json}");
        }
    }

    #[test]
    fn keys() {
        let text = Vapid::generate().unwrap();
        let (one, two) = (Vapid::read(&text).unwrap(), Vapid::read(&format!("{text}\n")).unwrap());
        assert_eq!(one.public(), two.public());
        assert_eq!(URL_SAFE_NO_PAD.decode(one.public()).unwrap().len(), 65);
        let short = text.replacen(char::is_alphanumeric, "", 2);
        for bad in ["", "x", &short, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(Vapid::read(bad).is_err(), "{bad}");
        }
        // RFC 8291's server key and its public half.
        let known = Vapid::read("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap();
        assert!(known.public().starts_with("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLoc"));
    }
}
