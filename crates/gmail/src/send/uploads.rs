//! Files that people upload to send. Each stays for a week after it was uploaded or a mail had it last; a mail that waits
//! keeps its files. All of a user's together have at most as many octets as the settings say.

use std::time::Duration;

use blobs::{BlobError, Writer};
use db::Conn;
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use futures_util::StreamExt as _;
use httpkit::upload::storage;
use kernel::{Problem, ProblemKind, Timestamp, time::days};
use mail::File;

use super::envelope::Enclosed;
use crate::{
    Gmail,
    store::{self, UploadRow},
};

/// Removes a file that no mail has.
pub const COLLECT: &str = "gmail.collect";
/// The largest file, octets.
pub(crate) const LARGEST_UPLOAD: u64 = 25 * 1024 * 1024;
/// An unused one is kept so long.
const KEPT: Duration = days(7);

/// Types of files that cannot be told from their content, by the ends of their names.
const BY_NAME: &[(&str, &str)] = &[
    ("csv", "text/csv"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("xml", "application/xml"),
];

/// A file as it came.
pub(crate) struct Named {
    /// Its name, without folders.
    pub(crate) name: String,
    pub(crate) writer: Writer,
}

fn collection(upload: &str, due_at: Timestamp, now: Timestamp) -> NewDispatch {
    NewDispatch {
        id: format!("{upload}/collect/{}", kernel::id::new("c", now)),
        kind: COLLECT,
        subject: upload.to_owned(),
        destination: String::new(),
        payload: None,
        due_at,
    }
}

/// By content; where that tells nothing, by name.
fn mime_type(sniffed: &str, name: &str) -> String {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    let named = BY_NAME.iter().find(|(known, _)| *known == end).map(|(_, mime)| *mime);
    match named {
        Some(named) if sniffed == "application/octet-stream" || sniffed.starts_with("text/") => {
            named.to_owned()
        }
        _ => sniffed.to_owned(),
    }
}

impl Gmail {
    /// Keeps a file for a user's mails.
    ///
    /// # Errors
    /// 422: there is no room for it.
    pub(crate) async fn keep_upload(&self, user: &str, file: Named) -> Result<UploadRow, Problem> {
        let now = self.now();
        let id = kernel::id::new("gup", now);
        // Scheduled before the bytes are kept: whatever breaks off now is cleaned up then.
        let mut tx = self.db().begin().await?;
        dispatch::enqueue(&mut tx, now, &[collection(&id, now + KEPT, now)]).await?;
        tx.commit().await?;
        let stored = file.writer.finish(&id).await.map_err(|e| storage(&e))?;
        let row = UploadRow {
            user_id: user.to_owned(),
            mime_type: mime_type(stored.media.mime, &file.name),
            file_name: file.name,
            size: i64::try_from(stored.size).unwrap_or(i64::MAX),
            object_key: id.clone(),
            created_at: now,
            id,
        };
        let mut tx = self.db().begin().await?;
        // Of two that come at once one sees the other.
        store::lock_uploads(&mut tx).await?;
        if let Err(full) = self.has_room(&mut tx, user, row.size).await {
            dispatch::enqueue(&mut tx, now, &[collection(&row.id, now, now)]).await?;
            tx.commit().await?;
            return Err(full);
        }
        store::insert_upload(&mut tx, &row).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Refuses whoever has no room for another file.
    ///
    /// # Errors
    /// 422
    pub(crate) async fn may_upload(&self, user: &str) -> Result<(), Problem> {
        self.has_room(&mut self.db().read().await?, user, 1).await
    }

    /// Refuses a file of so many octets if its user's files would have too many together.
    async fn has_room(&self, conn: &mut Conn, user: &str, octets: i64) -> Result<(), Problem> {
        let most = self.0.config.send.uploads;
        if store::upload_total(conn, user).await?.saturating_add(octets) <= most {
            return Ok(());
        }
        let mib = most / (1024 * 1024);
        let text = format!(
            "your files to send would have more than {mib} MiB together: remove some that no mail needs"
        );
        Err(Problem::rule("file", text))
    }

    /// Forgets a user's file that no mail waits with.
    ///
    /// # Errors
    /// 404, 409
    pub(crate) async fn drop_upload(&self, user: &str, id: &str) -> Result<(), Problem> {
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let row = store::lock_upload(&mut tx, id).await?.filter(|row| row.user_id == user);
        if row.is_none() {
            return Err(Problem::not_found("attachment"));
        }
        if store::upload_uses(&mut tx, id).await?.0 {
            let text = "a mail that has not left yet sends this file";
            return Err(Problem::new(ProblemKind::Conflict, text));
        }
        store::delete_upload(&mut tx, id).await?;
        dispatch::enqueue(&mut tx, now, &[collection(id, now, now)]).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn collect(&self, id: &str) -> Result<Outcome, Problem> {
        let now = self.now();
        let mut tx = self.db().begin().await?;
        if let Some(row) = store::lock_upload(&mut tx, id).await? {
            let (waited_for, ended) = store::upload_uses(&mut tx, id).await?;
            let last = ended.map_or(row.created_at, |at| at.max(row.created_at));
            let until = if waited_for { now + days(1) } else { last + KEPT };
            if until > now {
                return Ok(Outcome::Snooze { until, reason: "in use".to_owned() });
            }
            store::delete_upload(&mut tx, id).await?;
            tx.commit().await?;
        }
        // After the row: bytes without a row are found by nobody, and a repetition removes them.
        self.0.blobs.delete(id).await.map_err(|e| storage(&e))?;
        Ok(Outcome::Done("removed".to_owned()))
    }

    /// The files of a mail with their octets; `None` if one is gone.
    pub(super) async fn read_files(&self, files: &[Enclosed]) -> Result<Option<Vec<File>>, BlobError> {
        let mut all = Vec::with_capacity(files.len());
        for file in files {
            let Some(object) = self.0.blobs.read(&file.object_key, None).await? else { return Ok(None) };
            let mut octets = Vec::with_capacity(usize::try_from(object.total).unwrap_or(0));
            let mut body = object.body;
            while let Some(chunk) = body.next().await {
                octets.extend_from_slice(&chunk.map_err(BlobError::from)?);
            }
            all.push(File { name: file.name.clone(), mime_type: file.mime_type.clone(), octets });
        }
        Ok(Some(all))
    }
}

/// Removes files that no mail has.
pub struct CollectUpload {
    /// The slice.
    pub gmail: Gmail,
}

impl Single for CollectUpload {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.gmail.collect(&d.subject).await {
                Ok(outcome) => outcome,
                Err(problem) => Outcome::Retry { reason: problem.message, after: None, in_doubt: false },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::mime_type;

    #[test]
    fn types() {
        let unknown = "application/octet-stream";
        for (sniffed, name, mime) in [
            (unknown, "价目.CSV", "text/csv"),
            (unknown, "a.txt", "text/plain"),
            (unknown, "a", unknown),
            (unknown, "a.exe", unknown),
            ("application/pdf", "a.txt", "application/pdf"),
            ("text/xml", "a.svg", "image/svg+xml"),
            ("image/png", "a.png", "image/png"),
        ] {
            assert_eq!(mime_type(sniffed, name), mime, "{name}");
        }
    }
}
