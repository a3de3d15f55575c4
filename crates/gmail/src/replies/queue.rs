//! Recommended replies: asked for by people, and the queue of those that wait for a person.

use kernel::{Problem, ProblemKind, time::days};

use super::{
    letter::{Letter, of_everybody},
    propose::Wanted,
    snapshot::last_word,
    turn::answer_of,
};
use crate::{
    Gmail,
    model::{Direction, ReplyState, Source},
    store::{self, ConversationRow, CredentialRow, MessageRow, ReplyRow, ShownReply, WhichReplies},
};

/// The longest time that an approved reply can be taken back.
pub(crate) const LONGEST_HOLD: std::time::Duration = days(1);

/// What somebody wants proposed.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) conversation_id: i64,
    /// Gmail's id of the mail that is to be answered; `None`: the counterpart's newest.
    pub(crate) last_message_id: Option<String>,
    pub(crate) instructions: Option<String>,
}

/// A proposal as it is shown.
pub(crate) type Recommended = ShownReply;

/// How somebody approves a reply.
#[derive(Debug, Clone, Default)]
pub(crate) struct Approval {
    /// Words of their own in its stead.
    pub(crate) text: Option<String>,
    /// 0: the recommended one; from 1: an alternative.
    pub(crate) choice: Option<usize>,
    /// What they saw.
    pub(crate) expected_text: Option<String>,
    /// Of a conversation's first mail.
    pub(crate) subject: Option<String>,
    pub(crate) hold: Option<std::time::Duration>,
    /// Though the conversation went on.
    pub(crate) force: bool,
}

fn missing() -> Problem {
    Problem::not_found("recommended reply")
}

fn conflict(message: &str) -> Problem {
    Problem::new(ProblemKind::Conflict, message)
}

impl Gmail {
    /// Has a reply proposed. It waits for a person.
    ///
    /// # Errors
    /// 404: no such conversation; 422: no such mail in it, or nothing to write for.
    pub(crate) async fn recommend(&self, user: &str, asked: Asked) -> Result<Recommended, Problem> {
        let wanted = self.wanted(user, asked).await?;
        let proposal = self.propose(&wanted).await?;
        let mut tx = self.db().begin().await?;
        let locked = store::lock_conversation(&mut tx, wanted.conversation.id).await?;
        locked.ok_or_else(|| Problem::not_found("conversation"))?;
        let mut row = wanted.row(proposal, ReplyState::Waiting, self.now());
        row.id = store::number(&mut tx, "reply").await?;
        store::insert_reply(&mut tx, &row).await?;
        tx.commit().await?;
        self.recommended(user, row.id).await
    }

    async fn wanted(&self, user: &str, asked: Asked) -> Result<Wanted, Problem> {
        let mut conn = self.db().read().await?;
        let conversation = store::conversation(&mut conn, user, asked.conversation_id).await?;
        let conversation = conversation.ok_or_else(|| Problem::not_found("conversation"))?;
        let credential = store::credential_by_key(&mut conn, &conversation.credential_key).await?;
        let credential = credential.ok_or_else(|| Problem::not_found("conversation"))?;
        let goal = store::leading_goal(&mut conn, conversation.id).await?;
        let message = match &asked.last_message_id {
            Some(id) => Some(named(
                store::message_in(&mut conn, (&conversation.credential_key, conversation.id), id).await?,
            )?),
            None => match store::newest_inbound(&mut conn, conversation.id).await? {
                Some(key) => store::message(&mut conn, &key).await?,
                // Nobody has answered yet: ours is followed up.
                None => store::newest_messages(&mut conn, conversation.id, 1).await?.into_iter().next(),
            },
        };
        let follows = message.as_ref().is_none_or(|m| m.direction == Direction::Out);
        if follows && goal.is_none() && asked.instructions.is_none() {
            let reason =
                "has no mail to answer, no active goal to write for, and no custom_instructions were given";
            return Err(Problem::rule("conversation_id", reason));
        }
        let is_ours = message.as_ref().is_some_and(|m| m.direction == Direction::Out);
        let step = is_ours.then(|| goal.as_ref().map_or(0, |goal| goal.follow_ups_sent) + 1);
        Ok(Wanted { credential, conversation, goal, message, step, instructions: asked.instructions })
    }

    /// A proposal of the user's.
    ///
    /// # Errors
    /// 404
    pub(crate) async fn recommended(&self, user: &str, id: i64) -> Result<Recommended, Problem> {
        let which = WhichReplies { id: Some(id), ..WhichReplies::default() };
        let (rows, _) = store::replies(&mut self.db().read().await?, user, which, (1, 0)).await?;
        rows.into_iter().next().ok_or_else(missing)
    }

    /// Has a reply sent, once however often it is asked for. What is on its way by itself is taken back.
    ///
    /// # Errors
    /// 404; 409: it was decided otherwise, the conversation went on, or it is not the text that was seen; 422 names the
    /// field.
    pub(crate) async fn approve(&self, user: &str, id: i64, how: Approval) -> Result<ReplyRow, Problem> {
        let mut tx = self.db().begin().await?;
        let seen = store::reply(&mut tx, user, id).await?.ok_or_else(missing)?;
        let conversation =
            store::lock_conversation(&mut tx, seen.conversation_id).await?.ok_or_else(missing)?;
        let mut row = store::reply(&mut tx, user, id).await?.ok_or_else(missing)?;
        if row.state == ReplyState::Approved {
            return how
                .is_same(&row)
                .then_some(row)
                .ok_or_else(|| conflict("it was approved with other words"));
        }
        let credential = store::credential_by_key(&mut tx, &conversation.credential_key).await?;
        let credential = credential.ok_or_else(missing)?;
        may_be_approved(&mut tx, &row, &how).await?;
        let text = how.words(&row)?;
        let (message, letter) =
            addressed(&mut tx, &credential, &conversation, &row, how.subject.as_deref()).await?;
        let now = self.now();
        let due_at = now.plus(how.hold.unwrap_or(self.0.config.send.hold));
        self.take_back_automatic(&mut tx, conversation.id, "a person answers").await?;
        if !how.force && store::automatic_left_since(&mut tx, conversation.id, row.created_at).await? {
            return Err(conflict("a mail left by itself meanwhile: send force to send this one, too"));
        }
        let send = answer_of(&row, &text, letter, message, (Source::Approved, due_at));
        let outbox_id = self.enqueue(&mut tx, &credential, &send).await?;
        let sent = (Some(text.as_str()), Some(outbox_id.as_str()));
        store::settle_reply(&mut tx, id, ReplyState::Approved, sent, now).await?;
        store::make_stale(&mut tx, conversation.id, now).await?;
        tx.commit().await?;
        row = ReplyRow {
            state: ReplyState::Approved,
            text,
            outbox_id: Some(outbox_id),
            decided_at: Some(now),
            ..row
        };
        Ok(row)
    }

    /// A mail was taken back whose conversation is locked: the reply that it was waits for a person again, or is stale if the
    /// counterpart answered since it was decided.
    pub(crate) async fn waits_again(
        &self,
        tx: &mut db::Tx,
        conversation: &ConversationRow,
        outbox_id: &str,
    ) -> db::Result<()> {
        let Some(row) = store::reply_of_send(tx, outbox_id).await? else { return Ok(()) };
        let last = last_word(tx, conversation).await?;
        let went_on = last.is_some_and(|last| {
            Some(&last.key) != row.based_on.as_ref()
                && last.created_at > row.decided_at.unwrap_or(row.created_at)
        });
        let state = if went_on { ReplyState::Stale } else { ReplyState::Waiting };
        store::reopen_reply(tx, row.id, state, self.now()).await
    }

    /// Puts a reply aside.
    ///
    /// # Errors
    /// 404; 409: it was sent.
    pub(crate) async fn reject(&self, user: &str, id: i64) -> Result<ReplyRow, Problem> {
        let mut tx = self.db().begin().await?;
        let seen = store::reply(&mut tx, user, id).await?.ok_or_else(missing)?;
        store::lock_conversation(&mut tx, seen.conversation_id).await?.ok_or_else(missing)?;
        let row = store::reply(&mut tx, user, id).await?.ok_or_else(missing)?;
        match row.state {
            ReplyState::Rejected => return Ok(row),
            ReplyState::Approved | ReplyState::Automatic => {
                return Err(conflict("it is on its way already: take it back in the outbox"));
            }
            ReplyState::Waiting | ReplyState::Stale => {}
        }
        let now = self.now();
        store::settle_reply(&mut tx, id, ReplyState::Rejected, (None, None), now).await?;
        tx.commit().await?;
        Ok(ReplyRow { state: ReplyState::Rejected, decided_at: Some(now), ..row })
    }
}

/// The mail that a call names.
fn named(found: Option<MessageRow>) -> Result<MessageRow, Problem> {
    match found {
        None => Err(Problem::rule("last_message_id", "is no mail of this conversation")),
        Some(m) if m.direction == Direction::Out => {
            Err(Problem::rule("last_message_id", "is a mail of this account, not one that it received"))
        }
        Some(m) => Ok(m),
    }
}

/// Whether a reply's time has not passed.
async fn may_be_approved(tx: &mut db::Tx, row: &ReplyRow, how: &Approval) -> Result<(), Problem> {
    match row.state {
        ReplyState::Waiting | ReplyState::Approved => {}
        ReplyState::Stale if how.force => return Ok(()),
        ReplyState::Stale => {
            return Err(conflict("the conversation went on since: send force to send it all the same"));
        }
        ReplyState::Rejected => return Err(conflict("it was rejected")),
        ReplyState::Automatic => return Err(conflict("it went out by itself")),
    }
    if !how.force && store::person_sent_since(tx, row.conversation_id, row.created_at).await? {
        return Err(conflict("a mail was sent in the conversation since: send force to send this one, too"));
    }
    Ok(())
}

/// The mail that is answered, and the envelope.
async fn addressed(
    tx: &mut db::Tx,
    credential: &CredentialRow,
    conversation: &ConversationRow,
    row: &ReplyRow,
    subject: Option<&str>,
) -> Result<(Option<MessageRow>, Letter), Problem> {
    let message = match &row.based_on {
        Some(key) => store::message(tx, key).await?,
        None => None,
    };
    let own = of_everybody(tx).await?;
    let mut letter = Letter::to(credential, conversation, message.as_ref(), &own);
    if let Some(subject) = subject {
        if message.is_some() {
            return Err(Problem::rule("subject", "comes from the mail that is answered"));
        }
        letter.subject = Some(subject.to_owned());
    }
    if letter.subject.is_none() {
        return Err(Problem::bad_request(
            "subject",
            "is required: there is no mail whose subject it could take",
        ));
    }
    Ok((message, letter))
}

impl Approval {
    /// Whether an approval asks again for what was approved before.
    fn is_same(&self, row: &ReplyRow) -> bool {
        let alternatives: Vec<String> = serde_json::from_str(&row.alternatives).unwrap_or_default();
        match (&self.text, self.choice.unwrap_or(0)) {
            (Some(text), _) => *text == row.text,
            (None, 0) => self.expected_text.as_ref().is_none_or(|expected| *expected == row.text),
            (None, n) => alternatives.get(n - 1) == Some(&row.text),
        }
    }

    /// The words that leave.
    fn words(&self, row: &ReplyRow) -> Result<String, Problem> {
        let alternatives: Vec<String> = serde_json::from_str(&row.alternatives).unwrap_or_default();
        let chosen = match self.choice.unwrap_or(0) {
            0 => Some(&row.text),
            n => alternatives.get(n - 1),
        };
        let Some(chosen) = chosen else {
            let reason = format!("must be from 0 to {}", alternatives.len());
            return Err(Problem::rule("choice", reason));
        };
        if self.expected_text.as_ref().is_some_and(|expected| expected != chosen) {
            return Err(conflict("its text is not the one that was seen")
                .field("expected_text", "differs from the reply's"));
        }
        let words = self.text.as_ref().unwrap_or(chosen);
        if words.trim().is_empty() {
            return Err(Problem::rule("text", "must not be empty"));
        }
        let drafts = || std::iter::once(&row.text).chain(&alternatives);
        if let Some(gap) = drafts().flat_map(|draft| gaps(draft)).find(|gap| words.contains(gap)) {
            return Err(Problem::rule("text", format!("{gap} is still to be filled in: give the text")));
        }
        Ok(words.clone())
    }
}

/// What a draft leaves to whoever sends it: `【your answer】`.
fn gaps(draft: &str) -> impl Iterator<Item = &str> {
    let begun = draft.match_indices('【').filter_map(|(at, _)| draft.get(at..));
    begun.filter_map(|rest| rest.get(..rest.find('】')? + '】'.len_utf8()))
}
