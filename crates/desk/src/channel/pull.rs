//! `desk.pull`: WeCom's messages, page by page.
//!
//! Promises: of one `open_kfid` one puller is at work at a time; a page's messages, its events and the next cursor are one
//! transaction; a callback that comes meanwhile is not lost; an empty page that says that there is more is not the end.

use channels::wecom::{Class, Page, parse_page, sync_msg};
use db::{Result, Tx};
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Settled, Single};
use kernel::Timestamp;

use super::{
    account::Account,
    wecom::{Body, CallError},
};
use crate::{
    Desk,
    store::{self, callbacks::NewCallback, pulls},
    work,
};

/// Pulls what there is for one `open_kfid`, which is the payload; the subject is the account.
pub const PULL: &str = "desk.pull";

/// So many empty pages in a row without a new cursor are no answer any more.
const STUCK: u32 = 3;

/// Notes that there is something to be pulled, and sees to it that somebody does.
pub(crate) async fn want(
    tx: &mut Tx,
    (account, kf): (&str, &str),
    token: Option<(&str, Timestamp)>,
    now: Timestamp,
) -> Result<()> {
    let (count, idle) = pulls::want(tx, (account, kf), token, now).await?;
    if !idle {
        return Ok(());
    }
    let pull = NewDispatch {
        id: format!("{account}/pull/{kf}/{count}"),
        kind: PULL,
        subject: account.to_owned(),
        destination: format!("{account}/{kf}"),
        payload: Some(kf.to_owned()),
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[pull]).await.map(drop)
}

/// The handler of [`PULL`].
pub struct Pull {
    /// The desk.
    pub desk: Desk,
}

/// Why a pull does not go on.
enum Stop {
    Call(CallError),
    Store(db::DbError),
    /// For the record.
    Odd(&'static str),
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<db::DbError> for Stop {
    fn from(error: db::DbError) -> Self {
        Self::Store(error)
    }
}

impl Single for Pull {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let kf = dispatch.payload.as_deref().unwrap_or_default();
            let account = match self.desk.account(&dispatch.subject).await {
                Ok(Some(account)) => account,
                Ok(None) => return Outcome::Dead("the account is not in use".to_owned()),
                Err(error) => return work::again(error),
            };
            match self.drain(&account, kf).await {
                Ok(messages) => Outcome::Done(format!("{messages} new messages")),
                Err(Stop::Call(CallError::Limited(until))) => {
                    Outcome::Snooze { until, reason: "the limit of calls is reached".to_owned() }
                }
                Err(Stop::Call(CallError::Api(error))) if error.class == Class::Final => {
                    Outcome::Dead(error.to_string())
                }
                Err(Stop::Call(error)) => work::again(error),
                Err(Stop::Store(error)) => work::again(error),
                Err(Stop::Odd(reason)) => work::again(reason),
            }
        })
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        dispatch: &'a Dispatch,
        end: &'a Settled,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Settled::Dead(reason) = end else { return Ok(()) };
            tracing::error!(account = dispatch.subject, reason, "messages cannot be pulled");
            let kf = dispatch.payload.as_deref().unwrap_or_default();
            pulls::give_up(tx, (&dispatch.subject, kf)).await
        })
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }
}

impl Pull {
    /// Pulls until nothing is left and nobody wants more; how many messages were new.
    async fn drain(&self, account: &Account, kf: &str) -> std::result::Result<usize, Stop> {
        let desk = &self.desk;
        let place = (account.id.as_str(), kf);
        let mut new = 0;
        loop {
            let wanted = pulls::wanted(&mut desk.db().read().await?, place, desk.clock().now()).await?;
            let Some(wanted) = wanted else { return Ok(new) };
            new += self.pages(account, kf, wanted.token).await?;
            let mut tx = desk.db().begin().await?;
            let rested = pulls::rest(&mut tx, place, wanted.count).await?;
            tx.commit().await?;
            if rested {
                return Ok(new);
            }
        }
    }

    async fn pages(
        &self,
        account: &Account,
        kf: &str,
        mut token: Option<String>,
    ) -> std::result::Result<usize, Stop> {
        let place = (account.id.as_str(), kf);
        let (mut new, mut stuck) = (0, 0);
        loop {
            let cursor = pulls::cursor(&mut self.desk.db().read().await?, place).await?;
            let page = match self.page(account, kf, &cursor, token.as_deref()).await {
                Err(CallError::Api(error)) if error.class == Class::CallbackToken && token.is_some() => {
                    let mut tx = self.desk.db().begin().await?;
                    pulls::drop_token(&mut tx, place, &token.take().unwrap_or_default()).await?;
                    tx.commit().await?;
                    continue;
                }
                page => page?,
            };
            let moved = page.next_cursor != cursor && !page.next_cursor.is_empty();
            stuck = if moved { 0 } else { stuck + 1 };
            if stuck > STUCK {
                return Err(Stop::Odd("WeCom answers the same page again and again"));
            }
            new += self.store(account, kf, &cursor, &page).await?;
            if !page.has_more {
                return Ok(new);
            }
        }
    }

    async fn page(
        &self,
        account: &Account,
        kf: &str,
        cursor: &str,
        token: Option<&str>,
    ) -> std::result::Result<Page, CallError> {
        let unfit = |reason: String| CallError::Failed { reason, in_doubt: false };
        let wecom = account.wecom().ok_or_else(|| unfit("the account is not WeCom's".to_owned()))?;
        let body = sync_msg(kf, cursor, token.unwrap_or_default()).map_err(|e| unfit(e.to_string()))?;
        let (web, clock) = (&self.desk.0.channels.api, self.desk.clock());
        let answer = wecom.call(web, clock, "kf/sync_msg", Body::Json(&body)).await?;
        Ok(parse_page(answer.body(), clock.now())?)
    }

    /// Stores a page with its cursor. If somebody else stored it first, nothing is done: the next page is read from where
    /// they got to.
    async fn store(
        &self,
        account: &Account,
        kf: &str,
        cursor: &str,
        page: &Page,
    ) -> std::result::Result<usize, Stop> {
        let now = self.desk.clock().now();
        let place = (account.id.as_str(), kf);
        let mut tx = self.desk.db().begin().await?;
        let moved = page.next_cursor != cursor && !page.next_cursor.is_empty();
        if moved && !pulls::advance(&mut tx, place, (cursor, &page.next_cursor), now).await? {
            return Ok(0);
        }
        for item in &page.unreadable {
            let request = item.raw.to_string();
            tracing::warn!(account = account.id, reason = item.reason, "an item of a page cannot be read");
            let once = format!("item/{}", super::intake::hash(&request));
            let error = Some(item.reason);
            let new = NewCallback { account_id: &account.id, once_key: &once, request: &request, error };
            store::callbacks::keep(&mut tx, &new, now).await?;
        }
        let received = self.desk.receive(&mut tx, &account.source(), &page.messages, now).await?;
        tx.commit().await?;
        Ok(received.new)
    }
}
