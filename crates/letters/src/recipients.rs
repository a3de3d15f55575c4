//! Another address for a letter whose content stays as it is: before it is sent, or after its mail came back.

use accounts::Caller;
use dispatch::NewDispatch;
use kernel::{Problem, Timestamp};
use transports::Address;

use crate::{
    Letters, ids,
    model::{RecipientType, Status},
    ops::wrong_state,
    statistics,
    store::{self, LetterRow, RecipientChangeRow},
    work::EMAIL,
};

/// So often a letter may change its recipient: each change after delivery sends a mail.
const MOST_CHANGES: usize = 20;

/// What a change of recipient did.
pub(crate) struct Readdressed {
    pub(crate) letter: LetterRow,
    pub(crate) changed_at: Timestamp,
    /// The letter had arrived, and is mailed again.
    pub(crate) resent: bool,
}

/// The address that a mail of a letter went to, as given and normalized: recipients may have been changed since.
pub(crate) fn sent_to<'a>(
    letter: &'a LetterRow,
    changes: &'a [RecipientChangeRow],
    dispatch: &str,
) -> Option<(&'a str, &'a str)> {
    let (schedule_no, mailing_no) = ids::mailing(dispatch)?;
    let next = changes.iter().find(|c| c.schedule_no == schedule_no && c.mailing_no > mailing_no);
    match next {
        Some(change) => Some((&change.old_email, &change.old_key)),
        None if letter.schedule_no == schedule_no => {
            letter.recipient_email.as_deref().zip(letter.recipient_key.as_deref())
        }
        None => None,
    }
}

impl Letters {
    /// Gives the caller's letter another address. Pending, it goes there instead. Delivered, if its mail was
    /// refused or came back, it moves there and is mailed again. Otherwise the address stands.
    pub(crate) async fn readdress(
        &self,
        caller: &Caller,
        id: &str,
        to: &Address,
    ) -> Result<Readdressed, Problem> {
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        let status = |letter: &LetterRow| letter.status(now, self.0.config.delivering_lead);
        let seen = store::letter(&mut tx, id).await?.filter(|letter| letter.owner_id == caller.id());
        let seen = seen.ok_or_else(|| Problem::not_found("letter"))?;
        let (Some(old_email), Some(old_key), RecipientType::Specific) =
            (&seen.recipient_email, &seen.recipient_key, seen.recipient_type)
        else {
            return Err(Problem::rule("recipientEmail", "only a SPECIFIC letter goes to an address"));
        };
        if *old_key == to.normalized() {
            return Err(Problem::rule("recipientEmail", "is the letter's address already"));
        }
        let changes = store::recipient_changes(&mut tx, id).await?;
        if changes.len() >= MOST_CHANGES {
            let text = format!("may be changed {MOST_CHANGES} times");
            return Err(Problem::rule("recipientEmail", text));
        }
        let this_time = changes.iter().filter(|c| c.schedule_no == seen.schedule_no);
        let mailing_no = this_time.map(|c| c.mailing_no).max().unwrap_or(1);
        let mail = ids::email(id, seen.schedule_no, mailing_no);
        let resent = match status(&seen) {
            Status::Pending => {
                // What a trigger locks first, then the dispatch and the letter: the order in which a delivery locks them.
                store::watched_by(&mut tx, id, old_key, &to.normalized()).await?;
                if dispatch::redirect(&mut tx, &mail, to.domain()).await? == 0 {
                    // It has been acted on: by a trigger, or by a worker whose clock is ahead.
                    return Err(wrong_state(Status::Delivering, "keeps its address"));
                }
                false
            }
            Status::Delivered => {
                self.must_have_failed(&mut tx, id, &mail).await?;
                true
            }
            other => return Err(wrong_state(other, "keeps its address")),
        };
        let letter = self.own(&mut tx, caller, id).await?;
        if (status(&letter), &letter.recipient_key, letter.schedule_no)
            != (status(&seen), &seen.recipient_key, seen.schedule_no)
        {
            return Err(wrong_state(status(&letter), "has changed meanwhile"));
        }
        let change = RecipientChangeRow {
            number: i64::try_from(changes.len()).unwrap_or(i64::MAX),
            schedule_no: seen.schedule_no,
            mailing_no: mailing_no + i64::from(resent),
            old_email: old_email.clone(),
            old_key: old_key.clone(),
            new_email: to.to_string(),
            changed_at: now,
        };
        store::change_recipient(&mut tx, id, &change, &to.normalized()).await?;
        statistics::take_back(&mut tx, &letter).await?;
        let letter = LetterRow {
            recipient_email: Some(to.to_string()),
            recipient_key: Some(to.normalized()),
            updated_at: now,
            ..letter
        };
        // Counted anew, as sent to the new address.
        store::sent(&mut tx, &letter).await?;
        if resent {
            store::put_in_place(&mut tx, &letter, old_key).await?;
            bus::publish(&mut tx, bus::Event::LettersDelivered);
            let again = NewDispatch {
                id: ids::email(id, letter.schedule_no, change.mailing_no),
                kind: EMAIL,
                subject: id.to_owned(),
                destination: to.domain().to_owned(),
                payload: None,
                due_at: now,
            };
            dispatch::enqueue(&mut tx, now, &[again]).await?;
        }
        tx.commit().await?;
        Ok(Readdressed { letter, changed_at: now, resent })
    }

    /// A delivered letter may only be taken from a reader who demonstrably did not get its mail.
    async fn must_have_failed(&self, tx: &mut db::Tx, id: &str, mail: &str) -> Result<(), Problem> {
        if store::takedown(tx, id).await?.is_some() {
            return Err(Problem::rule("status", "a letter that was taken down is not sent"));
        }
        let (records, _) = dispatch::store::history(tx, id).await?;
        let refused = records.iter().any(|r| r.id == mail && r.state == "dead");
        if refused || store::has_bounced(tx, id, mail).await? {
            return Ok(());
        }
        Err(wrong_state(Status::Delivered, "keeps its address unless its mail was refused or came back"))
    }
}
