//! SQL on `gmail_outbox` that recognises mails that went out from here.

use db::{Conn, Result, args, sql};

db::row! {
    /// A mail of ours.
    #[derive(Debug, Clone)]
    pub(crate) struct OwnSend {
        pub(crate) id: String,
        pub(crate) conversation_id: Option<i64>,
    }
}

/// The mail of an account with one of these Message-IDs, as it was given or as Gmail kept it, or that Gmail named so.
pub(crate) async fn own_send(
    conn: &mut Conn,
    credential: &str,
    message_ids: &[String],
    gmail_id: Option<&str>,
) -> Result<Option<OwnSend>> {
    conn.opt(
        sql!(
            sqlite: "SELECT id, conversation_id FROM gmail_outbox
                     WHERE credential_key = $1 AND (message_id IN (SELECT value FROM json_each($2))
                        OR sent_message_id IN (SELECT value FROM json_each($2)) OR gmail_id = $3)
                     ORDER BY id LIMIT 1",
            postgres: "SELECT id, conversation_id FROM gmail_outbox
                       WHERE credential_key = $1 AND (message_id = ANY($2::TEXT[])
                          OR sent_message_id = ANY($2::TEXT[]) OR gmail_id = $3)
                       ORDER BY id LIMIT 1"
        ),
        args![credential, message_ids, gmail_id],
    )
    .await
}
