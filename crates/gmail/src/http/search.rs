//! `GET /search/`

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Listed, Query, StatusRefusals, bare, text};
use kernel::{
    Timestamp,
    terms::{self, Sought},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::query;
use crate::{
    Gmail,
    conversations::excerpt,
    model::{Direction, address_key},
    store::{self, Search},
};

/// A mail that was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailHit)]
pub(super) struct HitInfo {
    /// The conversations in which it stands.
    #[schema(example = json!([1]))]
    conversation_ids: Vec<i64>,
    /// Gmail's.
    message_id: String,
    /// Gmail's.
    thread_id: String,
    direction: Direction,
    from_name: Option<String>,
    from_email: String,
    subject: String,
    /// The part of its text in which it says so, or its beginning.
    excerpt: String,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

/// Search mails
///
/// By all words of `q` in subjects, in names and addresses of whoever wrote them and to whom (but one's own addresses), in
/// new texts and file names of one's conversations, whatever the case; the last word may be unfinished. Chinese is found by
/// any two characters that stand together. The newest first.
#[utoipa::path(get, path = "/search/", tag = "gmail",
    params(
        ("q" = String, Query, description = "What to look for", max_length = 200),
        ("conversation_id" = Option<i64>, Query, description = "In this conversation"),
        ("user_email" = Option<String>, Query, description = "Of this account"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<HitInfo>), StatusRefusals))]
pub(super) async fn search_gmail(
    State(gmail): State<Gmail>,
    caller: Caller,
    Query(mut f): Query,
) -> BareReply<Listed<HitInfo>> {
    let text::Line(q) = f.required::<text::Line<200>>("q");
    let conversation = f.optional::<i64>("conversation_id");
    let account = f.optional::<text::Line<320>>("user_email").map(|text| address_key(&text.0));
    let page = query::page(&mut f);
    let sought = terms::sought(&q);
    if !q.is_empty() && sought == Sought::default() {
        f.rule("q", "must have a letter or a digit");
    }
    f.finish()?;
    if let Some(id) = conversation {
        gmail.conversation(caller.id(), id).await?;
    }
    let mut conn = gmail.db().read().await?;
    let accounts = store::credentials(&mut conn, caller.id()).await?;
    let of = accounts.iter().filter(|row| account.as_ref().is_none_or(|address| row.address == *address));
    let search =
        Search { sought: &sought, credentials: of.map(|row| row.key.as_str()).collect(), conversation };
    let (rows, count) = store::search(&mut conn, &search, page).await?;
    let keys = rows.iter().map(|row| row.key.as_str()).collect();
    let standing = store::standing_in(&mut conn, keys).await?;
    let hit = |row: store::LineRow| HitInfo {
        conversation_ids: standing.iter().filter(|(key, _)| *key == row.key).map(|(_, id)| *id).collect(),
        message_id: row.gmail_id,
        thread_id: row.thread_id,
        direction: row.direction,
        from_name: row.from_name,
        from_email: row.from_address,
        subject: row.subject,
        excerpt: excerpt(&row.text, &sought),
        timestamp: row.received_at,
    };
    bare(Listed { results: rows.into_iter().map(hit).collect(), count })
}
