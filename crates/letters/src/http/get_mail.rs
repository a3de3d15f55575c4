//! `GET /mails/{mailId}`

use accounts::MaybeCaller;
use axum::extract::State;
use httpkit::{OkEnvelope, PathId, Refusals, Reply, ok};

use crate::{Letters, view::MailDetail};

/// Get a letter
///
/// For its author at any time; for its recipient once it is delivered; a delivered public letter for
/// everybody, without a token.
#[utoipa::path(get, path = "/mails/{mailId}", tag = "letters", security((), ("bearer" = [])),
    params(("mailId" = String, Path, description = "`mail_…`")),
    responses((status = 200, body = OkEnvelope<MailDetail>), Refusals))]
pub(super) async fn get_mail(
    State(letters): State<Letters>,
    MaybeCaller(caller): MaybeCaller,
    PathId(id): PathId,
) -> Reply<MailDetail> {
    let mut conn = letters.db().read().await?;
    ok(letters.detail(&mut conn, caller.as_ref(), &id).await?)
}
