//! What Gmail no longer holds goes here, too; and all that there was of an account that was disconnected.

use std::collections::BTreeSet;

use db::{Result, Tx};
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};

use super::dispatch_id;
use crate::{
    Gmail,
    store::{self, removal, syncs},
};

/// Removes the mails of an account that is gone; subject and destination are its key.
pub const WIPE: &str = "gmail.wipe";

/// The handler of [`WIPE`].
pub struct Wipe {
    /// The slice.
    pub gmail: Gmail,
}

impl Single for Wipe {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.gmail.wipe_rest(&dispatch.subject).await {
                Ok(()) => Outcome::Done("wiped".to_owned()),
                Err(error) => Outcome::Retry { reason: error.to_string(), after: None, in_doubt: false },
            }
        })
    }
}

impl Gmail {
    /// Removes messages of an account that is locked; their conversations say what is left.
    pub(super) async fn remove_messages(&self, tx: &mut Tx, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let conversations: BTreeSet<i64> = removal::standing_in(tx, keys).await?.into_iter().collect();
        for id in &conversations {
            store::lock_conversation(tx, *id).await?;
        }
        removal::remove_messages(tx, keys).await?;
        for id in conversations {
            removal::recount(tx, id, self.now()).await?;
        }
        Ok(())
    }

    /// Removes all of a locked account that people see, with what waits to be sent, and sees to it that the rest follows.
    pub(crate) async fn wipe(&self, tx: &mut Tx, key: &str) -> Result<()> {
        let now = self.now();
        // Conversations are locked before what hangs on them.
        store::lock_conversations_of(tx, key).await?;
        // Whatever is being acted on finds nothing any more; what waits is not acted on.
        self.drop_outbox(tx, key).await?;
        if let Some(since) = syncs::reading_since(tx, key).await? {
            dispatch::cancel(tx, now, &[dispatch_id(key, since)]).await?;
        }
        removal::remove_visible(tx, key).await?;
        let wipe = NewDispatch {
            id: format!("{key}/wipe"),
            kind: WIPE,
            subject: key.to_owned(),
            destination: key.to_owned(),
            payload: None,
            due_at: now,
        };
        dispatch::enqueue(tx, now, &[wipe]).await.map(drop)
    }

    /// Removes what is left of an account that is gone, a batch at a time.
    pub(super) async fn wipe_rest(&self, key: &str) -> Result<()> {
        loop {
            let mut tx = self.db().begin().await?;
            let all = removal::remove_rest(&mut tx, key).await?;
            tx.commit().await?;
            if all {
                return Ok(());
            }
        }
    }
}
