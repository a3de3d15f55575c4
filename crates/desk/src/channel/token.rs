//! `desk.token`: access tokens of Douyin, renewed before they end.
//!
//! Promises: a token is renewed when a tenth of its life is left, or at once when Douyin takes it no longer; however many
//! messages need one and however many processes there are, one asks for it, since a renewal is one dispatch; what was
//! renewed is sealed at rest; what Douyin refuses for good is the account's health, and messages fail with it.

use std::time::Duration;

use channels::douyin::oauth::{self, Failure, parse_refreshed, parse_renewed};
use db::{Conn, Result, Tx};
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Settled, Single};
use http::{Request, header::CONTENT_TYPE};
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use transports::web::WebError;

use super::{
    account::{Account, Adapter, Douyin},
    intake::hash,
    send::Sent,
};
use crate::{
    Desk,
    store::{
        health,
        tokens::{self, TokenRow},
    },
    work,
};

/// Renews the tokens of an account, which is the subject; the payload is the generation that they are of.
pub const TOKEN: &str = "desk.token";

/// So much of a token's life is left when it is renewed: a tenth.
const EARLY: u32 = 10;
/// No access token of Douyin lives longer.
const LONGEST: Duration = kernel::time::days(15);
/// An account that is not in use is looked at again after so long.
const IDLE: Duration = Duration::from_secs(3600);
/// Given up, if it was not in use for so long.
const GONE: Duration = kernel::time::days(30);

/// As they are sealed.
#[derive(Clone, Serialize, Deserialize)]
struct Pair {
    access: Option<String>,
    refresh: String,
}

/// What is at hand for an account.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) access: Option<String>,
    /// `None` where nothing can be renewed.
    refresh: Option<String>,
    seed: String,
    generation: i64,
    ends: Option<Timestamp>,
    refused: Option<String>,
}

impl Held {
    fn dispatch(&self, account: &str, due_at: Timestamp) -> NewDispatch {
        let seed = self.seed.get(..16).unwrap_or(&self.seed);
        NewDispatch {
            id: format!("{account}/token/{seed}/{}", self.generation),
            kind: TOKEN,
            subject: account.to_owned(),
            destination: account.to_owned(),
            payload: Some(self.generation.to_string()),
            due_at,
        }
    }
}

impl Desk {
    /// What is at hand for an account of Douyin: what was renewed, or else what it was given.
    async fn held(&self, conn: &mut Conn, account: &Account, douyin: &Douyin) -> Result<Held> {
        // Where any of these is another, what was renewed is somebody else's.
        let given = [
            douyin.app.client_key(),
            &douyin.api_base,
            douyin.access_token.as_deref().unwrap_or_default(),
            douyin.refresh_token.as_deref().unwrap_or_default(),
        ];
        let mut held = Held {
            access: douyin.access_token.clone(),
            refresh: douyin.refresh_token.clone(),
            seed: hash(&given.join("\n")),
            generation: 0,
            ends: None,
            refused: None,
        };
        let Some(row) = tokens::get(conn, &account.id, &held.seed).await? else { return Ok(held) };
        let opened = self.0.accounts.keyring().open(&tokens::place(&account.id), &row.tokens);
        let pair = opened.ok().and_then(|json| serde_json::from_slice::<Pair>(&json).ok());
        match pair {
            Some(pair) => (held.access, held.refresh) = (pair.access, Some(pair.refresh)),
            None => {
                tracing::error!(account = account.id, "renewed tokens cannot be read: those given are used")
            }
        }
        (held.generation, held.ends, held.refused) = (row.generation, Some(row.expires_at), row.refused);
        Ok(held)
    }

    /// A token to send with, or what to do without one.
    pub(super) async fn token_to_send(
        &self,
        account: &Account,
        douyin: &Douyin,
    ) -> Result<std::result::Result<(String, Held), Sent>> {
        let held = self.held(&mut self.db().read().await?, account, douyin).await?;
        let over = held.ends.is_some_and(|ends| ends <= self.clock().now());
        match &held.access {
            Some(access) if !over => Ok(Ok((access.clone(), held))),
            None if held.refresh.is_none() => {
                Ok(Err(Sent::Never("the account has no accessToken to send with".to_owned())))
            }
            _ => self.token_ended(account, &held).await.map(Err),
        }
    }

    /// Douyin takes a token no longer: sees to it that it is renewed, and what that means for a message.
    pub(super) async fn token_ended(&self, account: &Account, held: &Held) -> Result<Sent> {
        if held.refresh.is_none() {
            let reason =
                "Douyin's access token ended and there is no refreshToken: the account needs a new one";
            return Ok(Sent::Never(reason.to_owned()));
        }
        if let Some(refused) = &held.refused {
            return Ok(Sent::Never(format!("Douyin's access token ended and is not renewed: {refused}")));
        }
        let now = self.clock().now();
        let renewal = held.dispatch(&account.id, now);
        let id = renewal.id.clone();
        let mut tx = self.db().begin().await?;
        let ahead = tokens::end(&mut tx, &account.id, held.generation, now).await?;
        dispatch::enqueue(&mut tx, now, &[renewal]).await?;
        if ahead {
            dispatch::store::expedite(&mut tx, now, TOKEN, &[id]).await?;
        }
        tx.commit().await?;
        Ok(Sent::again("Douyin's access token ended: it is being renewed", false))
    }

    /// Sees to it that an account's tokens will be renewed, whatever became of earlier plans.
    pub(super) async fn plan_renewal(&self, account: &Account, douyin: &Douyin) -> Result<()> {
        let held = self.held(&mut self.db().read().await?, account, douyin).await?;
        if held.refresh.is_none() || held.refused.is_some() || held.ends.is_some() {
            // With each renewal the next is scheduled.
            return Ok(());
        }
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        dispatch::enqueue(&mut tx, now, &[held.dispatch(&account.id, now)]).await?;
        tx.commit().await
    }
}

/// The handler of [`TOKEN`].
pub struct Renew {
    /// The desk.
    pub desk: Desk,
}

impl Single for Renew {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { self.renew(dispatch).await.unwrap_or_else(work::again) })
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        dispatch: &'a Dispatch,
        end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Settled::Dead(reason) = end else { return Ok(()) };
            tracing::error!(account = dispatch.subject, reason, "Douyin's tokens are not renewed");
            tokens::refuse(tx, &dispatch.subject, reason).await?;
            health::set(tx, &dispatch.subject, Some(reason), None, now).await
        })
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }
}

/// What a refusal of Douyin means.
fn stopped(failure: Failure) -> Stop {
    match failure {
        Failure::Refused { .. } => Stop::Refused(failure.to_string()),
        Failure::Later(reason) => Stop::Later(reason),
    }
}

/// Why there are no new tokens.
enum Stop {
    /// For good.
    Refused(String),
    Later(String),
}

impl Renew {
    async fn renew(&self, dispatch: &Dispatch) -> Result<Outcome> {
        let desk = &self.desk;
        let account = desk.account(&dispatch.subject).await?;
        let now = desk.clock().now();
        let Some(Adapter::Douyin(douyin)) = account.as_ref().map(|account| &account.adapter) else {
            let reason = "the account is not in use".to_owned();
            let gone = now.since(dispatch.due_at) > GONE;
            return Ok(if gone {
                Outcome::Dead(reason)
            } else {
                Outcome::Snooze { until: now + IDLE, reason }
            });
        };
        let Some(account) = &account else { return Ok(Outcome::Dead("the account is gone".to_owned())) };
        let held = desk.held(&mut desk.db().read().await?, account, douyin).await?;
        if held.dispatch(&account.id, now).id != dispatch.id {
            return Ok(Outcome::Done("there are newer tokens".to_owned()));
        }
        let Some(refresh) = held.refresh.clone() else {
            return Ok(Outcome::Done("there is no refreshToken".to_owned()));
        };
        match self.ask(douyin, refresh.clone()).await {
            Ok((pair, life, warning)) => self.keep(account, &held, &pair, life, warning).await,
            Err(Stop::Later(reason)) => {
                let mut tx = desk.db().begin().await?;
                health::set(&mut tx, &account.id, Some(&reason), None, now).await?;
                tx.commit().await?;
                Ok(work::again(reason))
            }
            Err(Stop::Refused(reason)) => {
                let pair = Pair { access: held.access.clone(), refresh };
                // One whose end nobody knows is used until Douyin takes it no longer.
                let ends = held.ends.unwrap_or(now + LONGEST);
                let end = (held.generation, ends, Some(reason.clone()));
                let Some(row) = self.row(account, &held, &pair, end) else { return Ok(unsealed()) };
                let mut tx = desk.db().begin().await?;
                tokens::put(&mut tx, &account.id, &row, now).await?;
                tx.commit().await?;
                Ok(Outcome::Dead(reason))
            }
        }
    }

    /// New tokens, how long the access token is good, and what an operator should know.
    async fn ask(
        &self,
        douyin: &Douyin,
        refresh: String,
    ) -> std::result::Result<(Pair, Duration, Option<String>), Stop> {
        let answer = self.post(douyin, oauth::REFRESH, &douyin.app.refresh_form(&refresh)).await?;
        let renewed = parse_refreshed(&answer).map_err(stopped)?;
        let mut pair = Pair { access: Some(renewed.access_token), refresh };
        let mut warning = None;
        // Where the next renewal would come too late for the refresh token, it is exchanged now.
        if renewed.refresh_expires_in.is_some_and(|left| left <= renewed.expires_in) {
            let answer = self.post(douyin, oauth::RENEW, &douyin.app.renew_form(&pair.refresh)).await?;
            match parse_renewed(&answer) {
                Ok((token, _)) => pair.refresh = token,
                Err(Failure::Refused { code, words }) => {
                    warning = Some(format!(
                        "Douyin will not renew the authorisation any more ({code}: {words}): authorise the app anew \
                         and give the account its new refreshToken"
                    ));
                }
                Err(Failure::Later(reason)) => return Err(Stop::Later(reason)),
            }
        }
        Ok((pair, renewed.expires_in, warning))
    }

    async fn post(
        &self,
        douyin: &Douyin,
        path: &str,
        form: &[(&str, &str)],
    ) -> std::result::Result<Vec<u8>, Stop> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(format!("{}{path}", douyin.api_base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into_bytes());
        let request = request.map_err(|error| Stop::Refused(format!("no request can be made: {error}")))?;
        let answer = self.desk.0.channels.api.send(request).await.map_err(|error| match error {
            WebError::Refused(reason) | WebError::Failed { reason, .. } => Stop::Later(reason),
        })?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(Stop::Later(format!("Douyin answers with status {}", answer.status().as_u16())))
    }

    /// Stores renewed tokens and schedules the next renewal.
    async fn keep(
        &self,
        account: &Account,
        held: &Held,
        pair: &Pair,
        life: Duration,
        warning: Option<String>,
    ) -> Result<Outcome> {
        let now = self.desk.clock().now();
        let generation = held.generation.saturating_add(1);
        let Some(row) = self.row(account, held, pair, (generation, now + life, None)) else {
            return Ok(unsealed());
        };
        let next = Held { generation, ..held.clone() };
        let next = next.dispatch(&account.id, now + life.saturating_sub(life / EARLY));
        let mut tx = self.desk.db().begin().await?;
        if tokens::put(&mut tx, &account.id, &row, now).await? {
            dispatch::enqueue(&mut tx, now, &[next]).await?;
            health::set(&mut tx, &account.id, warning.as_deref(), None, now).await?;
        }
        tx.commit().await?;
        Ok(Outcome::Done(format!("good for {} s", life.as_secs())))
    }

    /// The row of these tokens; `None` if they cannot be sealed.
    fn row(
        &self,
        account: &Account,
        held: &Held,
        pair: &Pair,
        (generation, expires_at, refused): (i64, Timestamp, Option<String>),
    ) -> Option<TokenRow> {
        let json = serde_json::to_vec(pair).ok()?;
        let sealed = self.desk.0.accounts.keyring().seal(&tokens::place(&account.id), &json).ok()?;
        Some(TokenRow { seed: held.seed.clone(), generation, tokens: sealed, expires_at, refused })
    }
}

fn unsealed() -> Outcome {
    work::again("tokens cannot be sealed: there is no randomness")
}
