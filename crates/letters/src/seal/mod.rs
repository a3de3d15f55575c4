//! Encrypted letters: who can read them, and how.
//!
//! ```text
//! text, files' keys ──sealed with──▶ the letter's key ──wrapped by──▶ the keyring               (readableBy server)
//! files             ──sealed with──▶ a key per file                └▶ passphrase, recovery key  (readableBy keyholder)
//! ```
//! Promises:
//! - Each letter has a random key of its own; what is sealed is bound to its letter, its field and its version.
//! - A `keyholder` letter's key exists only wrapped by what the server does not keep.
//! - Keys and texts are wiped from memory when they are done with.
//! - A file of an encrypted letter belongs to that letter alone and is sealed under a key that is made for it.

mod attempts;
mod disclose;
mod files;
mod key;
mod passphrase;
mod plan;
mod recovery;
mod rotation;
mod ticket;
mod unlock;

use httpkit::text_enum;
use kernel::Problem;

pub(crate) use disclose::Disclosed;
pub(crate) use files::{FileChange, thumbnail, whole};
pub(crate) use passphrase::{Kdf, Passphrase};
pub(crate) use plan::{Before, KeyChange, Sealing, Secrecy, Text, touched};
pub use rotation::SEALED;
pub(crate) use ticket::Ticket;
pub(crate) use unlock::{Proof, Unlocked};

text_enum! {
    /// Who can open an encrypted letter.
    ReadableBy {
        /// The server, with its own keys; it asks readers for their account's password.
        Server = "server",
        /// Whoever has the letter's passphrase or its recovery key; the server cannot.
        Keyholder = "keyholder",
    }
}

impl ReadableBy {
    /// Of an encrypted letter with this key; letters of the first version have none.
    pub(crate) fn of(key: Option<&crate::store::KeyRow>) -> Self {
        match key {
            Some(key) if key.passphrase.is_some() => Self::Keyholder,
            _ => Self::Server,
        }
    }
}

/// The operator's problem: keys are missing, or data was damaged.
fn cannot_open(what: &str, id: &str) -> Problem {
    tracing::error!(what, id, "cannot be sealed or opened with the keys at hand");
    Problem::internal()
}
