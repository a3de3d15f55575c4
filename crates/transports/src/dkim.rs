//! [`Dkim`]: signatures that let a receiver check who sent a message (RFC 6376, RFC 8463).
//!
//! Promises: relaxed/relaxed canonicalisation, so that common rewriting on the way does no harm; `From` is signed
//! once more than it occurs, so that nobody can add a second one; the time of the signature is the message's own,
//! so that signing again gives the same bytes.

use aws_lc_rs::{
    digest, rand,
    signature::{self, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::Timestamp;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};

/// Signed where present, in this order; RFC 6376 §5.4.1 plus what mailbox providers demand for one-click
/// unsubscribing (RFC 8058 §4).
const SIGNED: [&str; 13] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// A signing key and where its public half is published.
pub struct Dkim {
    selector: String,
    domain: String,
    key: Key,
}

enum Key {
    Rsa(Box<signature::RsaKeyPair>),
    Ed25519(signature::Ed25519KeyPair),
}

/// What is wrong with a key, or with signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DkimError {
    /// Not a label or labels.
    #[error("the DKIM selector must be letters, digits, hyphens and dots")]
    Selector,
    /// Not a host name.
    #[error("the DKIM domain is not a domain name")]
    Domain,
    /// Neither PEM nor base64.
    #[error("the DKIM key is neither PEM (BEGIN PRIVATE KEY) nor base64")]
    Text,
    /// Base64 or PEM of something else.
    #[error(
        "the DKIM key is neither an RSA key of 2048 to 8192 bits nor an Ed25519 key (PKCS#8, PKCS#1 or 32-byte seed)"
    )]
    Key,
    /// A public key, a certificate or an encrypted private key.
    #[error(
        "the DKIM key must be an unencrypted private key, not a public key, a certificate or an encrypted key"
    )]
    WrongPem,
    /// The cryptographic library refused.
    #[error("the DKIM signature could not be made")]
    Sign,
}

impl Dkim {
    /// Takes an RSA (2048 bits or more) or Ed25519 private key: PEM, base64 of the DER (PKCS#8 or PKCS#1), or
    /// base64 of an Ed25519 seed of 32 bytes.
    ///
    /// # Errors
    /// Says what is wrong, never with any part of the key.
    pub fn load(selector: &str, domain: &str, pem_or_base64: &str) -> Result<Self, DkimError> {
        let selector = selector.trim().to_ascii_lowercase();
        let labels = |name: &str| {
            name.split('.').all(|l| {
                !l.is_empty()
                    && l.len() <= 63
                    && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            })
        };
        if !labels(&selector) {
            return Err(DkimError::Selector);
        }
        let domain = match url::Host::parse(domain.trim()) {
            Ok(url::Host::Domain(domain)) if labels(&domain) && domain.len() <= 253 => domain,
            _ => return Err(DkimError::Domain),
        };
        let key = if pem_or_base64.contains("-----") {
            from_pem(pem_or_base64)
        } else {
            from_base64(pem_or_base64)
        }?;
        Ok(Self { selector, domain, key })
    }

    /// The DNS name that must hold [`Dkim::dns_record`] as a TXT record.
    #[must_use]
    pub fn dns_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The TXT record for the public key.
    ///
    /// # Errors
    /// [`DkimError::Key`] if the library cannot write the public key.
    pub fn dns_record(&self) -> Result<String, DkimError> {
        use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
        let (name, public) = match &self.key {
            Key::Rsa(key) => {
                let der: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| DkimError::Key)?;
                ("rsa", STANDARD.encode(der.as_ref()))
            }
            Key::Ed25519(key) => ("ed25519", STANDARD.encode(key.public_key().as_ref())),
        };
        Ok(format!("v=DKIM1; k={name}; p={public}"))
    }

    /// The value of the `DKIM-Signature` header over `headers` and `body`.
    pub(crate) fn sign(
        &self,
        headers: &[(&'static str, String)],
        body: &[u8],
        at: Timestamp,
    ) -> Result<String, DkimError> {
        let present = |name: &&&str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let signed: Vec<&str> = SIGNED.iter().filter(present).copied().collect();
        let body_hash = digest::digest(&digest::SHA256, &relaxed_body(body));
        let unsigned = self.tags(&signed, &STANDARD.encode(body_hash.as_ref()), at);

        let mut input = String::with_capacity(2048);
        for name in &signed {
            for (n, value) in headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)) {
                input.push_str(&relaxed_header(n, value));
                input.push_str("\r\n");
            }
        }
        input.push_str(&relaxed_header("DKIM-Signature", &unsigned));
        let mut value = unsigned;
        for (i, c) in STANDARD.encode(self.signature(input.as_bytes())?).chars().enumerate() {
            if i > 0 && i % 72 == 0 {
                value.push_str("\r\n ");
            }
            value.push(c);
        }
        Ok(value)
    }

    fn tags(&self, signed: &[&str], body_hash: &str, at: Timestamp) -> String {
        let algorithm = match &self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        };
        let mut listed = String::from("From");
        let mut column = "h=From".len();
        for name in signed {
            listed.push(':');
            if column + name.len() > 70 {
                listed.push_str("\r\n ");
                column = 0;
            }
            listed.push_str(name);
            column += name.len() + 1;
        }
        format!(
            "v=1; a={algorithm}; c=relaxed/relaxed;\r\n d={};\r\n s={}; t={};\r\n h={listed};\r\n bh={body_hash};\r\n b=",
            self.domain,
            self.selector,
            at.seconds().max(0),
        )
    }

    fn signature(&self, input: &[u8]) -> Result<Vec<u8>, DkimError> {
        match &self.key {
            Key::Rsa(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                let rng = rand::SystemRandom::new();
                key.sign(&signature::RSA_PKCS1_SHA256, &rng, input, &mut out).map_err(|_| DkimError::Sign)?;
                Ok(out)
            }
            // RFC 8463 §3: the input to Ed25519 is the SHA-256 hash, not the text.
            Key::Ed25519(key) => {
                Ok(key.sign(digest::digest(&digest::SHA256, input).as_ref()).as_ref().to_vec())
            }
        }
    }
}

impl std::fmt::Debug for Dkim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dkim({})", self.dns_name())
    }
}

fn from_pem(pem: &str) -> Result<Key, DkimError> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(der) => from_der(der.secret_der()),
        Err(_) if pem.contains("-----BEGIN ") => Err(DkimError::WrongPem),
        Err(_) => Err(DkimError::Text),
    }
}

fn from_base64(text: &str) -> Result<Key, DkimError> {
    let text: String = text.split_ascii_whitespace().collect();
    if text.is_empty() {
        return Err(DkimError::Text);
    }
    from_der(&STANDARD.decode(text).map_err(|_| DkimError::Text)?)
}

fn from_der(der: &[u8]) -> Result<Key, DkimError> {
    if der.len() == 32 {
        return signature::Ed25519KeyPair::from_seed_unchecked(der)
            .map(Key::Ed25519)
            .map_err(|_| DkimError::Key);
    }
    // "Maybe unchecked": OpenSSL writes PKCS#8 version 1, which leaves out the public key.
    if let Ok(key) = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return Ok(Key::Ed25519(key));
    }
    let rsa = signature::RsaKeyPair::from_pkcs8(der).or_else(|_| signature::RsaKeyPair::from_der(der));
    rsa.map(|key| Key::Rsa(Box::new(key))).map_err(|_| DkimError::Key)
}

/// RFC 6376 §3.4.2, without the CRLF at the end.
fn relaxed_header(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    format!("{}:{}", name.to_ascii_lowercase(), words.join(" "))
}

/// RFC 6376 §3.4.4.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut end = 0;
    for line in body.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        let mut space = false;
        for &b in line {
            if matches!(b, b' ' | b'\t') {
                space = true;
                continue;
            }
            if space {
                out.push(b' ');
                space = false;
            }
            out.push(b);
        }
        let empty = out.last().is_none_or(|b| *b == b'\n');
        out.extend_from_slice(b"\r\n");
        if !empty {
            end = out.len();
        }
    }
    out.truncate(end);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6376_example_of_relaxed_canonicalisation() {
        assert_eq!(relaxed_header("A", "X"), "a:X");
        assert_eq!(relaxed_header("B ".trim(), "Y\t\r\n\tZ  "), "b:Y Z");
        assert_eq!(relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
        assert_eq!(relaxed_body(b""), b"");
        assert_eq!(relaxed_body(b"\r\n\r\n"), b"");
        assert_eq!(relaxed_body(b"a"), b"a\r\n");
    }
}
