//! What the keyring sealed here, to be sealed anew when its keys change.

use db::SealedTable;

use crate::{store, webhooks};

/// The columns of the desk that hold what the keyring sealed.
pub const SEALED: &[&dyn SealedTable] = &[&AccountSecrets, &RenewedTokens, &WebhookSecrets];

/// Where an account's secrets lie.
pub(crate) fn account_place(id: &str) -> String {
    format!("desk_accounts:{id}:secrets")
}

db::sealed_column! {
    /// The secrets of the channels' accounts.
    AccountSecrets: "desk_accounts", "id", "secrets", account_place
}

db::sealed_column! {
    /// Tokens of the channels' accounts that were renewed.
    RenewedTokens: "desk_tokens", "account_id", "tokens", store::tokens::place
}

db::sealed_column! {
    /// Webhooks' secrets.
    WebhookSecrets: "desk_webhooks", "id", "secret", webhooks::place
}
