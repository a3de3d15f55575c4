//! The order in which what comes in is locked: the same for all who lock several sessions, so that none of them waits for
//! another that waits for it.
//!
//! First the messages' own ids, sorted; then the sessions that there are, by id; then those that are new, by customer. The
//! streams of agents come last, as everywhere.

use std::collections::BTreeSet;

use channels::{Content, Inbound, Origin};
use db::{Result, Tx};
use kernel::Timestamp;

use crate::{
    channel::events,
    rating,
    receive::{Received, Said, Source},
    store,
};

/// Those of these messages that did not come before: by customer, those of one in their order.
pub(crate) async fn new_ones<'a>(
    tx: &mut Tx,
    source: &Source,
    messages: &'a [Inbound],
    now: Timestamp,
) -> Result<(Vec<&'a Inbound>, Received)> {
    let belongs = |message: &&Inbound| {
        let nobodys = message.customer_id.is_empty() && Said::of(message).is_some();
        if nobodys {
            let (account, id) = (&source.account_id, &message.external_id);
            tracing::warn!(account, id, "a message names no customer, so it belongs to no session");
        }
        !nobodys
    };
    let acted_on = messages.iter().filter(|message| message.content != Content::Ignored);
    let mut by_id: Vec<(usize, &Inbound)> = acted_on.filter(belongs).enumerate().collect();
    by_id.sort_by_key(|(n, message)| (&message.external_id, *n));
    let mut received = Received::default();
    let mut new = Vec::new();
    for (n, message) in by_id {
        if store::is_new(tx, &source.account_id, &message.external_id, now).await? {
            received.new += 1;
            new.push((n, message));
        } else {
            received.repeated += 1;
        }
    }
    // What names no customer is about something that came before.
    new.sort_by_key(|(n, message)| (message.customer_id.is_empty(), source.customer(message).open_key(), *n));
    Ok((new.into_iter().map(|(_, message)| message).collect(), received))
}

/// Locks the sessions that these messages are about, as far as there are any.
pub(crate) async fn lock(tx: &mut Tx, source: &Source, new: &[&Inbound], now: Timestamp) -> Result<()> {
    let mut customers = BTreeSet::new();
    let mut sessions = BTreeSet::new();
    for message in new {
        let customer = source.customer(message);
        customers.insert(customer.open_key());
        match Said::of(message) {
            Some(_) if message.origin == Origin::Customer => {
                sessions.extend(rating::session(tx, &customer, &message.content, now).await?);
            }
            Some(_) => {}
            None => sessions.extend(events::about(tx, source, message).await?),
        }
    }
    // One alone has no order.
    if customers.len().saturating_add(sessions.len()) > 1 {
        let (customers, sessions) = (Vec::from_iter(customers), Vec::from_iter(sessions));
        store::lock_all(tx, &customers, &sessions).await?;
    }
    Ok(())
}
