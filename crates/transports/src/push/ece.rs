//! The encryption of Web Push (RFC 8291): only the browser that subscribed can read a message; the push service, which
//! the user chose, cannot.

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
};

/// Octets of a P-256 point, uncompressed.
pub(super) const POINT: usize = 65;
/// Octets of the secret that the browser shares with us.
pub(super) const AUTH: usize = 16;
/// The record size, which the whole body (header, one record) must fit into as well (RFC 8291 §4).
const RECORD: u32 = 4096;
/// The longest plain text: the body less header, padding delimiter and tag.
pub(super) const LONGEST: usize = RECORD as usize - (16 + 4 + 1 + POINT) - 1 - 16;

/// Encryption failed: the browser's key is no point of the curve, the text too long, or there is no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CannotEncrypt;

impl From<aws_lc_rs::error::Unspecified> for CannotEncrypt {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}

/// The body of the request: the header of RFC 8188 and one record, for the browser with this key and secret.
pub(super) fn encrypt(key: &[u8], auth: &[u8], text: &[u8]) -> Result<Vec<u8>, CannotEncrypt> {
    let salt = kernel::id::random().map_err(|_| CannotEncrypt)?;
    encrypt_with(&PrivateKey::generate(&ECDH_P256)?, salt, key, auth, text)
}

fn encrypt_with(
    ours: &PrivateKey,
    salt: [u8; 16],
    key: &[u8],
    auth: &[u8],
    text: &[u8],
) -> Result<Vec<u8>, CannotEncrypt> {
    if text.len() > LONGEST {
        return Err(CannotEncrypt);
    }
    let public = ours.compute_public_key()?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, key);
    let input = agree(ours, peer, CannotEncrypt, |secret| {
        let prk = Salt::new(HKDF_SHA256, auth).extract(secret);
        expand::<32>(&prk, &[b"WebPush: info\0", key, public.as_ref()])
    })?;
    let prk = Salt::new(HKDF_SHA256, &salt).extract(&input);
    let content_key = expand::<16>(&prk, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce = expand::<12>(&prk, &[b"Content-Encoding: nonce\0"])?;
    // 2 ends the last record's text.
    let mut record = [text, &[2]].concat();
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &content_key)?).seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::empty(),
        &mut record,
    )?;
    let length = u8::try_from(public.as_ref().len()).map_err(|_| CannotEncrypt)?;
    Ok([&salt, RECORD.to_be_bytes().as_slice(), &[length], public.as_ref(), &record].concat())
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(prk: &Prk, info: &[&[u8]]) -> Result<[u8; N], CannotEncrypt> {
    let mut out = [0; N];
    prk.expand(info, Length(N))?.fill(&mut out)?;
    Ok(out)
}

/// Whether `key` is a point of the curve, which is all that can be wrong with a key.
pub(super) fn is_key(key: &[u8]) -> bool {
    encrypt(key, &[0; AUTH], b"").is_ok()
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn octets(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 8291 §5 and appendix A.
    #[test]
    fn the_example_of_the_standard() {
        let ours = octets("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let ours = PrivateKey::from_private_key(&ECDH_P256, &ours).unwrap();
        let key =
            octets("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let salt = octets("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let text = b"When I grow up, I want to be a watermelon";
        let body = encrypt_with(&ours, salt, &key, &octets("BTBZMqHH6r4Tts7J_aSIgg"), text).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLoc\
                        InmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWG\
                        NWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(body), expected);
    }

    #[test]
    fn the_longest_text_fills_the_record_and_a_longer_one_is_refused() {
        let key = PrivateKey::generate(&ECDH_P256).unwrap().compute_public_key().unwrap();
        let body = |n: usize| encrypt(key.as_ref(), &[1; AUTH], &vec![b'x'; n]).map(|b| b.len());
        assert_eq!(body(LONGEST), Ok(4096));
        assert_eq!(body(LONGEST + 1), Err(CannotEncrypt));
    }

    #[test]
    fn a_key_is_a_point_of_the_curve() {
        let key = PrivateKey::generate(&ECDH_P256).unwrap().compute_public_key().unwrap();
        assert!(is_key(key.as_ref()));
        let mut bent = key.as_ref().to_vec();
        bent[64] ^= 1;
        assert!(!is_key(&bent) && !is_key(&key.as_ref()[..64]) && !is_key(&[]) && !is_key(&[4; 65]));
    }
}
