//! All SQL on the accounts' tables.

mod devices;
mod sealed;

use db::{Conn, Result, Tx, args, sql};
use kernel::{PageRequest, Timestamp};

use crate::model::{Person, Plan, Resource, Role, Scene};

pub(crate) use devices::*;

pub(crate) use sealed::*;

db::row! {
    /// A whole user.
    #[derive(Debug, Clone)]
    pub struct UserRow {
        /// `user_…`
        pub id: String,
        /// As registered.
        pub username: String,
        /// As registered.
        pub email: String,
        /// Normalized.
        pub email_key: String,
        /// Proved.
        pub email_verified: bool,
        /// PHC string.
        pub password_hash: String,
        /// See [`Role`].
        pub role: Role,
        /// As bought.
        pub plan: Plan,
        /// Until when.
        pub plan_until: Option<Timestamp>,
        /// URL.
        pub avatar: Option<String>,
        /// Free text.
        pub nickname: Option<String>,
        /// Free text.
        pub preferred_background: String,
        /// See [`Scene`].
        pub preferred_scene: Scene,
        /// When registered.
        pub created_at: Timestamp,
        /// Last change of the profile or the settings.
        pub updated_at: Timestamp,
        /// Last login.
        pub last_login_at: Option<Timestamp>,
    }
}

/// What a new user is made of.
pub(crate) struct NewUser<'a> {
    pub(crate) id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) email: &'a str,
    pub(crate) email_key: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) avatar: Option<&'a str>,
}

/// False if the address is taken.
pub(crate) async fn insert_user(tx: &mut Tx, u: &NewUser<'_>, now: Timestamp) -> Result<bool> {
    let n = tx
        .exec(
            sql!(
                "INSERT INTO users (id, username, email, email_key, password_hash, avatar, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (email_key) DO NOTHING"
            ),
            args![u.id, u.username, u.email, u.email_key, u.password_hash, u.avatar, now],
        )
        .await?;
    Ok(n == 1)
}

pub(crate) async fn user(conn: &mut Conn, id: &str) -> Result<Option<UserRow>> {
    conn.opt(
        sql!(
            "SELECT id, username, email, email_key, email_verified, password_hash, role, plan, plan_until,
                avatar, nickname, preferred_background, preferred_scene, created_at, updated_at, last_login_at
             FROM users WHERE id = $1"
        ),
        args![id],
    )
    .await
}

pub(crate) async fn user_by_email(conn: &mut Conn, email_key: &str) -> Result<Option<UserRow>> {
    conn.opt(
        sql!(
            "SELECT id, username, email, email_key, email_verified, password_hash, role, plan, plan_until,
                avatar, nickname, preferred_background, preferred_scene, created_at, updated_at, last_login_at
             FROM users WHERE email_key = $1"
        ),
        args![email_key],
    )
    .await
}

pub(crate) async fn users(conn: &mut Conn, page: PageRequest) -> Result<Vec<UserRow>> {
    conn.all(
        sql!(
            "SELECT id, username, email, email_key, email_verified, password_hash, role, plan, plan_until,
                avatar, nickname, preferred_background, preferred_scene, created_at, updated_at, last_login_at
             FROM users ORDER BY id LIMIT $1 OFFSET $2"
        ),
        args![page.size, page.offset()],
    )
    .await
}

db::row! {
    pub(crate) struct SessionRow {
        pub(crate) user_id: String,
        pub(crate) username: String,
        pub(crate) avatar: Option<String>,
        pub(crate) email: String,
        pub(crate) email_key: String,
        pub(crate) email_verified: bool,
        pub(crate) role: Role,
        pub(crate) plan: Plan,
        pub(crate) plan_until: Option<Timestamp>,
        pub(crate) preferred_scene: Scene,
        pub(crate) preferred_background: String,
    }
}

/// The user of a session that is not revoked.
pub(crate) async fn session_user(conn: &mut Conn, session: &str) -> Result<Option<SessionRow>> {
    conn.opt(
        sql!(
            "SELECT u.id, u.username, u.avatar, u.email, u.email_key, u.email_verified, u.role, u.plan,
                u.plan_until, u.preferred_scene, u.preferred_background
             FROM sessions AS s JOIN users AS u ON u.id = s.user_id
             WHERE s.id = $1 AND s.revoked_at IS NULL"
        ),
        args![session],
    )
    .await
}

/// Of these sessions those that are not revoked, with their users' roles.
pub(crate) async fn standing(conn: &mut Conn, sessions: &[String]) -> Result<Vec<(String, Role)>> {
    conn.all(
        sql!(
            sqlite: "SELECT s.id, u.role FROM sessions AS s JOIN users AS u ON u.id = s.user_id
                     WHERE s.id IN (SELECT value FROM json_each($1)) AND s.revoked_at IS NULL",
            postgres: "SELECT s.id, u.role FROM sessions AS s JOIN users AS u ON u.id = s.user_id
                       WHERE s.id = ANY($1) AND s.revoked_at IS NULL"
        ),
        args![sessions],
    )
    .await
}

pub(crate) async fn insert_session(tx: &mut Tx, id: &str, user: &str, now: Timestamp) -> Result<()> {
    tx.exec(sql!("INSERT INTO sessions (id, user_id, created_at) VALUES ($1, $2, $3)"), args![id, user, now])
        .await
        .map(drop)
}

pub(crate) async fn touch_login(tx: &mut Tx, user: &str, now: Timestamp) -> Result<()> {
    tx.exec(sql!("UPDATE users SET last_login_at = $2 WHERE id = $1"), args![user, now]).await.map(drop)
}

pub(crate) async fn revoke_session(tx: &mut Tx, session: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL"),
        args![session, now],
    )
    .await
    .map(drop)
}

pub(crate) async fn revoke_all_sessions(tx: &mut Tx, user: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL"),
        args![user, now],
    )
    .await
    .map(drop)
}

pub(crate) async fn insert_refresh(
    tx: &mut Tx,
    hash: &str,
    session: &str,
    now: Timestamp,
    expires: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!("INSERT INTO refresh_tokens (hash, session_id, created_at, expires_at) VALUES ($1, $2, $3, $4)"),
        args![hash, session, now, expires],
    )
    .await
    .map(drop)
}

db::row! {
    pub(crate) struct RefreshRow {
        pub(crate) session_id: String,
        pub(crate) user_id: String,
        pub(crate) expires_at: Timestamp,
        pub(crate) used_at: Option<Timestamp>,
        pub(crate) revoked_at: Option<Timestamp>,
    }
}

pub(crate) async fn refresh_token(tx: &mut Tx, hash: &str) -> Result<Option<RefreshRow>> {
    tx.opt(
        sql!(
            "SELECT r.session_id, s.user_id, r.expires_at, r.used_at, s.revoked_at
             FROM refresh_tokens AS r JOIN sessions AS s ON s.id = r.session_id WHERE r.hash = $1"
        ),
        args![hash],
    )
    .await
}

/// False if it was used before.
pub(crate) async fn use_refresh(tx: &mut Tx, hash: &str, now: Timestamp) -> Result<bool> {
    let n = tx
        .exec(
            sql!("UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1 AND used_at IS NULL"),
            args![hash, now],
        )
        .await?;
    Ok(n == 1)
}

pub(crate) async fn insert_mail_token(
    tx: &mut Tx,
    hash: &str,
    user: &UserRow,
    purpose: &str,
    expires: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO mail_tokens (hash, user_id, purpose, email_key, expires_at)
             VALUES ($1, $2, $3, $4, $5)"
        ),
        args![hash, &user.id, purpose, &user.email_key, expires],
    )
    .await
    .map(drop)
}

/// Uses a mailed token: the user whose address it was mailed to, if it is still theirs.
pub(crate) async fn use_mail_token(
    tx: &mut Tx,
    hash: &str,
    purpose: &str,
    now: Timestamp,
) -> Result<Option<String>> {
    let row: Option<(String,)> = tx
        .opt(
            sql!(
                "UPDATE mail_tokens SET used_at = $3
                 WHERE hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3
                   AND EXISTS (SELECT 1 FROM users AS u
                               WHERE u.id = mail_tokens.user_id AND u.email_key = mail_tokens.email_key)
                 RETURNING user_id"
            ),
            args![hash, purpose, now],
        )
        .await?;
    Ok(row.map(|(id,)| id))
}

/// Uses up all mailed tokens of a user for a purpose.
pub(crate) async fn use_all_mail_tokens(
    tx: &mut Tx,
    user: &str,
    purpose: &str,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!("UPDATE mail_tokens SET used_at = $3 WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL"),
        args![user, purpose, now],
    )
    .await
    .map(drop)
}

pub(crate) async fn verify_email(tx: &mut Tx, user: &str) -> Result<()> {
    tx.exec(sql!("UPDATE users SET email_verified = TRUE WHERE id = $1"), args![user]).await.map(drop)
}

pub(crate) async fn set_password(tx: &mut Tx, user: &str, hash: &str, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1"),
        args![user, hash, now],
    )
    .await
    .map(drop)
}

/// What a profile update may change; `None` leaves it.
#[derive(Debug, Default)]
pub(crate) struct ProfileChange {
    pub(crate) nickname: Option<String>,
    pub(crate) avatar: Option<String>,
    pub(crate) background: Option<String>,
    pub(crate) scene: Option<Scene>,
}

pub(crate) async fn update_profile(tx: &mut Tx, user: &str, c: &ProfileChange, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE users SET nickname = COALESCE(CAST($2 AS TEXT), nickname),
                avatar = COALESCE(CAST($3 AS TEXT), avatar),
                preferred_background = COALESCE(CAST($4 AS TEXT), preferred_background),
                preferred_scene = COALESCE(CAST($5 AS TEXT), preferred_scene), updated_at = $6
             WHERE id = $1"
        ),
        args![user, &c.nickname, &c.avatar, &c.background, c.scene, now],
    )
    .await
    .map(drop)
}

db::row! {
    /// What a user wants to be told.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Notifications {
        /// By e-mail.
        pub email: bool,
        /// By push.
        pub push: bool,
        /// The author, when a letter arrives.
        pub delivery: bool,
        /// The reader, when a letter arrives.
        pub received: bool,
    }
}

/// What a user wants to be told.
///
/// # Errors
/// [`db::DbError`]
pub async fn notifications(conn: &mut Conn, user: &str) -> Result<Notifications> {
    conn.one(
        sql!("SELECT notify_email, notify_push, notify_delivery, notify_received FROM users WHERE id = $1"),
        args![user],
    )
    .await
}

pub(crate) async fn set_notifications(
    tx: &mut Tx,
    user: &str,
    n: Notifications,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE users SET notify_email = $2, notify_push = $3, notify_delivery = $4, notify_received = $5,
                updated_at = $6 WHERE id = $1"
        ),
        args![user, n.email, n.push, n.delivery, n.received, now],
    )
    .await
    .map(drop)
}

/// Takes one of this month's `resource`, if fewer than `limit` were taken: the number it is, from 1. Exact,
/// however many ask at once: the row is locked by the update.
pub(crate) async fn take_quota(
    tx: &mut Tx,
    user: &str,
    month: &str,
    resource: Resource,
    limit: i64,
) -> Result<Option<i64>> {
    let row: Option<(i64,)> = tx
        .opt(
            sql!(
                "INSERT INTO quotas (user_id, month, resource, used) VALUES ($1, $2, $3, 1)
                 ON CONFLICT (user_id, month, resource) DO UPDATE SET used = quotas.used + 1
                    WHERE quotas.used < $4 RETURNING used"
            ),
            args![user, month, resource.key(), limit],
        )
        .await?;
    Ok(row.map(|(used,)| used))
}

/// How many of `resource` were taken in a month.
///
/// # Errors
/// [`db::DbError`]
pub async fn quota_used(conn: &mut Conn, user: &str, month: &str, resource: Resource) -> Result<i64> {
    let row: Option<(i64,)> = conn
        .opt(
            sql!("SELECT used FROM quotas WHERE user_id = $1 AND month = $2 AND resource = $3"),
            args![user, month, resource.key()],
        )
        .await?;
    Ok(row.map_or(0, |(n,)| n))
}

pub(crate) async fn set_role(tx: &mut Tx, user: &str, role: Role, now: Timestamp) -> Result<()> {
    tx.exec(sql!("UPDATE users SET role = $2, updated_at = $3 WHERE id = $1"), args![user, role, now])
        .await
        .map(drop)
}

pub(crate) async fn set_plan(
    tx: &mut Tx,
    user: &str,
    plan: Plan,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!("UPDATE users SET plan = $2, plan_until = $3, updated_at = $4 WHERE id = $1"),
        args![user, plan, until, now],
    )
    .await
    .map(drop)
}

/// Who these users are; ids that do not exist are missing.
///
/// # Errors
/// [`db::DbError`]
pub async fn people(conn: &mut Conn, ids: Vec<&str>) -> Result<Vec<Person>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, String, Option<String>, String)> = conn
        .all(
            sql!(
                sqlite: "SELECT id, username, avatar, email FROM users
                         WHERE id IN (SELECT value FROM json_each($1))",
                postgres: "SELECT id, username, avatar, email FROM users WHERE id = ANY($1)"
            ),
            args![ids],
        )
        .await?;
    Ok(rows.into_iter().map(person).collect())
}

/// The roles of these users; ids that do not exist are missing.
///
/// # Errors
/// [`db::DbError`]
pub async fn roles(conn: &mut Conn, ids: Vec<&str>) -> Result<Vec<(String, Role)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    conn.all(
        sql!(
            sqlite: "SELECT id, role FROM users WHERE id IN (SELECT value FROM json_each($1))",
            postgres: "SELECT id, role FROM users WHERE id = ANY($1)"
        ),
        args![ids],
    )
    .await
}

/// Who has these (normalized) addresses, with the address.
///
/// # Errors
/// [`db::DbError`]
pub async fn people_at(conn: &mut Conn, email_keys: Vec<&str>) -> Result<Vec<(String, Person)>> {
    if email_keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, String, String, Option<String>, String)> = conn
        .all(
            sql!(
                sqlite: "SELECT email_key, id, username, avatar, email FROM users
                         WHERE email_key IN (SELECT value FROM json_each($1))",
                postgres: "SELECT email_key, id, username, avatar, email FROM users
                           WHERE email_key = ANY($1)"
            ),
            args![email_keys],
        )
        .await?;
    Ok(rows.into_iter().map(|(key, a, b, c, d)| (key, person((a, b, c, d)))).collect())
}

fn person((user_id, username, avatar, email): (String, String, Option<String>, String)) -> Person {
    Person { user_id, username, avatar, email }
}
