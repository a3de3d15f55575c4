//! A mailbox's grant: sealed in its row, renewed in one place, and its clients.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use db::Db;
use google::{
    AccessToken, Authorized, BoxFuture, ClientSecret, Error, Mailbox, Secret, TokenCell, TokenStore,
};
use kernel::{Clock, Timestamp, seal::Keyring};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    Gmail,
    notices::{self, News},
    sealed::{access_place, grant_place},
    store::{self, CredentialRow},
};

/// What is sealed of a grant.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Kept {
    /// The client's file, as it was given.
    pub(crate) client: String,
    pub(crate) refresh: String,
}

impl Kept {
    pub(crate) fn seal(&self, keyring: &Keyring, key: &str) -> Result<Vec<u8>, Error> {
        let mut json = serde_json::to_vec(self).map_err(|_| Error::retry("a grant cannot be written"))?;
        let sealed = keyring.seal(&grant_place(key), &json);
        json.zeroize();
        sealed.map_err(|_| Error::retry("a grant cannot be sealed"))
    }

    pub(crate) fn open(keyring: &Keyring, row: &CredentialRow) -> Result<Self, Error> {
        let unreadable = || Error::retry("the account's grant cannot be opened with the keyring");
        let mut json = keyring.open(&grant_place(&row.key), &row.grant_sealed).map_err(|_| unreadable())?;
        let kept = serde_json::from_slice(&json).map_err(|_| unreadable());
        json.zeroize();
        kept
    }
}

/// Seals an access token.
pub(crate) fn seal_access(keyring: &Keyring, key: &str, token: &AccessToken) -> Result<Vec<u8>, Error> {
    let sealed = keyring.seal(&access_place(key), token.secret.expose().as_bytes());
    sealed.map_err(|_| Error::retry("an access token cannot be sealed"))
}

/// A credential's row as a [`TokenCell`] uses it.
pub(crate) struct Row {
    key: String,
    db: Db,
    clock: Clock,
    keyring: Keyring,
    endpoints: Arc<google::Endpoints>,
}

fn stored(error: &db::DbError) -> Error {
    Error::retry(format!("the account's tokens cannot be read or stored: {error}"))
}

impl Row {
    fn access(&self, row: &CredentialRow) -> Option<AccessToken> {
        let (sealed, expires_at) = (row.access_sealed.as_ref()?, row.access_expires_at?);
        let plain = self.keyring.open(&access_place(&row.key), sealed).ok()?;
        Some(AccessToken { secret: Secret::new(String::from_utf8(plain).ok()?), expires_at })
    }
}

impl TokenStore for Row {
    fn load(&self) -> BoxFuture<'_, Result<Option<Authorized>, Error>> {
        Box::pin(async {
            let mut conn = self.db.read().await.map_err(|e| stored(&e))?;
            let row = store::credential_by_key(&mut conn, &self.key).await.map_err(|e| stored(&e))?;
            let Some(row) = row else { return Ok(None) };
            if row.status != crate::CredentialStatus::Active {
                let reason =
                    row.status_reason.unwrap_or_else(|| "the account must be connected again".to_owned());
                return Err(Error::Reauthorize { reason });
            }
            let kept = Kept::open(&self.keyring, &row)?;
            let client = ClientSecret::read(&kept.client, &self.endpoints);
            let client = client.map_err(|bad| Error::Permanent {
                code: "client".to_owned(),
                message: format!(
                    "the OAuth client's file is not for the configured endpoints: {} {bad}",
                    bad.field
                ),
            })?;
            Ok(Some(Authorized {
                version: row.version,
                client: Arc::new(client),
                refresh: Secret::new(kept.refresh.clone()),
                access: self.access(&row),
            }))
        })
    }

    fn renewed<'a>(
        &'a self,
        version: i64,
        access: &'a AccessToken,
        refresh: Option<&'a Secret>,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let sealed = seal_access(&self.keyring, &self.key, access)?;
            let mut tx = self.db.begin().await.map_err(|e| stored(&e))?;
            let grant = match refresh {
                None => None,
                Some(refresh) => {
                    let row = store::credential_by_key(&mut tx, &self.key).await.map_err(|e| stored(&e))?;
                    let Some(row) = row else { return Ok(false) };
                    let mut kept = Kept::open(&self.keyring, &row)?;
                    kept.refresh = refresh.expose().to_owned();
                    Some(kept.seal(&self.keyring, &self.key)?)
                }
            };
            let tokens = (grant, sealed);
            let done = store::store_tokens(&mut tx, &self.key, version, tokens, access.expires_at).await;
            let done = done.map_err(|e| stored(&e))?;
            tx.commit().await.map_err(|e| stored(&e))?;
            Ok(done)
        })
    }

    fn ended<'a>(&'a self, version: i64, reason: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let now = self.clock.now();
            let mut tx = self.db.begin().await.map_err(|e| stored(&e))?;
            let done = store::end_grant(&mut tx, &self.key, version, reason, now).await;
            let done = done.map_err(|e| stored(&e))?;
            if done {
                let row = store::credential_by_key(&mut tx, &self.key).await.map_err(|e| stored(&e))?;
                if let Some(row) = row {
                    let news = News::GrantEnded { account: &row.email };
                    let told = notices::tell(&mut tx, &row.user_id, news, now).await;
                    told.map_err(|e| stored(&e))?;
                }
            }
            tx.commit().await.map_err(|e| stored(&e))?;
            if done {
                tracing::warn!(credential = self.key, reason, "Google ended a grant");
            }
            Ok(done)
        })
    }
}

/// The tokens of the mailboxes that this process uses, by their keys.
#[derive(Default)]
pub(crate) struct Cells(Mutex<HashMap<String, Arc<TokenCell<Row>>>>);

impl Cells {
    /// Forgets one whose grant was changed or removed.
    pub(crate) fn forget(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Gmail {
    /// A mailbox that is connected.
    pub(crate) fn mailbox(&self, row: &CredentialRow) -> Mailbox {
        let inner = &self.0;
        let mut cells = inner.cells.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = cells.entry(row.key.clone()).or_insert_with(|| {
            let row = Row {
                key: row.key.clone(),
                db: self.db().clone(),
                clock: self.clock().clone(),
                keyring: inner.accounts.keyring().clone(),
                endpoints: Arc::clone(&inner.endpoints),
            };
            Arc::new(TokenCell::new(row, inner.oauth.clone(), self.clock().clone()))
        });
        let governor = inner.governors.of(&row.address);
        Mailbox::new(
            &inner.web,
            Arc::clone(&inner.endpoints),
            self.clock().clone(),
            Arc::clone(cell) as _,
            governor,
        )
    }

    /// Now, for whoever writes a row.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }
}
