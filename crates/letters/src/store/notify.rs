//! What is asked about letters that have arrived or will leave.

use db::{Conn, Result, args, sql};
use kernel::Timestamp;

db::row! {
    /// A letter that is still to leave.
    #[derive(Debug, Clone)]
    pub(crate) struct Leaving {
        pub(crate) letter_id: String,
        pub(crate) owner_id: String,
        pub(crate) schedule_no: i64,
    }
}

db::row! {
    /// A letter that has arrived, as it lies there now.
    #[derive(Debug)]
    pub(crate) struct Arrived {
        pub(crate) letter_id: String,
        pub(crate) owner_id: String,
        pub(crate) schedule_no: i64,
        pub(crate) is_encrypted: bool,
        /// Where its reader sees it: a user's id, a normalized address, or `public`. `None` if its reader does not.
        pub(crate) mailbox: Option<String>,
        pub(crate) taken_down: bool,
    }
}

/// Those of these letters that have arrived.
pub(crate) async fn arrived(conn: &mut Conn, ids: Vec<&str>) -> Result<Vec<Arrived>> {
    // The mailbox by a scalar subquery: PostgreSQL looks it up by its key, where it would hash all of `inbox` for a join.
    conn.all(
        sql!(
            sqlite: "SELECT l.id, l.owner_id, l.schedule_no, l.is_encrypted,
                        (SELECT i.mailbox FROM inbox AS i
                         WHERE i.mailbox = CASE l.recipient_type WHEN 'SELF' THEN l.owner_id
                               WHEN 'SPECIFIC' THEN l.recipient_key ELSE 'public' END
                           AND i.delivered_at = l.delivered_at AND i.letter_id = l.id),
                        EXISTS (SELECT 1 AS one FROM letter_takedowns AS t WHERE t.letter_id = l.id)
                     FROM letters AS l
                     WHERE l.id IN (SELECT value FROM json_each($1)) AND l.status = 'DELIVERED'",
            postgres: "SELECT l.id, l.owner_id, l.schedule_no, l.is_encrypted,
                          (SELECT i.mailbox FROM inbox AS i
                           WHERE i.mailbox = CASE l.recipient_type WHEN 'SELF' THEN l.owner_id
                                 WHEN 'SPECIFIC' THEN l.recipient_key ELSE 'public' END
                             AND i.delivered_at = l.delivered_at AND i.letter_id = l.id),
                          EXISTS (SELECT 1 AS one FROM letter_takedowns AS t WHERE t.letter_id = l.id)
                       FROM letters AS l WHERE l.id = ANY($1) AND l.status = 'DELIVERED'"
        ),
        args![ids],
    )
    .await
}

/// Those of these letters that are scheduled for later than `now`, and have not been set off by their trigger.
pub(crate) async fn leaving(conn: &mut Conn, ids: Vec<&str>, now: Timestamp) -> Result<Vec<Leaving>> {
    conn.all(
        sql!(
            sqlite: "SELECT id, owner_id, schedule_no FROM letters
                     WHERE id IN (SELECT value FROM json_each($1)) AND status = 'SCHEDULED'
                       AND fired_at IS NULL AND send_time > $2",
            postgres: "SELECT id, owner_id, schedule_no FROM letters
                       WHERE id = ANY($1) AND status = 'SCHEDULED'
                       AND fired_at IS NULL AND send_time > $2"
        ),
        args![ids, now],
    )
    .await
}
