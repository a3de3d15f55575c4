//! `/conversations/` and `/conversations/{id}/`

use std::collections::HashMap;

use accounts::Caller;
use assistant::kb::KbRef;
use axum::extract::State;
use httpkit::{BareReply, Body, Listed, Query, StatusRefusals, bare, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Number, credentials::DoneData, query};
use crate::{
    Gmail,
    conversations::{ConversationPatch, NewConversation},
    model::address_key,
    store::{self, ConversationFilter, ConversationRow, ListedConversation},
};

/// An account of one's own and a counterpart.
#[derive(ToSchema)]
#[schema(as = GmailConversationRequest)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct CreateRequest {
    /// A connected account.
    #[schema(example = "brand@example.com")]
    user_email: String,
    /// Any address but the account's own.
    #[schema(example = "creator@example.com")]
    influencer_email: String,
    /// The number of a knowledge base that one may read, or its id, `kb_…`.
    #[schema(value_type = Option<i64>, example = 1)]
    kb_id: Option<i64>,
}

/// A conversation that was made or found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailConversationMade)]
pub(super) struct CreatedData {
    #[schema(example = 1)]
    conversation_id: i64,
    user_email: String,
    influencer_email: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
}

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailConversation)]
pub(super) struct ConversationInfo {
    #[schema(example = 1)]
    id: i64,
    user_email: String,
    influencer_email: String,
    /// What the counterpart calls themselves.
    #[schema(example = "Creator One")]
    name: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_message_time: Option<Timestamp>,
    /// When the counterpart wrote last.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_inbound_time: Option<Timestamp>,
    /// As many as Gmail holds, once `backfilled`.
    message_count: i64,
    /// How many of the counterpart's mails are unread in Gmail.
    unread_count: i64,
    /// Whether any of its mails lies in Gmail's inbox: otherwise it is archived, or nothing came yet.
    in_inbox: bool,
    /// The number of the knowledge base that the assistant draws from; null where there is none, or no longer.
    kb_id: Option<i64>,
    /// A person answers here: nothing goes out by itself.
    held: bool,
    /// Until when the counterpart is away, by their own words.
    #[schema(value_type = Option<String>, format = DateTime)]
    away_until: Option<Timestamp>,
    /// Whether all is here that was written before the conversation was made.
    backfilled: bool,
    /// Why the search for that was given up, so that mails may be missing; making the conversation again begins it anew.
    #[schema(example = json!(null))]
    backfill_error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl ConversationInfo {
    fn of(listed: ListedConversation, numbers: &HashMap<String, i64>) -> Self {
        let ListedConversation { row, unread, in_inbox } = listed;
        Self {
            id: row.id,
            kb_id: row.kb_id.and_then(|id| numbers.get(&id).copied()),
            user_email: row.user_email,
            influencer_email: row.counterpart,
            name: row.name,
            last_message_time: row.last_message_at,
            last_inbound_time: row.last_inbound_at,
            message_count: row.message_count,
            unread_count: unread,
            in_inbox: in_inbox > 0,
            held: row.held,
            away_until: row.away_until,
            backfilled: row.backfilled_at.is_some(),
            backfill_error: row.backfill_error,
            created_at: row.created_at,
        }
    }
}

async fn infos(gmail: &Gmail, rows: Vec<ListedConversation>) -> Result<Vec<ConversationInfo>, Problem> {
    let bases: Vec<&str> = rows.iter().filter_map(|listed| listed.row.kb_id.as_deref()).collect();
    let numbers = if bases.is_empty() { HashMap::new() } else { gmail.0.assistant.kb_numbers(bases).await? };
    Ok(rows.into_iter().map(|row| ConversationInfo::of(row, &numbers)).collect())
}

/// One as it is now.
pub(super) async fn info(gmail: &Gmail, row: ConversationRow) -> BareReply<ConversationInfo> {
    let (unread, in_inbox) = store::marks(&mut gmail.db().read().await?, row.id).await?;
    let one = infos(gmail, vec![ListedConversation { row, unread, in_inbox }]).await?.pop();
    bare(one.ok_or_else(Problem::internal)?)
}

/// Make a conversation
///
/// One for each account and counterpart: the same again, in whatever spelling of the address, is the same conversation,
/// whose knowledge base changes if another is given. What Gmail holds of it is fetched in the background.
#[utoipa::path(post, path = "/conversations/", tag = "gmail", request_body = CreateRequest,
    responses((status = 200, body = CreatedData), StatusRefusals))]
pub(super) async fn create_conversation(
    State(gmail): State<Gmail>,
    caller: Caller,
    Body(mut f): Body,
) -> BareReply<CreatedData> {
    let new = NewConversation {
        user_email: f.required::<text::Line<320>>("user_email").0,
        influencer_email: query::address(&mut f, "influencer_email"),
        kb: f.optional::<KbRef>("kb_id"),
    };
    f.finish()?;
    let row = gmail.converse(&caller, &new).await?;
    bare(CreatedData {
        conversation_id: row.id,
        user_email: row.user_email,
        influencer_email: row.counterpart,
        created_at: row.created_at,
        status: "success",
    })
}

/// List conversations
///
/// One's own, the one with the newest message first.
#[utoipa::path(get, path = "/conversations/", tag = "gmail",
    params(
        ("user_email" = Option<String>, Query, description = "Of this account"),
        ("influencer_email" = Option<String>, Query, description = "With this counterpart, in whatever spelling"),
        ("unread" = Option<i64>, Query, description = "1: with unread mails; 0: without"),
        ("in_inbox" = Option<i64>, Query, description = "1: with mails in Gmail's inbox; 0: without, as archived ones"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<ConversationInfo>), StatusRefusals))]
pub(super) async fn list_conversations(
    State(gmail): State<Gmail>,
    caller: Caller,
    Query(mut f): Query,
) -> BareReply<Listed<ConversationInfo>> {
    let account = f.optional::<text::Line<320>>("user_email").map(|text| address_key(&text.0));
    let counterpart = f.optional::<text::Line<320>>("influencer_email");
    let mut wished = |name: &str| f.has(name).then(|| query::flag(&mut f, name));
    let (unread, in_inbox) = (wished("unread"), wished("in_inbox"));
    let page = query::page(&mut f);
    f.finish()?;
    let mut conn = gmail.db().read().await?;
    let credential = match &account {
        None => None,
        Some(address) => {
            let all = store::credentials(&mut conn, caller.id()).await?;
            match all.into_iter().find(|row| row.address == *address) {
                Some(row) => Some(row.key),
                None => return bare(Listed { results: Vec::new(), count: 0 }),
            }
        }
    };
    let address = counterpart.map(|text| mail::normal_form(&text.0));
    let filter = ConversationFilter {
        user: caller.id(),
        credential: credential.as_deref(),
        address: address.as_deref(),
        unread,
        in_inbox,
    };
    let (rows, count) = store::conversations(&mut conn, &filter, page).await?;
    drop(conn);
    bare(Listed { results: infos(&gmail, rows).await?, count })
}

/// Get a conversation
#[utoipa::path(get, path = "/conversations/{id}/", tag = "gmail",
    params(("id" = i64, Path, description = "The conversation")),
    responses((status = 200, body = ConversationInfo), StatusRefusals))]
pub(super) async fn get_conversation(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<ConversationInfo> {
    info(&gmail, gmail.conversation(caller.id(), id).await?).await
}

/// What to change; absent fields stay.
#[derive(ToSchema)]
#[schema(as = GmailConversationPatch)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct PatchRequest {
    /// The number of a knowledge base that one may read, or its id, `kb_…`; null: none.
    #[schema(value_type = Option<i64>, example = 1)]
    kb_id: Option<i64>,
    /// A person answers here: nothing goes out by itself.
    held: Option<bool>,
}

/// Change a conversation
#[utoipa::path(patch, path = "/conversations/{id}/", tag = "gmail", request_body = PatchRequest,
    params(("id" = i64, Path, description = "The conversation")),
    responses((status = 200, body = ConversationInfo), StatusRefusals))]
pub(super) async fn change_conversation(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Body(mut f): Body,
) -> BareReply<ConversationInfo> {
    let kb = f.names("kb_id").then(|| f.optional::<KbRef>("kb_id"));
    let patch = ConversationPatch { kb, held: f.optional("held") };
    f.finish()?;
    info(&gmail, gmail.change_conversation(&caller, id, &patch).await?).await
}

/// Remove a conversation
///
/// With all that is kept of it here: its messages (unless they stand in another conversation, too), notes, summary, goals,
/// recommended replies and what was decided of them. What would have gone out by itself is taken back; what a person asked
/// to be sent goes. Nothing is touched in Gmail: the same conversation made again has the same mails.
#[utoipa::path(delete, path = "/conversations/{id}/", tag = "gmail",
    params(("id" = i64, Path, description = "The conversation")),
    responses((status = 200, body = DoneData), StatusRefusals))]
pub(super) async fn delete_conversation(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
) -> BareReply<DoneData> {
    gmail.remove_conversation(caller.id(), id).await?;
    bare(DoneData {
        status: "success",
        message: "the conversation is removed; Gmail keeps its mails".to_owned(),
    })
}
