//! SQL on `desk_files`: the files of messages.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// A file. Its bytes lie under its id.
    #[derive(Debug, Clone)]
    pub(crate) struct FileRow {
        pub(crate) id: String,
        /// Where it was said; empty until it is sent.
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
