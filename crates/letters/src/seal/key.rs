//! A letter's key: what it seals, and what wraps it.

use kernel::{
    Problem,
    seal::{Key, Keyring},
};
use zeroize::Zeroizing;

use super::{
    cannot_open,
    passphrase::{Kdf, Passphrase},
    recovery::RecoveryKey,
};

/// The key of one letter.
pub(crate) struct LetterKey {
    letter: String,
    key: Key,
}

/// What opens a file, and the name that its uploader gave it.
#[derive(Clone)]
pub(crate) struct FileSecret {
    pub(crate) key: Key,
    pub(crate) name: String,
}

impl LetterKey {
    /// A new one.
    pub(crate) fn random(letter: &str) -> Result<Self, Problem> {
        let key = Key::random().map_err(|_| cannot_open("randomness", letter))?;
        Ok(Self { letter: letter.to_owned(), key })
    }

    fn of(letter: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let key = Key::from_slice(bytes).ok_or_else(|| cannot_open("letter key", letter))?;
        Ok(Self { letter: letter.to_owned(), key })
    }

    /// Sealed as the `version`-th text of its letter.
    pub(crate) fn seal_text(&self, version: i64, text: &str) -> Result<Vec<u8>, Problem> {
        let place = text_place(&self.letter, version);
        self.key.seal(place.as_bytes(), text.as_bytes()).map_err(|_| cannot_open("text", &self.letter))
    }

    pub(crate) fn open_text(&self, version: i64, sealed: &[u8]) -> Result<Zeroizing<String>, Problem> {
        let failed = || cannot_open("text", &self.letter);
        let place = text_place(&self.letter, version);
        let plain = self.key.open(place.as_bytes(), sealed).map_err(|_| failed())?;
        let text = std::str::from_utf8(&plain).map_err(|_| failed())?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The secret of a file, sealed for its row: key ‖ name.
    pub(crate) fn seal_file(&self, file: &str, secret: &FileSecret) -> Result<Vec<u8>, Problem> {
        let plain = Zeroizing::new([secret.key.bytes().as_slice(), secret.name.as_bytes()].concat());
        let place = file_place(&self.letter, file);
        self.key.seal(place.as_bytes(), &plain).map_err(|_| cannot_open("file key", file))
    }

    pub(crate) fn open_file(&self, file: &str, sealed: &[u8]) -> Result<FileSecret, Problem> {
        let failed = || cannot_open("file key", file);
        let place = file_place(&self.letter, file);
        let plain = self.key.open(place.as_bytes(), sealed).map_err(|_| failed())?;
        let (key, name) = plain.split_at_checked(32).ok_or_else(failed)?;
        let name = String::from_utf8(name.to_vec()).map_err(|_| failed())?;
        Ok(FileSecret { key: Key::from_slice(key).ok_or_else(failed)?, name })
    }

    /// Wrapped for the server.
    pub(crate) fn wrap_for_server(&self, keyring: &Keyring) -> Result<Vec<u8>, Problem> {
        let wrapped = keyring.seal(&server_place(&self.letter), self.key.bytes());
        wrapped.map_err(|_| cannot_open("letter key", &self.letter))
    }

    pub(crate) fn from_server(keyring: &Keyring, letter: &str, wrapped: &[u8]) -> Result<Self, Problem> {
        let opened = keyring.open(&server_place(letter), wrapped);
        Self::of(letter, &Zeroizing::new(opened.map_err(|_| cannot_open("letter key", letter))?))
    }

    /// Wrapped for whoever knows the passphrase.
    pub(crate) async fn wrap_for_passphrase(
        &self,
        kdf: &Kdf,
        passphrase: &Passphrase,
    ) -> Result<Vec<u8>, Problem> {
        kdf.wrap(passphrase, &holder_place(&self.letter, "passphrase"), &self.key).await
    }

    /// `None` if it is another passphrase.
    pub(crate) async fn from_passphrase(
        kdf: &Kdf,
        letter: &str,
        wrapped: &[u8],
        passphrase: &Passphrase,
    ) -> Result<Option<Self>, Problem> {
        let key = kdf.unwrap(passphrase, &holder_place(letter, "passphrase"), wrapped).await?;
        Ok(key.map(|key| Self { letter: letter.to_owned(), key }))
    }

    /// Wrapped for whoever has the recovery key.
    pub(crate) fn wrap_for_recovery(&self, recovery: &RecoveryKey) -> Result<Vec<u8>, Problem> {
        let place = holder_place(&self.letter, "recovery");
        let wrapped = recovery.key().seal(place.as_bytes(), self.key.bytes());
        wrapped.map_err(|_| cannot_open("letter key", &self.letter))
    }

    /// `None` if it is another letter's recovery key.
    pub(crate) fn from_recovery(letter: &str, wrapped: &[u8], recovery: &RecoveryKey) -> Option<Self> {
        let place = holder_place(letter, "recovery");
        let key = recovery.key().open(place.as_bytes(), wrapped).ok()?;
        Self::of(letter, &key).ok()
    }
}

fn text_place(letter: &str, version: i64) -> String {
    format!("letter_contents:{letter}:content:{version}")
}

fn file_place(letter: &str, file: &str) -> String {
    format!("files:{file}:{letter}:sealed_key")
}

/// Where the keyring's wrap of a letter's key lies.
pub(super) fn server_place(letter: &str) -> String {
    format!("letter_keys:{letter}:server")
}

fn holder_place(letter: &str, who: &str) -> String {
    format!("letter_keys:{letter}:{who}")
}

/// Where the text of a letter of the first version lies, which the keyring sealed by itself.
pub(super) fn first_place(letter: &str) -> String {
    format!("letter_contents:{letter}:content")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_way_leads_to_the_same_key() {
        let (keyring, kdf) = (Keyring::new(vec![(1, [7; 32])]), Kdf::new());
        let key = LetterKey::random("mail_1").unwrap();
        let sealed = key.seal_text(3, "亲爱的").unwrap();
        let phrase = Passphrase::new("correct horse".to_owned());
        let recovery = RecoveryKey::random().unwrap();
        let server = key.wrap_for_server(&keyring).unwrap();
        let by_phrase = key.wrap_for_passphrase(&kdf, &phrase).await.unwrap();
        let by_recovery = key.wrap_for_recovery(&recovery).unwrap();
        for opened in [
            LetterKey::from_server(&keyring, "mail_1", &server).unwrap(),
            LetterKey::from_passphrase(&kdf, "mail_1", &by_phrase, &phrase).await.unwrap().unwrap(),
            LetterKey::from_recovery("mail_1", &by_recovery, &recovery).unwrap(),
        ] {
            assert_eq!(opened.open_text(3, &sealed).unwrap().as_str(), "亲爱的");
            // Neither an older version's text nor another letter's.
            assert!(opened.open_text(2, &sealed).is_err());
        }
        let wrong = Passphrase::new("correct horsf".to_owned());
        assert!(LetterKey::from_passphrase(&kdf, "mail_1", &by_phrase, &wrong).await.unwrap().is_none());
        assert!(LetterKey::from_passphrase(&kdf, "mail_2", &by_phrase, &phrase).await.unwrap().is_none());
        assert!(LetterKey::from_recovery("mail_2", &by_recovery, &recovery).is_none());
        assert!(LetterKey::from_recovery("mail_1", &by_recovery, &RecoveryKey::random().unwrap()).is_none());
        assert!(LetterKey::from_server(&keyring, "mail_2", &server).is_err());
    }

    #[test]
    fn a_file_key_is_bound_to_letter_and_file() {
        let key = LetterKey::random("mail_1").unwrap();
        let secret = FileSecret { key: Key::random().unwrap(), name: "照片.jpg".to_owned() };
        let sealed = key.seal_file("attach_1", &secret).unwrap();
        let opened = key.open_file("attach_1", &sealed).unwrap();
        assert!(opened.key == secret.key && opened.name == secret.name);
        assert!(key.open_file("attach_2", &sealed).is_err());
        let other = LetterKey { letter: "mail_2".to_owned(), key: key.key };
        assert!(other.open_file("attach_1", &sealed).is_err());
    }
}
