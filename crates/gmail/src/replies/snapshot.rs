//! What is known of a conversation when it is decided: read from the tables, for [`super::decide`].

use db::{Conn, Result};
use kernel::{Timestamp, time::days};
use mail::OwnAddresses;
use serde::{Deserialize, Serialize};

use super::{
    decide::{About, Lead, Mail, Snapshot},
    follow::{is_overdue, subject},
    letter::{is_theirs, of_account, of_everybody},
};
use crate::{
    AutoReply, CredentialStatus, Gmail,
    model::{Direction, MailKind, addresses},
    store::{self, ConversationRow, Counted, CredentialRow, GoalRow, MessageRow},
};

const AN_HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

/// Behind so many notes of machines nobody looks for a word.
const LOOKED_AT: i64 = 20;

/// What is decided about: the payload of a turn's dispatch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) user: String,
    pub(crate) conversation: i64,
    /// The message's key.
    pub(crate) message: String,
    /// Which follow-up it is, from 1; `None`: an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<i64>,
    /// Who sent the mail, where that is not its author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<String>,
    /// How many authors the mail names.
    #[serde(default = "one")]
    pub(crate) authors: usize,
}

const fn one() -> usize {
    1
}

impl Topic {
    pub(crate) fn about(&self) -> About {
        if self.step.is_some() { About::FollowUp } else { About::Answer }
    }

    /// What decides once: a mail's turn, or one of its follow-ups.
    pub(crate) fn turn(&self) -> String {
        let subject = subject(self.conversation);
        match self.step {
            None => format!("{subject}/turn/{}", self.message),
            Some(step) => format!("{subject}/follow-up/{}.{step}", self.message),
        }
    }
}

/// All that a decision is about.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) credential: CredentialRow,
    pub(crate) conversation: ConversationRow,
    pub(crate) message: MessageRow,
    /// What leads the conversation.
    pub(crate) goal: Option<GoalRow>,
    pub(crate) own: OwnAddresses,
    pub(crate) snapshot: Snapshot,
}

impl Gmail {
    /// Reads a case; `None` if the mail or its account has gone. Replies from `before` on are not counted.
    pub(super) async fn case(
        &self,
        conn: &mut Conn,
        conversation: ConversationRow,
        topic: &Topic,
        before: i64,
        now: Timestamp,
    ) -> Result<Option<Case>> {
        let Some(credential) = store::credential_by_key(conn, &conversation.credential_key).await? else {
            return Ok(None);
        };
        let Some(message) = store::message(conn, &topic.message).await? else { return Ok(None) };
        let goal = store::leading_goal(conn, conversation.id).await?;
        let own = of_everybody(conn).await?;
        let mail = mail_of(conn, &message, topic).await?;
        let newest = is_newest(conn, &conversation, &message, topic.about()).await?;
        let counted = Counted {
            credential: &credential.key,
            thread: Some(&message.thread_id),
            address: &conversation.address,
            before,
            an_hour_ago: now.minus(AN_HOUR),
            a_day_ago: now.minus(days(1)),
        };
        let lead = match &goal {
            Some(goal) => Lead::Goal { auto_reply: goal.auto_reply },
            None if store::has_goal_over(conn, conversation.id).await? => Lead::Over,
            None => Lead::Nothing,
        };
        let snapshot = Snapshot {
            now,
            since: message.received_at,
            about: topic.about(),
            mode: stricter(self.0.config.replies.mode, credential.auto_reply),
            connected: credential.status == CredentialStatus::Active,
            own: own.clone(),
            account: OwnAddresses::new(of_account(&credential)),
            counterpart: conversation.address.clone(),
            mail,
            suppressed: store::suppressed_for(conn, &conversation.user_id, &conversation.address).await?,
            held: conversation.held,
            away_until: conversation.away_until,
            lead,
            newest,
            person_wrote: store::person_sent_since(conn, conversation.id, message.received_at).await?,
            overdue: goal
                .as_ref()
                .is_some_and(|goal| is_overdue(goal, message.received_at, conversation.away_until, now)),
            counts: store::automatic_counts(conn, &counted).await?,
        };
        Ok(Some(Case { credential, conversation, message, goal, own, snapshot }))
    }
}

async fn mail_of(conn: &mut Conn, m: &MessageRow, topic: &Topic) -> Result<Mail> {
    let (mut own_message_id, mut answered) = (false, store::was_answered(conn, &m.key).await?);
    if let Some(id) = m.rfc_message_id.as_ref().filter(|_| m.direction == Direction::In) {
        own_message_id = store::is_own_message_id(conn, id).await?;
        answered = answered || store::was_answered_elsewhere(conn, id).await?;
    }
    Ok(Mail {
        direction: m.direction,
        backfill: m.backfill,
        labels: serde_json::from_str(&m.labels).unwrap_or_default(),
        received_at: m.received_at,
        machine: m.machine.clone(),
        kind: m.kind,
        from: m.from_address.clone(),
        sender: topic.sender.clone(),
        one_author: topic.authors == 1,
        reply_to: addresses(&m.reply_to),
        to: addresses(&m.to_list),
        cc: addresses(&m.cc_list),
        own_message_id,
        answered,
    })
}

/// Whether nothing that counts came or went after a mail.
async fn is_newest(
    conn: &mut Conn,
    conversation: &ConversationRow,
    message: &MessageRow,
    about: About,
) -> Result<bool> {
    let counts = |m: &MessageRow| match about {
        About::Answer => m.key == message.key || m.direction == Direction::Out || is_answer(conversation, m),
        About::FollowUp => is_word(conversation, m),
    };
    let last = last_that(conn, conversation.id, counts).await?;
    Ok(last.is_some_and(|m| m.key == message.key))
}

/// Whether the counterpart says something that an answer of ours must know of. What machines send, and what others write in
/// the thread, does not make an answer to the counterpart a wrong one.
pub(super) fn is_answer(conversation: &ConversationRow, m: &MessageRow) -> bool {
    is_theirs(conversation, m) && matches!(m.kind, MailKind::Reply | MailKind::OptOut)
}

/// Whether somebody has the word, so that a mail of ours before it is not unanswered: ourselves, a person, and whatever comes
/// from the counterpart, but for notes of absence, receipts and their like.
fn is_word(conversation: &ConversationRow, m: &MessageRow) -> bool {
    if m.direction == Direction::Out {
        return true;
    }
    match m.kind {
        MailKind::Reply | MailKind::OptOut => true,
        MailKind::Notice => {
            const ECHOES: [&str; 6] = [
                "soft:auto_replied",
                "soft:auto_responder",
                "soft:automatic_subject",
                "hard:report",
                "hard:null_return_path",
                "hard:mailer_daemon",
            ];
            is_theirs(conversation, m) && !ECHOES.contains(&m.machine.as_str())
        }
        MailKind::OutOfOffice | MailKind::Bounce | MailKind::Complaint => false,
    }
}

/// The newest mail of a conversation that is such a one, of the newest few.
pub(super) async fn last_that(
    conn: &mut Conn,
    conversation: i64,
    is: impl Fn(&MessageRow) -> bool,
) -> Result<Option<MessageRow>> {
    let newest = store::newest_messages(conn, conversation, LOOKED_AT).await?;
    Ok(newest.into_iter().find(is))
}

/// The newest mail with which somebody had the word.
pub(super) async fn last_word(conn: &mut Conn, conversation: &ConversationRow) -> Result<Option<MessageRow>> {
    last_that(conn, conversation.id, |m| is_word(conversation, m)).await
}

/// The stricter of two switches.
pub(super) fn stricter(one: AutoReply, other: AutoReply) -> AutoReply {
    use AutoReply::{DryRun, Off, On};
    match (one, other) {
        (Off, _) | (_, Off) => Off,
        (DryRun, _) | (_, DryRun) => DryRun,
        (On, On) => On,
    }
}
