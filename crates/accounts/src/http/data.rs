//! What an account holds of its own, for its owner's archive.

use kernel::Problem;
use serde::Serialize;

use super::{notification_settings::SettingsData, profile::ProfileData};
use crate::{Accounts, Caller};

/// Profile and notification settings, as their own routes show them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountData {
    profile: ProfileData,
    notification_settings: SettingsData,
}

impl Accounts {
    /// Of the caller.
    ///
    /// # Errors
    /// The database's, and 404 for an account that is gone.
    pub async fn data_of(&self, caller: &Caller) -> Result<AccountData, Problem> {
        Ok(AccountData {
            profile: self.profile(caller).await?,
            notification_settings: self.settings(caller).await?,
        })
    }
}
