//! SQL on `files` and `letter_attachments`.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::AttachmentType;

db::row! {
    /// An uploaded file.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct FileRow {
        pub(crate) id: String,
        pub(crate) owner_id: String,
        pub(crate) name: String,
        pub(crate) kind: AttachmentType,
        pub(crate) mime: String,
        pub(crate) size: i64,
        pub(crate) sha256: String,
        pub(crate) thumbnail_mime: Option<String>,
        /// Where the bytes are, if not under the file's id.
        pub(crate) object_key: Option<String>,
        /// What opens them, sealed with the key of the letter that they belong to.
        pub(crate) sealed_key: Option<Vec<u8>>,
        /// The encrypted letter that they belong to.
        pub(crate) letter_id: Option<String>,
    }
}

impl FileRow {
    /// Where its bytes are stored.
    pub(crate) fn object(&self) -> &str {
        self.object_key.as_deref().unwrap_or(&self.id)
    }
}

pub(crate) async fn insert_file(tx: &mut Tx, f: &FileRow, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO files (id, owner_id, name, kind, mime, size, sha256, thumbnail_mime, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        ),
        args![&f.id, &f.owner_id, &f.name, f.kind, &f.mime, f.size, &f.sha256, &f.thumbnail_mime, now],
    )
    .await
    .map(drop)
}

pub(crate) async fn file(conn: &mut Conn, id: &str) -> Result<Option<FileRow>> {
    conn.opt(
        sql!(
            "SELECT id, owner_id, name, kind, mime, size, sha256, thumbnail_mime, object_key, sealed_key,
                letter_id
             FROM files WHERE id = $1"
        ),
        args![id],
    )
    .await
}

/// A file, locked until the transaction ends, so that it is not attached and collected at once.
pub(crate) async fn lock_file(tx: &mut Tx, id: &str) -> Result<Option<FileRow>> {
    tx.opt(
        sql!(
            sqlite: "SELECT id, owner_id, name, kind, mime, size, sha256, thumbnail_mime, object_key,
                        sealed_key, letter_id
                     FROM files WHERE id = $1",
            postgres: "SELECT id, owner_id, name, kind, mime, size, sha256, thumbnail_mime, object_key,
                          sealed_key, letter_id
                       FROM files WHERE id = $1 FOR UPDATE"
        ),
        args![id],
    )
    .await
}

/// Whether any letter has this file.
pub(crate) async fn file_is_attached(tx: &mut Tx, id: &str) -> Result<bool> {
    let row: Option<(String,)> = tx
        .opt(sql!("SELECT letter_id FROM letter_attachments WHERE file_id = $1 LIMIT 1"), args![id])
        .await?;
    Ok(row.is_some())
}

/// The files of a letter.
pub(crate) async fn files_of(conn: &mut Conn, letter: &str) -> Result<Vec<FileRow>> {
    conn.all(
        sql!(
            "SELECT id, owner_id, name, kind, mime, size, sha256, thumbnail_mime, object_key, sealed_key,
                letter_id
             FROM files
             WHERE id IN (SELECT file_id FROM letter_attachments WHERE letter_id = $1) ORDER BY id"
        ),
        args![letter],
    )
    .await
}

/// Whether a letter other than this one has the file.
pub(crate) async fn file_is_elsewhere(conn: &mut Conn, id: &str, letter: &str) -> Result<bool> {
    let row: Option<(String,)> = conn
        .opt(
            sql!("SELECT letter_id FROM letter_attachments WHERE file_id = $1 AND letter_id <> $2 LIMIT 1"),
            args![id, letter],
        )
        .await?;
    Ok(row.is_some())
}

/// Writes where the bytes of a locked file are and what opens them.
pub(crate) async fn set_file_object(tx: &mut Tx, f: &FileRow) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE files SET name = $2, sha256 = $3, object_key = $4, sealed_key = $5, letter_id = $6
             WHERE id = $1"
        ),
        args![&f.id, &f.name, &f.sha256, &f.object_key, f.sealed_key.as_deref(), &f.letter_id],
    )
    .await
    .map(drop)
}

pub(crate) async fn delete_file(tx: &mut Tx, id: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM files WHERE id = $1"), args![id]).await.map(drop)
}

/// Whether one of these mailboxes (the public one included) received a letter with this file.
pub(crate) async fn file_was_received(conn: &mut Conn, id: &str, mailboxes: Vec<&str>) -> Result<bool> {
    let row: Option<(String,)> = conn
        .opt(
            sql!(
                sqlite: "SELECT a.letter_id FROM letter_attachments AS a
                         JOIN letters AS l ON l.id = a.letter_id
                         JOIN inbox AS i ON i.letter_id = l.id AND i.delivered_at = l.delivered_at
                         WHERE a.file_id = $1 AND i.mailbox IN (SELECT value FROM json_each($2)) LIMIT 1",
                postgres: "SELECT a.letter_id FROM letter_attachments AS a
                           JOIN letters AS l ON l.id = a.letter_id
                           JOIN inbox AS i ON i.letter_id = l.id AND i.delivered_at = l.delivered_at
                           WHERE a.file_id = $1 AND i.mailbox = ANY($2) LIMIT 1"
            ),
            args![id, mailboxes],
        )
        .await?;
    Ok(row.is_some())
}

/// An attachment of a letter.
#[derive(Debug, Clone)]
pub(crate) struct NewAttachment {
    pub(crate) id: String,
    pub(crate) file_id: Option<String>,
    pub(crate) kind: AttachmentType,
    pub(crate) url: Option<String>,
    pub(crate) thumbnail: Option<String>,
}

/// Replaces a letter's attachments; the files that were attached before.
pub(crate) async fn set_attachments(
    tx: &mut Tx,
    letter: &str,
    attachments: &[NewAttachment],
) -> Result<Vec<String>> {
    let old: Vec<(Option<String>,)> = tx
        .all(sql!("DELETE FROM letter_attachments WHERE letter_id = $1 RETURNING file_id"), args![letter])
        .await?;
    for (position, a) in (0_i64..).zip(attachments) {
        tx.exec(
            sql!(
                "INSERT INTO letter_attachments (letter_id, position, id, file_id, kind, url, thumbnail)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)"
            ),
            args![letter, position, &a.id, &a.file_id, a.kind, &a.url, &a.thumbnail],
        )
        .await?;
    }
    Ok(old.into_iter().filter_map(|(file,)| file).collect())
}

db::row! {
    /// An attachment with its file, if it is one of ours.
    #[derive(Debug, Clone)]
    pub(crate) struct AttachmentRow {
        pub(crate) id: String,
        pub(crate) file_id: Option<String>,
        pub(crate) kind: AttachmentType,
        pub(crate) url: Option<String>,
        pub(crate) thumbnail: Option<String>,
        pub(crate) size: Option<i64>,
        pub(crate) file_thumbnail: Option<String>,
        /// See [`FileRow`].
        pub(crate) sealed_key: Option<Vec<u8>>,
    }
}

pub(crate) async fn attachments(conn: &mut Conn, letter: &str) -> Result<Vec<AttachmentRow>> {
    conn.all(
        sql!(
            "SELECT a.id, a.file_id, a.kind, a.url, a.thumbnail, f.size, f.thumbnail_mime,
                f.sealed_key
             FROM letter_attachments AS a LEFT JOIN files AS f ON f.id = a.file_id
             WHERE a.letter_id = $1 ORDER BY a.position"
        ),
        args![letter],
    )
    .await
}
