//! Whether a mail that nobody looked at may still leave: asked just before it does.

use db::{Conn, Result, Tx};
use google::Thread;
use kernel::{Timestamp, time::days};

use super::{
    decide::{About, Lead, Ruling, awaited, still},
    hours::hours_of,
    snapshot::Topic,
};
use crate::{
    AutoReply, Gmail,
    model::Decided,
    notices,
    store::{self, CredentialRow, DecisionRow, GoalRow, KnownBy, OutboxRow, ReplyRow, fetches},
    sync::{TRIES, is_hidden},
};

/// What stands against a mail that nobody looked at.
pub(crate) enum Against {
    /// Rule and reason.
    Never(&'static str, String),
    /// The same, but a person may want it all the same.
    Unseen(&'static str, String),
    /// Not before then.
    Later(Timestamp, String),
    /// Not now: its account's hours have not begun.
    Outside,
}

/// What is not known here of a thread.
pub(crate) enum Unread {
    /// All is known.
    Nothing,
    /// Reading the mailbox will tell.
    Soon,
    /// No reading tells: why a person is to look.
    Lost(&'static str),
}

/// A mail that nobody looked at, where it would stand.
pub(crate) struct Unasked {
    /// Gmail's thread.
    pub(crate) thread: String,
    /// Gmail's id of the mail that it follows.
    answered: String,
    /// When that came, or went.
    answered_at: Timestamp,
}

/// What the goal that a mail was written for says by now.
fn lead(goal: Option<&GoalRow>) -> Lead {
    match goal {
        Some(goal) if !goal.active => Lead::Nothing,
        Some(goal) if goal.progress.is_final() => Lead::Over,
        Some(goal) => Lead::Goal { auto_reply: goal.auto_reply },
        None => Lead::Nothing,
    }
}

impl Gmail {
    /// Whether a mail that nobody looks at may still leave: asked just before it does.
    pub(crate) async fn still_right(&self, row: &OutboxRow) -> Result<Option<Against>> {
        let mut conn = self.db().read().await?;
        match store::reply_of_send(&mut conn, &row.id).await? {
            Some(reply) => self.against(&mut conn, (&reply, row.due_at), self.now()).await,
            None => Ok(Some(Against::Never("gone", "no proposal stands behind it".to_owned()))),
        }
    }

    /// Puts on record why a mail does not leave after all; that it waits for a person instead is told.
    pub(crate) async fn note_taken_back(
        &self,
        tx: &mut Tx,
        reply: &ReplyRow,
        outbox_id: &str,
        (outcome, rule, reason): (Decided, &'static str, &str),
    ) -> Result<()> {
        let now = self.now();
        if outcome == Decided::Waits
            && let Some(conversation) = store::conversation(tx, &reply.user_id, reply.conversation_id).await?
        {
            notices::tell_waits(tx, &conversation, rule, now).await?;
        }
        let decision = DecisionRow {
            id: kernel::id::new("gdec", now),
            user_id: reply.user_id.clone(),
            conversation_id: reply.conversation_id,
            message_key: reply.based_on.clone().unwrap_or_default(),
            turn: format!("{outbox_id}/still-right"),
            goal_id: reply.goal_id,
            outcome,
            rule: rule.to_owned(),
            reason: reason.to_owned(),
            reply_id: Some(reply.id),
            outbox_id: Some(outbox_id.to_owned()),
            at: now,
        };
        store::insert_decision(tx, &decision).await.map(drop)
    }

    /// The thread in which a mail would stand that nobody looks at.
    pub(crate) async fn unasked(&self, outbox_id: &str) -> Result<Option<Unasked>> {
        let mut conn = self.db().read().await?;
        let Some(reply) = store::reply_of_send(&mut conn, outbox_id).await? else { return Ok(None) };
        let Some(key) = &reply.based_on else { return Ok(None) };
        let answered = store::message(&mut conn, key).await?;
        Ok(answered.map(|m| Unasked {
            thread: m.thread_id,
            answered: m.gmail_id,
            answered_at: m.received_at,
        }))
    }

    /// What of Gmail's thread, since the mail that is answered, is neither known here nor ours; or whether that mail itself
    /// no longer stands in it, but as what was thrown away. The mailbox was read up to `read`, as far as is known.
    pub(crate) async fn unread(
        &self,
        credential: &CredentialRow,
        unasked: &Unasked,
        thread: &Thread,
        read: Option<Timestamp>,
    ) -> Result<Unread> {
        let shown: Vec<&google::Message> = thread.messages.iter().filter(|m| !is_hidden(&m.labels)).collect();
        let is_late = |at: Option<Timestamp>| at.is_none_or(|at| at >= unasked.answered_at);
        let late: Vec<(String, Option<Timestamp>)> = shown
            .iter()
            .filter(|m| is_late(m.internal_date))
            .map(|m| (m.id.clone(), m.internal_date))
            .collect();
        let mut ids: Vec<String> = late.iter().map(|(id, _)| id.clone()).collect();
        ids.push(unasked.answered.clone());
        let mut conn = self.db().read().await?;
        // Before what is kept: what is dealt with meanwhile goes from the one to the other.
        let queued = fetches::queued(&mut conn, &credential.key, &ids).await?;
        let known = store::kept(&mut conn, &credential.key, &ids).await?;
        // Whether a reading will tell of a mail that came at this time.
        let will_tell =
            |id: &str, at: Option<Timestamp>| match queued.iter().find(|fetch| fetch.gmail_id == id) {
                Some(fetch) => fetch.tries < TRIES,
                None => read.is_none_or(|read| at.is_some_and(|at| at > read)),
            };
        let mut unread = Unread::Nothing;
        if !shown.iter().any(|m| m.id == unasked.answered) {
            if !will_tell(&unasked.answered, None) {
                return Ok(Unread::Lost("the mail that it answers does not stand in its thread any more"));
            }
            unread = Unread::Soon;
        }
        for (id, at) in &late {
            let by = KnownBy { gmail_id: Some(id), ..KnownBy::default() };
            if known.iter().any(|known| known.gmail_id == *id)
                || store::own_send(&mut conn, &credential.key, by).await?.is_some()
            {
                continue;
            }
            if !will_tell(id, *at) {
                return Ok(Unread::Lost("something stands in the thread that is not known here"));
            }
            unread = Unread::Soon;
        }
        Ok(unread)
    }

    /// What stands against a mail by now that is due since `due_at`.
    async fn against(
        &self,
        conn: &mut Conn,
        (reply, due_at): (&ReplyRow, Timestamp),
        now: Timestamp,
    ) -> Result<Option<Against>> {
        let against = |rule, reason: &str| Ok(Some(Against::Never(rule, reason.to_owned())));
        let config = &self.0.config.replies;
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
        case.snapshot.lead = lead(goal.as_ref());
        if case.snapshot.mode != AutoReply::On {
            return Ok(Some(Against::Unseen(
                "switched_off",
                "automatic replies are switched off".to_owned(),
            )));
        }
        case.snapshot.counts.last_in_thread = None;
        let mut since = reply.created_at;
        if case.snapshot.about == About::FollowUp
            && let Some(until) = case.snapshot.away_until
        {
            // Who is away is waited for.
            since = since.max(awaited(until));
        }
        // Put off to the account's hours, which is no delay.
        let put_off = due_at > reply.created_at.plus(config.hold);
        if put_off {
            since = since.max(due_at);
            case.snapshot.since = due_at;
        }
        let too_old = now.since(since) > config.max_age;
        case.snapshot.overdue &= !put_off || too_old;
        let outside = hours_of(&case.credential).is_some_and(|hours| !hours.is_open(now));
        Ok(match still(&case.snapshot, config) {
            Ruling::No(rule, reason) => Some(Against::Never(rule, reason)),
            Ruling::Waits(rule, reason) => Some(Against::Unseen(rule, reason)),
            Ruling::Yes | Ruling::Later(_) if too_old => {
                Some(Against::Unseen("too_old", "it could not leave for too long".to_owned()))
            }
            Ruling::Yes => outside.then_some(Against::Outside),
            Ruling::Later(until) => {
                let away = case.snapshot.away_until.is_some_and(|until| until.plus(days(1)) > now);
                let why =
                    if away { "the counterpart is away" } else { "too many mails went out by themselves" };
                Some(Against::Later(until, why.to_owned()))
            }
        })
    }
}
