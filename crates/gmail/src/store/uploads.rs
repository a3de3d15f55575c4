//! SQL on `gmail_uploads` and `gmail_upload_uses`: files to be sent, and the mails that send them.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

db::row! {
    /// A file to be sent.
    #[derive(Debug, Clone)]
    pub(crate) struct UploadRow {
        /// `gup_…`
        pub(crate) id: String,
        pub(crate) user_id: String,
        pub(crate) file_name: String,
        pub(crate) mime_type: String,
        /// Octets.
        pub(crate) size: i64,
        /// Where its bytes are.
        pub(crate) object_key: String,
        pub(crate) created_at: Timestamp,
    }
}

/// The columns of an [`UploadRow`].
macro_rules! columns {
    () => {
        "id, user_id, file_name, mime_type, size, object_key, created_at"
    };
}

/// Keeps what is known of a file.
pub(crate) async fn insert_upload(tx: &mut Tx, u: &UploadRow) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO gmail_uploads (id, user_id, file_name, mime_type, size, object_key, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)"
        ),
        args![&u.id, &u.user_id, &u.file_name, &u.mime_type, u.size, &u.object_key, u.created_at],
    )
    .await
    .map(drop)
}

/// Lets nobody else keep a file until the transaction ends, in any process.
pub(crate) async fn lock_uploads(tx: &mut Tx) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO gmail_counters (scope, span, n) VALUES ('uploads', 0, 1)
             ON CONFLICT (scope, span) DO UPDATE SET n = gmail_counters.n + 1"
        ),
        args![],
    )
    .await
    .map(drop)
}

/// How many octets a user's files have together.
pub(crate) async fn upload_total(conn: &mut Conn, user: &str) -> Result<i64> {
    let (octets,): (i64,) = conn
        .one(
            sql!("SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM gmail_uploads WHERE user_id = $1"),
            args![user],
        )
        .await?;
    Ok(octets)
}

/// One, locked until the transaction ends, so that it is not used and removed at once.
pub(crate) async fn lock_upload(tx: &mut Tx, id: &str) -> Result<Option<UploadRow>> {
    tx.opt(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM gmail_uploads WHERE id = $1"),
            postgres: concat!("SELECT ", columns!(), " FROM gmail_uploads WHERE id = $1 FOR UPDATE")
        ),
        args![id],
    )
    .await
}

/// Forgets one, and by which mails it was used.
pub(crate) async fn delete_upload(tx: &mut Tx, id: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM gmail_upload_uses WHERE upload_id = $1"), args![id]).await?;
    tx.exec(sql!("DELETE FROM gmail_uploads WHERE id = $1"), args![id]).await.map(drop)
}

/// Notes that a mail sends a file.
pub(crate) async fn use_upload(tx: &mut Tx, upload: &str, outbox: &str) -> Result<()> {
    tx.exec(
        sql!("INSERT INTO gmail_upload_uses (upload_id, outbox_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"),
        args![upload, outbox],
    )
    .await
    .map(drop)
}

/// Whether a mail that has not ended sends a file, and when one that has ended did so last.
pub(crate) async fn upload_uses(conn: &mut Conn, upload: &str) -> Result<(bool, Option<Timestamp>)> {
    conn.one(
        sql!(
            "SELECT COALESCE(MAX(CASE WHEN o.state IN ('held', 'sending', 'unknown') THEN 1 ELSE 0 END), 0) > 0,
                MAX(o.updated_at)
             FROM gmail_upload_uses AS u JOIN gmail_outbox AS o ON o.id = u.outbox_id WHERE u.upload_id = $1"
        ),
        args![upload],
    )
    .await
}
