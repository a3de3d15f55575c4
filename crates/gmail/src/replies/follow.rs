//! Follow-ups: a mail of ours that nobody answers is followed up after the days that its goal names.

use db::{Result, Tx};
use dispatch::NewDispatch;
use kernel::{Timestamp, time::days};

use super::{
    decide::{awaited, on_a_working_day},
    goals::days_of,
    snapshot::{Case, Topic, last_word},
    turn::FOLLOW_UP,
};
use crate::{
    Gmail,
    model::Direction,
    store::{self, ConversationRow, GoalRow, MessageRow, syncs},
};

/// The dispatches' subject: a conversation.
pub(super) fn subject(conversation: i64) -> String {
    format!("gconv_{conversation}")
}

/// Which follow-up comes next after a mail of ours of this time, and when; `None` if there is none left. Counted from the
/// newest mail of ours; what would be on a weekend is on Monday.
pub(super) fn next(goal: &GoalRow, sent_at: Timestamp) -> Option<(i64, Timestamp)> {
    let after = days_of(goal).into_iter().nth(usize::try_from(goal.follow_ups_sent).ok()?)?;
    let due = sent_at.plus(days(u64::try_from(after).ok()?));
    Some((goal.follow_ups_sent + 1, on_a_working_day(due)))
}

/// So much too late a follow-up still goes out by itself.
const LATEST: std::time::Duration = days(3);

/// Whether a follow-up of a mail of this time is one that its owner cannot have meant to leave by itself now: it was due
/// before they set the goal, or long ago. Who is away is waited for.
pub(super) fn is_overdue(
    goal: &GoalRow,
    sent_at: Timestamp,
    away_until: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let Some((_, due)) = next(goal, sent_at) else { return false };
    let latest = away_until.map_or(due, |until| awaited(until).max(due)).plus(LATEST);
    due < goal.created_at || now > latest
}

impl Case {
    /// Whether this follow-up is the goal's next, at this time: the goal may have been changed since it was scheduled.
    pub(super) fn is_its_time(&self, topic: &Topic, due_at: Timestamp) -> bool {
        let Some(goal) = &self.goal else { return true };
        let at = |(step, due): (i64, Timestamp)| topic.step == Some(step) && due <= due_at;
        next(goal, self.message.received_at).is_some_and(at)
    }
}

/// The goal that wants a conversation's mails followed up, if any follow-up is left. None before all of the past is known:
/// somebody may have answered long ago.
async fn wants_more(tx: &mut Tx, conversation: i64) -> Result<Option<GoalRow>> {
    let Some(goal) = store::leading_goal(tx, conversation).await? else { return Ok(None) };
    if next(&goal, goal.created_at).is_none() || !syncs::is_past_read(tx, conversation).await? {
        return Ok(None);
    }
    Ok(Some(goal))
}

impl Gmail {
    /// Schedules what follows a mail of ours, if the conversation's goal wants anything to.
    pub(super) async fn schedule_follow_up(
        &self,
        tx: &mut Tx,
        conversation: &ConversationRow,
        message: &MessageRow,
        now: Timestamp,
    ) -> Result<()> {
        if message.direction == Direction::In {
            return Ok(());
        }
        match wants_more(tx, conversation.id).await? {
            Some(goal) => follow_up(tx, (conversation, &goal), message, now).await,
            None => Ok(()),
        }
    }

    /// The same for a conversation's newest mail: its goals have changed, or all of its past is known by now.
    pub(crate) async fn reschedule_follow_up(
        &self,
        tx: &mut Tx,
        conversation: &ConversationRow,
        now: Timestamp,
    ) -> Result<()> {
        let Some(goal) = wants_more(tx, conversation.id).await? else { return Ok(()) };
        match last_word(tx, conversation).await? {
            Some(last) if last.direction == Direction::Out => {
                follow_up(tx, (conversation, &goal), &last, now).await
            }
            _ => Ok(()),
        }
    }
}

/// Schedules a goal's next follow-up of a mail of ours.
async fn follow_up(
    tx: &mut Tx,
    (conversation, goal): (&ConversationRow, &GoalRow),
    message: &MessageRow,
    now: Timestamp,
) -> Result<()> {
    let Some((step, due_at)) = next(goal, message.received_at) else { return Ok(()) };
    let topic = Topic {
        user: conversation.user_id.clone(),
        conversation: conversation.id,
        message: message.key.clone(),
        step: Some(step),
        sender: None,
        authors: 1,
    };
    let follow_up = NewDispatch {
        // Another time is another dispatch; the one that finds itself at the wrong time does nothing.
        id: format!("{}.{}", topic.turn(), due_at.seconds()),
        kind: FOLLOW_UP,
        subject: subject(conversation.id),
        destination: "assistant".to_owned(),
        payload: serde_json::to_string(&topic).ok(),
        due_at: on_a_working_day(due_at.max(now)),
    };
    dispatch::enqueue(tx, now, &[follow_up]).await.map(drop)
}
