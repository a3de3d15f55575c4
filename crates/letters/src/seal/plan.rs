//! What saving a letter does to its secrecy: worked out, and its files written, before the transaction; the
//! transaction checks that the letter is still the one that was looked at.

use std::collections::{BTreeMap, BTreeSet};

use accounts::Caller;
use kernel::Problem;
use zeroize::Zeroizing;

use super::{
    FileChange, Passphrase, ReadableBy, cannot_open,
    key::{FileSecret, LetterKey, first_place},
    recovery::RecoveryKey,
};
use crate::{
    Letters,
    ops::Draft,
    store::{self, ContentRow, FileRow, Kept, KeyRow, LetterRow},
    view::file_of,
};

/// What a request says about secrecy, apart from `isEncrypted`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Secrecy {
    /// The letter's, or the one that it is to have if it has none.
    pub(crate) passphrase: Option<Passphrase>,
    /// The one that it is to have instead.
    pub(crate) new_passphrase: Option<Passphrase>,
    pub(crate) hint: Option<String>,
}

/// A letter as it was looked at.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    pub(crate) letter_id: String,
    pub(crate) owner_id: String,
    pub(crate) is_encrypted: bool,
    pub(crate) content: ContentRow,
    pub(crate) key: Option<KeyRow>,
}

impl Before {
    /// A letter that is about to be made.
    pub(crate) fn new(letter: &LetterRow, content: &ContentRow) -> Self {
        Self {
            letter_id: letter.id.clone(),
            owner_id: letter.owner_id.clone(),
            is_encrypted: false,
            content: content.clone(),
            key: None,
        }
    }

    /// A letter as it is kept. That it is encrypted is told from its text: what its own row said a moment
    /// earlier may be over.
    pub(crate) fn kept(letter: LetterRow, kept: Kept) -> Self {
        Self {
            letter_id: letter.id,
            owner_id: letter.owner_id,
            is_encrypted: kept.content.sealed.is_some(),
            content: kept.content,
            key: kept.key,
        }
    }

    /// Whether the letter is still that.
    pub(crate) fn is(&self, kept: &Kept) -> bool {
        self.content.content == kept.content.content
            && self.content.sealed == kept.content.sealed
            && self.key == kept.key
    }

    fn readable_by(&self) -> Option<ReadableBy> {
        self.is_encrypted.then(|| ReadableBy::of(self.key.as_ref()))
    }
}

/// A text about to be stored.
pub(crate) enum Text {
    /// In the open.
    Plain(Zeroizing<String>),
    /// Under the letter's key.
    Sealed(Vec<u8>),
}

/// What becomes of the letter's row of keys.
pub(crate) enum KeyChange {
    /// Nothing.
    Keep,
    /// The letter is not encrypted any more.
    Remove,
    /// It is this.
    Put(KeyRow),
}

/// What saving writes.
pub(crate) struct Sealing {
    /// `None`: what is there stays.
    pub(crate) text: Option<Text>,
    pub(crate) key: KeyChange,
    pub(crate) files: Vec<FileChange>,
    pub(crate) readable_by: Option<ReadableBy>,
    /// To be shown to the author, once.
    pub(crate) recovery_key: Option<String>,
    /// Something that was stored in the open is not to be any more.
    pub(crate) hides: bool,
}

/// The letter's key: the one it has, as far as it could be opened, and the one it gets.
struct Opened {
    old: Option<LetterKey>,
    fresh: Option<LetterKey>,
}

impl Opened {
    fn key(&self) -> Option<&LetterKey> {
        self.fresh.as_ref().or(self.old.as_ref())
    }
}

fn needs_passphrase(what: &str) -> Problem {
    Problem::rule("passphrase", format!("is needed to {what} of a letter that only its passphrase opens"))
}

impl Letters {
    /// Works out what saving `draft` with `text` makes of the letter.
    pub(crate) async fn sealing(
        &self,
        caller: &Caller,
        b: &Before,
        d: &Draft,
        text: Option<Zeroizing<String>>,
    ) -> Result<Sealing, Problem> {
        let was = b.readable_by();
        let to = becomes(was, d);
        check(was, to, &d.secrecy)?;
        if was.is_none() && to.is_none() {
            let text = text.map(Text::Plain);
            let (key, files) = (KeyChange::Keep, Vec::new());
            return Ok(Sealing { text, key, files, readable_by: to, recovery_key: None, hides: false });
        }
        let opened = self.keys_for(caller, b, to, d, was).await?;
        let text = self.text_to_write(b, &opened, to, text)?;
        let (files, fresh_files) = self.files_to_write(b, d, &opened, to).await?;
        let mut recovery_key = None;
        let version = b.key.as_ref().map_or(0, |k| k.version) + i64::from(text.is_some());
        let key = match (to, &b.key) {
            (None, _) => KeyChange::Remove,
            (Some(to), _) if opened.fresh.is_some() => {
                let (row, recovery) = self.wrap(&opened, to, version, d).await?;
                recovery_key = recovery;
                KeyChange::Put(row)
            }
            (Some(_), Some(old)) if text.is_some() || d.secrecy.hint.is_some() => {
                let hint = d.secrecy.hint.clone().or_else(|| old.hint.clone());
                KeyChange::Put(KeyRow { version, hint, ..old.clone() })
            }
            (Some(_), _) => KeyChange::Keep,
        };
        let text = match (text, opened.key(), to) {
            (None, _, _) => None,
            (Some(text), _, None) => Some(Text::Plain(text)),
            (Some(text), Some(key), Some(_)) => Some(Text::Sealed(key.seal_text(version, &text)?)),
            (Some(_), None, Some(_)) => return Err(needs_passphrase("change the text")),
        };
        let hides = to.is_some() && (was.is_none() || fresh_files);
        let to_letter = opened.key().filter(|_| to.is_some()).map(|key| (b.letter_id.as_str(), key));
        let files = self.rewrite_files(files, to_letter).await?;
        Ok(Sealing { text, key, files, readable_by: to, recovery_key, hides })
    }

    /// Opens the letter's key if it can be, and makes a new one where it needs one.
    async fn keys_for(
        &self,
        caller: &Caller,
        b: &Before,
        to: Option<ReadableBy>,
        d: &Draft,
        was: Option<ReadableBy>,
    ) -> Result<Opened, Problem> {
        let old = match (&b.key, was) {
            (Some(row), Some(ReadableBy::Server)) => {
                let wrapped = row.server.as_deref().unwrap_or_default();
                Some(LetterKey::from_server(self.keyring(), &b.letter_id, wrapped)?)
            }
            (Some(row), Some(ReadableBy::Keyholder)) => match &d.secrecy.passphrase {
                Some(phrase) => Some(self.open_by_passphrase(caller, &b.letter_id, row, phrase).await?),
                None => None,
            },
            _ => None,
        };
        // Whoever could read the letter, or had a copy of what wrapped its key, must not read what comes now.
        let new = to.is_some() && (b.key.is_none() || was != to || d.secrecy.new_passphrase.is_some());
        let fresh = if new { Some(LetterKey::random(&b.letter_id)?) } else { None };
        Ok(Opened { old, fresh })
    }

    /// The text that is given, or the one that is there if it is to be sealed anew or not at all.
    fn text_to_write(
        &self,
        b: &Before,
        opened: &Opened,
        to: Option<ReadableBy>,
        given: Option<Zeroizing<String>>,
    ) -> Result<Option<Zeroizing<String>>, Problem> {
        if given.is_some() {
            let needs = b.readable_by() == Some(ReadableBy::Keyholder) && opened.key().is_none();
            return if needs { Err(needs_passphrase("change the text")) } else { Ok(given) };
        }
        if to.is_some() && opened.fresh.is_none() {
            return Ok(None);
        }
        match (b.readable_by(), &opened.old) {
            (Some(ReadableBy::Keyholder), None) => Err(needs_passphrase("keep the text")),
            (_, old) => self.text_of(b, old.as_ref()).map(Some),
        }
    }

    /// The text that is there.
    pub(super) fn text_of(&self, b: &Before, key: Option<&LetterKey>) -> Result<Zeroizing<String>, Problem> {
        match (&b.content.content, &b.content.sealed, key, &b.key) {
            (Some(text), _, _, _) => Ok(Zeroizing::new(text.clone())),
            (None, Some(sealed), Some(key), Some(row)) => key.open_text(row.version, sealed),
            (None, Some(sealed), None, None) => {
                let failed = || cannot_open("text", &b.letter_id);
                let plain = self.keyring().open(&first_place(&b.letter_id), sealed).map_err(|_| failed())?;
                String::from_utf8(plain).map(Zeroizing::new).map_err(|_| failed())
            }
            (None, None, _, _) => Ok(Zeroizing::new(String::new())),
            (None, Some(_), _, _) => Err(cannot_open("text", &b.letter_id)),
        }
    }

    async fn wrap(
        &self,
        opened: &Opened,
        to: ReadableBy,
        version: i64,
        d: &Draft,
    ) -> Result<(KeyRow, Option<String>), Problem> {
        let key = opened.fresh.as_ref().ok_or_else(Problem::internal)?;
        let mut row =
            KeyRow { version, server: None, passphrase: None, recovery: None, hint: d.secrecy.hint.clone() };
        if to == ReadableBy::Server {
            row.server = Some(key.wrap_for_server(self.keyring())?);
            return Ok((row, None));
        }
        let phrase = d.secrecy.new_passphrase.as_ref().or(d.secrecy.passphrase.as_ref());
        let phrase = phrase.ok_or_else(Problem::internal)?;
        let recovery = RecoveryKey::random()?;
        row.passphrase = Some(key.wrap_for_passphrase(&self.0.kdf, phrase).await?);
        row.recovery = Some(key.wrap_for_recovery(&recovery)?);
        Ok((row, Some(recovery.text()?)))
    }

    /// The files that are stored otherwise than they are to be, with what opens them; and whether one of them
    /// is in the open. Those that may not be attached are left to the check that says so.
    async fn files_to_write(
        &self,
        b: &Before,
        d: &Draft,
        opened: &Opened,
        to: Option<ReadableBy>,
    ) -> Result<(Vec<(FileRow, Option<FileSecret>)>, bool), Problem> {
        let mut conn = self.db().read().await?;
        let (mut out, mut open_ones) = (Vec::new(), false);
        for (file, field) in self.final_files(&mut conn, b, d).await? {
            let own = file.owner_id == b.owner_id;
            if !own || file.letter_id.as_ref().is_some_and(|letter| *letter != b.letter_id) {
                continue;
            }
            let secret = match (&file.sealed_key, &opened.old) {
                (Some(_), _) if to.is_some() && opened.fresh.is_none() => continue,
                (Some(sealed), Some(key)) => Some(key.open_file(&file.id, sealed)?),
                (Some(_), None) => {
                    let text =
                        "is sealed with the old passphrase: give that as well, or upload the file anew";
                    return Err(Problem::rule(field, text));
                }
                (None, _) if to.is_none() => continue,
                (None, _) => None,
            };
            if secret.is_none() {
                if opened.key().is_none() {
                    return Err(needs_passphrase("add files"));
                }
                if store::file_is_elsewhere(&mut conn, &file.id, &b.letter_id).await? {
                    return Err(Problem::rule(field, crate::attach::SHARED));
                }
                open_ones = true;
            }
            out.push((file, secret));
        }
        Ok((out, open_ones))
    }

    /// The files of ours that the letter is going to have, with the field that names each.
    async fn final_files(
        &self,
        conn: &mut db::Conn,
        b: &Before,
        d: &Draft,
    ) -> Result<Vec<(FileRow, String)>, Problem> {
        let Some(list) = &d.attachments else {
            let files = store::files_of(conn, &b.letter_id).await?;
            return Ok(files.into_iter().map(|file| (file, "attachments".to_owned())).collect());
        };
        let mut fields = BTreeMap::new();
        for (n, attachment) in list.iter().enumerate() {
            if let Some(id) = file_of(self.public_url(), &attachment.url) {
                fields.entry(id).or_insert_with(|| format!("attachments[{n}].url"));
            }
        }
        let mut files = Vec::with_capacity(fields.len());
        for (id, field) in fields {
            files.extend(store::file(conn, id).await?.map(|file| (file, field)));
        }
        Ok(files)
    }

    /// The key of a letter that only its passphrase opens.
    pub(super) async fn open_by_passphrase(
        &self,
        caller: &Caller,
        letter: &str,
        row: &KeyRow,
        phrase: &Passphrase,
    ) -> Result<LetterKey, Problem> {
        self.attempt(caller, letter).await?;
        let wrapped = row.passphrase.as_deref().unwrap_or_default();
        match LetterKey::from_passphrase(&self.0.kdf, letter, wrapped, phrase).await? {
            Some(key) => {
                self.attempt_succeeded(caller, letter).await?;
                Ok(key)
            }
            None => {
                let text = "the passphrase is wrong";
                Err(Problem::forbidden(text).field("passphrase", text))
            }
        }
    }
}

/// Who can read the letter afterwards; `None` if it is not encrypted.
fn becomes(was: Option<ReadableBy>, d: &Draft) -> Option<ReadableBy> {
    if !d.is_encrypted.unwrap_or(was.is_some()) {
        return None;
    }
    match was {
        Some(ReadableBy::Keyholder) => was,
        _ if d.secrecy.passphrase.is_some() => Some(ReadableBy::Keyholder),
        _ => Some(ReadableBy::Server),
    }
}

/// What cannot be meant.
fn check(was: Option<ReadableBy>, to: Option<ReadableBy>, s: &Secrecy) -> Result<(), Problem> {
    let holder = Some(ReadableBy::Keyholder);
    if s.passphrase.is_some() && was != holder && to != holder {
        return Err(Problem::rule("passphrase", "is for an encrypted letter: isEncrypted must be true"));
    }
    if s.new_passphrase.is_some() && (was != holder || to != holder) {
        return Err(Problem::rule("newPassphrase", "is for a letter that has a passphrase"));
    }
    let Some(hint) = &s.hint else { return Ok(()) };
    if to != holder {
        return Err(Problem::rule("passphraseHint", "is for a letter that has a passphrase"));
    }
    let told = [&s.passphrase, &s.new_passphrase].into_iter().flatten().any(|p| p.is_told_by(hint));
    if told {
        return Err(Problem::rule("passphraseHint", "must not hold the passphrase: everybody can read it"));
    }
    Ok(())
}

/// The ids of all files that saving touches, in one order for all, so that two letters with the same files do
/// not wait for each other.
pub(crate) fn touched<'a>(
    changes: &'a [FileChange],
    attached: impl Iterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    changes.iter().map(|change| change.row.id.as_str()).chain(attached).collect()
}
