//! The dispatch kinds `gmail.turn` (a mail came) and `gmail.follow-up` (ours was not answered): decide, ask the assistant,
//! decide again, and do it.

use dispatch::{BoxFuture, Dispatch, Outcome, Settled, Single};
use kernel::{Problem, ProblemKind, Timestamp};

use super::{
    decide::{About, Ruling, decide},
    gate::{Proposal, consents, gate, is_near_identical},
    letter::Letter,
    propose::Wanted,
    snapshot::{Case, Topic},
};
use crate::{
    AutoReply, Gmail,
    model::{Decided, ReplyState, Source},
    notices::{self, News},
    send::NewSend,
    store::{self, DecisionRow, ReplyRow},
};

/// A mail came in a conversation with a goal.
pub const TURN: &str = "gmail.turn";
/// A mail of ours may be unanswered.
pub const FOLLOW_UP: &str = "gmail.follow-up";

/// A turn has decided once and for all.
const DECIDED: &str = "it was decided before";

/// Decides about mails that came, and about ours that were not answered.
pub struct Replies {
    /// The slice.
    pub gmail: Gmail,
}

impl Single for Replies {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let topic: Option<Topic> = d.payload.as_deref().and_then(|p| serde_json::from_str(p).ok());
            let Some(topic) = topic else { return Outcome::Dead("it names no mail".to_owned()) };
            match self.gmail.take_turn(&topic, d.due_at).await {
                Ok(Taken::Done(what)) => Outcome::Done(what),
                Ok(Taken::Later(until)) => Outcome::Snooze { until, reason: "not before then".to_owned() },
                Err(problem) => Outcome::Retry { reason: problem.message, after: None, in_doubt: false },
            }
        })
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }

    /// What could not be decided is on record, too.
    fn settled<'a>(
        &'a self,
        tx: &'a mut db::Tx,
        d: &'a Dispatch,
        end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            let Settled::Dead(reason) = end else { return Ok(()) };
            let topic: Option<Topic> = d.payload.as_deref().and_then(|p| serde_json::from_str(p).ok());
            let Some(topic) = topic else { return Ok(()) };
            if store::conversation(tx, &topic.user, topic.conversation).await?.is_none() {
                return Ok(());
            }
            let made = Made::no("gave_up", format!("it could not be decided: {reason}"));
            store::insert_decision(tx, &made.decision(&topic, None, now)).await?;
            Ok(())
        })
    }
}

/// How an attempt ended.
enum Taken {
    Done(String),
    Later(Timestamp),
}

impl Taken {
    fn done(what: &str) -> Self {
        Self::Done(what.to_owned())
    }
}

/// What an attempt found out before it writes.
struct Found {
    wanted: Wanted,
    proposal: Proposal,
    /// What the gate says.
    gate: Option<(&'static str, String)>,
}

impl Gmail {
    async fn take_turn(&self, topic: &Topic, due_at: Timestamp) -> Result<Taken, Problem> {
        let mut conn = self.db().read().await?;
        if store::has_decided(&mut conn, &topic.turn()).await? {
            return Ok(Taken::done(DECIDED));
        }
        let Some(conversation) = store::conversation(&mut conn, &topic.user, topic.conversation).await?
        else {
            return Ok(Taken::done("the conversation has gone"));
        };
        let Some(case) = self.case(&mut conn, conversation, topic, i64::MAX, self.now()).await? else {
            return Ok(Taken::done("the mail has gone"));
        };
        drop(conn);
        if topic.step.is_some() && !case.is_its_time(topic, due_at) {
            return Ok(Taken::done("the goal has another time for it"));
        }
        match decide(&case.snapshot, &self.0.config.replies) {
            Ruling::Later(until) => return Ok(Taken::Later(until)),
            Ruling::No(..) => return self.conclude(topic, None, None).await,
            Ruling::Yes | Ruling::Waits(..) => {}
        }
        let found = self.think(topic, case).await?;
        match self.conclude(topic, Some(&found), None).await {
            // What the outbox refuses for good, a person may send otherwise.
            Err(problem)
                if matches!(
                    problem.kind,
                    ProblemKind::Rule | ProblemKind::Conflict | ProblemKind::BadRequest
                ) =>
            {
                let forced = Ruling::Waits("refused", format!("it cannot be sent: {}", told(&problem)));
                self.conclude(topic, Some(&found), Some(forced)).await
            }
            end => end,
        }
    }

    /// Asks the assistant, with no transaction open.
    async fn think(&self, topic: &Topic, case: Case) -> Result<Found, Problem> {
        let auto = matches!(decide(&case.snapshot, &self.0.config.replies), Ruling::Yes);
        let words = case.message.new_text.clone();
        let wanted = Wanted {
            credential: case.credential,
            conversation: case.conversation,
            goal: case.goal,
            message: Some(case.message),
            step: topic.step,
            instructions: None,
        };
        let proposal = self.propose(&wanted).await?;
        let confidence = self.0.config.replies.confidence;
        let mut found = gate(&proposal, None, confidence);
        if found.is_none() && topic.about() == About::Answer {
            found = consents(&proposal);
        }
        if auto && found.is_none() && topic.about() == About::Answer && !words.trim().is_empty() {
            let owner = &wanted.conversation.user_id;
            let feeling = self.0.assistant.analyse(owner, &words).await.value.sentiment;
            found = gate(&proposal, Some(feeling), confidence);
        }
        Ok(Found { wanted, proposal, gate: found })
    }

    /// Decides again under the conversation's lock, and does it: all in one transaction.
    async fn conclude(
        &self,
        topic: &Topic,
        found: Option<&Found>,
        forced: Option<Ruling>,
    ) -> Result<Taken, Problem> {
        let mut tx = self.db().begin().await?;
        let Some(conversation) = store::lock_conversation(&mut tx, topic.conversation).await? else {
            return Ok(Taken::done("the conversation has gone"));
        };
        store::lock_counters(&mut tx).await?;
        if store::has_decided(&mut tx, &topic.turn()).await? {
            return Ok(Taken::done(DECIDED));
        }
        let now = self.now();
        let Some(case) = self.case(&mut tx, conversation, topic, i64::MAX, now).await? else {
            return Ok(Taken::done("the mail has gone"));
        };
        let mut ruling = decide(&case.snapshot, &self.0.config.replies);
        if let (Ruling::Yes | Ruling::Waits(..), Some(forced)) = (&ruling, forced) {
            ruling = forced;
        }
        if let (Ruling::Yes, Some((rule, reason))) = (&ruling, found.and_then(|found| found.gate.clone())) {
            ruling = Ruling::Waits(rule, reason);
        }
        if let (Ruling::Yes, Some(found)) = (&ruling, found) {
            let last = store::last_automatic(&mut tx, topic.conversation, i64::MAX).await?;
            let text = &found.proposal.suggested.recommended_reply;
            if last.is_some_and(|last| is_near_identical(&last, text)) {
                store::hold_conversation(&mut tx, topic.conversation, now).await?;
                let (credential, with) = (&case.credential.key, &case.conversation.counterpart);
                notices::tell(&mut tx, &topic.user, News::Held { credential, with }, now).await?;
                let reason = "it says nearly the same as the last automatic mail; a person must look";
                ruling = Ruling::No("repeats_itself", reason.to_owned());
            }
        }
        let made = match (ruling, found) {
            (Ruling::Later(until), _) => return Ok(Taken::Later(until)),
            (Ruling::No(rule, reason), _) => Made::no(rule, reason),
            // Meanwhile it may be answered; the assistant is asked by another attempt.
            (Ruling::Yes | Ruling::Waits(..), None) => {
                return Err(Problem::new(ProblemKind::Unavailable, "things changed meanwhile"));
            }
            (Ruling::Waits(rule, reason), Some(found)) => {
                notices::tell_waits(&mut tx, &case.conversation, rule, now).await?;
                self.leave_waiting(&mut tx, found, (Decided::Waits, rule, reason), now).await?
            }
            (Ruling::Yes, Some(found)) if case.snapshot.mode == AutoReply::DryRun => {
                let why = (Decided::WouldSend, "dry_run", "it would have gone out".to_owned());
                self.leave_waiting(&mut tx, found, why, now).await?
            }
            (Ruling::Yes, Some(found)) => self.send_by_itself(&mut tx, &case, found, now).await?,
        };
        let what = format!("{}: {}", made.outcome.as_str(), made.rule);
        let goal_id = case.goal.as_ref().map(|goal| goal.id);
        let decision = made.decision(topic, goal_id, now);
        if !store::insert_decision(&mut tx, &decision).await? {
            return Ok(Taken::done(DECIDED));
        }
        tx.commit().await?;
        Ok(Taken::Done(what))
    }

    /// A proposal that a person is to look at.
    async fn leave_waiting(
        &self,
        tx: &mut db::Tx,
        found: &Found,
        (outcome, rule, reason): (Decided, &'static str, String),
        now: Timestamp,
    ) -> Result<Made, Problem> {
        let mut row = found.wanted.row(found.proposal.clone(), ReplyState::Waiting, now);
        row.id = store::number(tx, "reply").await?;
        store::insert_reply(tx, &row).await?;
        Ok(Made { outcome, rule, reason, reply_id: Some(row.id), outbox_id: None })
    }

    /// A mail that nobody looked at goes into the outbox, due when it can be taken back no more.
    async fn send_by_itself(
        &self,
        tx: &mut db::Tx,
        case: &Case,
        found: &Found,
        now: Timestamp,
    ) -> Result<Made, Problem> {
        // What waits was written for another mail, or is asked for by nobody any more.
        store::make_stale(tx, case.conversation.id, now).await?;
        let mut row = found.wanted.row(found.proposal.clone(), ReplyState::Automatic, now);
        row.id = store::number(tx, "reply").await?;
        store::insert_reply(tx, &row).await?;
        let letter = Letter::to(&case.credential, &case.conversation, Some(&case.message), &case.own);
        let source = if row.step.is_some() { Source::FollowUp } else { Source::AutoReply };
        let due_at = now.plus(self.0.config.replies.hold);
        let send = answer_of(&row, &row.text, letter, Some(case.message.clone()), (source, due_at));
        let outbox_id = self.enqueue(tx, &case.credential, &send).await?;
        store::settle_reply(tx, row.id, ReplyState::Automatic, (None, Some(&outbox_id)), now).await?;
        let reason = "nothing stood against it".to_owned();
        let outbox_id = Some(outbox_id);
        Ok(Made { outcome: Decided::Sent, rule: "all_passed", reason, reply_id: Some(row.id), outbox_id })
    }
}

/// The mail that a reply becomes: its words as plain text, and as HTML in which they are escaped.
pub(super) fn answer_of(
    row: &ReplyRow,
    text: &str,
    letter: Letter,
    answers: Option<store::MessageRow>,
    (source, due_at): (Source, Timestamp),
) -> NewSend {
    NewSend {
        source,
        conversation_id: Some(row.conversation_id),
        from: letter.from,
        to: letter.to,
        cc: Vec::new(),
        bcc: Vec::new(),
        subject: letter.subject.unwrap_or_default(),
        text: Some(text.to_owned()),
        html: Some(mail::html::from_text(text)),
        attachments: Vec::new(),
        answers,
        due_at,
        reply_id: Some(row.id),
        goal_id: row.goal_id,
    }
}

/// What came of a turn.
struct Made {
    outcome: Decided,
    rule: &'static str,
    reason: String,
    reply_id: Option<i64>,
    outbox_id: Option<String>,
}

impl Made {
    fn no(rule: &'static str, reason: String) -> Self {
        Self { outcome: Decided::No, rule, reason, reply_id: None, outbox_id: None }
    }

    fn decision(self, topic: &Topic, goal_id: Option<i64>, now: Timestamp) -> DecisionRow {
        DecisionRow {
            id: kernel::id::new("gdec", now),
            user_id: topic.user.clone(),
            conversation_id: topic.conversation,
            message_key: topic.message.clone(),
            turn: topic.turn(),
            goal_id,
            outcome: self.outcome,
            rule: self.rule.to_owned(),
            reason: self.reason,
            reply_id: self.reply_id,
            outbox_id: self.outbox_id,
            at: now,
        }
    }
}

/// A refusal in a line, with its fields.
fn told(problem: &Problem) -> String {
    let fields = problem.errors.iter().map(|(field, reason)| format!("{field} {reason}"));
    let fields: Vec<String> = fields.collect();
    if fields.is_empty() { problem.message.clone() } else { fields.join("; ") }
}
