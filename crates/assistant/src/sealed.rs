//! What the keyring sealed here, to be sealed anew when its keys change.

use db::SealedTable;

/// The columns of the assistant that hold what the keyring sealed.
pub const SEALED: &[&dyn SealedTable] = &[&KeptAnswers];

/// Where a kept answer lies.
pub(crate) fn answer_place(hash: &str) -> String {
    format!("assistant_cache:{hash}:answer")
}

db::sealed_column! {
    /// Kept answers; a row's key is its hash.
    KeptAnswers: "assistant_cache", "hash", "answer", answer_place
}
