//! Recovery keys: 256 random bits that open a letter when its passphrase is forgotten, in a form for paper.
//!
//! Eight groups of seven characters of Crockford's base 32; the last 24 bits are a checksum, so that a typing
//! error is told from a wrong key.

use data_encoding::{Encoding, Specification};
use kernel::{Problem, seal::Key};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::cannot_open;

const CHECK: usize = 3;
const GROUP: usize = 7;
const LENGTH: usize = 56;

/// A letter's recovery key.
pub(crate) struct RecoveryKey(Key);

impl RecoveryKey {
    /// A new one.
    pub(super) fn random() -> Result<Self, Problem> {
        Key::random().map(Self).map_err(|_| cannot_open("randomness", "recovery key"))
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }

    /// As it is shown, once.
    pub(super) fn text(&self) -> Result<String, Problem> {
        let bytes = Zeroizing::new([self.0.bytes().as_slice(), &check(self.0.bytes())].concat());
        let text = Zeroizing::new(crockford()?.encode(&bytes).into_bytes());
        let groups: Vec<&str> =
            text.chunks(GROUP).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        Ok(groups.join("-"))
    }

    /// As it was typed: letters of either case, `O` for 0, `I` and `L` for 1, with or without separators.
    ///
    /// # Errors
    /// What is wrong with it, for its owner.
    pub(crate) fn parse(typed: &str) -> Result<Self, String> {
        let clean: Zeroizing<String> = Zeroizing::new(
            typed
                .chars()
                .filter(|c| !c.is_whitespace() && *c != '-')
                .map(|c| match c.to_ascii_uppercase() {
                    'O' => '0',
                    'I' | 'L' => '1',
                    c => c,
                })
                .collect(),
        );
        let length = clean.chars().count();
        if length != LENGTH {
            return Err(format!("must have {LENGTH} characters beside the dashes, not {length}"));
        }
        let encoding = crockford().map_err(|problem| problem.message)?;
        let bytes = encoding.decode(clean.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| "has a character that no recovery key has".to_owned())?;
        let (key, sum) = bytes.split_at_checked(bytes.len() - CHECK).unwrap_or_default();
        match Key::from_slice(key) {
            Some(key) if check(key.bytes()) == sum => Ok(Self(key)),
            _ => Err("has a typing error".to_owned()),
        }
    }
}

fn crockford() -> Result<Encoding, Problem> {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    spec.encoding().map_err(|_| cannot_open("encoding", "recovery key"))
}

fn check(key: &[u8; 32]) -> [u8; CHECK] {
    let digest = Sha256::new().chain_update("recovery key").chain_update(key).finalize();
    let mut sum = [0; CHECK];
    for (to, from) in sum.iter_mut().zip(digest) {
        *to = from;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_shown_and_as_typed() {
        let key = RecoveryKey::random().unwrap();
        let text = key.text().unwrap();
        assert_eq!((text.len(), text.split('-').count()), (LENGTH + 7, 8));
        for typed in [
            text.clone(),
            text.to_lowercase(),
            text.replace('-', " "),
            text.replace('-', ""),
            text.replace('0', "O").replace('1', "l"),
            format!(" {text}\n"),
        ] {
            assert!(RecoveryKey::parse(&typed).unwrap().0 == key.0, "{typed}");
        }
    }

    #[test]
    fn typing_errors_are_told() {
        let text = RecoveryKey(Key::from([3; 32])).text().unwrap();
        for n in 0..text.len() {
            let mut typed: Vec<char> = text.chars().collect();
            if typed[n] != '-' {
                typed[n] = if typed[n] == '7' { '8' } else { '7' };
                let typed: String = typed.into_iter().collect();
                assert_eq!(RecoveryKey::parse(&typed).err().unwrap(), "has a typing error");
            }
        }
        assert!(RecoveryKey::parse(text.get(1..).unwrap()).err().unwrap().contains("not 55"));
        assert!(RecoveryKey::parse("").err().unwrap().contains("not 0"));
        assert!(
            RecoveryKey::parse(&format!("U{}", text.get(1..).unwrap())).err().unwrap().contains("character")
        );
        assert!(RecoveryKey::parse(&"é".repeat(56)).err().unwrap().contains("character"));
    }
}
