//! Google rings: a push is checked, kept as a hint, and the mailbox that it names is read soon. What it says of the
//! mailbox's history is not used.

use axum::http::HeaderMap;
use google::{Hint, Pushes, Refused};
use kernel::{Problem, ProblemKind};

use crate::{Gmail, store};

/// What came of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// A mailbox is read because of it, now or by an earlier one of its kind.
    Received,
    /// It says nothing that anything could be done about.
    Ignored,
}

/// Counts pushes by what came of them.
fn count(outcome: &'static str) {
    metrics::counter!("hongyan_gmail_pushes_total", "outcome" => outcome).increment(1);
}

fn unavailable(message: &str) -> Problem {
    Problem::new(ProblemKind::Unavailable, message)
}

impl Gmail {
    /// Checks who pushes, before anything of the body is read.
    ///
    /// # Errors
    /// 401, 403: not Google's, or not for us; 503: it could not be checked, or none are taken here.
    pub(crate) async fn expect_push(&self, headers: &HeaderMap) -> Result<&Pushes, Problem> {
        let Some(pushes) = &self.0.pushes else {
            return Err(unavailable("pushes are not set up here"));
        };
        let Err(refused) = pushes.authenticate(headers).await else { return Ok(pushes) };
        tracing::warn!(reason = %refused, "a push is refused");
        count("refused");
        Err(match refused {
            Refused::Unauthenticated(reason) => Problem::unauthorized(reason),
            Refused::Forbidden(reason) => Problem::forbidden(reason),
            Refused::Unavailable(_) | Refused::Undecodable(_) => {
                unavailable("the push cannot be checked now")
            }
        })
    }

    /// Takes a push that was expected. Whatever will not be better when it is repeated is no error.
    ///
    /// # Errors
    /// 503: it could not be kept.
    pub(crate) async fn take_push(
        &self,
        pushes: &Pushes,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Rung, Problem> {
        let hint = match pushes.read(headers, body) {
            Ok(hint) => hint,
            Err(reason) => {
                tracing::warn!(%reason, "a push is not understood");
                count("undecodable");
                return Ok(Rung::Ignored);
            }
        };
        self.keep_hint(&hint).await.map_err(|error| {
            tracing::error!(%error, "a push cannot be kept");
            count("failed");
            unavailable("the push cannot be kept now")
        })
    }

    async fn keep_hint(&self, hint: &Hint) -> db::Result<Rung> {
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let Some((key, active)) = store::rung(&mut tx, &hint.address).await? else {
            count("unknown");
            return Ok(Rung::Ignored);
        };
        // Without an id of its own, a push is known by what it says.
        let unnamed = || format!("{}:{}", hint.address, hint.history_id.unwrap_or_default());
        let id = hint.message_id.clone().unwrap_or_else(unnamed);
        let subscription = hint.subscription.as_deref().unwrap_or_default();
        if !store::keep_hint(&mut tx, (subscription, &id), &key, now).await? {
            count("repeated");
            return Ok(Rung::Received);
        }
        // One that must be connected again is read after that.
        if active {
            self.want(&mut tx, &key, Some(now)).await?;
        }
        tx.commit().await?;
        count("received");
        Ok(Rung::Received)
    }
}
