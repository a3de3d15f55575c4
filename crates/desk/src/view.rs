//! What the API shows of sessions and messages: the seed's fields, and what else an agent needs.

use httpkit::text_enum;
use kernel::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    channel::out::Window,
    model::{ChannelType, MessageStatus, SenderType, Status},
    store::{MessageRow, SessionRow},
};

/// A session.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionInfo {
    /// `sess_…`
    session_id: String,
    /// As the channel names them.
    customer_id: String,
    customer_name: Option<String>,
    /// Our account on the channel.
    kf_id: String,
    channel_type: ChannelType,
    status: Status,
    /// The person who answers.
    manual_cs_id: Option<String>,
    /// Grows with every change of `status` or `manualCsId`.
    version: i64,
    /// The higher the sooner.
    priority: i64,
    /// Since when the customer waits for a person; null when nobody waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    waiting_since: Option<Timestamp>,
    /// Why a person is needed.
    handover_reason: Option<String>,
    /// The beginning of the last message.
    last_message: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_message_time: Option<Timestamp>,
    /// Without what is not for the customer.
    message_count: i64,
    /// What may still be said to a customer of WeCom, in answers of REST; null elsewhere.
    window: Option<Window>,
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<&SessionRow> for SessionInfo {
    fn from(row: &SessionRow) -> Self {
        Self {
            session_id: row.id.clone(),
            customer_id: row.customer_id.clone(),
            customer_name: row.customer_name.clone(),
            kf_id: row.kf_id.clone(),
            channel_type: row.channel_type,
            status: row.status,
            manual_cs_id: row.manual_cs_id.clone(),
            version: row.version,
            priority: row.priority,
            waiting_since: row.waiting_since,
            handover_reason: row.handover_reason.clone(),
            last_message: row.last_message.clone(),
            last_message_time: row.last_message_at,
            message_count: row.message_count,
            window: None,
            closed_at: row.closed_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl SessionInfo {
    /// With what may still be said to the customer.
    pub(crate) fn with_window(self, window: Option<Window>) -> Self {
        Self { window, ..self }
    }
}

text_enum! {
    /// Who said something, as the contract has it: what the desk says itself is the assistant's, with `notice`.
    Speaker {
        /// The customer.
        Customer = "customer",
        /// The assistant, or the desk itself.
        Ai = "ai",
        /// A person of ours.
        Manual = "manual",
    }
}

impl From<SenderType> for Speaker {
    fn from(sender: SenderType) -> Self {
        match sender {
            SenderType::Customer => Self::Customer,
            SenderType::Ai | SenderType::System => Self::Ai,
            SenderType::Manual => Self::Manual,
        }
    }
}

/// What is told of a session that one may not see: that it changed, so that it is taken off lists.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionChange<'a> {
    session_id: &'a str,
    kf_id: &'a str,
    channel_type: ChannelType,
    status: Status,
    manual_cs_id: Option<&'a str>,
    version: i64,
}

impl<'a> From<&'a SessionRow> for SessionChange<'a> {
    fn from(row: &'a SessionRow) -> Self {
        Self {
            session_id: &row.id,
            kf_id: &row.kf_id,
            channel_type: row.channel_type,
            status: row.status,
            manual_cs_id: row.manual_cs_id.as_deref(),
            version: row.version,
        }
    }
}

/// A message.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageInfo {
    /// `msg_…`
    msg_id: String,
    session_id: String,
    /// Its place in its session, from 1, without gaps.
    seq_no: i64,
    sender_type: Speaker,
    sender_id: String,
    /// Said by the desk itself rather than by the assistant or a person: a hand-over, the hours, what happened.
    notice: bool,
    content: String,
    /// `text`, `image`, `voice`, `video`, `file`, `note`, `event`, or the channel's own type.
    msg_type: String,
    /// What its type needs beyond words: a file's address, an answer's sources.
    payload: Option<Value>,
    status: MessageStatus,
    /// Why it did not reach the customer.
    fail_reason: Option<String>,
    /// When it was sent, by the channel's clock.
    #[schema(value_type = String, format = DateTime)]
    sent_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<&MessageRow> for MessageInfo {
    fn from(row: &MessageRow) -> Self {
        Self {
            msg_id: row.id.clone(),
            session_id: row.session_id.clone(),
            seq_no: row.seq,
            sender_type: row.sender_type.into(),
            notice: row.sender_type == SenderType::System,
            sender_id: row.sender_id.clone(),
            content: row.content.clone(),
            msg_type: row.msg_type.clone(),
            payload: row.payload.as_deref().and_then(|json| serde_json::from_str(json).ok()),
            status: row.status,
            fail_reason: row.fail_reason.clone(),
            sent_at: row.sent_at,
            created_at: row.created_at,
        }
    }
}

impl MessageInfo {
    /// Without its words: that there was a message, and when.
    pub(crate) fn withheld(self) -> Self {
        Self { content: String::new(), payload: None, ..self }
    }
}
