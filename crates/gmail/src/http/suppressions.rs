//! `GET` and `POST /suppressions/`, `DELETE /suppressions/{id}/`: who gets no mail.

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Body, Listed, Query, StatusRefusals, bare, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Number, credentials::DoneData, query::page};
use crate::{
    Gmail,
    model::SuppressionReason,
    send::addresses::Addresses,
    store::{self, SuppressionRow},
};

/// Somebody who gets no mail from one's accounts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MailSuppression {
    id: i64,
    /// The address; its other spellings (`+tags`, and dots at Gmail) get none either.
    #[schema(example = "li@example.cn")]
    email: String,
    reason: SuppressionReason,
    /// What is known beyond the reason.
    detail: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<SuppressionRow> for MailSuppression {
    fn from(row: SuppressionRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            reason: row.reason,
            detail: row.detail,
            created_at: row.created_at,
        }
    }
}

/// List who gets no mail
///
/// Those who opted out, complained, cannot be reached, or were entered by hand; the newest first.
#[utoipa::path(get, path = "/suppressions/", tag = "gmail",
    params(
        ("reason" = Option<SuppressionReason>, Query, description = "Only these"),
        ("page" = Option<i64>, Query, description = "From 1"),
        ("page_size" = Option<i64>, Query, description = "50, at most 100")),
    responses((status = 200, body = Listed<MailSuppression>), StatusRefusals))]
pub(super) async fn list_mail_suppressions(
    State(gmail): State<Gmail>,
    caller: Caller,
    mut query: Query,
) -> BareReply<Listed<MailSuppression>> {
    let reason: Option<SuppressionReason> = query.0.optional("reason");
    let page = page(&mut query.0);
    query.0.finish()?;
    let mut conn = gmail.db().read().await?;
    let list = store::suppression_list(&mut conn, caller.id(), reason, page).await?;
    let count = store::suppression_count(&mut conn, caller.id(), reason).await?;
    bare(Listed { results: list.into_iter().map(Into::into).collect(), count })
}

/// Who is to get none.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct MailSuppressionRequest {
    #[schema(example = "li@example.cn")]
    email: String,
    /// For oneself.
    detail: Option<String>,
}

/// Send somebody no more mail
///
/// What waits to go to them is not sent. An address that is on the list already stays as it is there.
#[utoipa::path(post, path = "/suppressions/", tag = "gmail", request_body = MailSuppressionRequest,
    responses((status = 200, body = MailSuppression), StatusRefusals))]
pub(super) async fn add_mail_suppression(
    State(gmail): State<Gmail>,
    caller: Caller,
    Body(mut f): Body,
) -> BareReply<MailSuppression> {
    let Addresses(all) = f.required("email");
    let detail = f.optional::<text::Line<300>>("detail").map(|line| line.0);
    if all.len() != 1 {
        f.rule("email", "must be one address");
    }
    f.finish()?;
    let one = all.into_iter().next().ok_or_else(Problem::internal)?;
    let mut tx = gmail.db().begin().await?;
    let why = (SuppressionReason::Manual, detail.as_deref());
    let (row, _) = gmail.suppress(&mut tx, caller.id(), &one.address, why).await?;
    tx.commit().await?;
    bare(row.into())
}

/// Let somebody get mail again
#[utoipa::path(delete, path = "/suppressions/{id}/", tag = "gmail",
    params(("id" = i64, Path, description = "The suppression")),
    responses((status = 200, body = DoneData), StatusRefusals))]
pub(super) async fn delete_mail_suppression(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<DoneData> {
    let mut tx = gmail.db().begin().await?;
    if !store::delete_suppression(&mut tx, caller.id(), id).await? {
        return Err(Problem::not_found("suppression").into());
    }
    tx.commit().await?;
    bare(DoneData::new("the address may be written to again"))
}
