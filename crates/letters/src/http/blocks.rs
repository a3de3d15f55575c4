//! `/user/blocks`: what a signed-in reader refuses.

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, PathId, Refusals, Reply, ok, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Letters;

/// What the caller refuses.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlocksData {
    /// Letters to the caller's address come by e-mail, too.
    letter_emails: bool,
    /// Whose letters do not reach the caller, the newest first.
    blocked: Vec<BlockedView>,
}

/// A sender whose letters do not reach the caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BlockedView {
    user_id: String,
    username: String,
    avatar: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    blocked_at: Timestamp,
}

/// Whom to block.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct BlockRequest {
    /// `sender.userId` of a letter.
    user_id: String,
}

/// Whether letters come by e-mail.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct LetterEmailsRequest {
    letter_emails: bool,
}

/// The address whose refusals the caller may change.
fn address(caller: &Caller) -> Result<&str, Problem> {
    match caller.opens_address {
        true => Ok(&caller.email_key),
        false => Err(Problem::forbidden("confirm your e-mail address first")),
    }
}

async fn blocks(letters: &Letters, caller: &Caller) -> Reply<BlocksData> {
    let mut conn = letters.db().read().await?;
    let refusals = letters.refusals(&mut conn, &caller.email_key).await?;
    let ids = refusals.blocked.iter().map(|(sender, _)| sender.as_str()).collect();
    let people = accounts::store::people(&mut conn, ids).await?;
    let view = |(sender, since): (String, Timestamp)| {
        let person = people.iter().find(|p| p.user_id == sender);
        BlockedView {
            username: person.map(|p| p.username.clone()).unwrap_or_default(),
            avatar: person.and_then(|p| p.avatar.clone()),
            user_id: sender,
            blocked_at: since,
        }
    };
    let blocked = refusals.blocked.into_iter().map(view).collect();
    ok(BlocksData { letter_emails: refusals.letter_emails, blocked })
}

/// See what the caller refuses
#[utoipa::path(get, path = "/user/blocks", tag = "letters",
    responses((status = 200, body = OkEnvelope<BlocksData>), Refusals))]
pub(super) async fn get_blocks(State(letters): State<Letters>, caller: Caller) -> Reply<BlocksData> {
    address(&caller)?;
    blocks(&letters, &caller).await
}

/// Block a sender
///
/// Their letters leave the caller's inbox and do not reach it any more, nor by e-mail. They are not told.
#[utoipa::path(post, path = "/user/blocks", tag = "letters", request_body = BlockRequest,
    responses((status = 200, body = OkEnvelope<BlocksData>), Refusals))]
pub(super) async fn block(
    State(letters): State<Letters>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<BlocksData> {
    let user: text::Opaque<64> = f.required("userId");
    f.finish()?;
    let key = address(&caller)?;
    if user.0 == caller.id() {
        return Err(Problem::rule("userId", "is your own").into());
    }
    let known = {
        let mut conn = letters.db().read().await?;
        accounts::store::people(&mut conn, vec![&user.0]).await?
    };
    if known.is_empty() {
        return Err(Problem::rule("userId", "no such user").into());
    }
    letters.set_blocked(key, &user.0, true).await?;
    blocks(&letters, &caller).await
}

/// Let a sender through again
///
/// What they sent meanwhile appears in the inbox.
#[utoipa::path(delete, path = "/user/blocks/{userId}", tag = "letters",
    params(("userId" = String, Path, description = "`user_…`")),
    responses((status = 200, body = OkEnvelope<BlocksData>), Refusals))]
pub(super) async fn unblock(
    State(letters): State<Letters>,
    caller: Caller,
    PathId(user): PathId,
) -> Reply<BlocksData> {
    let key = address(&caller)?;
    letters.set_blocked(key, &user, false).await?;
    blocks(&letters, &caller).await
}

/// Say whether letters come by e-mail
///
/// In the inbox they arrive in any case.
#[utoipa::path(put, path = "/user/blocks", tag = "letters", request_body = LetterEmailsRequest,
    responses((status = 200, body = OkEnvelope<BlocksData>), Refusals))]
pub(super) async fn set_letter_emails(
    State(letters): State<Letters>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<BlocksData> {
    let wanted: bool = f.required("letterEmails");
    f.finish()?;
    letters.set_letter_emails(address(&caller)?, wanted).await?;
    blocks(&letters, &caller).await
}
