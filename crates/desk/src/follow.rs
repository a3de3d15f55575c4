//! What follows from what happens in a session: who is offered it, which waits have a target, what the customer is
//! told, and what they are not told any more.
//!
//! All of it is in the transaction of what happened, on the locked session: [`changed`] after a change of state,
//! [`customer_wrote`] after a customer's message, [`answered`] after something went to the customer.

use db::{Result, Tx};
use kernel::Timestamp;

use crate::{
    frames,
    model::{Actor, SenderType, State, Status},
    queue, rating,
    settings::DeskSettings,
    store::{self, MessageRow, SessionRow, Told},
    watch, work,
};

/// A session became what it is now.
pub(crate) async fn changed(
    tx: &mut Tx,
    row: &mut SessionRow,
    before: &State,
    actor: &Actor,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    let settings = store::settings(tx).await?;
    // Who had a closed session is remembered, so the owner alone does not tell.
    let has_room =
        before.status == Status::Manual && (before.owner != row.manual_cs_id || row.status != Status::Manual);
    if row.status == Status::Pending || has_room {
        queue::changed(tx, row, &settings, now).await?;
    }
    match row.status {
        Status::Pending => begin_wait(tx, row, &settings, now).await?,
        Status::Manual => {
            if before.status != Status::Manual {
                take_back(tx, row, told, now).await?;
            }
            if let Some(owner) = &row.manual_cs_id {
                store::given(tx, owner, now).await?;
            }
            begin_wait(tx, row, &settings, now).await?;
            watch::unanswered(tx, row, &settings, now).await?;
        }
        Status::Ai => store::end_wait(tx, &row.id, false, now).await?,
        Status::Closed => {
            store::end_wait(tx, &row.id, false, now).await?;
            // Where the channel ended it, nothing can be sent.
            if settings.rating && row.accepted_at.is_some() && *actor != Actor::Channel {
                rating::ask(tx, row, &settings, told, now).await?;
            }
        }
    }
    Ok(())
}

/// A customer's message was stored: from now on they wait for the person who has the session.
pub(crate) async fn customer_wrote(tx: &mut Tx, row: &mut SessionRow, now: Timestamp) -> Result<()> {
    if row.status != Status::Manual || row.waiting_since.is_some() {
        return Ok(());
    }
    store::waits(tx, row, now).await?;
    let settings = store::settings(tx).await?;
    begin_wait(tx, row, &settings, now).await?;
    watch::unanswered(tx, row, &settings, now).await
}

/// Something went to the customer: if they do not answer, the session ends some day.
pub(crate) async fn answered(
    tx: &mut Tx,
    row: &SessionRow,
    message: &MessageRow,
    now: Timestamp,
) -> Result<()> {
    if message.sender_type == SenderType::System {
        return Ok(());
    }
    let settings = store::settings(tx).await?;
    watch::idle(tx, row, message.seq, &settings, now).await
}

/// What a customer is told now who wants a person: nothing while people answer.
pub(crate) fn closed_notice(settings: &DeskSettings, now: Timestamp) -> Option<String> {
    let hours = settings.hours.as_ref()?;
    if hours.is_open(now) {
        return None;
    }
    let opens = hours.next_opening(now).and_then(|t| hours.local(t)).unwrap_or_default();
    Some(settings.closed_text.replace("{opensAt}", &opens))
}

/// A person has the session: what the assistant said and nobody has begun to send is not sent any more, so that it never
/// comes after what that person says. The customer waits for them then.
async fn take_back(tx: &mut Tx, row: &mut SessionRow, told: &mut Vec<Told>, now: Timestamp) -> Result<()> {
    let taken = store::outbox::take_back(tx, &row.id).await?;
    if taken.is_empty() {
        return Ok(());
    }
    told.extend(taken.iter().map(|message| frames::message_status(row, message)));
    if let Some(next) = store::outbox::first_queued(tx, &row.id).await? {
        dispatch::store::expedite(tx, now, work::SEND, &[next]).await?;
    }
    if store::is_unanswered(tx, &row.id, row.last_customer_seq).await? {
        store::waits(tx, row, now).await?;
    }
    Ok(())
}

/// The wait for the first answer of a person.
const FIRST_RESPONSE: &str = "first_response";

/// Until when a wait of this kind that began then is within its target, if there is one.
pub(crate) fn target(settings: &DeskSettings, kind: &str, since: Timestamp) -> Option<Timestamp> {
    let seconds = match kind {
        FIRST_RESPONSE => settings.first_response_seconds,
        _ => settings.next_response_seconds,
    };
    let target = crate::settings::span(seconds?);
    Some(settings.hours.as_ref().map_or(since + target, |hours| hours.after(since, target)))
}

/// The wait of a locked session's customer, if there is a target for it and it is not on record.
async fn begin_wait(tx: &mut Tx, row: &SessionRow, settings: &DeskSettings, now: Timestamp) -> Result<()> {
    let Some(waiting) = row.waiting_since else { return Ok(()) };
    let (kind, since) = match (row.first_response_at, row.handed_over_at) {
        (None, Some(handed_over)) => (FIRST_RESPONSE, handed_over),
        _ => ("next_response", waiting),
    };
    let Some(due_at) = target(settings, kind, since) else { return Ok(()) };
    if store::open_wait(tx, &row.id).await?.is_some() {
        return Ok(());
    }
    let id = kernel::id::new("sla", now);
    store::begin_wait(tx, &id, &row.id, kind, (since, due_at)).await?;
    watch::wait(tx, row, &id, due_at, now).await
}
