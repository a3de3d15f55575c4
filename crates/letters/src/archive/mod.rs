//! An account's letters as one file that its owner keeps: written by export, taken in by import.
//!
//! The file is a zip archive: `profile.json`, of each letter `letters/{mailId}.json` and, where it can be read,
//! `letters/{mailId}.eml`, the attachments `files/{fileId}.{ext}` or, of letters that only their passphrase opens,
//! `sealed/{fileId}`, and `manifest.json` with the size and SHA-256 of all others. Promises:
//! - Nothing of anybody else's letter is in it before that letter is delivered to the account.
//! - Memory does not grow with texts and files: some 200 bytes a member, and one letter at a time.
//! - An archive that is taken in is believed nothing: every member is verified before the first letter is made.
//! - A letter is made whole or not at all, once for an account, and nothing is sent.

mod document;
mod export;
mod import;
mod pack;
mod source;
mod unpack;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) use import::{ImportedLetters, most_bytes};

/// What the archive says of itself.
pub(crate) const FORMAT: &str = "hongyan-account/1";
const MANIFEST: &str = "manifest.json";
const PROFILE: &str = "profile.json";

/// A member and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    name: String,
    /// In bytes.
    size: u64,
    /// 64 lower-case hexadecimal digits.
    sha256: String,
}

/// `manifest.json`
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    format: String,
    /// Of the server that wrote it.
    version: String,
    created_at: String,
    account: Account,
    letters: u64,
    /// Whether texts and files of the letters that are `readableBy` the server are in it, in the open.
    includes_encrypted: bool,
    members: Vec<Member>,
}

/// Whose letters they are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    user_id: String,
    username: String,
    email: String,
}

/// What a member comes to.
#[derive(Default)]
struct Sum {
    hash: Sha256,
    size: u64,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
    }

    fn finish(self, name: String) -> Member {
        Member { name, size: self.size, sha256: HEXLOWER.encode(&self.hash.finalize()) }
    }
}

/// What a member is, by its name. No other name is one of ours, so none leads out of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind<'a> {
    Profile,
    /// With the letter's id.
    Letter(&'a str),
    Mail,
    File,
    Sealed,
}

impl<'a> Kind<'a> {
    fn of(name: &'a str) -> Option<Self> {
        if name == PROFILE {
            return Some(Self::Profile);
        }
        let (folder, file) = name.split_once('/')?;
        let (id, ext) = file.split_once('.').map_or((file, None), |(id, ext)| (id, Some(ext)));
        let letter = kernel::id::is("mail", id);
        let attached = kernel::id::is("attach", id);
        match (folder, ext) {
            ("letters", Some("json")) if letter => Some(Self::Letter(id)),
            ("letters", Some("eml")) if letter => Some(Self::Mail),
            ("files", None) if attached => Some(Self::File),
            ("files", Some(ext)) if attached && is_extension(ext) => Some(Self::File),
            ("sealed", None) if attached => Some(Self::Sealed),
            _ => None,
        }
    }
}

fn is_extension(text: &str) -> bool {
    (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Where a file is, with an extension that tells people what it is.
fn file_member(id: &str, mime: &str) -> String {
    match mime.split_once('/') {
        Some((_, kind)) if is_extension(kind) => format!("files/{id}.{kind}"),
        _ => format!("files/{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Kind::of("profile.json"), Some(Kind::Profile));
        assert_eq!(Kind::of("letters/mail_1.json"), Some(Kind::Letter("mail_1")));
        assert_eq!(Kind::of("letters/mail_1.eml"), Some(Kind::Mail));
        assert_eq!(Kind::of("sealed/attach_1"), Some(Kind::Sealed));
        for mime in ["image/png", "application/x-tar", ""] {
            assert_eq!(Kind::of(&file_member("attach_1", mime)), Some(Kind::File), "{mime}");
        }
        for name in [
            "../profile.json",
            "letters/../mail_1.json",
            "letters/mail_1/.json",
            "/letters/mail_1.json",
            "letters\\mail_1.json",
            "letters/mail_1.json.exe",
            "files/attach_1.",
            "files/attach_1.a/b",
            "files/mail_1",
            "sealed/attach_1.png",
            "manifest.json",
            "",
        ] {
            assert_eq!(Kind::of(name), None, "{name}");
        }
    }
}
