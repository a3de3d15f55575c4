//! What notifications ask about letters.

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
