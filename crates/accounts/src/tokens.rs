//! Access tokens (JWT, HS256, 24 hours, naming user and session) and the random tokens (refresh, mailed
//! links) of which only a SHA-256 is stored.

use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use kernel::{Problem, Timestamp, seal::Keyring, time::days};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long an access token is good for.
pub(crate) const ACCESS: Duration = days(1);
/// How long a refresh token is good for, if it is not used before.
pub(crate) const REFRESH: Duration = days(7);

/// Signs and reads access tokens.
pub(crate) struct AccessTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The user's id.
    pub(crate) sub: String,
    /// The session's id.
    pub(crate) sid: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
}

impl AccessTokens {
    pub(crate) fn new(keyring: &Keyring) -> Self {
        let key = keyring.derive("accounts: access tokens");
        let mut validation = Validation::new(Algorithm::HS256);
        // `exp` is compared with our clock below, not with the library's.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Self {
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            validation,
        }
    }

    pub(crate) fn issue(&self, user: &str, session: &str, now: Timestamp) -> Result<String, Problem> {
        let claims = Claims {
            sub: user.to_owned(),
            sid: session.to_owned(),
            iat: now.seconds(),
            exp: (now + ACCESS).seconds(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).map_err(|error| {
            tracing::error!(%error, "an access token cannot be signed");
            Problem::internal()
        })
    }

    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        (claims.exp > now.seconds()).then_some(claims)
    }
}

/// A random token for the caller, 256 bits.
pub(crate) fn random() -> Result<String, Problem> {
    let bytes = kernel::id::random::<32>().map_err(|error| {
        tracing::error!(%error, "no randomness");
        Problem::internal()
    })?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// What is stored of it.
pub(crate) fn hash(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_token_ends_and_cannot_be_bent() {
        let tokens = AccessTokens::new(&Keyring::new(vec![(1, [3; 32])]));
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let token = tokens.issue("user_1", "login_1", now).unwrap();
        assert_eq!(tokens.read(&token, now).unwrap().sid, "login_1");
        assert!(tokens.read(&token, now + ACCESS - Duration::from_secs(1)).is_some());
        assert!(tokens.read(&token, now + ACCESS).is_none());
        let others = AccessTokens::new(&Keyring::new(vec![(1, [4; 32])]));
        assert!(others.read(&token, now).is_none());
        // {"alg":"none"}
        let payload = token.split('.').nth(1).unwrap();
        assert!(tokens.read(&format!("eyJhbGciOiJub25lIn0.{payload}."), now).is_none());
    }
}
