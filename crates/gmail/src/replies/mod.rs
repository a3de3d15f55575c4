//! Goals, what the assistant proposes towards them, and what goes out by itself.

use db::{Result, Tx};
use mail::Classified;

use crate::{
    Gmail,
    store::{ConversationRow, CredentialRow, MessageRow},
};

impl Gmail {
    /// A mail that is new, not backfilled, was stored into these conversations, in the transaction that stores it. What is
    /// ours tells that a person wrote, or that what was sent from here has arrived in the mailbox.
    pub(crate) async fn arrived(
        &self,
        _tx: &mut Tx,
        _credential: &CredentialRow,
        _conversations: &[ConversationRow],
        _message: &MessageRow,
        _classified: &Classified,
    ) -> Result<()> {
        Ok(())
    }

    /// Whether a mail that nobody looks at may still leave: asked just before it does. The reason if not.
    pub(crate) async fn still_right(
        &self,
        _credential: &CredentialRow,
        _outbox_id: &str,
    ) -> Result<Option<String>> {
        Ok(None)
    }
}
