//! `/admin/…`: reports of letters, and what operators do about them.

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, PageData, PathId, Query, Refusals, Reply, ok, ok_page, text};
use kernel::{Page, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Letters,
    model::{Moderation, ModerationAction, RecipientType, ReportReason},
    moderation::operator,
};

/// A reader's report, with the letter that it is about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReportView {
    report_id: String,
    mail_id: String,
    title: String,
    /// `null` for an encrypted letter.
    content: Option<String>,
    /// Who wrote it.
    sender_id: String,
    recipient_type: RecipientType,
    reason: ReportReason,
    text: Option<String>,
    /// The reader's address, masked.
    reporter: String,
    #[schema(value_type = String, format = DateTime)]
    reported_at: Timestamp,
    /// When an operator decided.
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
    /// When the letter was taken down, if it is.
    #[schema(value_type = Option<String>, format = DateTime)]
    taken_down_at: Option<Timestamp>,
}

/// Why an operator decides so.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct ModerationRequest {
    /// The author is told it when the letter is taken down.
    #[schema(max_length = 500)]
    reason: String,
}

/// What was decided.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModerationData {
    mail_id: String,
    action: ModerationAction,
    /// False: it was so already.
    changed: bool,
}

/// List readers' reports
///
/// For operators: the open ones, or with `open=false` all; the earliest first.
#[utoipa::path(get, path = "/admin/reports", tag = "letters",
    params(
        ("open" = Option<String>, Query, description = "`true` (default) or `false`"),
        ("page" = Option<i64>, Query, description = "From 1, default 1", minimum = 1),
        ("size" = Option<i64>, Query, description = "1 to 100, default 10", minimum = 1, maximum = 100)),
    responses((status = 200, body = OkEnvelope<PageData<ReportView>>), Refusals))]
pub(super) async fn list_reports(
    State(letters): State<Letters>,
    caller: Caller,
    mut query: Query,
) -> Reply<PageData<ReportView>> {
    operator(&caller)?;
    let open = match query.0.optional::<text::Opaque<16>>("open").map(|t| t.0).as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => {
            query.0.bad("open", "must be true or false");
            true
        }
    };
    let page = query.page();
    query.0.finish()?;
    let (rows, total) = letters.reports(open, page).await?;
    let list = rows.into_iter().map(|r| ReportView {
        report_id: r.id,
        mail_id: r.letter_id,
        title: r.title,
        content: r.content,
        sender_id: r.owner_id,
        recipient_type: r.recipient_type,
        reason: r.reason,
        text: r.text,
        reporter: accounts::mask_address(&r.reporter),
        reported_at: r.created_at,
        closed_at: r.closed_at,
        taken_down_at: r.taken_at,
    });
    ok_page(Page { list: list.collect(), total, request: page })
}

async fn decide(
    letters: &Letters,
    caller: &Caller,
    id: String,
    Body(mut f): Body,
    action: ModerationAction,
) -> Reply<ModerationData> {
    operator(caller)?;
    let reason: text::Line<500> = f.required("reason");
    f.finish()?;
    let decision = Moderation { action, actor: caller.id().to_owned(), reason: reason.0 };
    let changed = letters.moderate(&id, &decision).await?;
    ok(ModerationData { mail_id: id, action, changed })
}

/// Take a letter down
///
/// For operators: it leaves the public list and its reader's inbox, nobody but its author can see it, and its author
/// is told the reason. Closes its reports.
#[utoipa::path(post, path = "/admin/mails/{mailId}/takedown", tag = "letters",
    request_body = ModerationRequest, params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<ModerationData>), Refusals))]
pub(super) async fn take_down(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
    body: Body,
) -> Reply<ModerationData> {
    decide(&letters, &caller, id, body, ModerationAction::Takedown).await
}

/// Give a letter back that was taken down
#[utoipa::path(post, path = "/admin/mails/{mailId}/restore", tag = "letters",
    request_body = ModerationRequest, params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<ModerationData>), Refusals))]
pub(super) async fn restore(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
    body: Body,
) -> Reply<ModerationData> {
    decide(&letters, &caller, id, body, ModerationAction::Restore).await
}

/// Close a letter's reports and leave it where it is
#[utoipa::path(post, path = "/admin/mails/{mailId}/dismiss", tag = "letters",
    request_body = ModerationRequest, params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<ModerationData>), Refusals))]
pub(super) async fn dismiss(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(id): PathId,
    body: Body,
) -> Reply<ModerationData> {
    decide(&letters, &caller, id, body, ModerationAction::Dismiss).await
}
