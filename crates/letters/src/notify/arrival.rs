//! Letters arrive: their readers and authors are told.

use std::collections::{BTreeSet, HashMap};

use accounts::push::Listener;
use db::Tx;
use kernel::Timestamp;

use super::{Occasion, Told, dispatches};
use crate::{Letters, store::Arrived};

/// Schedules what is told about letters that have arrived. One query for the people, one insert for all.
pub(crate) async fn announce(
    letters: &Letters,
    tx: &mut Tx,
    arrived: &[Arrived],
    now: Timestamp,
) -> db::Result<()> {
    let there = || arrived.iter().filter(|a| !a.taken_down);
    let ids: BTreeSet<&str> = there().map(|a| a.owner_id.as_str()).collect();
    let addresses: BTreeSet<&str> =
        there().filter_map(|a| a.mailbox.as_deref()).filter(|m| m.contains('@')).collect();
    let listeners =
        letters.0.accounts.audience(tx, ids.into_iter().collect(), addresses.into_iter().collect()).await?;
    let by_id: HashMap<&str, &Listener> = listeners.iter().map(|l| (l.user_id.as_str(), l)).collect();
    let by_address: HashMap<&str, &Listener> =
        listeners.iter().filter(|l| l.opens_address).map(|l| (l.email_key.as_str(), l)).collect();
    let mut new = Vec::new();
    for a in there() {
        let scheduling = format!("{}/{}", a.letter_id, a.schedule_no);
        let told =
            |occasion, by_email| Told { scheduling: &scheduling, letter: &a.letter_id, occasion, by_email };
        let author = by_id.get(a.owner_id.as_str());
        let own = a.mailbox.as_ref() == Some(&a.owner_id);
        let reader = if own { author } else { a.mailbox.as_deref().and_then(|m| by_address.get(m)) };
        if let Some(reader) = reader {
            dispatches(&told(Occasion::Received, own), reader, now, &mut new);
        }
        // Who is told as the reader need not be told as the author.
        if let Some(author) = author.filter(|author| reader.is_none_or(|r| r.user_id != author.user_id)) {
            dispatches(&told(Occasion::Delivered, false), author, now, &mut new);
        }
    }
    dispatch::enqueue(tx, now, &new).await.map(drop)
}
