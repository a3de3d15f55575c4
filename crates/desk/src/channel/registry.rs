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
    known: Mutex<Known>,
}

/// What was read of the database's accounts.
#[derive(Default)]
struct Known {
    accounts: Option<(Timestamp, Accounts)>,
    /// How often they were changed by this process: what was read before a change is not kept after it.
    changes: u64,
}

impl Known {
    /// The accounts, if they were read just now.
    fn fresh(&self, now: Timestamp) -> Option<Accounts> {
        let (at, accounts) = self.accounts.as_ref()?;
        (now >= *at && now.since(*at) < FRESH).then(|| Arc::clone(accounts))
    }

    fn forget(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        if let Some((at, _)) = &mut self.accounts {
            *at = Timestamp::EPOCH;
        }
    }

    /// Keeps what was read since there were so many changes.
    fn keep(&mut self, changes: u64, at: Timestamp, accounts: &Accounts) {
        if self.changes == changes {
            self.accounts = Some((at, Arc::clone(accounts)));
        }
    }
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
        Self { fixed: accounts, known: Mutex::default() }
    }

    /// The settings' accounts.
    pub(crate) fn fixed(&self) -> &[Arc<Account>] {
        &self.fixed
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // The state is whole between any two statements that touch it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the accounts anew the next time.
    pub(crate) fn forget(&self) {
        self.known().forget();
    }

    /// All accounts that are in use, those of the settings first.
    pub(crate) async fn all(&self, db: &Db, clock: &Clock, keyring: &Keyring) -> db::Result<Accounts> {
        let now = clock.now();
        let (before, changes) = {
            let known = self.known();
            if let Some(accounts) = known.fresh(now) {
                return Ok(accounts);
            }
            (known.accounts.as_ref().map(|(_, accounts)| Arc::clone(accounts)), known.changes)
        };
        let accounts = self.read(&mut db.read().await?, keyring, before.as_deref()).await?;
        self.known().keep(changes, now, &accounts);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let (now, none) = (Timestamp::from_seconds(1_767_225_600), Accounts::from([]));
        let mut known = Known::default();
        let read = known.changes;
        known.forget();
        known.keep(read, now, &none);
        assert!(known.fresh(now).is_none());
        known.keep(known.changes, now, &none);
        assert!(known.fresh(now).is_some());
        known.forget();
        assert!(known.fresh(now).is_none());
    }
}
