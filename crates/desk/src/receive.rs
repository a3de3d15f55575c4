//! What customers write, from any channel: stored once, numbered, and passed on to whoever answers.

use channels::{Content, Inbound, Origin};
use db::{Result, Tx};
use kernel::Timestamp;

use crate::{
    Desk,
    channel::{events, greet, media, out},
    follow, frames,
    model::{Actor, ChannelType, Command, HandoverReason, MessageStatus, SenderType, Status, Step},
    ops, order, rating,
    store::{self, MessageRow, NewMessage, NewSession, SessionRow, Told, windows},
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

impl Source {
    /// Whose session a message belongs to.
    pub(crate) fn customer<'a>(&'a self, message: &'a Inbound) -> NewSession<'a> {
        NewSession {
            account_id: &self.account_id,
            channel_type: self.channel_type,
            kf_id: &message.kf_id,
            customer_id: &message.customer_id,
            customer_name: message.customer_name.as_deref(),
            conversation: message.conversation.as_deref(),
        }
    }
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
    /// Takes messages in, in the caller's transaction, which it should end right after: agents are told last. Those of one
    /// customer in their order.
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
        let (new, received) = order::new_ones(tx, source, messages, now).await?;
        order::lock(tx, source, &new, now).await?;
        let mut told = Vec::new();
        for message in new {
            match Said::of(message) {
                Some(said) => {
                    take(tx, source, message, &said, &self.0.config.assistant, &mut told, now).await?;
                }
                None => events::happened(tx, source, message, &mut told, now).await?,
            }
        }
        store::tell(tx, &told, now).await?;
        Ok(received)
    }
}

/// The words and the type of a message that somebody said.
pub(crate) struct Said {
    pub(crate) msg_type: String,
    pub(crate) content: String,
    pub(crate) payload: Option<String>,
}

impl Said {
    /// `None` for what nobody said.
    pub(crate) fn of(message: &Inbound) -> Option<Self> {
        let said = |msg_type: &str, content: &str, payload: Option<serde_json::Value>| {
            let (msg_type, content) = (msg_type.to_owned(), content.to_owned());
            Some(Self { msg_type, content, payload: payload.map(|p| p.to_string()) })
        };
        match &message.content {
            Content::Text { text, menu } => {
                said("text", text, menu.as_ref().map(|menu| serde_json::json!({"menuId": menu})))
            }
            Content::Media { kind, reference } => {
                said(kind.name(), "", Some(serde_json::json!({"reference": reference})))
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
    let new = source.customer(message);
    if message.origin == Origin::Customer
        && let Some(rating) = rating::asked(tx, &new, &message.content, now).await?
    {
        return rating::take(tx, source, message, said, rating, told, now).await;
    }
    let (mut row, made) = store::open(tx, &new, now).await?;
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
    if made {
        told.push(frames::session_created(&row));
    }
    store::remember(tx, &source.account_id, &message.external_id, &stored).await?;
    if message.origin == Origin::Colleague {
        by_colleague(tx, &mut row, &stored, told, now).await?;
    }
    told.push(frames::new_message(&row, &stored));
    if matches!(message.content, Content::Media { .. }) {
        media::schedule(tx, &row.account_id, &stored, now).await?;
    }
    if source.channel_type == ChannelType::Wechat {
        if made && row.customer_name.is_none() {
            greet::schedule_profile(tx, &row, now).await?;
        }
        if message.origin == Origin::Customer && refills(message) {
            windows::refill(tx, &row, message.sent_at + out::WINDOW).await?;
        }
    }
    if message.origin == Origin::Customer {
        match row.status {
            Status::Ai => to_the_assistant(tx, &mut row, &stored, policy, told, now).await?,
            _ => follow::customer_wrote(tx, &mut row, now).await?,
        }
    }
    Ok(())
}

/// Whether a customer's message lets us say more to them, as WeCom counts: to touch a menu is no message.
pub(crate) const fn refills(message: &Inbound) -> bool {
    !matches!(message.content, Content::Text { menu: Some(_), .. })
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
        ops::settle(tx, row, to, &command, &Actor::Channel, told, now).await?;
    }
    store::note_reply(tx, row, now).await
}
