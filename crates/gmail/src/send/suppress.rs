//! Who gets no more mail: whoever opted out, complained, or whose address is dead.

use db::{Result, Tx};
use mail::{Classified, Incoming};

use crate::{
    Gmail,
    store::{CredentialRow, MessageRow},
};

impl Gmail {
    /// What a new mail means for the list of those who get none.
    pub(crate) async fn note_suppression(
        &self,
        _tx: &mut Tx,
        _credential: &CredentialRow,
        _message: &MessageRow,
        _mail: &Incoming,
        _classified: &Classified,
    ) -> Result<()> {
        Ok(())
    }
}
