//! `/conversations/{id}/messages/`, one of them, and `/conversations/{id}/threads/`

use accounts::Caller;
use axum::{
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use db::{Conn, Result as DbResult};
use httpkit::{BareReply, Failure, Listed, Query, StatusRefusals, bare, text};
use kernel::{Problem, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Number, query};
use crate::{
    Gmail,
    conversations::Look,
    model::{Direction, MailKind, Source},
    store::{self, LineRow, MessageRow, PartRow},
};

/// Somebody with an address, by a mail's own account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailAddress)]
pub(super) struct AddressInfo {
    #[schema(example = "Creator One")]
    name: Option<String>,
    #[schema(example = "creator@example.com")]
    email: String,
}

/// A file in a mail.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailAttachment)]
pub(super) struct AttachmentInfo {
    /// `gatt_…`, for `GET /attachments/{id}/download/`
    #[schema(example = "gatt_06ew1h0x5m8ztqj4kc2v9r7p3e")]
    id: String,
    filename: String,
    /// As its sender says.
    #[schema(example = "application/pdf")]
    mime_type: String,
    /// In bytes.
    size: i64,
    /// Whether the HTML shows it in its place.
    inline: bool,
}

impl From<PartRow> for AttachmentInfo {
    fn from(part: PartRow) -> Self {
        Self {
            id: part.id,
            filename: part.file_name,
            mime_type: part.mime_type,
            size: part.size,
            inline: part.inline,
        }
    }
}

/// A mail of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailMessage)]
pub(super) struct MessageInfo {
    /// Gmail's.
    id: String,
    /// Gmail's.
    thread_id: String,
    direction: Direction,
    from: AddressInfo,
    to: Vec<AddressInfo>,
    cc: Vec<AddressInfo>,
    subject: String,
    /// What was written for this mail, without what it quotes and without signature; in lists the first 20,000 characters.
    text: String,
    /// Whether that is not all of it.
    truncated: bool,
    /// Whether it quotes others.
    has_quoted: bool,
    has_html: bool,
    kind: MailKind,
    /// Whether a machine wrote it, and by which mark: `none`, `soft:…` or `hard:…`.
    #[schema(example = "none")]
    machine: String,
    /// Gmail's.
    labels: Vec<String>,
    attachments: Vec<AttachmentInfo>,
    /// When Gmail took it.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Who asked for it, if it was sent from here.
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Stored {
    name: Option<String>,
    address: String,
}

/// The addresses of a row's JSON list.
fn addresses(json: &str) -> Result<Vec<AddressInfo>, Problem> {
    let list: Vec<Stored> = serde_json::from_str(json).map_err(|error| unreadable(&error))?;
    Ok(list.into_iter().map(|one| AddressInfo { name: one.name, email: one.address }).collect())
}

fn texts(json: &str) -> Result<Vec<String>, Problem> {
    serde_json::from_str(json).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "a message's row cannot be read");
    Problem::internal()
}

impl MessageInfo {
    fn of(row: LineRow, parts: Vec<PartRow>) -> Result<Self, Problem> {
        Ok(Self {
            id: row.gmail_id,
            thread_id: row.thread_id,
            direction: row.direction,
            from: AddressInfo { name: row.from_name, email: row.from_address },
            to: addresses(&row.to_list)?,
            cc: addresses(&row.cc_list)?,
            subject: row.subject,
            text: row.text,
            truncated: row.truncated,
            has_quoted: row.has_quoted,
            has_html: row.has_html,
            kind: row.kind,
            machine: row.machine,
            labels: texts(&row.labels)?,
            attachments: parts.into_iter().map(AttachmentInfo::from).collect(),
            timestamp: row.received_at,
            source: row.source,
        })
    }

    /// Of a whole row, whose long fields stay there.
    fn whole(row: &mut MessageRow, parts: Vec<PartRow>, source: Option<Source>) -> Result<Self, Problem> {
        let take = std::mem::take::<String>;
        let line = LineRow {
            key: row.key.clone(),
            gmail_id: take(&mut row.gmail_id),
            thread_id: take(&mut row.thread_id),
            direction: row.direction,
            from_name: row.from_name.take(),
            from_address: take(&mut row.from_address),
            to_list: take(&mut row.to_list),
            cc_list: take(&mut row.cc_list),
            subject: take(&mut row.subject),
            received_at: row.received_at,
            text: take(&mut row.new_text),
            truncated: row.truncated,
            has_quoted: !row.quoted.is_empty(),
            has_html: row.html.is_some(),
            kind: row.kind,
            machine: take(&mut row.machine),
            labels: take(&mut row.labels),
            source,
        };
        Self::of(line, parts)
    }
}

/// Lines with their files.
async fn with_files(conn: &mut Conn, rows: Vec<LineRow>) -> Result<Vec<MessageInfo>, Problem> {
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let mut parts = store::parts_of(conn, keys).await?;
    let mut infos = Vec::with_capacity(rows.len());
    for row in rows {
        let (own, rest) = parts.into_iter().partition(|part| part.message_key == row.key);
        parts = rest;
        infos.push(MessageInfo::of(row, own)?);
    }
    Ok(infos)
}

/// List the messages of a conversation
///
/// Of all its threads, or of one. The newest first: a reader shows the last page of what was said and asks for older ones
/// as it needs them.
#[utoipa::path(get, path = "/conversations/{id}/messages/", tag = "gmail",
    params(("id" = i64, Path, description = "The conversation"),
        ("thread_id" = Option<String>, Query, description = "Of this thread"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<MessageInfo>), StatusRefusals))]
pub(super) async fn list_messages(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Query(mut f): Query,
) -> BareReply<Listed<MessageInfo>> {
    let thread = f.optional::<text::Line<64>>("thread_id");
    let page = query::page(&mut f);
    f.finish()?;
    let conversation = gmail.conversation(caller.id(), id).await?;
    let mut conn = gmail.db().read().await?;
    let thread = thread.as_ref().map(|thread| thread.0.as_str());
    let (rows, count) = store::message_page(&mut conn, conversation.id, thread, page).await?;
    bare(Listed { results: with_files(&mut conn, rows).await?, count })
}

/// A conversation's id and what is named in it.
pub(super) struct Named(i64, String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::<(i64, String)>::from_request_parts(parts, state).await {
            Ok(Path((id, name)))
                if name.len() <= kernel::id::MAX_LEN
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') =>
            {
                Ok(Self(id, name))
            }
            _ => Err(Problem::not_found("message").into()),
        }
    }
}

/// A mail, whole.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailMessageDetail)]
pub(super) struct MessageDetail {
    #[serde(flatten)]
    message: MessageInfo,
    /// Where answers go, if not to the author.
    reply_to: Vec<AddressInfo>,
    /// What it quotes, with the lines that introduce it.
    quoted: String,
    signature: String,
    /// To be put into an element of one's own page: nothing in it runs or submits, and nothing is loaded from elsewhere
    /// unless `images=1` asked for it. Images that lie in the mail have addresses of ours that need
    /// no token, are good for an hour at least, and stay the same within an hour of the clock.
    html: Option<String>,
    /// How many images from elsewhere were left out.
    images_left_out: usize,
    /// Whether `html` shows the text alone, since the original would cost too much to look at.
    text_only: bool,
    /// Its Message-ID, without brackets.
    #[schema(example = "seed-1@example.com")]
    message_id: Option<String>,
    /// The Message-ID that it answers.
    in_reply_to: Option<String>,
    /// The Message-IDs of its thread, the oldest first.
    references: Vec<String>,
}

/// Get a message
///
/// With what it quotes, its signature, and its HTML made safe to look at. Images from elsewhere are left out, since
/// looking at one tells its sender who reads the mail, when and where; `images=1` lets them in.
#[utoipa::path(get, path = "/conversations/{id}/messages/{message_id}/", tag = "gmail",
    params(("id" = i64, Path, description = "The conversation"),
        ("message_id" = String, Path, description = "Gmail's id of the message"),
        ("images" = Option<i64>, Query, description = "1: with images from elsewhere")),
    responses((status = 200, body = MessageDetail), StatusRefusals))]
pub(super) async fn get_message(
    State(gmail): State<Gmail>,
    caller: Caller,
    Named(id, gmail_id): Named,
    Query(mut f): Query,
) -> BareReply<MessageDetail> {
    let remote_images = query::flag(&mut f, "images");
    f.finish()?;
    let conversation = gmail.conversation(caller.id(), id).await?;
    let mut conn = gmail.db().read().await?;
    let found =
        store::message_in(&mut conn, (&conversation.credential_key, conversation.id), &gmail_id).await?;
    let mut row = found.ok_or_else(|| Problem::not_found("message"))?;
    let parts = store::parts_of(&mut conn, vec![&row.key]).await?;
    let source = source(&mut conn, &row).await?;
    drop(conn);
    let shown = match row.html.clone() {
        Some(html) => Some(gmail.show(Look { html, remote_images }, &parts).await?),
        None => None,
    };
    let message = MessageInfo::whole(&mut row, parts, source)?;
    let images_left_out = shown.as_ref().map_or(0, |shown| shown.blocked_images);
    let text_only = shown.as_ref().is_some_and(|shown| shown.text_only);
    bare(MessageDetail {
        message,
        reply_to: addresses(&row.reply_to)?,
        quoted: row.quoted,
        signature: row.signature,
        html: shown.map(|shown| shown.html),
        images_left_out,
        text_only,
        message_id: row.rfc_message_id,
        in_reply_to: row.in_reply_to,
        references: texts(&row.refs)?,
    })
}

async fn source(conn: &mut Conn, row: &MessageRow) -> DbResult<Option<Source>> {
    match &row.outbox_id {
        Some(id) => store::source_of(conn, id).await,
        None => Ok(None),
    }
}

/// A thread of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailThread)]
pub(super) struct ThreadInfo {
    /// Gmail's.
    thread_id: String,
    /// Of its first message here.
    subject: String,
    message_count: i64,
    #[schema(value_type = String, format = DateTime)]
    last_message_time: Timestamp,
    /// Whether the counterpart wrote after us; what machines wrote for them does not count.
    unanswered: bool,
}

/// List the threads of a conversation
///
/// The one with the newest message first.
#[utoipa::path(get, path = "/conversations/{id}/threads/", tag = "gmail",
    params(("id" = i64, Path, description = "The conversation"),
        ("page" = Option<i64>, Query, description = "From 1", minimum = 1),
        ("page_size" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 100)),
    responses((status = 200, body = Listed<ThreadInfo>), StatusRefusals))]
pub(super) async fn list_threads(
    State(gmail): State<Gmail>,
    caller: Caller,
    Number(id): Number,
    Query(mut f): Query,
) -> BareReply<Listed<ThreadInfo>> {
    let page = query::page(&mut f);
    f.finish()?;
    let conversation = gmail.conversation(caller.id(), id).await?;
    let (rows, count) = store::threads(&mut gmail.db().read().await?, conversation.id, page).await?;
    let info = |row: store::ThreadRow| ThreadInfo {
        unanswered: row.last_inbound_at > row.last_outbound_at,
        thread_id: row.thread_id,
        subject: row.subject,
        message_count: row.message_count,
        last_message_time: row.last_message_at,
    };
    bare(Listed { results: rows.into_iter().map(info).collect(), count })
}
