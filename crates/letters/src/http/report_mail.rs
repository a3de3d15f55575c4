//! `POST /mails/{mailId}/report`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, Fields, OkEnvelope, PathId, Refusals, Reply, ok, text};
use kernel::Problem;
use utoipa::ToSchema;

use crate::{Letters, model::ReportReason};

/// What is wrong with a letter.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct ReportRequest {
    reason: ReportReason,
    /// In the reader's own words.
    #[schema(max_length = 2000)]
    text: Option<String>,
}

/// The fields of a report.
pub(super) fn read_report(f: &mut Fields) -> (ReportReason, Option<String>) {
    (f.required("reason"), f.optional::<text::Lines<2000>>("text").map(|t| t.0))
}

/// Report a letter
///
/// For whoever may read it and did not write it; once each (409). Operators see the letter with the report.
#[utoipa::path(post, path = "/mails/{mailId}/report", tag = "letters", request_body = ReportRequest,
    params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<Option<String>>, description = "`data` is null"), Refusals))]
pub(super) async fn report_mail(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<Option<String>> {
    let (reason, text) = read_report(&mut f);
    f.finish()?;
    let letter = {
        let mut conn = letters.db().read().await?;
        letters.readable(&mut conn, Some(&caller), &id).await?
    };
    if letter.owner_id == caller.id() {
        return Err(Problem::forbidden("this letter is your own").into());
    }
    letters.report(&letter, &caller.email_key, reason, text).await?;
    ok(None)
}
