//! SQL on `gmail_suppressions`: who gets no mail from a user's accounts.

use db::{Conn, Result, Tx, args, sql};
use kernel::{PageRequest, Timestamp};

use crate::model::SuppressionReason;

db::row! {
    /// Somebody who gets none.
    #[derive(Debug, Clone)]
    pub(crate) struct SuppressionRow {
        pub(crate) id: i64,
        pub(crate) user_id: String,
        /// As it was seen first.
        pub(crate) email: String,
        /// The same as `mail::normal_form` has it.
        pub(crate) address: String,
        pub(crate) reason: SuppressionReason,
        /// What is known beyond the reason.
        pub(crate) detail: Option<String>,
        pub(crate) created_at: Timestamp,
    }
}

/// The columns of a [`SuppressionRow`].
macro_rules! columns {
    () => {
        "id, user_id, email, address, reason, detail, created_at"
    };
}

/// Those of a user's that are for any of these addresses (`mail::normal_form`).
pub(crate) async fn suppressions_of(
    conn: &mut Conn,
    user: &str,
    addresses: &[String],
) -> Result<Vec<SuppressionRow>> {
    conn.all(
        sql!(
            sqlite: concat!(
                "SELECT ", columns!(), " FROM gmail_suppressions
                 WHERE user_id = $1 AND address IN (SELECT value FROM json_each($2)) ORDER BY id"
            ),
            postgres: concat!(
                "SELECT ", columns!(), " FROM gmail_suppressions
                 WHERE user_id = $1 AND address = ANY($2::TEXT[]) ORDER BY id"
            )
        ),
        args![user, addresses],
    )
    .await
}

/// A user's, the newest first; of one reason, if one is given.
pub(crate) async fn suppression_list(
    conn: &mut Conn,
    user: &str,
    reason: Option<SuppressionReason>,
    page: PageRequest,
) -> Result<Vec<SuppressionRow>> {
    conn.all(
        sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM gmail_suppressions WHERE user_id = $1 AND (CAST($2 AS TEXT) IS NULL OR reason = $2)
             ORDER BY id DESC LIMIT $3 OFFSET $4"
        )),
        args![user, reason, page.size, page.offset()],
    )
    .await
}

/// How many [`suppression_list`] has on all pages.
pub(crate) async fn suppression_count(
    conn: &mut Conn,
    user: &str,
    reason: Option<SuppressionReason>,
) -> Result<i64> {
    let (count,): (i64,) = conn
        .one(
            sql!(
                "SELECT COUNT(*) FROM gmail_suppressions
                 WHERE user_id = $1 AND (CAST($2 AS TEXT) IS NULL OR reason = $2)"
            ),
            args![user, reason],
        )
        .await?;
    Ok(count)
}

/// Adds one; false if the address has one.
pub(crate) async fn insert_suppression(tx: &mut Tx, s: &SuppressionRow) -> Result<bool> {
    let made = tx
        .exec(
            sql!(concat!(
                "INSERT INTO gmail_suppressions (",
                columns!(),
                ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (user_id, address) DO NOTHING"
            )),
            args![s.id, &s.user_id, &s.email, &s.address, s.reason, &s.detail, s.created_at],
        )
        .await?;
    Ok(made == 1)
}

/// Removes one of a user's; false if there is none.
pub(crate) async fn delete_suppression(tx: &mut Tx, user: &str, id: i64) -> Result<bool> {
    let gone = tx
        .exec(sql!("DELETE FROM gmail_suppressions WHERE id = $1 AND user_id = $2"), args![id, user])
        .await?;
    Ok(gone == 1)
}
