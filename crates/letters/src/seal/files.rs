//! Files of encrypted letters: written once more, sealed or plain, before the transaction that says so.
//!
//! The old object stays until the new one is committed; which of the two nobody needs then is collected by a
//! dispatch, that of the new one scheduled before its first byte is written.

use blobs::Secret;
use data_encoding::HEXLOWER;
use kernel::{Problem, seal::Key, time::days};

use super::{
    cannot_open,
    key::{FileSecret, LetterKey},
};
use crate::{
    Letters,
    store::FileRow,
    work::{self, thumbnail_key},
};

/// Which of a file key's objects.
const WHOLE: u8 = 0;
const THUMBNAIL: u8 = 1;

/// What a file's row becomes.
#[derive(Debug, Clone)]
pub(crate) struct FileChange {
    /// The row for which this was made.
    pub(crate) seen: FileRow,
    /// The row that it becomes.
    pub(crate) row: FileRow,
}

/// What opens the object of a file itself.
pub(crate) fn whole(key: &Key) -> Secret {
    Secret { key: key.clone(), part: WHOLE }
}

/// What opens the object of its thumbnail.
pub(crate) fn thumbnail(key: &Key) -> Secret {
    Secret { key: key.clone(), part: THUMBNAIL }
}

impl Letters {
    /// Writes files once more: opened with the secret beside them if they are sealed, sealed for `to` or plain.
    pub(super) async fn rewrite_files(
        &self,
        files: Vec<(FileRow, Option<FileSecret>)>,
        to: Option<(&str, &LetterKey)>,
    ) -> Result<Vec<FileChange>, Problem> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let mut planned = Vec::with_capacity(files.len());
        for (seen, opened_by) in files {
            let unique: [u8; 6] = kernel::id::random().map_err(|_| cannot_open("randomness", &seen.id))?;
            let object = format!("{}-{}", seen.id, HEXLOWER.encode(&unique));
            planned.push((seen, opened_by, object));
        }
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        for (seen, _, object) in &planned {
            work::collect_object(&mut tx, &seen.id, object, now + days(1), now).await?;
        }
        tx.commit().await?;
        let mut changes = Vec::with_capacity(planned.len());
        for (seen, opened_by, object) in planned {
            changes.push(self.rewrite_file(seen, opened_by, object, to).await?);
        }
        Ok(changes)
    }

    async fn rewrite_file(
        &self,
        seen: FileRow,
        opened_by: Option<FileSecret>,
        object: String,
        to: Option<(&str, &LetterKey)>,
    ) -> Result<FileChange, Problem> {
        let name = opened_by.as_ref().map_or_else(|| seen.name.clone(), |secret| secret.name.clone());
        let mut row = FileRow { object_key: Some(object), ..seen.clone() };
        let key = match to {
            Some((letter, letter_key)) => {
                let key = Key::random().map_err(|_| cannot_open("randomness", &seen.id))?;
                let secret = FileSecret { key: key.clone(), name };
                row.sealed_key = Some(letter_key.seal_file(&seen.id, &secret)?);
                row.letter_id = Some(letter.to_owned());
                row.name = String::new();
                Some(key)
            }
            None => {
                (row.name, row.sealed_key, row.letter_id) = (name, None, None);
                None
            }
        };
        let old = opened_by.as_ref().map(|secret| &secret.key);
        let (from, to) = (seen.object(), row.object());
        row.sha256 = self.copy(from, old.map(whole), to, key.as_ref().map(whole)).await?;
        if row.thumbnail_mime.is_some() {
            let (from, to) = (thumbnail_key(from), thumbnail_key(row.object()));
            self.copy(&from, old.map(thumbnail), &to, key.as_ref().map(thumbnail)).await?;
        }
        Ok(FileChange { seen, row })
    }

    /// The SHA-256 of what was written.
    async fn copy(
        &self,
        from: &str,
        opened_by: Option<Secret>,
        to: &str,
        sealed_by: Option<Secret>,
    ) -> Result<String, Problem> {
        let written = self.0.blobs.rewrite(from, opened_by.as_ref(), to, sealed_by.as_ref()).await;
        match written.map_err(|e| httpkit::upload::storage(&e))? {
            Some(stored) => Ok(stored.sha256),
            // Collected since its row was read.
            None => Err(Problem::rule("attachments", "a file of this letter is gone")),
        }
    }
}
