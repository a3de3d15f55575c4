//! What a customer says of a session that a person had: a digit from 1 to 5.
//!
//! The question is an ordinary message. A message of the customer's that is a digit and nothing else, within a day, while
//! they have no open session, is the answer: it stands in the session that was asked about and opens no new one. Anything
//! else is what a customer writes.

use channels::Inbound;
use db::{Result, Tx};
use kernel::{Timestamp, time::days};

use crate::{
    frames,
    model::{MessageStatus, SenderType},
    receive::{Said, Source},
    store::{self, NewMessage, NewSession, SessionRow, Told},
};

/// A rating of a closed session, which is locked.
pub(crate) struct Rating {
    row: SessionRow,
    score: i64,
}

/// The score, if the text is one digit from 1 to 5 and nothing else.
fn score(said: &Said) -> Option<i64> {
    if said.msg_type != "text" {
        return None;
    }
    let mut characters = said.content.trim().chars();
    let (Some(digit), None) = (characters.next(), characters.next()) else { return None };
    // Chinese keyboards have wide digits, too.
    ('1'..='5')
        .zip('\u{ff11}'..='\u{ff15}')
        .zip(1..)
        .find(|((plain, wide), _)| [*plain, *wide].contains(&digit))
        .map(|(_, n)| n)
}

/// Whether what the customer says is a rating.
pub(crate) async fn asked(
    tx: &mut Tx,
    customer: &NewSession<'_>,
    said: &Said,
    now: Timestamp,
) -> Result<Option<Rating>> {
    let Some(score) = score(said) else { return Ok(None) };
    let Some(session) = store::asked(tx, customer, days(1), now).await? else { return Ok(None) };
    let row = store::lock(tx, &session).await?;
    Ok(row.map(|row| Rating { row, score }))
}

/// Takes it in.
pub(crate) async fn take(
    tx: &mut Tx,
    source: &Source,
    message: &Inbound,
    said: &Said,
    rating: Rating,
    told: &mut Vec<Told>,
    now: Timestamp,
) -> Result<()> {
    let Rating { mut row, score } = rating;
    let new = NewMessage {
        sender_type: SenderType::Customer,
        sender_id: &message.customer_id,
        msg_type: &said.msg_type,
        content: &said.content,
        payload: said.payload.clone(),
        status: MessageStatus::Received,
        external_id: Some(&message.external_id),
        client_id: None,
        sent_at: message.sent_at,
    };
    let stored = store::append(tx, &mut row, new, now).await?;
    store::remember(tx, &source.account_id, &message.external_id, &stored).await?;
    if store::rate(tx, &row.id, score, now).await? {
        told.push(frames::session_rated(&row, score));
    }
    Ok(())
}
