//! Hooks: how a service that its owner trusts reports events without the owner's login.
//!
//! Requests are signed as the Standard Webhooks specification has it ([`kernel::webhook`]), so that its libraries can
//! send them. What is five minutes off is refused, and so is an id that came before.

use std::time::Duration;

use accounts::Caller;
use kernel::{
    Problem, ProblemKind, Timestamp,
    webhook::{self, Message},
};

use super::{Happening, Reported, judge_events, settle};
use crate::{
    Letters,
    store::{self, HookRow},
};

/// So many hooks may one account have.
const MOST: i64 = 20;
/// How far a request's time may be off.
const WINDOW: Duration = Duration::from_secs(300);
/// So long may a message's id be.
const MAX_ID: usize = 128;

/// A hook that was made, and its secret, which is shown once.
pub(crate) struct NewHook {
    pub(crate) hook: HookRow,
    /// `whsec_…`
    pub(crate) secret: String,
}

/// What a request's headers say, and its raw body.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    /// Of the message: new for each.
    pub(crate) id: &'a str,
    /// Seconds since 1970, as written.
    pub(crate) timestamp: &'a str,
    /// One or more, with a space between.
    pub(crate) signature: &'a str,
    pub(crate) body: &'a [u8],
}

impl Signed<'_> {
    /// Whether it was signed with this key.
    fn is_by(&self, key: &[u8]) -> bool {
        let Self { id, timestamp, body, .. } = *self;
        Message { id, timestamp, body }.is_signed(key, self.signature)
    }

    /// When it was signed, if that is near enough to now.
    fn time(&self, now: Timestamp) -> Option<Timestamp> {
        let time = Timestamp::from_seconds(self.timestamp.parse().ok()?);
        (time.since(now) <= WINDOW && now.since(time) <= WINDOW).then_some(time)
    }

    /// No full stop, which separates it from what follows.
    fn has_id(&self) -> bool {
        (1..=MAX_ID).contains(&self.id.len())
            && self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    }
}

/// Where a hook's secret lies.
pub(crate) fn place(hook: &str) -> String {
    format!("trigger_hooks:{hook}:secret")
}

fn refused(message: &str) -> Problem {
    Problem::unauthorized(message)
}

impl Letters {
    /// Makes a hook.
    pub(crate) async fn create_hook(&self, caller: &Caller, name: String) -> Result<NewHook, Problem> {
        let failed = |what: &'static str| {
            tracing::error!(what, "a hook's secret cannot be made");
            Problem::internal()
        };
        let now = self.clock().now();
        let id = kernel::id::new("hook", now);
        let secret = kernel::id::random::<32>().map_err(|_| failed("no randomness"))?;
        let sealed = self.0.accounts.keyring().seal(&place(&id), &secret).map_err(|_| failed("no key"))?;
        let owner_id = caller.id().to_owned();
        let hook = HookRow { id, owner_id, name, secret: sealed, created_at: now, used_at: None };
        let mut tx = self.db().begin().await?;
        if !store::insert_hook(&mut tx, &hook, MOST).await? {
            return Err(Problem::rule("name", format!("an account can have at most {MOST} hooks")));
        }
        tx.commit().await?;
        Ok(NewHook { hook, secret: webhook::written(&secret) })
    }

    /// The hook whose request this is.
    pub(crate) async fn authenticate_hook(&self, id: &str, request: &Signed<'_>) -> Result<HookRow, Problem> {
        let mut conn = self.db().read().await?;
        let hook = store::hook(&mut conn, id).await?.ok_or_else(|| Problem::not_found("hook"))?;
        drop(conn);
        let key = self.0.accounts.keyring().open(&place(&hook.id), &hook.secret).map_err(|error| {
            tracing::error!(%error, hook = hook.id, "a hook's secret cannot be opened");
            Problem::internal()
        })?;
        if !request.is_by(&key) {
            return Err(refused("webhook-signature is not this hook's signature of the request"));
        }
        if !request.has_id() {
            return Err(refused("webhook-id must be 1 to 128 letters, digits, hyphens and underscores"));
        }
        if request.time(self.clock().now()).is_none() {
            return Err(refused("webhook-timestamp must be the time in seconds, at most 5 minutes off"));
        }
        // After the signature: whoever only knows the address cannot use up what its sender may send.
        self.0.hook_events.check(&hook.id)?;
        Ok(hook)
    }

    /// Fires the letters of a hook's owner that wait for this event. Its message's id is used up in the same
    /// transaction: if that fails, the message may come again.
    pub(crate) async fn report_by_hook(
        &self,
        hook: &HookRow,
        message: &str,
        event: &Happening,
    ) -> Result<Reported, Problem> {
        let judged = judge_events(&mut self.db().read().await?, &hook.owner_id, event, false).await?;
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        if !store::use_hook(&mut tx, &hook.id, now).await? {
            return Err(Problem::not_found("hook"));
        }
        // Its time was at most a window ahead, and is refused a window after itself.
        if !store::take_nonce(&mut tx, &hook.id, message, now + 2 * WINDOW, now).await? {
            return Err(Problem::new(ProblemKind::Conflict, "a message with this webhook-id came before"));
        }
        let mut reported = Reported::default();
        settle(&mut tx, &hook.owner_id, judged, now, &mut reported).await?;
        tx.commit().await?;
        Ok(reported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_either_way() {
        let signed = |timestamp| Signed { id: "m", timestamp, signature: "", body: b"" };
        let now = Timestamp::from_seconds(1_614_265_330);
        for (text, good) in [
            ("1614265330", true),
            ("1614265030", true),
            ("1614265630", true),
            ("1614265029", false),
            ("1614265631", false),
            ("-9223372036854775808", false),
            ("9223372036854775807", false),
            ("1e9", false),
            ("", false),
        ] {
            assert_eq!(signed(text).time(now).is_some(), good, "{text}");
        }
    }
}
