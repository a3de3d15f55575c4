//! The pure part of outreach: states, and the rules that need no database.

use httpkit::text_enum;

text_enum! {
    /// How an account is.
    #[schema(as = CredentialStatus)]
    CredentialStatus {
        /// Its grant stands.
        Active = "active",
        /// Google ended the grant: its owner must connect it again.
        NeedsReconnect = "needs_reconnect",
    }
}

/// The form of an address by which it is one account: without case.
#[must_use]
pub(crate) fn address_key(address: &str) -> String {
    address.trim().to_lowercase()
}
