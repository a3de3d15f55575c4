//! Before a letter leaves for others, its author is reminded: there is still time to call it back.

use std::{collections::HashMap, time::Duration};

use db::Tx;
use dispatch::{Batch, BoxFuture, Dispatch, NewDispatch};
use kernel::Timestamp;

use super::{Occasion, REMINDER, Told, dispatches};
use crate::{
    Letters,
    model::RecipientType,
    store::{self, LetterRow},
};

fn id(letter: &LetterRow) -> String {
    format!("{}/{}/reminder", letter.id, letter.schedule_no)
}

/// The reminder of a letter that is scheduled at `now` for `send_time`: `lead` before that. None for a letter to oneself,
/// and none if it would come before half of the time has passed, when nobody has forgotten yet.
pub(crate) fn reminder(
    letter: &LetterRow,
    send_time: Timestamp,
    lead: Duration,
    now: Timestamp,
) -> Option<NewDispatch> {
    let wanted = letter.recipient_type != RecipientType::Myself && lead > Duration::ZERO;
    (wanted && send_time >= now + lead.saturating_mul(2)).then(|| NewDispatch {
        id: id(letter),
        kind: REMINDER,
        subject: letter.id.clone(),
        destination: String::new(),
        payload: None,
        due_at: send_time.minus(lead),
    })
}

/// Cancels the reminder of a letter that is called back. Whether there was one, or it was sent already, makes no
/// difference: what was scheduled by it finds a draft and ends.
pub(crate) async fn cancel(tx: &mut Tx, letter: &LetterRow, now: Timestamp) -> db::Result<()> {
    dispatch::cancel(tx, now, &[id(letter)]).await.map(drop)
}

/// Schedules the reminders of all letters that are still to leave.
pub struct Reminders {
    /// The slice.
    pub letters: Letters,
}

impl Batch for Reminders {
    fn deliver<'a>(
        &'a self,
        tx: &'a mut Tx,
        batch: &'a [Dispatch],
        now: Timestamp,
    ) -> BoxFuture<'a, db::Result<()>> {
        Box::pin(async move {
            let ids = batch.iter().map(|d| d.subject.as_str()).collect();
            let leaving = store::leaving(tx, ids, now).await?;
            let authors = leaving.iter().map(|l| l.owner_id.as_str()).collect();
            let listeners = self.letters.0.accounts.audience(tx, authors, Vec::new()).await?;
            let by_id: HashMap<&str, _> = listeners.iter().map(|l| (l.user_id.as_str(), l)).collect();
            let mut new = Vec::new();
            for letter in &leaving {
                let scheduling = format!("{}/{}", letter.letter_id, letter.schedule_no);
                let current = batch.iter().any(|d| d.id == format!("{scheduling}/reminder"));
                if let Some(author) = by_id.get(letter.owner_id.as_str()).filter(|_| current) {
                    let told = Told {
                        scheduling: &scheduling,
                        letter: &letter.letter_id,
                        occasion: Occasion::Reminder,
                        by_email: true,
                    };
                    dispatches(&told, author, now, &mut new);
                }
            }
            dispatch::enqueue(tx, now, &new).await.map(drop)
        })
    }
}
