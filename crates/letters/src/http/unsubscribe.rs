//! `/unsubscribe/{token}`: what a reader may do about letters without an account, by the links of a letter's mail.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use httpkit::{Body, Failure, OkEnvelope, PathId, Refusals, Reply, ok};
use serde::Serialize;
use utoipa::ToSchema;

use super::report_mail::{ReportRequest, read_report};
use crate::{Letters, refusals::Holder};

/// What an address wants of the letters that are sent from here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusalData {
    /// Masked: whoever has the link need not learn it.
    #[schema(example = "z***@example.com")]
    address: String,
    /// Who wrote the letter.
    sender: String,
    /// Letters to this address come by e-mail, too.
    letter_emails: bool,
    /// This sender's letters do not reach the address at all.
    sender_blocked: bool,
}

/// What to change.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct RefusalRequest {
    letter_emails: Option<bool>,
    sender_blocked: Option<bool>,
}

async fn holder(letters: &Letters, token: &str) -> Result<Holder, Failure> {
    let mut conn = letters.db().read().await?;
    Ok(letters.holder(&mut conn, token).await?)
}

async fn state(letters: &Letters, h: &Holder) -> Reply<RefusalData> {
    let mut conn = letters.db().read().await?;
    let refusals = letters.refusals(&mut conn, &h.address_key).await?;
    let senders = accounts::store::people(&mut conn, vec![&h.letter.owner_id]).await?;
    ok(RefusalData {
        address: accounts::mask_address(&h.address),
        sender: senders.into_iter().next().map(|p| p.username).unwrap_or_default(),
        letter_emails: refusals.letter_emails,
        sender_blocked: refusals.blocked.iter().any(|(sender, _)| *sender == h.letter.owner_id),
    })
}

/// See what an address refuses
///
/// By the token of a letter's mail. Changes nothing; a browser is shown the page where the reader decides.
#[utoipa::path(get, path = "/unsubscribe/{token}", tag = "letters", security(()),
    params(("token" = String, Path, description = "From the mail")),
    responses((status = 200, body = OkEnvelope<RefusalData>),
        (status = 303, description = "To the page, for those who accept text/html"), Refusals))]
pub(super) async fn get_refusal(
    State(letters): State<Letters>,
    PathId(token): PathId,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let holder = holder(&letters, &token).await?;
    let accepts = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/html") {
        let page = format!("{}/unsubscribe#token={token}", letters.public_url());
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, page)]).into_response());
    }
    Ok(state(&letters, &holder).await?.into_response())
}

/// Unsubscribe at once (RFC 8058)
///
/// What mail programs post to: no more letters by e-mail to this address, from anybody here. Whatever the body says;
/// as often as wanted. Letters still lie in the inbox of an account with this address.
#[utoipa::path(post, path = "/unsubscribe/{token}", tag = "letters", security(()),
    params(("token" = String, Path, description = "From the mail")),
    responses((status = 200, body = OkEnvelope<RefusalData>), Refusals))]
pub(super) async fn unsubscribe(State(letters): State<Letters>, PathId(token): PathId) -> Reply<RefusalData> {
    let holder = holder(&letters, &token).await?;
    letters.set_letter_emails(&holder.address_key, false).await?;
    state(&letters, &holder).await
}

/// Change what an address refuses
///
/// Also back again: `{"letterEmails": true}` subscribes anew, `{"senderBlocked": false}` lets the sender through.
#[utoipa::path(put, path = "/unsubscribe/{token}", tag = "letters", request_body = RefusalRequest, security(()),
    params(("token" = String, Path, description = "From the mail")),
    responses((status = 200, body = OkEnvelope<RefusalData>), Refusals))]
pub(super) async fn change_refusal(
    State(letters): State<Letters>,
    PathId(token): PathId,
    Body(mut f): Body,
) -> Reply<RefusalData> {
    let letter_emails: Option<bool> = f.optional("letterEmails");
    let sender_blocked: Option<bool> = f.optional("senderBlocked");
    f.finish()?;
    let holder = holder(&letters, &token).await?;
    if let Some(wanted) = letter_emails {
        letters.set_letter_emails(&holder.address_key, wanted).await?;
    }
    if let Some(block) = sender_blocked {
        letters.set_blocked(&holder.address_key, &holder.letter.owner_id, block).await?;
    }
    state(&letters, &holder).await
}

/// Report the letter of a mail
#[utoipa::path(post, path = "/unsubscribe/{token}/report", tag = "letters", request_body = ReportRequest,
    security(()), params(("token" = String, Path, description = "From the mail")),
    responses((status = 200, body = OkEnvelope<Option<String>>, description = "`data` is null"), Refusals))]
pub(super) async fn report_by_link(
    State(letters): State<Letters>,
    PathId(token): PathId,
    Body(mut f): Body,
) -> Reply<Option<String>> {
    let (reason, text) = read_report(&mut f);
    f.finish()?;
    let holder = holder(&letters, &token).await?;
    letters.report(&holder.letter, &holder.address_key, reason, text).await?;
    ok(None)
}
