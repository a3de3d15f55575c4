//! WeCom's envelope: SHA-1 over token, time, nonce and cipher text, and AES-256-CBC around the message.
//!
//! Promises: nothing is decrypted before its signature is right, so the padding is no oracle; keys that WeCom
//! itself deals out are taken even if they are no canonical base64; padding is that of 32-byte blocks.

use aes::{
    Aes256Dec, Aes256Enc,
    cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _, KeyInit as _, array::Array},
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use data_encoding::HEXLOWER;

use crate::{BadKey, Refusal, proof};

/// WeCom pads to this, not to AES's 16.
const BLOCK: usize = 32;
/// Random bytes and the length stand before the message.
const HEAD: usize = 20;

/// Keys are cut-off base64: of the last digit's six bits two count, and WeCom fills the others at random.
const LAX: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a callback is signed and sealed with: from the page in WeCom's console that takes the callback's URL.
#[derive(Clone)]
pub struct Keys {
    token: String,
    receive_id: String,
    decrypt: Aes256Dec,
    encrypt: Aes256Enc,
    iv: [u8; 16],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("receive_id", &self.receive_id).finish_non_exhaustive()
    }
}

impl Keys {
    /// `receive_id` is the corpid for a company's own app, the suiteid for a third party's, empty for an app of a
    /// private person.
    ///
    /// # Errors
    /// Names `Token`, `EncodingAESKey` or `receiveid`.
    pub fn new(token: &str, encoding_aes_key: &str, receive_id: &str) -> Result<Self, BadKey> {
        let bad = |field, reason| BadKey { field, reason };
        let graphic = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if !(1..=32).contains(&token.len()) || !graphic(token) {
            return Err(bad("Token", "must be 1 to 32 letters and digits"));
        }
        if receive_id.len() > 64 || !graphic(receive_id) {
            return Err(bad("receiveid", "must be a corpid, a suiteid or empty"));
        }
        let reason = "must be the 43 letters and digits that WeCom shows";
        let key = Some(encoding_aes_key).filter(|key| key.len() == 43).and_then(|key| LAX.decode(key).ok());
        let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok()).ok_or(bad("EncodingAESKey", reason))?;
        let mut iv = [0; 16];
        iv.iter_mut().zip(key).for_each(|(to, from)| *to = from);
        Ok(Self {
            token: token.to_owned(),
            receive_id: receive_id.to_owned(),
            decrypt: Aes256Dec::new(&key.into()),
            encrypt: Aes256Enc::new(&key.into()),
            iv,
        })
    }

    /// Whom callbacks are for.
    #[must_use]
    pub fn receive_id(&self) -> &str {
        &self.receive_id
    }

    fn digest(&self, timestamp: &str, nonce: &str, encrypt: &str) -> [u8; 20] {
        let mut parts = [self.token.as_bytes(), timestamp.as_bytes(), nonce.as_bytes(), encrypt.as_bytes()];
        parts.sort_unstable();
        proof::sha1(&parts)
    }

    /// The signature of a cipher text in base64.
    pub(super) fn sign(&self, timestamp: &str, nonce: &str, encrypt: &str) -> String {
        HEXLOWER.encode(&self.digest(timestamp, nonce, encrypt))
    }

    pub(super) fn signed(&self, signature: &str, timestamp: &str, nonce: &str, encrypt: &str) -> bool {
        proof::is_hex_of(&self.digest(timestamp, nonce, encrypt), signature)
    }

    /// The message of a cipher text whose signature was right. `field` is where it came from, for the error.
    pub(super) fn decrypt(&self, encrypt: &str, field: &'static str) -> Result<String, Refusal> {
        let bad = |reason: &str| Refusal::malformed(field, reason);
        let mut bytes = base64_simd::STANDARD.decode_to_vec(encrypt).map_err(|_| bad("is no base64"))?;
        let (blocks, odd) = Array::slice_as_chunks_mut(&mut bytes);
        if blocks.is_empty() || !odd.is_empty() {
            return Err(bad("is no multiple of 16 bytes"));
        }
        cbc::Decryptor::inner_iv_init(&self.decrypt, &self.iv.into()).decrypt_blocks(blocks);
        let padding = usize::from(bytes.last().copied().unwrap_or_default());
        let end = bytes.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding));
        let end = end.ok_or_else(|| bad("has no padding of 1 to 32 bytes"))?;
        let (content, pad) = bytes.split_at_checked(end).unwrap_or_default();
        if pad.iter().any(|b| usize::from(*b) != padding) {
            return Err(bad("has uneven padding"));
        }
        let (head, rest) = content.split_at_checked(HEAD).ok_or_else(|| bad("is too short"))?;
        let length =
            head.last_chunk().map(|four| u32::from_be_bytes(*four)).and_then(|n| usize::try_from(n).ok());
        let split = length.and_then(|length| rest.split_at_checked(length));
        let (message, receive_id) = split.ok_or_else(|| bad("says that it is longer than it is"))?;
        if !proof::same(receive_id, self.receive_id.as_bytes()) {
            return Err(bad("is for another receiveid than ours"));
        }
        let end = HEAD + message.len();
        let message = bytes.get(HEAD..end).unwrap_or_default();
        simdutf8::basic::from_utf8(message).map(str::to_owned).map_err(|_| bad("is no UTF-8"))
    }

    /// The cipher text of a message in base64. The message takes at most 4 GiB.
    pub(super) fn encrypt(&self, message: &str, random: [u8; 16]) -> String {
        let mut bytes = Vec::with_capacity(HEAD + message.len() + self.receive_id.len() + BLOCK);
        bytes.extend(random);
        bytes.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(message.as_bytes());
        bytes.extend(self.receive_id.as_bytes());
        let padding = BLOCK - bytes.len() % BLOCK;
        bytes.resize(bytes.len() + padding, u8::try_from(padding).unwrap_or_default());
        let (blocks, _) = Array::slice_as_chunks_mut(&mut bytes);
        cbc::Encryptor::inner_iv_init(&self.encrypt, &self.iv.into()).encrypt_blocks(blocks);
        base64_simd::STANDARD.encode_to_string(&bytes)
    }
}
