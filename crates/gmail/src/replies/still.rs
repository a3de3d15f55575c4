//! Whether a mail that nobody looked at may still leave: asked just before it does.

use db::{Conn, Result, Tx};
use kernel::{Timestamp, time::days};

use super::{
    decide::{Lead, Ruling, still},
    snapshot::Topic,
};
use crate::{
    AutoReply, Gmail,
    model::Decided,
    store::{self, CredentialRow, DecisionRow, ReplyRow},
};

impl Gmail {
    /// Whether a mail that nobody looks at may still leave: asked just before it does. The reason if not, which is put on
    /// record.
    pub(crate) async fn still_right(
        &self,
        _credential: &CredentialRow,
        outbox_id: &str,
    ) -> Result<Option<String>> {
        let now = self.now();
        let mut conn = self.db().read().await?;
        let Some(reply) = store::reply_of_send(&mut conn, outbox_id).await? else {
            return Ok(Some("no proposal stands behind it".to_owned()));
        };
        let Some((rule, reason)) = self.against(&mut conn, &reply, now).await? else { return Ok(None) };
        drop(conn);
        let mut tx = self.db().begin().await?;
        self.note_taken_back(&mut tx, &reply, outbox_id, (rule, &reason)).await?;
        tx.commit().await?;
        Ok(Some(reason))
    }

    /// Puts on record why a mail does not leave after all.
    pub(crate) async fn note_taken_back(
        &self,
        tx: &mut Tx,
        reply: &ReplyRow,
        outbox_id: &str,
        (rule, reason): (&'static str, &str),
    ) -> Result<()> {
        let now = self.now();
        let decision = DecisionRow {
            id: kernel::id::new("gdec", now),
            user_id: reply.user_id.clone(),
            conversation_id: reply.conversation_id,
            message_key: reply.based_on.clone().unwrap_or_default(),
            turn: format!("{outbox_id}/still-right"),
            goal_id: reply.goal_id,
            outcome: Decided::No,
            rule: rule.to_owned(),
            reason: reason.to_owned(),
            reply_id: Some(reply.id),
            outbox_id: Some(outbox_id.to_owned()),
            at: now,
        };
        store::insert_decision(tx, &decision).await.map(drop)
    }

    /// What stands against a mail by now.
    async fn against(
        &self,
        conn: &mut Conn,
        reply: &ReplyRow,
        now: Timestamp,
    ) -> Result<Option<(&'static str, String)>> {
        let against = |rule, reason: &str| Ok(Some((rule, reason.to_owned())));
        let config = &self.0.config.replies;
        if now.since(reply.created_at) > config.max_age {
            return against("too_old", "it could not leave for too long");
        }
        let Some(message) = reply.based_on.clone() else { return against("gone", "it answers no mail") };
        let conversation = store::conversation(conn, &reply.user_id, reply.conversation_id).await?;
        let topic = Topic {
            user: reply.user_id.clone(),
            conversation: reply.conversation_id,
            message,
            step: reply.step,
            sender: None,
            authors: 1,
        };
        let Some(conversation) = conversation else { return against("gone", "the conversation has gone") };
        let Some(mut case) = self.case(conn, conversation, &topic, reply.id, now).await? else {
            return against("gone", "the mail that it answers has gone");
        };
        let goal = match reply.goal_id {
            Some(goal) => store::goal(conn, &reply.user_id, goal).await?,
            None => None,
        };
        case.snapshot.lead = match goal {
            Some(goal) if !goal.active => Lead::Nothing,
            Some(goal) if goal.progress.is_final() => Lead::Over,
            Some(goal) => Lead::Goal { auto_reply: goal.auto_reply },
            None => Lead::Nothing,
        };
        if case.snapshot.mode != AutoReply::On {
            return against("switched_off", "automatic replies are switched off");
        }
        case.snapshot.counts.last_in_thread = None;
        Ok(match still(&case.snapshot, config) {
            Ruling::Yes => None,
            Ruling::No(rule, reason) | Ruling::Waits(rule, reason) => Some((rule, reason)),
            Ruling::Later(_) if case.snapshot.away_until.is_some_and(|until| until.plus(days(1)) > now) => {
                Some(("away", "the counterpart is away".to_owned()))
            }
            Ruling::Later(_) => Some(("over_cap", "too many mails went out by themselves".to_owned())),
        })
    }
}
