//! The assistant of all three parts: one interface, an engine that is always here and providers that may be.

use std::sync::Arc;

use accounts::Accounts;

/// The slice's state. Cheap to clone.
#[derive(Clone)]
pub struct Assistant(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    #[expect(dead_code, reason = "used by what comes next")]
    pub(crate) accounts: Accounts,
}

impl Assistant {
    /// The assistant on the accounts' database.
    #[must_use]
    pub fn new(accounts: Accounts) -> Self {
        Self(Arc::new(Inner { accounts }))
    }
}
