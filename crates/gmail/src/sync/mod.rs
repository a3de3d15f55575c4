//! Mailboxes are read: rung by Google, or when they were quiet for long.

use db::{Result, Tx};

use crate::{
    Gmail,
    store::{ConversationRow, CredentialRow},
};

impl Gmail {
    /// Sees to it that a mailbox is read soon.
    pub(crate) async fn want_sync(&self, _tx: &mut Tx, _credential: &str) -> Result<()> {
        Ok(())
    }

    /// Sees to it that all that an account and a counterpart wrote each other before is listed and stored.
    pub(crate) async fn want_backfill(
        &self,
        _tx: &mut Tx,
        _credential: &CredentialRow,
        _conversation: &ConversationRow,
    ) -> Result<()> {
        Ok(())
    }
}
