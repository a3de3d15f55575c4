//! What the keyring sealed here, to be sealed anew when its keys change.

use db::SealedTable;

use super::key::{first_place, server_place};
use crate::triggers::hooks;

/// The columns of letters that hold what the keyring sealed.
pub const SEALED: &[&dyn SealedTable] = &[&LetterKeys, &FirstTexts, &Hooks];

db::sealed_column! {
    /// The keys of letters that the server can read.
    LetterKeys: "letter_keys", "letter_id", "server", server_place, if "server IS NOT NULL"
}

db::sealed_column! {
    /// The texts of letters that were encrypted before letters had keys.
    FirstTexts: "letter_contents", "letter_id", "sealed", first_place,
    if "sealed IS NOT NULL AND letter_id NOT IN (SELECT letter_id FROM letter_keys)"
}

db::sealed_column! {
    /// The secrets of triggers' hooks.
    Hooks: "trigger_hooks", "id", "secret", hooks::place
}
