//! Mails of the outbox are taken back, tried again, and woken when what kept them is over.

use db::Tx;
use kernel::{Problem, ProblemKind, Timestamp};

use super::{SEND, dispatch_id, scheduled, told::tell_failed};
use crate::{
    Gmail,
    model::{SendState, Source},
    store::{self, Ending, OutboxRow, Waiter},
};

fn missing() -> Problem {
    Problem::not_found("outbox mail")
}

/// Why mails that wait are ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Why<'a> {
    pub(super) code: &'a str,
    pub(super) reason: &'a str,
    /// Whether their owner did it, who needs not be told.
    pub(super) by_owner: bool,
}

/// Ends mails that wait and are locked: what a person asked for has failed, and they are told; what a machine wanted is taken
/// back. How many.
pub(super) async fn end_waiting(
    tx: &mut Tx,
    waiting: &[Waiter],
    why: Why<'_>,
    now: Timestamp,
) -> Result<usize, db::DbError> {
    let Why { code, reason, by_owner } = why;
    let mut ended = 0;
    for (id, _, source) in waiting {
        let state = match source {
            Source::Person | Source::Approved => SendState::Failed,
            Source::AutoReply | Source::FollowUp => SendState::Cancelled,
        };
        let failed = match state == SendState::Failed && !by_owner {
            true => store::outbox(tx, id).await?,
            false => None,
        };
        let ending = Ending { state, code, reason, in_doubt: false };
        if store::end_held(tx, id, ending, now).await? {
            ended += 1;
            if let Some(row) = failed {
                tell_failed(tx, &row, reason, now).await?;
            }
        }
    }
    let dispatches: Vec<String> = waiting.iter().map(|(id, no, _)| dispatch_id(id, *no)).collect();
    dispatch::cancel(tx, now, &dispatches).await?;
    Ok(ended)
}

impl Gmail {
    /// One of a user's.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn outbox_of(&self, user: &str, id: &str) -> Result<OutboxRow, Problem> {
        let row = store::outbox(&mut self.db().read().await?, id).await?;
        row.filter(|row| row.user_id == user).ok_or_else(missing)
    }

    /// Takes back a mail that waits.
    ///
    /// # Errors
    /// 404, 409 if it waits no more
    pub(crate) async fn cancel_outbox(&self, user: &str, id: &str) -> Result<OutboxRow, Problem> {
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let row = store::outbox(&mut tx, id).await?.filter(|row| row.user_id == user).ok_or_else(missing)?;
        let conversation = match row.conversation_id.filter(|_| row.source == Source::Approved) {
            Some(conversation) => store::lock_conversation(&mut tx, conversation).await?,
            None => None,
        };
        let ending = Ending {
            state: SendState::Cancelled,
            code: "cancelled",
            reason: "taken back by its sender",
            in_doubt: false,
        };
        if !store::end_held(&mut tx, id, ending, now).await? {
            drop(tx);
            let row = self.outbox_of(user, id).await?;
            return Err(not_in(row.state, "only a mail that is held can be taken back"));
        }
        dispatch::cancel(&mut tx, now, &[dispatch_id(id, row.dispatch_no)]).await?;
        if let Some(conversation) = &conversation {
            self.waits_again(&mut tx, conversation, id).await?;
        }
        tx.commit().await?;
        self.outbox_of(user, id).await
    }

    /// Tries a mail that failed once more.
    ///
    /// # Errors
    /// 404, 409 if it has not failed, 422 if it would fail again
    pub(crate) async fn retry_outbox(&self, user: &str, id: &str) -> Result<OutboxRow, Problem> {
        let now = self.now();
        let mut tx = self.db().begin().await?;
        if let Some(reason) = self.suppressed(&mut tx, user, id).await? {
            // Whether it is the caller's is asked below; to anyone else their own list says nothing.
            self.outbox_of(user, id).await?;
            return Err(Problem::rule("to", reason));
        }
        let mut persons = Vec::new();
        let row = store::outbox(&mut tx, id).await?.filter(|row| row.user_id == user);
        if let Some(row) = row.filter(|row| matches!(row.source, Source::Person | Source::Approved)) {
            let to = store::recipients_of(&mut tx, id).await?;
            persons =
                super::compose::concerned(&mut tx, &row.credential_key, row.conversation_id, &to).await?;
        }
        if !store::retry_outbox(&mut tx, user, id, now).await? {
            drop(tx);
            let row = self.outbox_of(user, id).await?;
            return Err(not_in(row.state, "only a mail that failed can be tried again"));
        }
        let row = store::outbox(&mut tx, id).await?.ok_or_else(missing)?;
        for conversation in persons {
            self.person_wrote(&mut tx, conversation, now).await?;
        }
        dispatch::enqueue(&mut tx, now, &[scheduled(&row, now)]).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// What keeps an account's mails from leaving may be over: they are tried now.
    pub(crate) async fn wake_outbox(&self, tx: &mut Tx, credential: &str) -> db::Result<()> {
        let waiting = store::kept_waiting(tx, credential).await?;
        let ids: Vec<String> = waiting.iter().map(|(id, no)| dispatch_id(id, *no)).collect();
        if !ids.is_empty() {
            dispatch::store::expedite(tx, self.now(), SEND, &ids).await?;
        }
        Ok(())
    }

    /// An account goes, and its mails with it: what waits to leave from it never will.
    pub(crate) async fn drop_outbox(&self, tx: &mut Tx, credential: &str) -> db::Result<()> {
        let waiting = store::lock_unfinished(tx, credential).await?;
        let dispatches: Vec<String> = waiting.iter().map(|(id, no, _)| dispatch_id(id, *no)).collect();
        dispatch::cancel(tx, self.now(), &dispatches).await?;
        store::remove_outbox(tx, credential).await
    }
}

fn not_in(state: SendState, rule: &str) -> Problem {
    Problem::new(ProblemKind::Conflict, rule).field("state", format!("is {}", state.as_str()))
}
