//! SQL on `desk_messages` and `desk_inbound`: what was said, in the order of its numbers.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use super::{SessionRow, search};
use crate::{
    model::{MessageStatus, SenderType},
    supervise::WHISPER,
};

db::row! {
    /// A message. Its number in its session is `seq`.
    #[derive(Debug, Clone)]
    pub(crate) struct MessageRow {
        pub(crate) session_id: String,
        pub(crate) seq: i64,
        pub(crate) id: String,
        pub(crate) sender_type: SenderType,
        pub(crate) sender_id: String,
        pub(crate) msg_type: String,
        pub(crate) content: String,
        /// JSON: files, sources, whatever its type needs beyond words.
        pub(crate) payload: Option<String>,
        pub(crate) status: MessageStatus,
        pub(crate) fail_reason: Option<String>,
        /// The channel's id of it.
        pub(crate) external_id: Option<String>,
        /// By the channel's clock; our own for ours.
        pub(crate) sent_at: Timestamp,
        pub(crate) created_at: Timestamp,
    }
}

/// The columns of a [`MessageRow`].
macro_rules! columns {
    () => {
        "session_id, seq, id, sender_type, sender_id, msg_type, content, payload, status, fail_reason, external_id,
         sent_at, created_at"
    };
}
pub(crate) use columns;

/// Something that was said.
#[derive(Debug, Clone)]
pub(crate) struct NewMessage<'a> {
    pub(crate) sender_type: SenderType,
    pub(crate) sender_id: &'a str,
    pub(crate) msg_type: &'a str,
    pub(crate) content: &'a str,
    pub(crate) payload: Option<String>,
    pub(crate) status: MessageStatus,
    pub(crate) external_id: Option<&'a str>,
    /// Its sender's own id for it: the same one is the same message.
    pub(crate) client_id: Option<&'a str>,
    pub(crate) sent_at: Timestamp,
}

/// How much of a message a list shows, in characters.
const PREVIEW: usize = 200;

/// Adds a message to a locked session under the next number.
pub(crate) async fn append(
    tx: &mut Tx,
    row: &mut SessionRow,
    m: NewMessage<'_>,
    now: Timestamp,
) -> Result<MessageRow> {
    let (seq, id) = (row.last_seq.saturating_add(1), kernel::id::new("msg", now));
    tx.exec(
        sql!(
            "INSERT INTO desk_messages (session_id, seq, id, sender_type, sender_id, msg_type, content, payload, status,
                external_id, client_id, sent_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        ),
        args![
            &row.id,
            seq,
            &id,
            m.sender_type,
            m.sender_id,
            m.msg_type,
            m.content,
            &m.payload,
            m.status,
            m.external_id,
            m.client_id,
            m.sent_at,
            now
        ],
    )
    .await?;
    // A whisper is between two; nobody else is to find it.
    if m.msg_type != WHISPER {
        search::index(tx, row, &id, m.content).await?;
    }
    row.last_seq = seq;
    row.updated_at = now;
    if m.status != MessageStatus::Internal {
        row.message_count = row.message_count.saturating_add(1);
        row.last_message = Some(m.content.chars().take(PREVIEW).collect());
        row.last_message_at = Some(now);
    }
    if m.sender_type == SenderType::Customer {
        row.last_customer_seq = seq;
        row.last_customer_at = Some(now);
    }
    tx.exec(
        sql!(
            "UPDATE desk_sessions SET last_seq = $2, message_count = $3, last_message = $4, last_message_at = $5,
                last_customer_seq = $6, last_customer_at = $7, updated_at = $8 WHERE id = $1"
        ),
        args![
            &row.id,
            row.last_seq,
            row.message_count,
            &row.last_message,
            row.last_message_at,
            row.last_customer_seq,
            row.last_customer_at,
            now
        ],
    )
    .await?;
    Ok(MessageRow {
        session_id: row.id.clone(),
        seq,
        id,
        sender_type: m.sender_type,
        sender_id: m.sender_id.to_owned(),
        msg_type: m.msg_type.to_owned(),
        content: m.content.to_owned(),
        payload: m.payload,
        status: m.status,
        fail_reason: None,
        external_id: m.external_id.map(str::to_owned),
        sent_at: m.sent_at,
        created_at: now,
    })
}

/// The message that its sender sent under this id before.
pub(crate) async fn same_client(
    conn: &mut Conn,
    session: &str,
    client_id: &str,
) -> Result<Option<MessageRow>> {
    conn.opt(
        sql!(concat!("SELECT ", columns!(), " FROM desk_messages WHERE session_id = $1 AND client_id = $2")),
        args![session, client_id],
    )
    .await
}

/// Whether the channel's message did not come before. Two transactions with the same one wait for each other.
pub(crate) async fn is_new(tx: &mut Tx, account: &str, external_id: &str, now: Timestamp) -> Result<bool> {
    let new = tx
        .exec(
            sql!(
                "INSERT INTO desk_inbound (account_id, external_id, session_id, message_id, received_at)
                 VALUES ($1, $2, '', '', $3) ON CONFLICT (account_id, external_id) DO NOTHING"
            ),
            args![account, external_id, now],
        )
        .await?;
    Ok(new == 1)
}

/// Notes which message of ours a channel's message became.
pub(crate) async fn remember(tx: &mut Tx, account: &str, external_id: &str, m: &MessageRow) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE desk_inbound SET session_id = $3, message_id = $4 WHERE account_id = $1 AND external_id = $2"
        ),
        args![account, external_id, &m.session_id, &m.id],
    )
    .await?;
    Ok(())
}

/// A message by its id.
pub(crate) async fn message(conn: &mut Conn, id: &str) -> Result<Option<MessageRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM desk_messages WHERE id = $1")), args![id]).await
}

/// The message that a channel's message became.
pub(crate) async fn by_external(
    conn: &mut Conn,
    account: &str,
    external_id: &str,
) -> Result<Option<MessageRow>> {
    conn.opt(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM desk_messages WHERE id = (SELECT message_id FROM desk_inbound
                WHERE account_id = $1 AND external_id = $2)"
        )),
        args![account, external_id],
    )
    .await
}

/// Moves a message from one status to another, with the reason of a failure. `None` if it was not in `from`.
pub(crate) async fn set_status(
    tx: &mut Tx,
    id: &str,
    from: MessageStatus,
    to: MessageStatus,
    reason: Option<&str>,
) -> Result<Option<MessageRow>> {
    tx.opt(
        sql!(concat!(
            "UPDATE desk_messages SET status = $3, fail_reason = $4 WHERE id = $1 AND status = $2 RETURNING ",
            columns!()
        )),
        args![id, from, to, reason],
    )
    .await
}

/// Replaces what a message's type needs beyond words; JSON.
pub(crate) async fn set_payload(tx: &mut Tx, id: &str, payload: &str) -> Result<Option<MessageRow>> {
    tx.opt(
        sql!(concat!("UPDATE desk_messages SET payload = $2 WHERE id = $1 RETURNING ", columns!())),
        args![id, payload],
    )
    .await
}
