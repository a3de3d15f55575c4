//! The addresses that an account may write as, and by which names: asked of Google when it is connected, when one is named
//! that is not known, and daily.

use std::time::Duration;

use db::Tx;
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use google::{Error, SendAs};
use kernel::{Problem, time::days};
use mail::Mailbox;

use super::envelope::Party;
use crate::{
    CredentialStatus, Gmail,
    model::{address_key, mailboxes},
    store::{self, CredentialRow},
};

/// Asks Google for an account's aliases.
pub const ALIASES: &str = "gmail.aliases";

/// The alias of an account with this address, as it was last.
pub(super) fn find(credential: &CredentialRow, address: &str) -> Option<Mailbox> {
    let wanted = address_key(address);
    mailboxes(&credential.aliases).into_iter().find(|alias| address_key(&alias.address) == wanted)
}

/// The name beside an address in Gmail's settings, if it can stand in a mail.
fn name_of(alias: &SendAs) -> Option<String> {
    let named = Mailbox::named(alias.display_name.trim(), &alias.address);
    named.name.clone().filter(|name| !name.is_empty() && named.is_writable())
}

impl Gmail {
    /// Sees to it that an account's aliases are asked for now, and known from now on.
    pub(crate) async fn want_aliases(&self, tx: &mut Tx, credential: &str) -> db::Result<()> {
        let now = self.now();
        let dispatch = NewDispatch {
            id: format!("{credential}/aliases"),
            kind: ALIASES,
            subject: credential.to_owned(),
            destination: credential.to_owned(),
            payload: None,
            due_at: now,
        };
        let id = dispatch.id.clone();
        if dispatch::enqueue(tx, now, &[dispatch]).await? == 0 {
            // An account that is connected again has one, which may wait until tomorrow.
            dispatch::store::expedite(tx, now, ALIASES, &[id]).await?;
        }
        Ok(())
    }

    /// Asks for an account's name and aliases, and remembers them: the account as it is by now.
    async fn fetch_aliases(&self, credential: CredentialRow) -> Result<CredentialRow, Error> {
        let list = self.mailbox(&credential).send_as().await?;
        let is_own = |alias: &SendAs| address_key(&alias.address) == credential.address;
        let name = list.iter().find(|alias| is_own(alias)).and_then(name_of);
        let mut aliases: Vec<Party> = list
            .iter()
            .filter(|alias| alias.is_usable() && !is_own(alias))
            .filter(|alias| transports::parse_address(&alias.address).is_ok())
            // As in Gmail, the account's where an alias has none.
            .map(|alias| Party {
                name: name_of(alias).or_else(|| name.clone()),
                address: alias.address.clone(),
            })
            .collect();
        aliases.sort_unstable_by(|a, b| a.address.cmp(&b.address));
        aliases.dedup_by(|a, b| a.address == b.address);
        let stored = |error: db::DbError| Error::retry(format!("aliases cannot be stored: {error}"));
        let aliases = serde_json::to_string(&aliases).map_err(|e| Error::retry(e.to_string()))?;
        let mut tx = self.db().begin().await.map_err(stored)?;
        let known = (name.as_deref(), aliases.as_str());
        store::store_aliases(&mut tx, &credential.key, known, self.now()).await.map_err(stored)?;
        tx.commit().await.map_err(stored)?;
        Ok(CredentialRow { name, aliases, ..credential })
    }

    /// An account whose aliases are asked for once more if `from` is none of those that are known.
    pub(super) async fn with_alias(
        &self,
        credential: CredentialRow,
        from: &str,
    ) -> Result<CredentialRow, Problem> {
        let known = address_key(from) == credential.address || find(&credential, from).is_some();
        if known || credential.status != CredentialStatus::Active {
            return Ok(credential);
        }
        let key = credential.key.clone();
        match self.fetch_aliases(credential).await {
            Ok(credential) => Ok(credential),
            Err(error) => {
                tracing::info!(credential = key, %error, "aliases cannot be asked for");
                let text = format!("is no alias that is known, and Google cannot be asked now: {error}");
                Err(Problem::rule("from", text))
            }
        }
    }
}

/// Keeps the aliases of accounts up to date: one dispatch an account, for as long as it is connected.
pub struct Aliases {
    /// The slice.
    pub gmail: Gmail,
}

impl Single for Aliases {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let gmail = &self.gmail;
            let read = async {
                let mut conn = gmail.db().read().await?;
                store::credential_by_key(&mut conn, &d.subject).await
            };
            let credential = match read.await {
                Ok(Some(credential)) => credential,
                Ok(None) => return Outcome::Done("the account is not connected any more".to_owned()),
                Err(error) => {
                    return Outcome::Retry { reason: error.to_string(), after: None, in_doubt: false };
                }
            };
            let (wait, reason) = match gmail.fetch_aliases(credential).await {
                Ok(credential) => (days(1), format!("{} aliases", mailboxes(&credential.aliases).len())),
                Err(Error::Retry { reason, after, .. }) => {
                    (after.unwrap_or(Duration::from_secs(600)), reason)
                }
                Err(error) => (days(1), error.to_string()),
            };
            Outcome::Snooze { until: gmail.now() + wait, reason }
        })
    }
}
