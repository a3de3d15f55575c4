//! Letters arrive: their readers and authors are told.

use std::collections::{BTreeSet, HashMap};

use accounts::push::Listener;
use db::Tx;
use kernel::Timestamp;

use super::{Occasion, Told, dispatches};
use crate::{Letters, store::Arrival};

/// Schedules what is told about letters that have just arrived. One query for the people, one insert for all.
pub(crate) async fn announce(
    letters: &Letters,
    tx: &mut Tx,
    arrived: &[Arrival],
    now: Timestamp,
) -> db::Result<()> {
    let ids: BTreeSet<&str> = arrived.iter().map(|a| a.owner_id.as_str()).collect();
    let addresses: BTreeSet<&str> =
        arrived.iter().map(|a| a.mailbox.as_str()).filter(|m| m.contains('@')).collect();
    let listeners =
        letters.0.accounts.audience(tx, ids.into_iter().collect(), addresses.into_iter().collect()).await?;
    let by_id: HashMap<&str, &Listener> = listeners.iter().map(|l| (l.user_id.as_str(), l)).collect();
    let by_address: HashMap<&str, &Listener> =
        listeners.iter().filter(|l| l.opens_address).map(|l| (l.email_key.as_str(), l)).collect();
    let mut new = Vec::new();
    for a in arrived {
        let scheduling = format!("{}/{}", a.letter_id, a.schedule_no);
        let told =
            |occasion, by_email| Told { scheduling: &scheduling, letter: &a.letter_id, occasion, by_email };
        let author = by_id.get(a.owner_id.as_str());
        let own = a.mailbox == a.owner_id;
        let reader = if own { author } else { by_address.get(a.mailbox.as_str()) };
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
