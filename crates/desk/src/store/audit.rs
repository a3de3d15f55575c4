//! SQL on `desk_changes`, and on `desk_audit` for reading: who changed what, and why.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::Actor;

db::row! {
    /// A change.
    #[derive(Debug, Clone)]
    pub(crate) struct ChangeRow {
        pub(crate) id: String,
        pub(crate) at: Timestamp,
        pub(crate) actor_kind: String,
        pub(crate) actor_id: Option<String>,
        pub(crate) action: String,
        /// What was changed, by its id.
        pub(crate) subject: String,
        pub(crate) reason: Option<String>,
        /// Of a session alone, as are the rest.
        pub(crate) from_status: Option<String>,
        pub(crate) to_status: Option<String>,
        pub(crate) from_owner: Option<String>,
        pub(crate) to_owner: Option<String>,
    }
}

/// Puts a change of something that is not a session's state on record.
pub(crate) async fn note(
    tx: &mut Tx,
    actor: &Actor,
    action: &str,
    subject: &str,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_changes (id, at, actor_kind, actor_id, action, subject, reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7)"
        ),
        args![kernel::id::new("audit", now), now, actor.kind(), actor.id(), action, subject, reason],
    )
    .await
    .map(drop)
}

/// What changes are looked for.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    /// Of what: a session, or anything else by its id.
    pub(crate) subject: Option<&'a str>,
    pub(crate) actor: Option<&'a str>,
    pub(crate) from: Option<Timestamp>,
    /// Exclusive.
    pub(crate) to: Option<Timestamp>,
    /// Only changes before the one of this id, which was made then.
    pub(crate) before: Option<(&'a str, Timestamp)>,
    pub(crate) limit: i64,
}

/// Changes of sessions and of everything else, the newest first.
pub(crate) async fn changes(conn: &mut Conn, f: &Changes<'_>) -> Result<Vec<ChangeRow>> {
    conn.all(
        sql!(
            "SELECT id, at, actor_kind, actor_id, action, subject, reason, from_status, to_status, from_owner, to_owner
             FROM (
                SELECT id, at, actor_kind, actor_id, action, subject, reason, from_status, to_status, from_owner, to_owner FROM (
                    SELECT id, at, actor_kind, actor_id, action, session_id AS subject, reason, from_status, to_status,
                        from_owner, to_owner
                    FROM desk_audit
                    WHERE (CAST($1 AS TEXT) IS NULL OR session_id = $1) AND (CAST($2 AS TEXT) IS NULL OR actor_id = $2)
                        AND (CAST($3 AS BIGINT) IS NULL OR at >= $3) AND (CAST($4 AS BIGINT) IS NULL OR at < $4)
                        AND (CAST($5 AS TEXT) IS NULL OR at < $6 OR (at = $6 AND id < $5))
                    ORDER BY at DESC, id DESC LIMIT $7) AS of_sessions
                UNION ALL
                SELECT id, at, actor_kind, actor_id, action, subject, reason, from_status, to_status, from_owner, to_owner FROM (
                    SELECT id, at, actor_kind, actor_id, action, subject, reason,
                        CAST(NULL AS TEXT) AS from_status, CAST(NULL AS TEXT) AS to_status,
                        CAST(NULL AS TEXT) AS from_owner, CAST(NULL AS TEXT) AS to_owner
                    FROM desk_changes
                    WHERE (CAST($1 AS TEXT) IS NULL OR subject = $1) AND (CAST($2 AS TEXT) IS NULL OR actor_id = $2)
                        AND (CAST($3 AS BIGINT) IS NULL OR at >= $3) AND (CAST($4 AS BIGINT) IS NULL OR at < $4)
                        AND (CAST($5 AS TEXT) IS NULL OR at < $6 OR (at = $6 AND id < $5))
                    ORDER BY at DESC, id DESC LIMIT $7) AS of_others
             ) AS changes
             ORDER BY at DESC, id DESC LIMIT $7"
        ),
        args![f.subject, f.actor, f.from, f.to, f.before.map(|before| before.0), f.before.map(|before| before.1), f.limit],
    )
    .await
}

/// When a change was made.
pub(crate) async fn changed_at(conn: &mut Conn, id: &str) -> Result<Option<Timestamp>> {
    let row: Option<(Timestamp,)> = conn
        .opt(
            sql!(
                "SELECT at FROM desk_audit WHERE id = $1 UNION ALL SELECT at FROM desk_changes WHERE id = $1"
            ),
            args![id],
        )
        .await?;
    Ok(row.map(|(at,)| at))
}
