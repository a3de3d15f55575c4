//! SQL that removes: a message that Gmail no longer holds, and all that there was of an account.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

/// So many messages go at a time with their account.
const BATCH: i64 = 200;

/// The conversations in which any of these messages stand, in order.
pub(crate) async fn standing_in(conn: &mut Conn, messages: &[String]) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = conn
        .all(
            sql!(
                sqlite: "SELECT DISTINCT conversation_id FROM gmail_links
                         WHERE message_key IN (SELECT value FROM json_each($1)) ORDER BY conversation_id",
                postgres: "SELECT DISTINCT conversation_id FROM gmail_links
                           WHERE message_key = ANY($1::TEXT[]) ORDER BY conversation_id"
            ),
            args![messages],
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Removes messages with all that hangs on them. Their conversations are counted anew by [`recount`].
pub(crate) async fn remove_messages(tx: &mut Tx, messages: &[String]) -> Result<()> {
    for statement in [
        sql!(
            sqlite: "DELETE FROM gmail_links WHERE message_key IN (SELECT value FROM json_each($1))",
            postgres: "DELETE FROM gmail_links WHERE message_key = ANY($1::TEXT[])"
        ),
        sql!(
            sqlite: "DELETE FROM gmail_parts WHERE message_key IN (SELECT value FROM json_each($1))",
            postgres: "DELETE FROM gmail_parts WHERE message_key = ANY($1::TEXT[])"
        ),
        sql!(
            sqlite: "DELETE FROM gmail_terms WHERE message_key IN (SELECT value FROM json_each($1))",
            postgres: "DELETE FROM gmail_terms WHERE message_key = ANY($1::TEXT[])"
        ),
        sql!(
            sqlite: "DELETE FROM gmail_messages WHERE key IN (SELECT value FROM json_each($1))",
            postgres: "DELETE FROM gmail_messages WHERE key = ANY($1::TEXT[])"
        ),
    ] {
        tx.exec(statement, args![messages]).await?;
    }
    Ok(())
}

/// Makes a locked conversation say what stands in it.
pub(crate) async fn recount(tx: &mut Tx, conversation: i64, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE gmail_conversations SET
                message_count = (SELECT COUNT(*) FROM gmail_links AS l WHERE l.conversation_id = $1),
                last_message_key = (SELECT l.message_key FROM gmail_links AS l WHERE l.conversation_id = $1
                                    ORDER BY l.received_at DESC, l.message_key DESC LIMIT 1),
                last_message_at = (SELECT MAX(l.received_at) FROM gmail_links AS l WHERE l.conversation_id = $1),
                last_inbound_at = (SELECT MAX(l.received_at) FROM gmail_links AS l
                                   WHERE l.conversation_id = $1 AND l.theirs),
                updated_at = $2
             WHERE id = $1"
        ),
        args![conversation, now],
    )
    .await
    .map(drop)
}

/// Removes all of an account that people see, but for its mails on their way out: its conversations and what hangs on
/// them. Suppressions stay: they are its
/// owner's. What is left is out of reach, and goes by [`remove_rest`].
pub(crate) async fn remove_visible(tx: &mut Tx, credential: &str) -> Result<()> {
    // What says "of the account's conversations" comes before the conversations.
    for statement in [
        sql!(
            "DELETE FROM gmail_decisions
             WHERE conversation_id IN (SELECT id FROM gmail_conversations WHERE credential_key = $1)"
        ),
        sql!(
            "DELETE FROM gmail_replies
             WHERE conversation_id IN (SELECT id FROM gmail_conversations WHERE credential_key = $1)"
        ),
        sql!(
            "DELETE FROM gmail_goals
             WHERE conversation_id IN (SELECT id FROM gmail_conversations WHERE credential_key = $1)"
        ),
        sql!(
            "DELETE FROM gmail_notes
             WHERE conversation_id IN (SELECT id FROM gmail_conversations WHERE credential_key = $1)"
        ),
        sql!(
            "DELETE FROM gmail_summaries
             WHERE conversation_id IN (SELECT id FROM gmail_conversations WHERE credential_key = $1)"
        ),
        sql!("DELETE FROM gmail_backfills WHERE credential_key = $1"),
        sql!("DELETE FROM gmail_syncs WHERE credential_key = $1"),
        sql!("DELETE FROM gmail_conversations WHERE credential_key = $1"),
    ] {
        tx.exec(statement, args![credential]).await?;
    }
    tx.exec(
        sql!(
            sqlite: "DELETE FROM gmail_counters WHERE INSTR(scope, $1) > 0",
            postgres: "DELETE FROM gmail_counters WHERE STRPOS(scope, $1) > 0"
        ),
        args![credential],
    )
    .await
    .map(drop)
}

/// Removes some of what is left of an account; whether that was all.
pub(crate) async fn remove_rest(tx: &mut Tx, credential: &str) -> Result<bool> {
    let keys: Vec<(String,)> = tx
        .all(
            sql!("SELECT key FROM gmail_messages WHERE credential_key = $1 LIMIT $2"),
            args![credential, BATCH],
        )
        .await?;
    if !keys.is_empty() {
        let keys: Vec<String> = keys.into_iter().map(|(key,)| key).collect();
        remove_messages(tx, &keys).await?;
        return Ok(false);
    }
    for statement in [
        sql!("DELETE FROM gmail_fetches WHERE credential_key = $1"),
        sql!("DELETE FROM gmail_hints WHERE credential_key = $1"),
        // A push, or a mailbox that was being read, may have written these after the account was gone.
        sql!("DELETE FROM gmail_syncs WHERE credential_key = $1"),
        sql!("DELETE FROM gmail_backfills WHERE credential_key = $1"),
    ] {
        tx.exec(statement, args![credential]).await?;
    }
    Ok(true)
}
