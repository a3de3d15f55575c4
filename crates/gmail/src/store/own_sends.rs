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

/// What a mail is known by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KnownBy<'a> {
    /// Message-IDs, as they were given or as Gmail kept them.
    pub(crate) message_ids: &'a [String],
    pub(crate) gmail_id: Option<&'a str>,
    /// The value of `mail::OWN_MARK`.
    pub(crate) mark: Option<&'a str>,
}

/// The mail of an account that is known by any of these.
pub(crate) async fn own_send(conn: &mut Conn, credential: &str, by: KnownBy<'_>) -> Result<Option<OwnSend>> {
    conn.opt(
        sql!(
            sqlite: "SELECT id, conversation_id FROM gmail_outbox
                     WHERE credential_key = $1 AND (message_id IN (SELECT value FROM json_each($2))
                        OR sent_message_id IN (SELECT value FROM json_each($2)) OR gmail_id = $3 OR id = $4)
                     ORDER BY id LIMIT 1",
            postgres: "SELECT id, conversation_id FROM gmail_outbox
                       WHERE credential_key = $1 AND (message_id = ANY($2::TEXT[])
                          OR sent_message_id = ANY($2::TEXT[]) OR gmail_id = $3 OR id = $4)
                       ORDER BY id LIMIT 1"
        ),
        args![credential, by.message_ids, by.gmail_id, by.mark],
    )
    .await
}
