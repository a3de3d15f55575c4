//! From an access token to a [`Caller`].

use std::collections::BTreeMap;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use httpkit::Failure;
use kernel::{Problem, Timestamp};

use crate::{
    Accounts,
    model::{Caller, Person, Role},
    store,
};

impl Accounts {
    /// Who this access token belongs to.
    ///
    /// # Errors
    /// 401 if it is invalid, expired or revoked; 429 if its user asks too often.
    pub async fn authenticate(&self, token: &str) -> Result<Caller, Problem> {
        let now = self.0.clock.now();
        let refused = || Problem::unauthorized("the access token is invalid, expired or revoked");
        let claims = self.0.tokens.read(token, now).ok_or_else(refused)?;
        self.0.requests.check(&claims.sub)?;
        let caller = self.logged_in(&claims.sid, Timestamp::from_seconds(claims.exp)).await?;
        caller.filter(|caller| caller.id() == claims.sub).ok_or_else(refused)
    }

    /// Whoever logged in under this session's id, with a token that is good until `expires_at`; `None` if they have
    /// logged out. For what stands in a token's place, such as a ticket.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn logged_in(&self, session_id: &str, expires_at: Timestamp) -> db::Result<Option<Caller>> {
        let now = self.0.clock.now();
        let row = store::session_user(&mut self.0.db.read().await?, session_id).await?;
        Ok(row.filter(|_| expires_at > now).map(|row| Caller {
            opens_address: self.opens_address(row.email_verified),
            session_id: session_id.to_owned(),
            expires_at,
            email_key: row.email_key,
            email_verified: row.email_verified,
            plan: row.plan.effective(row.plan_until, now),
            role: row.role,
            scene: row.preferred_scene,
            background: row.preferred_background,
            person: Person {
                user_id: row.user_id,
                username: row.username,
                avatar: row.avatar,
                email: row.email,
            },
        }))
    }

    /// Of these logins those that still stand, with what their users may do now: to be asked again and again by what
    /// lasts longer than a request.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn standing(&self, session_ids: &[String]) -> db::Result<BTreeMap<String, Role>> {
        let rows = store::standing(&mut self.0.db.read().await?, session_ids).await?;
        Ok(rows.into_iter().collect())
    }

    /// Whether the caller's login still stands: to be asked again by whatever lasts longer than a request.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn stands(&self, caller: &Caller) -> db::Result<bool> {
        let row = store::session_user(&mut self.0.db.read().await?, &caller.session_id).await?;
        Ok(row.is_some())
    }
}

/// The token of `Authorization: Bearer …`; `None` where there is no such header.
fn bearer(parts: &Parts) -> Option<Result<&str, Problem>> {
    let header = parts.headers.get(header::AUTHORIZATION)?;
    let token = header.to_str().ok().and_then(|h| h.split_once(' ')).and_then(|(scheme, token)| {
        (scheme.eq_ignore_ascii_case("bearer") && token.len() <= 4096).then_some(token.trim())
    });
    Some(token.ok_or_else(|| Problem::unauthorized("the Authorization header must be: Bearer <token>")))
}

impl<S> FromRequestParts<S> for Caller
where
    Accounts: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let MaybeCaller(caller) = MaybeCaller::from_request_parts(parts, state).await?;
        Ok(caller.ok_or_else(|| Problem::unauthorized("an access token is required"))?)
    }
}

/// The caller, if there is a token. A token that is there must be good.
pub struct MaybeCaller(pub Option<Caller>);

impl<S> FromRequestParts<S> for MaybeCaller
where
    Accounts: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match bearer(parts) {
            None => Ok(Self(None)),
            Some(token) => Ok(Self(Some(Accounts::from_ref(state).authenticate(token?).await?))),
        }
    }
}
