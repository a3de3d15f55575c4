//! Connecting accounts: a person is sent to Google, comes back with a code, and the code becomes a grant.

use std::sync::Arc;

use google::{Ask, ClientSecret, Error, Governor, Grant, Mailbox, OAuth, Pkce, Returned, Secret};
use kernel::{Problem, ProblemKind, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{
    Gmail,
    grant::{Kept, seal_access},
    model::{AutoReply, CredentialStatus, address_key},
    sealed::{client_place, verifier_place},
    store::{self, CredentialRow, FlowRow},
};

/// So long a consent may take.
const LASTS: std::time::Duration = std::time::Duration::from_secs(600);

/// Where a person is to go.
pub(crate) struct Initiated {
    pub(crate) auth_url: String,
    /// Where Google sends the browser back to.
    pub(crate) redirect_uri: String,
    /// Whether that is our callback; otherwise the person pastes what they were sent to.
    pub(crate) completes_itself: bool,
    pub(crate) expires_at: Timestamp,
}

/// A consent that was taken for one exchange.
struct Taken {
    user_id: String,
    state_hash: String,
    /// The client's file, as it was given.
    json: String,
    client: ClientSecret,
    pkce: Pkce,
    redirect_uri: String,
}

/// How a consent is stored by its state.
fn hash(state: &Secret) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(state.expose().as_bytes()))
}

fn gone() -> Problem {
    Problem::rule(
        "auth_code",
        "no consent is open for it, it was completed or is too old: begin again with auth/initiate",
    )
}

/// What Google's refusal is to the person who is connecting.
fn refused(error: &Error) -> Problem {
    match error {
        Error::Reauthorize { reason } => Problem::rule("auth_code", reason.clone()),
        Error::Permanent { message, .. } => Problem::rule("auth_code", message.clone()),
        other => {
            tracing::warn!(error = %other, "Google does not answer");
            Problem::new(ProblemKind::Unavailable, "Google does not answer: try again")
        }
    }
}

fn internal(what: &'static str) -> Problem {
    tracing::error!(what, "a consent cannot be kept");
    Problem::internal()
}

impl Gmail {
    /// Reads an OAuth client's file; what is wrong is said of `client_secret_json`.
    ///
    /// # Errors
    /// 422
    pub(crate) fn client(&self, json: &str) -> Result<ClientSecret, Problem> {
        ClientSecret::read(json, &self.0.endpoints).map_err(|bad| {
            let reason =
                if bad.field.is_empty() { bad.reason } else { format!("{} {}", bad.field, bad.reason) };
            Problem::rule("client_secret_json", reason)
        })
    }

    /// Begins a consent.
    ///
    /// # Errors
    /// 422 for a client that is none of ours to use.
    pub(crate) async fn initiate(
        &self,
        user: &str,
        json: &str,
        wanted: Option<&str>,
        login_hint: Option<&str>,
    ) -> Result<Initiated, Problem> {
        let client = self.client(json)?;
        let redirect = client.redirect(wanted, &self.0.config.callback());
        let redirect = redirect.map_err(|bad| match wanted {
            Some(_) => Problem::rule("redirect_uri", bad.reason),
            None => Problem::rule("client_secret_json", format!("{} {}", bad.field, bad.reason)),
        })?;
        let state = OAuth::state().map_err(|_| internal("no randomness"))?;
        let pkce = Pkce::random().map_err(|_| internal("no randomness"))?;
        let (state_hash, now) = (hash(&state), self.now());
        let seal = |place: &str, text: &str| {
            let sealed = self.0.accounts.keyring().seal(place, text.as_bytes());
            sealed.map_err(|_| internal("no key"))
        };
        let row = FlowRow {
            client: seal(&client_place(&state_hash), json)?,
            verifier: seal(&verifier_place(&state_hash), pkce.verifier().expose())?,
            state_hash,
            user_id: user.to_owned(),
            redirect_uri: redirect.uri.clone(),
            created_at: now,
            expires_at: now + LASTS,
            used_at: None,
        };
        let mut tx = self.db().begin().await?;
        store::begin_flow(&mut tx, &row).await?;
        tx.commit().await?;
        let ask =
            Ask { client: &client, redirect_uri: &redirect.uri, state: &state, pkce: &pkce, login_hint };
        Ok(Initiated {
            auth_url: self.0.oauth.authorize_url(&ask),
            redirect_uri: redirect.uri,
            completes_itself: redirect.ours,
            expires_at: row.expires_at,
        })
    }

    /// Ends a consent with what a person pasted: a code, or the whole address that they were sent to.
    ///
    /// # Errors
    /// 422 names `auth_code` or `client_secret_json`; 409 if another user has the account; 503 without Google.
    pub(crate) async fn complete(
        &self,
        user: &str,
        json: &str,
        pasted: &str,
    ) -> Result<CredentialRow, Problem> {
        let client = self.client(json)?;
        let returned = Returned::read(pasted).map_err(|e| refused(&e))?;
        let now = self.now();
        let mut conn = self.db().read().await?;
        let flows = match &returned.state {
            Some(state) => store::flow(&mut conn, &hash(state)).await?.into_iter().collect(),
            None => store::open_flows(&mut conn, user, now).await?,
        };
        drop(conn);
        let own: Vec<FlowRow> = flows.into_iter().filter(|flow| flow.user_id == user).collect();
        if own.is_empty() {
            return Err(gone());
        }
        for flow in own {
            let taken = self.opened(&flow)?;
            if taken.client == client {
                return self.exchange(taken, &returned.code).await;
            }
        }
        Err(Problem::rule("client_secret_json", "must be the one that auth/initiate was called with"))
    }

    /// Ends a consent with the query of Google's redirect. Whose it is follows from its state.
    ///
    /// # Errors
    /// As [`Gmail::complete`].
    pub(crate) async fn called_back(&self, query: &str) -> Result<CredentialRow, Problem> {
        let returned = Returned::from_query(query).map_err(|e| refused(&e))?;
        let state = returned.state.ok_or_else(gone)?;
        let flow = store::flow(&mut self.db().read().await?, &hash(&state)).await?.ok_or_else(gone)?;
        let taken = self.opened(&flow)?;
        self.exchange(taken, &returned.code).await
    }

    /// What is sealed in a consent.
    fn opened(&self, flow: &FlowRow) -> Result<Taken, Problem> {
        let open = |place: &str, sealed: &[u8]| {
            let plain = self.0.accounts.keyring().open(place, sealed).ok();
            plain.and_then(|plain| String::from_utf8(plain).ok()).ok_or_else(gone)
        };
        let json = open(&client_place(&flow.state_hash), &flow.client)?;
        let verifier = open(&verifier_place(&flow.state_hash), &flow.verifier)?;
        Ok(Taken {
            user_id: flow.user_id.clone(),
            state_hash: flow.state_hash.clone(),
            client: self.client(&json)?,
            json,
            pkce: Pkce::from_verifier(Secret::new(verifier)),
            redirect_uri: flow.redirect_uri.clone(),
        })
    }

    /// Ends a consent, whether its person waits for that or not: a code is good once.
    async fn exchange(&self, taken: Taken, code: &Secret) -> Result<CredentialRow, Problem> {
        let (gmail, code) = (self.clone(), code.clone());
        let exchanged = tokio::spawn(async move { gmail.exchange_alone(&taken, &code).await });
        exchanged.await.unwrap_or_else(|_| Err(internal("its exchange ended")))
    }

    /// Takes a consent for itself alone; gives it back where no code of it was exchanged, and forgets it otherwise.
    async fn exchange_alone(&self, taken: &Taken, code: &Secret) -> Result<CredentialRow, Problem> {
        let mut tx = self.db().begin().await?;
        if !store::use_flow(&mut tx, &taken.state_hash, self.now()).await? {
            return Err(gone());
        }
        tx.commit().await?;
        let grant = self.0.oauth.exchange(&taken.client, code, &taken.redirect_uri, &taken.pkce).await;
        let mut tx = self.db().begin().await?;
        match &grant {
            Ok(_) => store::end_flow(&mut tx, &taken.state_hash).await?,
            Err(_) => store::give_back_flow(&mut tx, &taken.state_hash).await?,
        }
        tx.commit().await?;
        self.connect(taken, grant.map_err(|e| refused(&e))?).await
    }

    async fn connect(&self, taken: &Taken, grant: Grant) -> Result<CredentialRow, Problem> {
        if let Some(missing) = grant.scopes.missing().first() {
            let text = format!("the permission {missing} was not granted: begin again and tick all boxes");
            return Err(Problem::rule("auth_code", text));
        }
        let Some(refresh) = &grant.refresh else {
            let text = "Google gave no refresh token: remove this app's access in the Google account, and begin again";
            return Err(Problem::rule("auth_code", text));
        };
        let email = self.address_of(&grant).await?;
        // Whoever connects the same address at the same time was faster at most once.
        for _ in 0..2 {
            if let Some(row) = self.keep(taken, &grant, refresh, &email).await? {
                return Ok(row);
            }
        }
        Err(taken_by_another(&email))
    }

    /// Which account was chosen: what the mailbox itself says.
    async fn address_of(&self, grant: &Grant) -> Result<String, Problem> {
        let inner = &self.0;
        // One call of a mailbox whose address is not known yet; what Google says of this client's limits is nobody else's.
        let governor = Arc::new(Governor::new(inner.config.quota, self.clock().clone()));
        let tokens = Arc::new(grant.access.clone());
        let mailbox =
            Mailbox::new(&inner.web, Arc::clone(&inner.endpoints), self.clock().clone(), tokens, governor);
        Ok(mailbox.profile().await.map_err(|e| refused(&e))?.address)
    }

    /// Stores a grant; `None` if the address was connected for the first time while this looked.
    async fn keep(
        &self,
        taken: &Taken,
        grant: &Grant,
        refresh: &Secret,
        email: &str,
    ) -> Result<Option<CredentialRow>, Problem> {
        let (now, keyring) = (self.now(), self.0.accounts.keyring());
        let address = address_key(email);
        let kept = Kept { client: taken.json.clone(), refresh: refresh.expose().to_owned() };
        let mut tx = self.db().begin().await?;
        // The user's rows first, in order.
        store::lock_credentials(&mut tx, &taken.user_id).await?;
        let before = store::lock_address(&mut tx, &address).await?;
        if before.as_ref().is_some_and(|row| row.user_id != taken.user_id) {
            return Err(taken_by_another(email));
        }
        let key = before.as_ref().map_or_else(|| kernel::id::new("gcred", now), |row| row.key.clone());
        let sealed = || internal("no key");
        let row = CredentialRow {
            grant_sealed: kept.seal(keyring, &key).map_err(|_| sealed())?,
            access_sealed: Some(seal_access(keyring, &key, &grant.access).map_err(|_| sealed())?),
            access_expires_at: Some(grant.access.expires_at),
            scopes: grant.scopes.as_str().to_owned(),
            email: email.to_owned(),
            updated_at: now,
            ..before.clone().unwrap_or_else(|| new(&taken.user_id, &key, &address, now))
        };
        let row = if before.is_some() {
            store::renew_credential(&mut tx, &row).await?;
            CredentialRow { status: CredentialStatus::Active, status_reason: None, ..row }
        } else {
            let id = store::number(&mut tx, "credential").await?;
            // One at a time has come here: of two first accounts at once, one is the default.
            let others = store::credentials(&mut tx, &taken.user_id).await?;
            let row = CredentialRow { id, is_default: !others.iter().any(|row| row.is_default), ..row };
            if !store::insert_credential(&mut tx, &row).await? {
                return Ok(None);
            }
            row
        };
        self.want_aliases(&mut tx, &key).await?;
        self.wake_outbox(&mut tx, &key).await?;
        // What Google rings with belongs to the grant.
        self.ring_by_new_grant(&mut tx, &row, taken.client.project_id.as_deref()).await?;
        self.want_sync(&mut tx, &key).await?;
        tx.commit().await?;
        self.0.cells.forget(&key);
        Ok(Some(row))
    }
}

fn taken_by_another(email: &str) -> Problem {
    Problem::new(ProblemKind::Conflict, "this account is connected by another user here")
        .field("email", format!("{email} is connected already"))
}

/// An account that nobody connected before; what its grant says is put in by the caller.
fn new(user: &str, key: &str, address: &str, now: Timestamp) -> CredentialRow {
    CredentialRow {
        id: 0,
        key: key.to_owned(),
        user_id: user.to_owned(),
        email: String::new(),
        address: address.to_owned(),
        is_default: false,
        status: CredentialStatus::Active,
        status_reason: None,
        grant_sealed: Vec::new(),
        access_sealed: None,
        access_expires_at: None,
        scopes: String::new(),
        version: 1,
        history_id: None,
        good_until: None,
        synced_at: None,
        topic: None,
        watch_expires_at: None,
        watch_error: None,
        limited_until: None,
        name: None,
        aliases: "[]".to_owned(),
        aliases_at: None,
        auto_reply: AutoReply::On,
        daily_cap: None,
        sending_hours: None,
        created_at: now,
        updated_at: now,
    }
}
