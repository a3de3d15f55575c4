//! `POST /send/`

use accounts::Caller;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use httpkit::{Bad, Bare, BodyOrForm, Failure, Fields, FromField, StatusRefusals, text};
use kernel::{Problem, ProblemKind, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    Gmail,
    model::SendState,
    send::{Request, Timing, addresses::Addresses},
    store::OutboxRow,
};

/// The longest body, in characters.
const LONGEST: usize = 1_000_000;
/// The longest time to take a mail back, in seconds.
const LONGEST_HOLD: i64 = 86_400;
/// The longest idempotency key, in characters.
const LONGEST_KEY: usize = 200;

/// A mail to send.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct OutreachSendRequest {
    /// A connected account, or an accepted alias of one; the conversation's account without, or the default one.
    #[schema(example = "brand@example.com")]
    email: Option<String>,
    /// Addresses with commas between them, with names or without. Without it, those of the mail that is answered.
    #[schema(example = "Li Lei <li@example.cn>, han@example.cn")]
    to: Option<String>,
    cc: Option<String>,
    bcc: Option<String>,
    /// Needed but for an answer, which has `Re: …` without it. Another subject begins another thread.
    subject: Option<String>,
    /// HTML or plain text, whichever it is; HTML gets a text beside it.
    body: String,
    /// The text beside the HTML, instead of the one made from it.
    text: Option<String>,
    /// Ids of `POST /attachments/`; in a form, with commas between them.
    attachments: Option<Vec<String>>,
    /// Without it, the conversation with the one address in `to`, if there is one.
    conversation_id: Option<i64>,
    /// Gmail's id of the conversation's message that this answers.
    reply_to_message: Option<String>,
    /// To all whom that message names.
    reply_all: Option<bool>,
    /// The account, or an accepted alias of it, with a name or without.
    from: Option<String>,
    /// So long it can be taken back, in seconds.
    hold_seconds: Option<i64>,
    /// When it leaves.
    #[schema(format = DateTime)]
    send_at: Option<String>,
    /// Whether its readers are told how to refuse more. Without it: if it goes to those who never wrote.
    unsubscribe: Option<bool>,
}

/// What became of a mail.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutreachSendData {
    /// Gmail's; `null` until it has the mail.
    message_id: Option<String>,
    /// Gmail's; `null` until it has the mail.
    thread_id: Option<String>,
    status: SendState,
    /// When Gmail took it; until then, when it was asked for.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    #[schema(example = "gout_06ew1q4d3gqv5m2c8r0t7y9z1a")]
    outbox_id: String,
    /// When it leaves, or was to leave.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// Why it has not left yet.
    waiting_reason: Option<String>,
}

/// `true` and `false`, in a form as text.
struct Flag(bool);

impl FromField for Flag {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        match value {
            Value::Bool(flag) => Ok(Self(*flag)),
            Value::String(text) if text == "true" => Ok(Self(true)),
            Value::String(text) if text == "false" => Ok(Self(false)),
            _ => Err(Bad::Type("must be true or false".to_owned())),
        }
    }
}

/// A list of ids, in a form as text with commas.
struct Ids(Vec<String>);

impl FromField for Ids {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let ids: Option<Vec<String>> = match value {
            Value::String(text) => {
                Some(text.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect())
            }
            Value::Array(list) => list.iter().map(|id| id.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let ids = ids.ok_or_else(|| Bad::Type("must be a list of ids".to_owned()))?;
        let fits = |id: &String| id.len() <= kernel::id::MAX_LEN && !id.contains('\0');
        match ids.len() <= 100 && ids.iter().all(fits) {
            true => Ok(Self(ids)),
            false => Err(Bad::Rule("must be at most 100 ids".to_owned())),
        }
    }
}

/// One address.
fn one(f: &mut Fields, name: &str) -> Option<mail::Mailbox> {
    let Addresses(mut all) = f.optional(name)?;
    if all.len() != 1 {
        f.rule(name, "must be one address");
    }
    all.pop()
}

fn list(f: &mut Fields, name: &str) -> Vec<mail::Mailbox> {
    f.optional::<Addresses>(name).unwrap_or_default().0
}

fn timing(f: &mut Fields) -> Timing {
    let hold: Option<i64> = f.optional("hold_seconds");
    let at: Option<Timestamp> = f.optional("send_at");
    match (hold, at) {
        (Some(_), Some(_)) => {
            f.rule("hold_seconds", "must not come beside send_at");
            Timing::Usual
        }
        (Some(seconds), None) if (0..=LONGEST_HOLD).contains(&seconds) => Timing::Held(seconds),
        (Some(_), None) => {
            f.rule("hold_seconds", format!("must be from 0 to {LONGEST_HOLD}"));
            Timing::Usual
        }
        (None, Some(at)) => Timing::At(at),
        (None, None) => Timing::Usual,
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|t| !t.is_empty() && t.len() <= LONGEST_KEY);
    let bad = || {
        Problem::bad_request(
            "Idempotency-Key",
            format!("must be up to {LONGEST_KEY} visible ASCII characters"),
        )
    };
    text.map(|text| Some(text.to_owned())).ok_or_else(bad)
}

fn read(f: &mut Fields) -> Request {
    Request {
        email: one(f, "email"),
        from: one(f, "from"),
        to: list(f, "to"),
        cc: list(f, "cc"),
        bcc: list(f, "bcc"),
        subject: f.optional::<text::Line<998>>("subject").map(|line| line.0),
        body: f.optional::<text::Lines<LONGEST>>("body").map(|lines| lines.0),
        text: f.optional::<text::Lines<LONGEST>>("text").map(|lines| lines.0),
        attachments: f.optional::<Ids>("attachments").map(|ids| ids.0).unwrap_or_default(),
        conversation_id: f.optional("conversation_id"),
        reply_to_message: f.optional::<text::Line<200>>("reply_to_message").map(|id| id.0),
        reply_all: f.optional::<Flag>("reply_all").is_some_and(|flag| flag.0),
        timing: timing(f),
        unsubscribe: f.optional::<Flag>("unsubscribe").map(|flag| flag.0),
        idempotency_key: None,
    }
}

/// Send a mail
///
/// Through the outbox: it leaves once, however often this is asked under one `Idempotency-Key`. Answers when Gmail has the
/// mail; with 202 and no ids where it is held, waits, or takes longer: `GET /outbox/{outbox_id}/` says how it goes on. One
/// that Gmail refuses is answered with the fitting status and Google's words. Whoever is on the suppression list gets none.
#[utoipa::path(post, path = "/send/", tag = "gmail",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same key sends the same mail once; for another mail it is refused with 409")),
    request_body(content((OutreachSendRequest = "application/json"), (OutreachSendRequest = "multipart/form-data"))),
    responses(
        (status = 200, description = "Gmail has it", body = OutreachSendData),
        (status = 202, description = "It is in the outbox", body = OutreachSendData),
        StatusRefusals))]
pub(super) async fn send_mail(
    State(gmail): State<Gmail>,
    caller: Caller,
    headers: HeaderMap,
    BodyOrForm(mut f): BodyOrForm,
) -> Result<Response, Failure> {
    let request = read(&mut f);
    f.finish()?;
    let request = Request { idempotency_key: idempotency_key(&headers)?, ..request };
    let id = gmail.compose(caller.id(), request).await?;
    answer(gmail.outcome_of(caller.id(), &id).await?)
}

fn answer(row: OutboxRow) -> Result<Response, Failure> {
    let status = match row.state {
        SendState::Sent => StatusCode::OK,
        SendState::Held | SendState::Sending | SendState::Unknown => StatusCode::ACCEPTED,
        SendState::Failed | SendState::Cancelled => return Err(refusal(&row).into()),
    };
    let data = OutreachSendData {
        message_id: row.gmail_id,
        thread_id: row.thread_id,
        status: row.state,
        timestamp: row.sent_at.unwrap_or(row.created_at),
        outbox_id: row.id,
        due_at: row.due_at,
        waiting_reason: row.waiting_reason,
    };
    Ok((status, Bare(data)).into_response())
}

/// Why a mail did not leave.
fn refusal(row: &OutboxRow) -> Problem {
    let reason = row.error.as_deref().unwrap_or("no reason is known");
    let message = format!("the mail {} was not sent: {reason}", row.id);
    let code = row.error_code.as_deref().unwrap_or_default().replace('_', "").to_ascii_lowercase();
    let kind = match code.as_str() {
        "domainpolicy"
        | "insufficientpermissions"
        | "accessnotconfigured"
        | "servicedisabled"
        | "forbidden"
        | "permissiondenied"
        | "delegationdenied" => ProblemKind::Forbidden,
        "cancelled" | "takenback" | "disconnected" => ProblemKind::Conflict,
        "gaveup" | "lost" | "indoubt" => ProblemKind::Unavailable,
        _ => ProblemKind::Rule,
    };
    Problem::new(kind, message)
}
