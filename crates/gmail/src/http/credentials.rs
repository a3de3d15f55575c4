//! `GET /credentials/`, `DELETE /credentials/{id}/`, `POST /credentials/{id}/set_default/`, `POST /credentials/{id}/sync/`

use accounts::Caller;
use axum::{extract::State, http::StatusCode};
use httpkit::{Bare, BareReply, Failure, Listed, StatusRefusals, bare, hours::Hours};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Number;
use crate::{
    Gmail,
    model::{AutoReply, CredentialStatus, addresses},
    replies::hours_of,
    store::{self, CredentialRow, fetches::HealthRow},
    sync::TRIES,
};

/// A connected account, and how it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CredentialInfo {
    id: i64,
    email: String,
    /// Beside its address in what it sends, as Gmail has it.
    name: Option<String>,
    is_default: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    status: CredentialStatus,
    /// Why it must be connected again.
    status_reason: Option<String>,
    /// When its mails were read last.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_sync: Option<Timestamp>,
    /// Why they cannot be read.
    sync_error: Option<String>,
    /// When Google rang last.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_push: Option<Timestamp>,
    /// Until when Google rings; renewed daily.
    #[schema(value_type = Option<String>, format = DateTime)]
    watch_expires: Option<Timestamp>,
    /// Why Google does not ring, or soon will not.
    watch_error: Option<String>,
    /// Until when Google wants no call for this account.
    #[schema(value_type = Option<String>, format = DateTime)]
    limited_until: Option<Timestamp>,
    /// Until when Google takes no mail from this account.
    #[schema(value_type = Option<String>, format = DateTime)]
    sends_limited_until: Option<Timestamp>,
    /// Mails of the last 24 hours.
    sends_today: i64,
    /// The most mails in 24 hours, as of now: what is over it waits.
    cap: i64,
    /// The cap that was set for this account.
    daily_cap: Option<i64>,
    /// The other addresses that it may write as.
    aliases: Vec<String>,
    auto_reply: AutoReply,
    /// When automatic replies and follow-ups may leave; null: always.
    sending_hours: Option<Hours>,
    /// Mails that are still to be looked at.
    waiting: i64,
    /// Mails that could not be taken in, and are tried again when somebody asks for it: which, and why, says
    /// `GET /credentials/{id}/skipped/`.
    skipped: i64,
}

impl CredentialInfo {
    /// These accounts, each with how it is.
    pub(super) async fn all(
        gmail: &Gmail,
        conn: &mut db::Conn,
        rows: Vec<CredentialRow>,
    ) -> db::Result<Vec<Self>> {
        let keys: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
        let health = store::fetches::health(conn, &keys, TRIES).await?;
        let mut all = Vec::new();
        for row in rows {
            let health = health.iter().find(|health| health.credential_key == row.key).cloned();
            all.push(Self::of(gmail, conn, row, health.unwrap_or_default()).await?);
        }
        Ok(all)
    }

    pub(super) async fn of(
        gmail: &Gmail,
        conn: &mut db::Conn,
        row: CredentialRow,
        health: HealthRow,
    ) -> db::Result<Self> {
        let (sends_today, cap) = gmail.sends_today(conn, &row).await?;
        let governor = gmail.0.governors.of(&row.address);
        let now = gmail.now();
        let stored = row.limited_until.filter(|until| now < *until);
        let lapsed = row.watch_expires_at.filter(|until| *until <= now);
        let lapsed = lapsed.map(|until| format!("Google rings no more since {until}"));
        Ok(Self {
            limited_until: governor.held_until().max(stored),
            sends_limited_until: governor.sends_held_until().max(stored),
            sends_today,
            cap: cap.cap,
            daily_cap: row.daily_cap,
            aliases: addresses(&row.aliases),
            sending_hours: hours_of(&row),
            name: row.name,
            auto_reply: row.auto_reply,
            id: row.id,
            email: row.email,
            is_default: row.is_default,
            created_at: row.created_at,
            status: row.status,
            status_reason: row.status_reason,
            last_sync: row.synced_at,
            sync_error: health.error,
            last_push: health.pushed_at,
            watch_expires: row.watch_expires_at,
            watch_error: row.watch_error.or(lapsed),
            waiting: health.waiting,
            skipped: health.skipped,
        })
    }
}

/// List the connected accounts
///
/// One's own, with how each is. No token and no client secret is ever shown.
#[utoipa::path(get, path = "/credentials/", tag = "gmail",
    responses((status = 200, body = Listed<CredentialInfo>), StatusRefusals))]
pub(super) async fn list_credentials(
    State(gmail): State<Gmail>,
    caller: Caller,
) -> BareReply<Listed<CredentialInfo>> {
    let mut conn = gmail.db().read().await?;
    let rows = store::credentials(&mut conn, caller.id()).await?;
    let results = CredentialInfo::all(&gmail, &mut conn, rows).await?;
    let count = i64::try_from(results.len()).unwrap_or(i64::MAX);
    bare(Listed { results, count })
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoneData {
    /// Always `success`.
    pub(super) status: &'static str,
    pub(super) message: String,
}

impl DoneData {
    pub(super) fn new(message: &str) -> Self {
        Self { status: "success", message: message.to_owned() }
    }
}

/// Use an account where none is named
#[utoipa::path(post, path = "/credentials/{id}/set_default/", tag = "gmail",
    params(("id" = i64, Path, description = "The credential")),
    responses((status = 200, body = DoneData), StatusRefusals))]
pub(super) async fn set_default_credential(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<DoneData> {
    let row = gmail.make_default(caller.id(), id).await?;
    bare(DoneData { status: "success", message: format!("{} is the default account", row.email) })
}

/// Read an account's mails now
///
/// As soon as possible, that is, without waiting for Google to ring. Mails that were skipped are tried again. 409 if the
/// account must be connected again.
#[utoipa::path(post, path = "/credentials/{id}/sync/", tag = "gmail",
    params(("id" = i64, Path, description = "The credential")),
    responses((status = 202, body = DoneData), StatusRefusals))]
pub(super) async fn sync_credential(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> Result<(StatusCode, Bare<DoneData>), Failure> {
    let row = gmail.read_soon(caller.id(), id).await?;
    let message = format!("{} is read as soon as possible", row.email);
    Ok((StatusCode::ACCEPTED, Bare(DoneData { status: "success", message })))
}

/// Disconnect an account
///
/// Ends Google's notifications, revokes the grant and forgets tokens and client secret. Conversations, messages, goals and
/// what waits to be sent go with it; who must get no mail stays known. Where Google does not answer, everything is
/// forgotten here all the same, and `message` says so.
#[utoipa::path(delete, path = "/credentials/{id}/", tag = "gmail",
    params(("id" = i64, Path, description = "The credential")),
    responses((status = 200, body = DoneData), StatusRefusals))]
pub(super) async fn delete_credential(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<DoneData> {
    let gone = gmail.disconnect(caller.id(), id).await?;
    let message = match gone.revoked {
        Ok(()) => format!("{} is disconnected", gone.email),
        Err(reason) => format!(
            "{} is disconnected; Google could not be told ({reason}): remove the access in the Google account",
            gone.email
        ),
    };
    bare(DoneData { status: "success", message })
}
