//! What people do with goals, and what replies do to them.

use assistant::GoalProgress;
use db::{DbError, Tx};
use kernel::{Problem, Timestamp};

use super::snapshot::last_word;
use crate::{
    Gmail,
    model::GoalState,
    notices::{self, News},
    store::{self, ConversationRow, GoalRow, ReplyRow},
};

/// So many goals may a conversation have.
const MOST_GOALS: i64 = 50;

/// A goal that somebody sets.
#[derive(Debug, Clone)]
pub(crate) struct NewGoal {
    pub(crate) conversation_id: i64,
    pub(crate) goal_description: String,
    pub(crate) priority: i64,
    pub(crate) auto_reply: bool,
    pub(crate) instructions: Option<String>,
    pub(crate) follow_up_days: Vec<i64>,
}

/// What is changed of a goal; `None`: as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct GoalChange {
    pub(crate) goal_description: Option<String>,
    pub(crate) priority: Option<i64>,
    pub(crate) auto_reply: Option<bool>,
    pub(crate) active: Option<bool>,
    pub(crate) progress: Option<GoalState>,
    /// `Some(None)`: none any more.
    pub(crate) instructions: Option<Option<String>>,
    pub(crate) follow_up_days: Option<Vec<i64>>,
}

/// After how many days a goal follows up.
pub(crate) fn days_of(goal: &GoalRow) -> Vec<i64> {
    serde_json::from_str(&goal.follow_up_days).unwrap_or_default()
}

fn missing() -> Problem {
    Problem::not_found("goal")
}

fn written(days: &[i64]) -> String {
    serde_json::to_string(days).unwrap_or_else(|_| "[]".to_owned())
}

impl Gmail {
    /// Sets a goal; it is active. Mails that came before are not answered because of it.
    ///
    /// # Errors
    /// 404: no such conversation; 422: it has too many goals.
    pub(crate) async fn set_goal(&self, user: &str, new: NewGoal) -> Result<GoalRow, Problem> {
        let mut tx = self.db().begin().await?;
        let conversation = store::lock_conversation(&mut tx, new.conversation_id).await?;
        let conversation = conversation.filter(|c| c.user_id == user);
        let conversation = conversation.ok_or_else(|| Problem::not_found("conversation"))?;
        if store::count_goals(&mut tx, conversation.id).await? >= MOST_GOALS {
            let reason = format!("has {MOST_GOALS} goals already");
            return Err(Problem::rule("conversation_id", reason));
        }
        let now = self.now();
        let row = GoalRow {
            id: store::number(&mut tx, "goal").await?,
            user_id: user.to_owned(),
            conversation_id: conversation.id,
            goal_description: new.goal_description,
            priority: new.priority,
            auto_reply: new.auto_reply,
            active: true,
            progress: GoalState::Open,
            progress_note: None,
            reached_at: None,
            instructions: new.instructions,
            follow_up_days: written(&new.follow_up_days),
            follow_ups_sent: 0,
            created_at: now,
            updated_at: now,
        };
        store::insert_goal(&mut tx, &row).await?;
        self.reschedule_follow_up(&mut tx, &conversation, now).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Changes a goal. What it lets go out by itself no more is taken back.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn change_goal(
        &self,
        user: &str,
        id: i64,
        change: GoalChange,
    ) -> Result<GoalRow, Problem> {
        let (mut tx, mut row) = self.locked_goal(user, id).await?;
        let now = self.now();
        let before = row.clone();
        change.apply(&mut row, now);
        store::update_goal(&mut tx, &row).await?;
        let corrected =
            (&before.goal_description, &before.instructions) != (&row.goal_description, &row.instructions);
        if acts_by_itself(&before) && (corrected || !acts_by_itself(&row)) {
            let why = ("goal_changed", "its goal was changed");
            self.hand_over_automatic(&mut tx, row.conversation_id, why).await?;
        }
        if let Some(conversation) = store::lock_conversation(&mut tx, row.conversation_id).await? {
            self.reschedule_follow_up(&mut tx, &conversation, now).await?;
        }
        tx.commit().await?;
        Ok(row)
    }

    /// Removes a goal. What it had put on its way by itself is taken back.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn remove_goal(&self, user: &str, id: i64) -> Result<(), Problem> {
        let (mut tx, row) = self.locked_goal(user, id).await?;
        store::delete_goal(&mut tx, id).await?;
        self.take_back_automatic(&mut tx, row.conversation_id, "its goal was removed").await?;
        tx.commit().await?;
        Ok(())
    }

    /// A goal under its conversation's lock.
    async fn locked_goal(&self, user: &str, id: i64) -> Result<(Tx, GoalRow), Problem> {
        let mut tx = self.db().begin().await?;
        let seen = store::goal(&mut tx, user, id).await?.ok_or_else(missing)?;
        store::lock_conversation(&mut tx, seen.conversation_id).await?;
        // It may have changed before the lock was had.
        let row = store::goal(&mut tx, user, id).await?.ok_or_else(missing)?;
        Ok((tx, row))
    }

    /// A mail of the outbox has left, whose conversation is locked: how far that brings the goal of the reply that it was.
    pub(crate) async fn reply_left(
        &self,
        tx: &mut Tx,
        conversation: &ConversationRow,
        outbox_id: &str,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let Some(reply) = store::reply_of_send(tx, outbox_id).await? else { return Ok(()) };
        let Some(goal) = reply.goal_id else { return Ok(()) };
        let Some(mut goal) = store::goal(tx, &reply.user_id, goal).await? else { return Ok(()) };
        if advance(tx, &mut goal, &reply, now).await? {
            let (with, description) = (&conversation.counterpart, &goal.goal_description);
            let news = News::Reached { goal: goal.id, reply: reply.id, with, description };
            notices::tell(tx, &reply.user_id, news, now).await?;
        }
        // The mailbox may have told of the mail before; else it will.
        match last_word(tx, conversation).await? {
            Some(last) if last.outbox_id.as_deref() == Some(outbox_id) => {
                self.schedule_follow_up(tx, conversation, &last, now).await
            }
            _ => Ok(()),
        }
    }
}

/// What a reply that left does to its goal; whether that is reached by it.
async fn advance(tx: &mut Tx, goal: &mut GoalRow, reply: &ReplyRow, now: Timestamp) -> Result<bool, DbError> {
    if reply.step.is_some() {
        goal.follow_ups_sent += 1;
    }
    let progress = match GoalProgress::parse(&reply.progress) {
        Some(GoalProgress::Progress) => Some(GoalState::Advanced),
        Some(GoalProgress::Reached) => Some(GoalState::Reached),
        Some(GoalProgress::Impossible) => Some(GoalState::Failed),
        Some(GoalProgress::None) | None => None,
    };
    let news = progress.filter(|_| !goal.progress.is_final());
    if let Some(progress) = news {
        goal.progress = progress;
        goal.progress_note =
            Some(format!("by reply {}: {}", reply.id, reply.reason)).filter(|n| n.len() < 2000);
        goal.reached_at = (progress == GoalState::Reached).then_some(now);
    }
    goal.updated_at = now;
    store::update_goal(tx, goal).await?;
    Ok(news == Some(GoalState::Reached))
}

/// Whether anything goes out for a goal by itself.
fn acts_by_itself(goal: &GoalRow) -> bool {
    goal.active && goal.auto_reply && !goal.progress.is_final()
}

impl GoalChange {
    fn apply(self, row: &mut GoalRow, now: Timestamp) {
        let Self { goal_description, priority, auto_reply, active, progress, instructions, follow_up_days } =
            self;
        row.goal_description = goal_description.unwrap_or_else(|| std::mem::take(&mut row.goal_description));
        row.priority = priority.unwrap_or(row.priority);
        row.auto_reply = auto_reply.unwrap_or(row.auto_reply);
        row.active = active.unwrap_or(row.active);
        row.instructions = instructions.unwrap_or_else(|| row.instructions.take());
        if let Some(days) = follow_up_days {
            row.follow_up_days = written(&days);
        }
        if let Some(progress) = progress.filter(|progress| *progress != row.progress) {
            row.progress = progress;
            row.progress_note = Some("set by its owner".to_owned());
            row.reached_at = (progress == GoalState::Reached).then_some(now);
        }
        row.updated_at = now;
    }
}
