//! `GET /credentials/{id}/skipped/`

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Listed, Query, StatusRefusals, bare};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Number, query};
use crate::{
    Gmail,
    store::{self, fetches::SkippedRow},
    sync::TRIES,
};

/// A mail that could not be taken in, or a thread whose mails could not be listed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailSkippedMail)]
pub(super) struct SkippedInfo {
    /// Gmail's id of the mail.
    #[schema(example = "18c1a2b3d4e5f607")]
    message_id: Option<String>,
    /// Gmail's id of the thread, if it is one.
    #[schema(example = json!(null))]
    thread_id: Option<String>,
    /// What happened the last time.
    #[schema(example = "the answer is larger than 54525952 octets")]
    reason: String,
    /// How often it was tried.
    #[schema(example = 5)]
    tries: i64,
    /// When it was tried last.
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_at: Option<Timestamp>,
}

impl From<SkippedRow> for SkippedInfo {
    fn from(row: SkippedRow) -> Self {
        let thread_id = row.thread().map(str::to_owned);
        Self {
            message_id: thread_id.is_none().then_some(row.gmail_id),
            thread_id,
            reason: row.error.unwrap_or_default(),
            tries: row.tries,
            failed_at: row.failed_at,
        }
    }
}

/// List the mails of an account that were skipped
///
/// What could not be fetched, read or stored in five tries, while others could: too large, undecodable, refused by Gmail. The
/// last one first. `POST /credentials/{id}/sync/` has them tried again.
#[utoipa::path(get, path = "/credentials/{id}/skipped/", tag = "gmail",
    params(("id" = i64, Path, description = "The credential"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<SkippedInfo>), StatusRefusals))]
pub(super) async fn list_skipped_mails(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Query(mut f): Query,
) -> BareReply<Listed<SkippedInfo>> {
    let page = query::page(&mut f);
    f.finish()?;
    let mut conn = gmail.db().read().await?;
    let account = store::credential(&mut conn, caller.id(), id).await?;
    let account = account.ok_or_else(|| Problem::not_found("credential"))?;
    let (rows, count) = store::fetches::skipped(&mut conn, &account.key, TRIES, page).await?;
    bare(Listed { results: rows.into_iter().map(SkippedInfo::from).collect(), count })
}
