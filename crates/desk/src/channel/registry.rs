//! The accounts that are in use: those of the settings, and those of the database.
//!
//! Promise: a change of an account holds at once in the process that made it, in others within [`FRESH`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use db::{Conn, Db};
use kernel::{Clock, Timestamp, seal::Keyring};

use super::{
    Named,
    account::{Account, AccountKind, Adapter},
};
use crate::{
    model::ChannelType,
    sealed,
    store::{self, accounts::AccountRow},
};

/// So long the database's accounts are believed to be as they were read.
const FRESH: Duration = Duration::from_secs(5);

pub(crate) type Accounts = Arc<[Arc<Account>]>;

/// See the module.
pub(crate) struct Registry {
    fixed: Vec<Arc<Account>>,
    known: Mutex<Option<(Timestamp, Accounts)>>,
}

/// The ids of the settings' accounts: `chan_wecom`, and `chan_bridge_jd` for a bridge to each channel.
fn fixed(named: &Named) -> Vec<(String, ChannelType)> {
    let kind = named.kind.as_str();
    match named.kind.channel_type() {
        Some(channel_type) => vec![(format!("chan_{kind}"), channel_type)],
        None => [ChannelType::Wechat, ChannelType::Douyin, ChannelType::Jd]
            .map(|channel_type| (format!("chan_{kind}_{}", channel_type.as_str()), channel_type))
            .to_vec(),
    }
}

impl Registry {
    pub(crate) fn new(named: &[Named]) -> Self {
        let mut accounts = Vec::new();
        for named in named {
            for (id, channel_type) in fixed(named) {
                // The settings were checked when they were read.
                if let Ok(adapter) = Adapter::new(named.kind, &named.fields) {
                    accounts.push(Arc::new(Account { id, channel_type, version: 0, adapter }));
                }
            }
        }
        Self { fixed: accounts, known: Mutex::new(None) }
    }

    /// The settings' accounts.
    pub(crate) fn fixed(&self) -> &[Arc<Account>] {
        &self.fixed
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, Accounts)>> {
        // The state is whole between any two statements that touch it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the accounts anew the next time.
    pub(crate) fn forget(&self) {
        if let Some((at, _)) = self.known().as_mut() {
            *at = Timestamp::EPOCH;
        }
    }

    /// All accounts that are in use, those of the settings first.
    pub(crate) async fn all(&self, db: &Db, clock: &Clock, keyring: &Keyring) -> db::Result<Accounts> {
        let now = clock.now();
        let before = match self.known().as_ref() {
            Some((at, accounts)) if now >= *at && now.since(*at) < FRESH => return Ok(Arc::clone(accounts)),
            Some((_, accounts)) => Some(Arc::clone(accounts)),
            None => None,
        };
        let accounts = self.read(&mut db.read().await?, keyring, before.as_deref()).await?;
        *self.known() = Some((now, Arc::clone(&accounts)));
        Ok(accounts)
    }

    async fn read(
        &self,
        conn: &mut Conn,
        keyring: &Keyring,
        before: Option<&[Arc<Account>]>,
    ) -> db::Result<Accounts> {
        let mut accounts = self.fixed.clone();
        for row in store::accounts::all(conn).await?.iter().filter(|row| row.enabled) {
            // Whoever did not change keeps the access token that is at hand.
            let same = before.and_then(|all| all.iter().find(|a| a.id == row.id && a.version == row.version));
            match same.map_or_else(|| account(row, keyring).map(Arc::new), |same| Ok(Arc::clone(same))) {
                Ok(account) => accounts.push(account),
                Err(reason) => {
                    tracing::error!(account = row.id, reason, "an account of a channel cannot be used");
                }
            }
        }
        Ok(accounts.into())
    }
}

/// All fields of a row, the secrets opened.
pub(crate) fn fields(row: &AccountRow, keyring: &Keyring) -> Result<BTreeMap<String, String>, String> {
    let mut fields: BTreeMap<String, String> =
        serde_json::from_str(&row.fields).map_err(|e| format!("its fields: {e}"))?;
    let secrets = keyring.open(&sealed::account_place(&row.id), &row.secrets).map_err(|e| e.to_string())?;
    let secrets: BTreeMap<String, String> =
        serde_json::from_slice(&secrets).map_err(|e| format!("its secrets: {e}"))?;
    fields.extend(secrets);
    Ok(fields)
}

fn account(row: &AccountRow, keyring: &Keyring) -> Result<Account, String> {
    let adapter = Adapter::new(row.kind, &fields(row, keyring)?);
    let adapter = adapter.map_err(|bad| {
        let names: Vec<String> = bad.iter().map(|bad| format!("{} {}", bad.name, bad.reason)).collect();
        names.join("; ")
    })?;
    Ok(Account { id: row.id.clone(), channel_type: row.channel_type, version: row.version, adapter })
}

/// Those of a kind, for a channel; one of them alone if it is named.
pub(crate) fn of<'a>(
    accounts: &'a [Arc<Account>],
    kind: AccountKind,
    channel_type: ChannelType,
    named: Option<&str>,
) -> Vec<&'a Arc<Account>> {
    let fits = |account: &&Arc<Account>| {
        account.kind() == kind
            && account.channel_type == channel_type
            && named.is_none_or(|named| named == account.id)
    };
    accounts.iter().filter(fits).collect()
}
