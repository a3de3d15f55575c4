//! The attachments of a letter as they are saved with it.

use std::collections::BTreeMap;

use blobs::{BlobError, Media, MediaClass, Writer};
use db::Tx;
use httpkit::upload::storage;
use kernel::{Problem, ProblemKind, time::days};

use crate::{
    Letters,
    model::AttachmentType,
    ops::Attachment,
    seal::{FileChange, touched},
    store::{self, FileRow, LetterRow, NewAttachment},
    view::file_of,
    work::{self, thumbnail_key},
};

/// The longer edge of a thumbnail, in pixels.
const EDGE: u32 = 320;
/// Why a file is refused.
pub(crate) const SHARED: &str = "another letter has this file, and an encrypted letter's is its own alone";
const FOREIGN: &str = "this file belongs to an encrypted letter";

/// Locked files by their ids; `None` where there is none.
pub(crate) type Locked = BTreeMap<String, Option<FileRow>>;

impl Letters {
    /// Keeps what was written as a file of this owner. If no letter has it after a day it is removed.
    pub(crate) async fn keep_file(
        &self,
        owner: &str,
        kind: AttachmentType,
        name: String,
        writer: Writer,
    ) -> Result<FileRow, Problem> {
        let now = self.clock().now();
        let id = kernel::id::new("attach", now);
        // Scheduled before the bytes are kept: whatever breaks off now is cleaned up then.
        let mut tx = self.db().begin().await?;
        work::collect(&mut tx, std::slice::from_ref(&id), now + days(1), now).await?;
        tx.commit().await?;
        let stored = writer.finish(&id).await.map_err(|e| storage(&e))?;
        let thumbnail = match self.0.blobs.make_thumbnail(&id, &thumbnail_key(&id), EDGE).await {
            Ok(thumbnail) => thumbnail.map(|t| t.media.mime),
            // A picture that cannot be drawn may still be sent.
            Err(BlobError::NotAnImage(reason)) => {
                tracing::debug!(file.id = id, reason, "no thumbnail");
                None
            }
            Err(e) => return Err(storage(&e)),
        };
        let row = FileRow {
            id,
            owner_id: owner.to_owned(),
            name,
            kind,
            mime: stored.media.mime.to_owned(),
            size: i64::try_from(stored.size).unwrap_or(i64::MAX),
            sha256: stored.sha256,
            thumbnail_mime: thumbnail.map(str::to_owned),
            object_key: None,
            sealed_key: None,
            letter_id: None,
        };
        let mut tx = self.db().begin().await?;
        store::insert_file(&mut tx, &row, now).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Locks all files that saving touches and writes what becomes of those that were written anew. `None` if
    /// one of them is not any more what it was then.
    pub(crate) async fn change_files(
        &self,
        tx: &mut Tx,
        letter: &LetterRow,
        list: &[Attachment],
        changes: &[FileChange],
    ) -> Result<Option<Locked>, Problem> {
        let attached = list.iter().filter_map(|a| file_of(self.public_url(), &a.url));
        let mut files = Locked::new();
        for id in touched(changes, attached) {
            files.insert(id.to_owned(), store::lock_file(tx, id).await?);
        }
        let now = self.clock().now();
        for change in changes {
            let row = files.get_mut(&change.row.id).and_then(Option::as_mut);
            let Some(row) = row.filter(|row| **row == change.seen) else { return Ok(None) };
            let own = change.row.letter_id.is_some();
            if own && store::file_is_elsewhere(tx, &row.id, &letter.id).await? {
                return Err(Problem::rule("attachments", SHARED));
            }
            store::set_file_object(tx, &change.row).await?;
            work::collect_object(tx, &row.id, change.seen.object(), now, now).await?;
            *row = change.row.clone();
        }
        Ok(Some(files))
    }

    /// Replaces the attachments of a letter with those given, whose files are locked; the files that were
    /// attached before.
    pub(crate) async fn attach(
        &self,
        tx: &mut Tx,
        letter: &LetterRow,
        list: &[Attachment],
        files: &Locked,
    ) -> Result<Vec<String>, Problem> {
        let mut problem = Problem::new(ProblemKind::Rule, "validation failed");
        let mut new = Vec::with_capacity(list.len());
        for (n, a) in list.iter().enumerate() {
            let Some(file_id) = file_of(self.public_url(), &a.url) else {
                new.push(NewAttachment {
                    id: kernel::id::new("attach", letter.created_at),
                    file_id: None,
                    kind: a.kind,
                    url: Some(a.url.clone()),
                    thumbnail: a.thumbnail.clone(),
                });
                continue;
            };
            match files.get(file_id).cloned().flatten() {
                Some(file) if file.owner_id == letter.owner_id && file.kind == a.kind => {
                    if file.letter_id.as_ref().is_some_and(|owner| *owner != letter.id) {
                        problem = problem.field(format!("attachments[{n}].url"), FOREIGN);
                    }
                    let (id, kind) = (file.id.clone(), file.kind);
                    new.push(NewAttachment { file_id: Some(file.id), id, kind, url: None, thumbnail: None });
                }
                Some(file) if file.owner_id == letter.owner_id => {
                    let reason = format!("this file is of type {}", file.kind.as_str());
                    problem = problem.field(format!("attachments[{n}].type"), reason);
                }
                _ => {
                    problem = problem.field(format!("attachments[{n}].url"), "no such file of yours");
                }
            }
        }
        if !problem.errors.is_empty() {
            return Err(problem);
        }
        Ok(store::set_attachments(tx, &letter.id, &new).await?)
    }
}

/// Whether an encrypted letter would get a file that is not sealed for it.
pub(crate) fn leaves_open(letter: &LetterRow, files: &Locked) -> bool {
    letter.is_encrypted
        && files.values().flatten().any(|f| f.owner_id == letter.owner_id && f.letter_id.is_none())
}

/// A voice recording in a container for films is still a voice recording.
pub(crate) fn agrees(kind: AttachmentType, media: &Media) -> bool {
    match kind {
        AttachmentType::Image => media.class == MediaClass::Image,
        AttachmentType::Video => media.class == MediaClass::Video,
        AttachmentType::Voice => {
            media.class == MediaClass::Audio || matches!(media.mime, "video/mp4" | "video/webm")
        }
    }
}
