//! What customers write, from any channel: stored once, numbered, and passed on to whoever answers.

use channels::{Content, Inbound, MediaKind, Origin};
use db::{Result, Tx};
use kernel::Timestamp;

use crate::{
    Desk, frames,
    model::{Actor, ChannelType, Command, HandoverReason, MessageStatus, SenderType, Status, Step},
    store::{self, MessageRow, NewMessage, NewSession, SessionRow, Told},
    turn::{self, Handover, Policy, Speech},
    work,
};

/// Which channel account messages came to.
#[derive(Debug, Clone)]
pub struct Source {
    /// The channel account's id.
    pub account_id: String,
    /// Which of the contract's channels it is.
    pub channel_type: ChannelType,
}

/// What came of some messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Stored now.
    pub new: usize,
    /// Known already.
    pub repeated: usize,
}

impl Desk {
    /// Takes messages in, in the caller's transaction, which it should end right after: agents are told last.
    ///
    /// # Errors
    /// [`db::DbError`]; then nothing was taken.
    pub async fn receive(
        &self,
        tx: &mut Tx,
        source: &Source,
        messages: &[Inbound],
        now: Timestamp,
    ) -> Result<Received> {
        let mut received = Received::default();
        let mut told = Vec::new();
        for message in messages {
            let Some(said) = Said::of(message) else { continue };
            if !store::is_new(tx, &source.account_id, &message.external_id, now).await? {
                received.repeated += 1;
                continue;
            }
            received.new += 1;
            take(tx, source, message, &said, &self.0.config.assistant, &mut told, now).await?;
        }
        store::tell(tx, &told, now).await?;
        Ok(received)
    }
}

/// The words and the type of a message that somebody said.
struct Said {
    msg_type: String,
    content: String,
    payload: Option<String>,
}

impl Said {
    /// `None` for what nobody said.
    fn of(message: &Inbound) -> Option<Self> {
        let said = |msg_type: &str, content: &str, payload: Option<serde_json::Value>| {
            let (msg_type, content) = (msg_type.to_owned(), content.to_owned());
            Some(Self { msg_type, content, payload: payload.map(|p| p.to_string()) })
        };
        match &message.content {
            Content::Text { text, menu } => {
                said("text", text, menu.as_ref().map(|menu| serde_json::json!({"menuId": menu})))
            }
            Content::Media { kind, reference } => {
                let kind = match kind {
                    MediaKind::Image => "image",
                    MediaKind::Voice => "voice",
                    MediaKind::Video => "video",
                    MediaKind::File => "file",
                };
                said(kind, "", Some(serde_json::json!({"reference": reference})))
            }
            Content::Other { kind, text } => said(kind, text, None),
            _ => None,
        }
    }
}

async fn take(
    tx: &mut Tx,
    source: &Source,
    message: &Inbound,
    said: &Said,
    policy: &Policy,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    let new = NewSession {
        account_id: &source.account_id,
        channel_type: source.channel_type,
        kf_id: &message.kf_id,
        customer_id: &message.customer_id,
        customer_name: message.customer_name.as_deref(),
        conversation: message.conversation.as_deref(),
    };
    let (mut row, _made) = store::open(tx, &new, now).await?;
    let colleague = message.colleague.as_deref().unwrap_or("colleague");
    let (sender_type, sender_id) = match message.origin {
        Origin::Customer => (SenderType::Customer, message.customer_id.as_str()),
        Origin::Colleague => (SenderType::Manual, colleague),
        Origin::System => (SenderType::System, "channel"),
    };
    let new = NewMessage {
        sender_type,
        sender_id,
        msg_type: &said.msg_type,
        content: &said.content,
        payload: said.payload.clone(),
        status: MessageStatus::Received,
        external_id: Some(&message.external_id),
        client_id: None,
        sent_at: message.sent_at,
    };
    let stored = store::append(tx, &mut row, new, now).await?;
    store::remember(tx, &source.account_id, &message.external_id, &stored).await?;
    if message.origin == Origin::Colleague {
        by_colleague(tx, &mut row, &stored, told, now).await?;
    }
    told.push(frames::new_message(&row, &stored));
    if message.origin == Origin::Customer && row.status == Status::Ai {
        to_the_assistant(tx, &mut row, &stored, policy, told, now).await?;
    }
    Ok(())
}

/// The assistant answers what settles; where it does not answer first, the customer waits for a person at once.
async fn to_the_assistant(
    tx: &mut Tx,
    row: &mut SessionRow,
    stored: &MessageRow,
    policy: &Policy,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    if policy.first {
        return work::schedule_turn(tx, row, now + policy.settle, now).await;
    }
    let speech = Speech::of(std::iter::once(stored.content.as_str()));
    let handover = Handover { reason: HandoverReason::Policy, speech, summary: &[] };
    turn::hand_over(tx, row, &handover, told, now).await.map(drop)
}

/// A colleague answered in the channel's own client: the assistant must not talk over them.
async fn by_colleague(
    tx: &mut Tx,
    row: &mut SessionRow,
    stored: &MessageRow,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    let command = Command::Colleague { name: stored.sender_id.clone() };
    if let Ok(Step::Change(to)) = row.state().after(&command, &Actor::Channel) {
        store::change(tx, row, to, &command, &Actor::Channel, now).await?;
        told.push(frames::session_accepted(row));
    }
    store::note_reply(tx, row, now).await
}
