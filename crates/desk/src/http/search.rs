//! `GET /desk/search`

use axum::extract::State;
use httpkit::{DeskEnvelope, DeskReply, Query, Refusals, desk_ok, text};
use kernel::terms::{self, Sought};

use crate::{
    Desk,
    auth::Agent,
    store::{self, Search},
    view::MessageInfo,
};

/// So many messages, unless told.
const DEFAULT: i64 = 20;
/// The most messages.
const MOST: i64 = 100;

/// Search messages
///
/// By their words, in Chinese and in English, the newest first; all words must be there, the last one may be its
/// beginning. Agents find what is in sessions that they may see. `before` (a message's id) reads on.
#[utoipa::path(get, path = "/desk/search", tag = "desk",
    params(
        ("q" = String, Query, description = "At least one letter, digit or Chinese character", max_length = 100),
        ("before" = Option<String>, Query, description = "Only older messages than this", max_length = 64),
        ("limit" = Option<i64>, Query, description = "1 to 100, default 20", minimum = 1, maximum = 100)),
    responses((status = 200, body = DeskEnvelope<Vec<MessageInfo>>), Refusals))]
pub(super) async fn search_messages(
    State(desk): State<Desk>,
    agent: Agent,
    mut query: Query,
) -> DeskReply<Vec<MessageInfo>> {
    let f = &mut query.0;
    let text::Line(q) = f.required::<text::Line<100>>("q");
    let before: Option<text::Line<64>> = f.optional("before");
    let limit = f.optional::<i64>("limit").unwrap_or(DEFAULT);
    if !(1..=MOST).contains(&limit) {
        f.bad("limit", format!("must be a whole number from 1 to {MOST}"));
    }
    let sought = terms::sought(&q);
    if !q.is_empty() && sought == Sought::default() {
        f.rule("q", "must have a letter, a digit or a Chinese character");
    }
    query.0.finish()?;
    let search = Search {
        sought: &sought,
        seen_by: agent.id.as_deref().filter(|_| !agent.supervisor),
        before: before.as_ref().map(|before| before.0.as_str()),
        limit,
    };
    let rows = store::search(&mut desk.db().read().await?, &search).await?;
    desk_ok(rows.iter().map(MessageInfo::from).collect())
}
