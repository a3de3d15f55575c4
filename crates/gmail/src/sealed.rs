//! What the keyring sealed here, to be sealed anew when its keys change. Consents last ten minutes: theirs are not in it.

use db::SealedTable;

/// The columns of outreach that hold what the keyring sealed.
pub const SEALED: &[&dyn SealedTable] = &[&Grants, &AccessTokens];

/// Where an account's client secret and refresh token lie.
pub(crate) fn grant_place(key: &str) -> String {
    format!("gmail_credentials:{key}:grant")
}

/// Where an account's access token lies.
pub(crate) fn access_place(key: &str) -> String {
    format!("gmail_credentials:{key}:access")
}

/// Where a consent's client secret lies.
pub(crate) fn client_place(state_hash: &str) -> String {
    format!("gmail_flows:{state_hash}:client")
}

/// Where a consent's verifier lies.
pub(crate) fn verifier_place(state_hash: &str) -> String {
    format!("gmail_flows:{state_hash}:verifier")
}

db::sealed_column! {
    /// Client secrets and refresh tokens.
    Grants: "gmail_credentials", "key", "grant_sealed", grant_place
}

db::sealed_column! {
    /// Access tokens.
    AccessTokens: "gmail_credentials", "key", "access_sealed", access_place, if "access_sealed IS NOT NULL"
}
