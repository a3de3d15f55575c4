//! SQL on `desk_pulls` and `desk_cursors`: whether WeCom is to be asked, and from where on.
//!
//! Two tables, so that a callback never waits for a page that is being stored.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

/// What is known of an account's `open_kfid` when it is to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Grows with every callback.
    pub(crate) count: i64,
    /// The callback's token, while it is good.
    pub(crate) token: Option<String>,
}

/// Notes that there is something to be pulled, with a callback's token. The count, and whether nobody pulls yet: then the
/// caller must see to it.
pub(crate) async fn want(
    tx: &mut Tx,
    (account, kf): (&str, &str),
    token: Option<(&str, Timestamp)>,
    now: Timestamp,
) -> Result<(i64, bool)> {
    let (token, until) = token.unzip();
    let (count, since): (i64, i64) = tx
        .one(
            sql!(
                "INSERT INTO desk_pulls (account_id, kf_id, wanted, active, since, token, token_until, asked_at)
                 VALUES ($1, $2, 1, TRUE, 1, $3, $4, $5)
                 ON CONFLICT (account_id, kf_id) DO UPDATE SET wanted = desk_pulls.wanted + 1, active = TRUE,
                    since = CASE WHEN desk_pulls.active THEN desk_pulls.since ELSE desk_pulls.wanted + 1 END,
                    token = COALESCE(excluded.token, desk_pulls.token),
                    token_until = COALESCE(excluded.token_until, desk_pulls.token_until),
                    asked_at = excluded.asked_at
                 RETURNING wanted, since"
            ),
            args![account, kf, token, until, now],
        )
        .await?;
    Ok((count, count == since))
}

/// What is wanted now.
pub(crate) async fn wanted(
    conn: &mut Conn,
    (account, kf): (&str, &str),
    now: Timestamp,
) -> Result<Option<Wanted>> {
    let row: Option<(i64, Option<String>, Option<Timestamp>)> = conn
        .opt(
            sql!("SELECT wanted, token, token_until FROM desk_pulls WHERE account_id = $1 AND kf_id = $2"),
            args![account, kf],
        )
        .await?;
    Ok(row.map(|(count, token, until)| Wanted {
        count,
        token: token.filter(|_| until.is_some_and(|until| now < until)),
    }))
}

/// Ends pulling, unless more came since `count`; whether it is ended.
pub(crate) async fn rest(tx: &mut Tx, (account, kf): (&str, &str), count: i64) -> Result<bool> {
    let rested = tx
        .exec(
            sql!("UPDATE desk_pulls SET active = FALSE WHERE account_id = $1 AND kf_id = $2 AND wanted = $3"),
            args![account, kf, count],
        )
        .await?;
    Ok(rested == 1)
}

/// Lets the next who wants something pull: this one gave up.
pub(crate) async fn give_up(tx: &mut Tx, (account, kf): (&str, &str)) -> Result<()> {
    tx.exec(
        sql!("UPDATE desk_pulls SET active = FALSE WHERE account_id = $1 AND kf_id = $2"),
        args![account, kf],
    )
    .await
    .map(drop)
}

/// Forgets a callback's token that WeCom takes no longer.
pub(crate) async fn drop_token(tx: &mut Tx, (account, kf): (&str, &str), token: &str) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE desk_pulls SET token = NULL, token_until = NULL
             WHERE account_id = $1 AND kf_id = $2 AND token = $3"
        ),
        args![account, kf, token],
    )
    .await
    .map(drop)
}

/// Who was not asked since `before` and is not being asked: account and `open_kfid`.
pub(crate) async fn idle(conn: &mut Conn, account: &str, before: Timestamp) -> Result<Vec<(String, String)>> {
    conn.all(
        sql!(
            "SELECT account_id, kf_id FROM desk_pulls
             WHERE account_id = $1 AND asked_at <= $2 AND NOT active ORDER BY kf_id LIMIT 1000"
        ),
        args![account, before],
    )
    .await
}

/// The `open_kfid`s that an account was called for.
pub(crate) async fn known(conn: &mut Conn, account: &str) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .all(sql!("SELECT kf_id FROM desk_pulls WHERE account_id = $1 ORDER BY kf_id"), args![account])
        .await?;
    Ok(rows.into_iter().map(|(kf,)| kf).collect())
}

/// Where the next page begins; empty from the oldest message on.
pub(crate) async fn cursor(conn: &mut Conn, (account, kf): (&str, &str)) -> Result<String> {
    let row: Option<(String,)> = conn
        .opt(sql!("SELECT cursor FROM desk_cursors WHERE account_id = $1 AND kf_id = $2"), args![account, kf])
        .await?;
    Ok(row.map(|(cursor,)| cursor).unwrap_or_default())
}

/// Moves the cursor from where it was seen; whether it still was there. Whoever moves first holds the others until
/// its page is stored.
pub(crate) async fn advance(
    tx: &mut Tx,
    (account, kf): (&str, &str),
    (from, to): (&str, &str),
    now: Timestamp,
) -> Result<bool> {
    let moved = if from.is_empty() {
        tx.exec(
            sql!(
                "INSERT INTO desk_cursors (account_id, kf_id, cursor, moved_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (account_id, kf_id) DO NOTHING"
            ),
            args![account, kf, to, now],
        )
        .await?
    } else {
        tx.exec(
            sql!(
                "UPDATE desk_cursors SET cursor = $4, moved_at = $5
                 WHERE account_id = $1 AND kf_id = $2 AND cursor = $3"
            ),
            args![account, kf, from, to, now],
        )
        .await?
    };
    Ok(moved == 1)
}
