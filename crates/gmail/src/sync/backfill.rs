//! A new conversation's past: listed by Gmail's search, page by page, into the queue.

use google::{Error, Query};

use super::{SEARCH_LAG, TRIES, run::Stop};
use crate::{
    Gmail,
    store::{
        self, CredentialRow,
        fetches::{self, Rank},
        syncs::{self, BackfillRow},
    },
};

/// Every mail that may be large is listed first, so that it is known as one: a search says nothing of sizes.
const LARGE: &str = "larger:6M";

/// What finds all that was written to and by a counterpart. `None` for what Gmail's search cannot take as one word.
fn search(row: &BackfillRow) -> Option<String> {
    let is_word = |address: &&String| {
        let fits = |c: char| !c.is_whitespace() && !c.is_control() && !"\"(){}<>:,;\\".contains(c);
        address.contains('@') && address.chars().all(fits)
    };
    let mut spellings: Vec<&String> = [&row.counterpart, &row.address].into_iter().filter(is_word).collect();
    spellings.dedup_by_key(|address| address.to_lowercase());
    let words: Vec<String> = spellings
        .iter()
        .flat_map(|address| ["from", "to", "cc", "bcc"].map(|field| format!("{field}:{address}")))
        .collect();
    (!words.is_empty()).then(|| format!("{{{}}}", words.join(" ")))
}

impl Gmail {
    /// Lists a page of the past that waits longest; false if none does.
    pub(super) async fn list_past(&self, row: &CredentialRow) -> Result<bool, Stop> {
        let Some(past) = syncs::next_backfill(&mut self.db().read().await?, &row.key, self.now()).await?
        else {
            return Ok(false);
        };
        let (id, now) = (past.conversation_id, self.now());
        let Some(found) = search(&past) else {
            let mut tx = self.db().begin().await?;
            self.locked(&mut tx, row).await?;
            store::lock_conversation(&mut tx, id).await?;
            let reason = "Gmail's search cannot look for this address";
            syncs::give_up_backfill(&mut tx, id, reason, now).await?;
            tx.commit().await?;
            return Ok(true);
        };
        let q = if past.large { format!("{found} {LARGE}") } else { found };
        let query = Query { q: Some(&q), page: past.page.as_deref(), ..Query::default() };
        let page = match self.mailbox(row).messages(&query).await {
            // A page's token does not last for ever; and what Gmail cannot search for must not hold up the others.
            Err(Error::Permanent { message, .. }) => {
                tracing::warn!(credential = row.key, conversation = id, message, "a past cannot be listed");
                let mut tx = self.db().begin().await?;
                // Before its listing's row: whoever removes the conversation has it in this order, too.
                self.locked(&mut tx, row).await?;
                store::lock_conversation(&mut tx, id).await?;
                let reason = format!("Gmail refuses to search for them: {message}");
                syncs::fail_backfill(&mut tx, id, &reason, TRIES, now).await?;
                tx.commit().await?;
                return Ok(true);
            }
            page => page?,
        };
        let ids: Vec<String> = page.messages.into_iter().map(|message| message.id).collect();
        let mut tx = self.db().begin().await?;
        self.locked(&mut tx, row).await?;
        // Before its listing's row: whoever removes it has it in this order, too. What was removed meanwhile has no past.
        if store::lock_conversation(&mut tx, id).await?.is_none() {
            return Ok(true);
        }
        // What another conversation has is looked at, too: whether it belongs into this one.
        let there = store::standing_ids(&mut tx, &row.key, id, &ids).await?;
        let new: Vec<String> = ids.into_iter().filter(|id| !there.contains(id)).collect();
        let at = now.micros();
        fetches::queue(&mut tx, &row.key, &new, (Rank::Past, past.large), |n| at.saturating_add(n)).await?;
        match (&page.next, past.large) {
            (Some(next), large) => syncs::move_backfill(&mut tx, id, large, Some(next)).await?,
            (None, true) => syncs::move_backfill(&mut tx, id, false, None).await?,
            (None, false) => {
                if past.again {
                    syncs::end_backfill(&mut tx, id, now).await?;
                } else {
                    syncs::repeat_backfill(&mut tx, id, now + SEARCH_LAG, now).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Notes which pasts are known now that nothing is left to be looked at, and lets follow what is to follow their last
    /// mails: while one was still to be read, it may have been the answer. False if there are none.
    pub(super) async fn note_pasts(&self, row: &CredentialRow) -> Result<bool, Stop> {
        let ids = syncs::pasts_to_note(&mut self.db().read().await?, &row.key, TRIES).await?;
        for id in &ids {
            let mut tx = self.db().begin().await?;
            self.locked(&mut tx, row).await?;
            let Some(conversation) = store::lock_conversation(&mut tx, *id).await? else { continue };
            syncs::note_past(&mut tx, *id, true).await?;
            self.reschedule_follow_up(&mut tx, &conversation, self.now()).await?;
            tx.commit().await?;
        }
        Ok(!ids.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched() {
        let row = |counterpart: &str, address: &str| BackfillRow {
            conversation_id: 1,
            large: false,
            page: None,
            again: false,
            counterpart: counterpart.to_owned(),
            address: address.to_owned(),
        };
        assert_eq!(
            search(&row("A@b.example", "a@b.example")).as_deref(),
            Some("{from:A@b.example to:A@b.example cc:A@b.example bcc:A@b.example}")
        );
        let both = search(&row("a.b@gmail.com", "ab@gmail.com")).unwrap();
        assert!(both.contains("from:a.b@gmail.com") && both.contains("bcc:ab@gmail.com"), "{both}");
        assert_eq!(search(&row("a\"} in:trash {@x", "nobody")), None);
    }
}
