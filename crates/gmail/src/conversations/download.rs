//! Files of mails, fetched from Gmail for whoever asks: nothing of them is kept here, but for images, which stay in memory
//! for a minute. Whoever looks at a mail asks for all of its images at once, and they cost one call.
//!
//! The whole mail is fetched and taken apart by the reader that named its files: one call, and a file is what it was listed
//! as. Gmail's own ids of files do not last, and asking for them is a call more.

use std::collections::HashMap;

use axum::body::Bytes;
use kernel::Problem;
use mail::Incoming;

use super::{is_raster, refusal};
use crate::{
    Gmail,
    store::{self, CredentialRow, PlaceRow},
};

/// Where a file of a mail lies, and the account that has it.
pub(crate) struct Place {
    pub(crate) part: PlaceRow,
    pub(crate) credential: CredentialRow,
}

pub(crate) fn no_file() -> Problem {
    Problem::not_found("attachment")
}

impl Gmail {
    /// Where a file of a mail lies: of this user, or whoever's it is.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn place(&self, user: Option<&str>, id: &str) -> Result<Place, Problem> {
        let mut conn = self.db().read().await?;
        let part = store::part_place(&mut conn, id).await?.ok_or_else(no_file)?;
        let credential = store::credential_by_key(&mut conn, &part.credential_key).await?;
        let credential = credential.filter(|row| user.is_none_or(|user| row.user_id == user));
        Ok(Place { part, credential: credential.ok_or_else(no_file)? })
    }

    /// A file's octets, from Gmail.
    ///
    /// # Errors
    /// 404 if the mail was deleted there meanwhile; 409 if the account must be connected again, or Gmail refuses; 503 if
    /// Google is away or the account's limits are reached.
    pub(crate) async fn file_octets(&self, place: &Place) -> Result<Bytes, Problem> {
        let reading = &self.0.reading;
        let mail = (place.credential.key.clone(), place.part.gmail_id.clone());
        let fetching = reading.fetching.of(mail.clone());
        let _alone = fetching.lock().await;
        if let Some(image) = reading.kept.image(&mail, &place.part.part_id, self.now()) {
            return Ok(image);
        }
        let _turn = reading.downloads.acquire().await.map_err(|_| Problem::internal())?;
        let fetched = self.mailbox(&place.credential).raw(&place.part.gmail_id).await;
        let raw = fetched.map_err(|error| refusal(&place.credential, &error).unwrap_or_else(no_file))?;
        let part = place.part.part_id.clone();
        // Of a large mail this takes a while.
        let read = tokio::task::spawn_blocking(move || take_out(&raw.bytes, &part)).await;
        let (file, images) = read.map_err(|error| {
            tracing::error!(panicked = error.is_panic(), "a mail cannot be taken apart");
            Problem::internal()
        })?;
        reading.kept.keep(mail, images, self.now());
        file.ok_or_else(no_file)
    }
}

/// A file of a mail, and the images, by the ids of their parts, if it is one of them.
fn take_out(raw: &[u8], part: &str) -> (Option<Bytes>, HashMap<String, Bytes>) {
    let Ok(mail) = Incoming::read(raw) else { return (None, HashMap::new()) };
    let Some(wanted) = mail.attachments.iter().find(|file| file.id == part) else {
        return (None, HashMap::new());
    };
    let octets = |file: &mail::Attachment| Bytes::from(file.octets(raw).into_owned());
    if !is_raster(&wanted.mime_type) {
        return (Some(octets(wanted)), HashMap::new());
    }
    let images = mail.attachments.iter().filter(|file| is_raster(&file.mime_type));
    let images: HashMap<String, Bytes> = images.map(|file| (file.id.clone(), octets(file))).collect();
    (images.get(part).cloned(), images)
}
