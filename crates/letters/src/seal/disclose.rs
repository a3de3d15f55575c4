//! Opening a letter that the server can read, for its reader's own archive.

use std::collections::HashMap;

use blobs::Secret;
use kernel::Problem;
use zeroize::Zeroizing;

use super::{Before, files::whole, key::LetterKey};
use crate::{Letters, store::FileRow};

/// What is in a letter.
pub(crate) struct Disclosed {
    pub(crate) text: Zeroizing<String>,
    /// Name and secret of each sealed file, by its id.
    pub(crate) files: HashMap<String, (String, Secret)>,
}

impl Letters {
    /// Opens a letter that is not encrypted, or `readableBy` the server; whoever calls has checked that its
    /// reader may have it.
    pub(crate) fn disclose(&self, before: &Before, files: &[FileRow]) -> Result<Disclosed, Problem> {
        let wrapped = before.key.as_ref().and_then(|row| row.server.as_deref());
        let open = |wrapped| LetterKey::from_server(self.keyring(), &before.letter_id, wrapped);
        let key = wrapped.map(open).transpose()?;
        let text = self.text_of(before, key.as_ref())?;
        let mut opened = HashMap::new();
        for file in files {
            if let (Some(sealed), Some(key)) = (&file.sealed_key, &key) {
                let secret = key.open_file(&file.id, sealed)?;
                opened.insert(file.id.clone(), (secret.name, whole(&secret.key)));
            }
        }
        Ok(Disclosed { text, files: opened })
    }
}
