//! Base64 as Google means it: `base64url` says the documentation, and both alphabets come, with padding and without.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};

const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads either alphabet with any padding and line ends in between; `None` for anything else.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let foreign = |b: u8| matches!(b, b'+' | b'/' | b'\r' | b'\n' | b' ' | b'\t');
    let text = if text.bytes().any(foreign) {
        let one = |c: char| match c {
            '+' => Some('-'),
            '/' => Some('_'),
            c if c.is_ascii_whitespace() => None,
            c => Some(c),
        };
        Cow::Owned(text.chars().filter_map(one).collect())
    } else {
        Cow::Borrowed(text)
    };
    TOLERANT.decode(text.as_bytes()).ok()
}

/// base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_joined_and_rubbish_is_refused() {
        assert_eq!(decode("SGVs\r\nbG8=\n").unwrap(), b"Hello");
        assert_eq!(decode("").unwrap(), b"");
        for bad in ["SGVs*", "a", "====", "你好", "SG=Vs"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn both_alphabets_and_paddings(bytes: Vec<u8>) {
            for text in
                [STANDARD.encode(&bytes), STANDARD_NO_PAD.encode(&bytes), URL_SAFE.encode(&bytes), encode(&bytes)]
            {
                prop_assert_eq!(decode(&text), Some(bytes.clone()));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = decode(&text);
        }
    }
}
