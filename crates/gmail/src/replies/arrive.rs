//! What a new mail means for goals and replies: told in the transaction that stores it.

use db::{Result, Tx};
use dispatch::NewDispatch;
use kernel::{Timestamp, time::days};
use mail::{Classified, Incoming, Kind, is_same_mailbox};

use super::{
    follow::subject,
    letter::is_theirs,
    snapshot::{Topic, is_answer, last_that},
    turn::TURN,
};
use crate::{
    Gmail,
    model::{Direction, MailKind, Source},
    store::{self, ConversationRow, CredentialRow, MessageRow},
};

impl Gmail {
    /// A mail that is new, not backfilled, was stored into these conversations, in the transaction that stores it. What is
    /// ours tells that a person wrote, or that what was sent from here has arrived in the mailbox. The conversations' locks
    /// are held, or are taken here in their order.
    pub(crate) async fn arrived(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        conversations: &[ConversationRow],
        message: &MessageRow,
        mail: &Incoming,
        classified: &Classified,
    ) -> Result<()> {
        let now = self.now();
        let mut ids: Vec<i64> = conversations.iter().map(|c| c.id).collect();
        ids.sort_unstable();
        for id in ids {
            let Some(conversation) = store::lock_conversation(tx, id).await? else { continue };
            if message.direction == Direction::Out {
                self.went(tx, &conversation, message, now).await?;
            } else {
                let reported = self.heard(tx, credential, &conversation, (message, classified), now).await?;
                if reported || self.overtakes(tx, &conversation, message).await? {
                    store::make_stale(tx, id, now).await?;
                    self.take_back_automatic(tx, id, "a newer mail came").await?;
                }
                self.schedule_turn(tx, &conversation, message, mail, now).await?;
            }
        }
        Ok(())
    }

    /// A person wrote in a conversation, or is about to: what waits is stale, and nothing more leaves by itself.
    pub(crate) async fn person_wrote(&self, tx: &mut Tx, conversation: i64, now: Timestamp) -> Result<()> {
        store::make_stale(tx, conversation, now).await?;
        self.take_back_automatic(tx, conversation, "a person wrote").await.map(drop)
    }

    /// Whether what waits in a conversation is not right any more because of a mail that came. A machine's mail, or somebody
    /// else's in the thread, leaves what waits for the counterpart as right as it was; and what turns up late changes nothing
    /// of what answers a newer one, unless it refuses more mail.
    async fn overtakes(
        &self,
        tx: &mut Tx,
        conversation: &ConversationRow,
        message: &MessageRow,
    ) -> Result<bool> {
        if !is_answer(conversation, message) {
            return Ok(false);
        }
        let counts = |m: &MessageRow| m.direction == Direction::Out || is_answer(conversation, m);
        let last = last_that(tx, conversation.id, counts).await?;
        let late = last.is_some_and(|last| last.received_at > message.received_at);
        Ok(!late || message.kind == MailKind::OptOut)
    }

    /// A mail of ours is in the mailbox.
    async fn went(
        &self,
        tx: &mut Tx,
        conversation: &ConversationRow,
        message: &MessageRow,
        now: Timestamp,
    ) -> Result<()> {
        let source = match &message.outbox_id {
            Some(id) => store::asked_by(tx, id).await?,
            None => None,
        };
        match source {
            Some(Source::AutoReply | Source::FollowUp) => {
                store::make_stale(tx, conversation.id, now).await?;
            }
            // Without a source it was written in Gmail itself.
            Some(Source::Person | Source::Approved) | None => {
                self.person_wrote(tx, conversation.id, now).await?;
            }
        }
        self.schedule_follow_up(tx, conversation, message, now).await
    }

    /// What a mail says of the counterpart: they are back, away, or want nothing more. Whether it is a report about a mail of
    /// ours that stops what goes out.
    async fn heard(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        conversation: &ConversationRow,
        (message, classified): (&MessageRow, &Classified),
        now: Timestamp,
    ) -> Result<bool> {
        let theirs = is_theirs(conversation, message);
        match &classified.kind {
            Kind::Reply if theirs => {
                store::reset_follow_ups(tx, conversation.id, now).await?;
                store::set_away(tx, conversation.id, None, now).await?;
            }
            Kind::OutOfOffice { until } if theirs => {
                let named = until.and_then(|day| Timestamp::of_date(&day.to_string()).ok());
                let until = named.unwrap_or_else(|| message.received_at.plus(days(7)));
                store::set_away(tx, conversation.id, Some(until), now).await?;
            }
            Kind::OptOut if theirs => store::hold_conversation(tx, conversation.id, now).await?,
            Kind::Bounce { recipients, original_message_id } => {
                let dead = recipients.iter().any(|r| {
                    r.permanent
                        && (r.address.is_empty() || is_same_mailbox(&r.address, &conversation.address))
                });
                return self
                    .hold_if_ours(tx, credential, conversation, (dead, original_message_id.as_deref()), now)
                    .await;
            }
            Kind::Complaint { original_message_id, .. } => {
                return self
                    .hold_if_ours(tx, credential, conversation, (true, original_message_id.as_deref()), now)
                    .await;
            }
            _ => {}
        }
        Ok(false)
    }

    /// A report about a mail of ours stops what goes out by itself; what anybody else claims does not.
    async fn hold_if_ours(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        conversation: &ConversationRow,
        (stops, original): (bool, Option<&str>),
        now: Timestamp,
    ) -> Result<bool> {
        let Some(original) = original.filter(|_| stops) else { return Ok(false) };
        let ours = store::is_own_message_id(tx, original).await?
            || store::is_sent_by(tx, &credential.key, original).await?;
        if ours {
            store::hold_conversation(tx, conversation.id, now).await?;
        }
        Ok(ours)
    }

    /// A conversation that has a goal gets its turn.
    async fn schedule_turn(
        &self,
        tx: &mut Tx,
        conversation: &ConversationRow,
        message: &MessageRow,
        mail: &Incoming,
        now: Timestamp,
    ) -> Result<()> {
        if store::count_goals(tx, conversation.id).await? == 0 {
            return Ok(());
        }
        let topic = Topic {
            user: conversation.user_id.clone(),
            conversation: conversation.id,
            message: message.key.clone(),
            step: None,
            sender: mail.sender.as_ref().map(|sender| sender.address.clone()),
            authors: mail.from.len(),
        };
        let subject = subject(conversation.id);
        let turn = NewDispatch {
            id: topic.turn(),
            kind: TURN,
            subject,
            destination: "assistant".to_owned(),
            payload: serde_json::to_string(&topic).ok(),
            due_at: now,
        };
        dispatch::enqueue(tx, now, &[turn]).await.map(drop)
    }
}
