//! SQL on `desk_files`: the files of messages.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// A file. Its bytes lie under its id.
    #[derive(Debug, Clone)]
    pub(crate) struct FileRow {
        pub(crate) id: String,
        /// Where it was said; empty until it is sent, [`FORGOTTEN`] while its bytes are removed.
        pub(crate) session_id: String,
        /// Who uploaded it; `None` for a customer's, and without authentication.
        pub(crate) owner_id: Option<String>,
        pub(crate) name: String,
        /// By its bytes.
        pub(crate) mime: String,
        pub(crate) size: i64,
        pub(crate) sha256: String,
        pub(crate) created_at: Timestamp,
    }
}

/// Stands for the session of files that nobody sent: no id of a session is like it.
const FORGOTTEN: &str = "-";

/// The columns of a [`FileRow`].
macro_rules! columns {
    () => {
        "id, session_id, owner_id, name, mime, size, sha256, created_at"
    };
}

pub(crate) async fn insert(tx: &mut Tx, row: &FileRow) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_files (id, session_id, owner_id, name, mime, size, sha256, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING"
        ),
        args![
            &row.id,
            &row.session_id,
            &row.owner_id,
            &row.name,
            &row.mime,
            row.size,
            &row.sha256,
            row.created_at
        ],
    )
    .await
    .map(drop)
}

pub(crate) async fn file(conn: &mut Conn, id: &str) -> Result<Option<FileRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM desk_files WHERE id = $1")), args![id]).await
}

/// Gives an uploaded file to the session in which it is sent; whether it was not another's.
pub(crate) async fn claim(tx: &mut Tx, id: &str, session: &str) -> Result<bool> {
    let claimed = tx
        .exec(
            sql!("UPDATE desk_files SET session_id = $2 WHERE id = $1 AND session_id IN ('', $2)"),
            args![id, session],
        )
        .await?;
    Ok(claimed == 1)
}

/// How many bytes an agent uploaded and did not send.
pub(crate) async fn unsent(conn: &mut Conn, owner: Option<&str>) -> Result<i64> {
    let (bytes,) = conn
        .one(
            sql!(
                "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM desk_files
                 WHERE session_id = '' AND COALESCE(owner_id, '') = $1"
            ),
            args![owner.unwrap_or_default()],
        )
        .await?;
    Ok(bytes)
}

/// Notes what an uploaded file is, once its bytes are there; whether it was not forgotten meanwhile.
pub(crate) async fn complete(tx: &mut Tx, row: &FileRow) -> Result<bool> {
    let there = tx
        .exec(
            sql!("UPDATE desk_files SET mime = $2, sha256 = $3 WHERE id = $1 AND session_id = ''"),
            args![&row.id, &row.mime, &row.sha256],
        )
        .await?;
    Ok(there == 1)
}

/// So many files are forgotten at once.
pub(crate) const BATCH: usize = 200;

/// Takes files that were uploaded before then and never sent out of everybody's reach, at most [`BATCH`], and gives back
/// all whose bytes are to be removed: those of an earlier call, too, that did not come to its end.
pub(crate) async fn forget(tx: &mut Tx, before: Timestamp) -> Result<Vec<String>> {
    tx.exec(
        sql!(
            "UPDATE desk_files SET session_id = $2 WHERE session_id = '' AND id IN
                (SELECT id FROM desk_files WHERE session_id = '' AND created_at < $1 ORDER BY id LIMIT 200)"
        ),
        args![before, FORGOTTEN],
    )
    .await?;
    let rows: Vec<(String,)> = tx
        .all(sql!("SELECT id FROM desk_files WHERE session_id = $1 ORDER BY id LIMIT 400"), args![FORGOTTEN])
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Removes the row of a file whose bytes are gone.
pub(crate) async fn remove(tx: &mut Tx, id: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM desk_files WHERE id = $1 AND session_id = $2"), args![id, FORGOTTEN])
        .await
        .map(drop)
}
