//! The queue of mails to look at: a few at a time, the first in it first.
//!
//! Of a mail that history or a listing names, first only the head is fetched: most of a mailbox is none of outreach's.
//! What a search found for a conversation is fetched whole at once. A thread that stands in a conversation for the first time
//! is listed, so that it does not matter in which order its mails are read. Fetching is done side by side, storing one after the
//! other, for whether a mail belongs to a conversation may hang on the one before it.

use std::time::Duration;

use futures_util::future::join_all;
use google::{Error, Format, Mailbox, Message, Raw};
use tokio::sync::SemaphorePermit;

use super::{TRIES, is_hidden, run::Stop};
use crate::{
    Gmail,
    store::{
        self, CredentialRow,
        fetches::{self, FetchRow, Rank},
    },
};

/// So many are fetched side by side.
const ABREAST: i64 = 3;
/// A mail of so many octets is large.
const LARGE: u64 = 6 * 1024 * 1024;
/// So many whole mails are in the process's memory at a time, or one large one.
pub(crate) const BODIES: usize = 4;
/// How long a mail waits that failed by itself, the first time; then [`SLOWER`] times as long each time: its five tries take
/// an hour in all.
const AGAIN: Duration = Duration::from_secs(90);
const SLOWER: u32 = 3;

/// What of a mail's head says whether it belongs to a conversation.
const HEAD: [&str; 14] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Message-ID",
    "X-Google-Original-Message-ID",
    "Content-Type",
    "Return-Path",
    "Auto-Submitted",
    "X-Failed-Recipients",
    mail::OWN_MARK,
];

/// Whether a mail is large, or may be.
fn is_large(message: &Message) -> bool {
    message.size.is_none_or(|size| size > LARGE)
}

/// Why nothing came of a mail.
pub(super) enum Trouble {
    /// Nothing comes of any other either.
    Stop(Stop),
    /// Google answered so, of this mail or of all: see [`Gmail::settle`].
    Unclear(Error),
    /// It cannot be read.
    Own(String),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<db::DbError> for Trouble {
    fn from(error: db::DbError) -> Self {
        if error.is_transient() { Self::Stop(Stop::Store(error)) } else { Self::Own(error.to_string()) }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Retry { limited: true, .. } | Error::DailyLimit { .. } | Error::Reauthorize { .. } => {
                Self::Stop(Stop::Google(error))
            }
            error => Self::Unclear(error),
        }
    }
}

/// What was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    Nothing,
    /// What was written before.
    Past,
    News,
}

/// How a mail is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    HeadFirst,
    Whole,
    WholeAlone,
    Thread,
}

impl Gmail {
    /// Looks at the next few mails. New ones come before the listing of the past, and that before its mails.
    pub(super) async fn look_at_some(&self, key: &str) -> Result<Looked, Stop> {
        let row = self.fresh(key).await?;
        let mut conn = self.db().read().await?;
        let next = fetches::next(&mut conn, key, (TRIES, ABREAST), self.now()).await?;
        let ids: Vec<String> = next.iter().map(|fetch| fetch.gmail_id.clone()).collect();
        let kept = store::kept(&mut conn, key, &ids).await?;
        drop(conn);
        let way = |fetch: &FetchRow| match fetch.rank {
            _ if fetch.thread().is_some() => Way::Thread,
            Rank::Past if kept.iter().any(|kept| kept.gmail_id == fetch.gmail_id) => Way::HeadFirst,
            Rank::Past if fetch.large => Way::WholeAlone,
            Rank::Past => Way::Whole,
            Rank::Live | Rank::Window => Way::HeadFirst,
        };
        if next.first().is_none_or(|fetch| fetch.rank == Rank::Past) && self.list_past(&row).await? {
            return Ok(Looked::Past);
        }
        let Some(head) = next.first() else {
            return Ok(if self.note_pasts(&row).await? { Looked::Past } else { Looked::Nothing });
        };
        let (first, looked) = (way(head), if head.rank == Rank::Past { Looked::Past } else { Looked::News });
        let some = if first == Way::WholeAlone { 1 } else { next.len() };
        let some: Vec<&FetchRow> = next.iter().take(some).take_while(|fetch| way(fetch) == first).collect();
        let mailbox = self.mailbox(&row);
        let ends = match first {
            Way::HeadFirst => self.heads_first(&row, &mailbox, &some).await?,
            Way::Whole | Way::WholeAlone => self.wholes(&row, &mailbox, &some).await?,
            Way::Thread => self.threads(&row, &mailbox, &some).await,
        };
        self.settle(&row, &mailbox, ends).await.map(|()| looked)
    }

    async fn heads_first<'a>(
        &self,
        row: &CredentialRow,
        mailbox: &Mailbox,
        some: &[&'a FetchRow],
    ) -> Result<Vec<(&'a FetchRow, Result<(), Trouble>)>, Stop> {
        let heads =
            join_all(some.iter().map(|fetch| mailbox.message(&fetch.gmail_id, Format::Metadata(&HEAD))));
        let mut ends = Vec::new();
        for (fetch, head) in some.iter().zip(heads.await) {
            let end = match head {
                Err(Error::NotFound) => self.forget(row, &fetch.gmail_id).await.map_err(Trouble::from),
                Err(error) => Err(error.into()),
                Ok(head) => self.judge(row, mailbox, fetch, &head).await,
            };
            ends.push((*fetch, end));
        }
        Ok(ends)
    }

    /// What becomes of a mail by its head.
    async fn judge(
        &self,
        row: &CredentialRow,
        mailbox: &Mailbox,
        fetch: &FetchRow,
        head: &Message,
    ) -> Result<(), Trouble> {
        if !self.belongs(row, fetch, head).await? {
            return Ok(());
        }
        let large = is_large(head);
        mailbox.paced(1).await?;
        let place = self.room(if large { BODIES } else { 1 }).await?;
        let end = match mailbox.raw(&fetch.gmail_id).await {
            Err(Error::NotFound) => Ok(self.forget(row, &fetch.gmail_id).await?),
            Err(error) => Err(error.into()),
            Ok(raw) => self.ingest(row, fetch, raw).await,
        };
        drop(place);
        end
    }

    async fn wholes<'a>(
        &self,
        row: &CredentialRow,
        mailbox: &Mailbox,
        some: &[&'a FetchRow],
    ) -> Result<Vec<(&'a FetchRow, Result<(), Trouble>)>, Stop> {
        // Nobody waits with room in memory for what their own mailbox may be asked.
        mailbox.paced(some.len()).await?;
        // All places at once: whoever held some and waited for others would wait for whoever does the same.
        let large = some.iter().any(|fetch| fetch.large);
        let place = self.room(if large { BODIES } else { some.len() }).await?;
        let wholes: Vec<Result<Raw, Error>> =
            join_all(some.iter().map(|fetch| mailbox.raw(&fetch.gmail_id))).await;
        let mut ends = Vec::new();
        for (fetch, whole) in some.iter().zip(wholes) {
            let end = match whole {
                Err(Error::NotFound) => self.forget(row, &fetch.gmail_id).await.map_err(Trouble::from),
                Err(error) => Err(error.into()),
                Ok(raw) => self.ingest(row, fetch, raw).await,
            };
            ends.push((*fetch, end));
        }
        drop(place);
        Ok(ends)
    }

    async fn threads<'a>(
        &self,
        row: &CredentialRow,
        mailbox: &Mailbox,
        some: &[&'a FetchRow],
    ) -> Vec<(&'a FetchRow, Result<(), Trouble>)> {
        let mut ends = Vec::new();
        for fetch in some {
            ends.push((*fetch, self.list_thread(row, mailbox, fetch).await));
        }
        ends
    }

    /// Queues what of a thread is not kept here.
    async fn list_thread(
        &self,
        row: &CredentialRow,
        mailbox: &Mailbox,
        fetch: &FetchRow,
    ) -> Result<(), Trouble> {
        let thread = fetch.thread().unwrap_or_default();
        let messages = match mailbox.thread(thread, Format::Minimal).await {
            Ok(thread) => thread.messages,
            Err(Error::NotFound) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let shown = messages.into_iter().filter(|m| !is_hidden(&m.labels));
        let (large, small): (Vec<Message>, Vec<Message>) = shown.partition(is_large);
        let mut tx = self.db().begin().await?;
        let row = self.locked(&mut tx, row).await?;
        let at = self.now().micros();
        for (some, large) in [(small, false), (large, true)] {
            let ids: Vec<String> = some.into_iter().map(|message| message.id).collect();
            let new = self.unknown(&mut tx, &row, &ids).await?;
            fetches::queue(&mut tx, &row.key, &new, (Rank::Past, large), |n| at.saturating_add(n)).await?;
        }
        fetches::done(&mut tx, &row.key, std::slice::from_ref(&fetch.gmail_id)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Room in memory for so many mails.
    async fn room(&self, places: usize) -> Result<SemaphorePermit<'_>, Stop> {
        let places = u32::try_from(places.clamp(1, BODIES)).unwrap_or(1);
        let room = self.0.bodies.acquire_many(places).await;
        room.map_err(|_| Stop::Google(Error::retry("the program ends")))
    }

    /// A mail that is not in the mailbox, or not as correspondence, is not here either.
    pub(super) async fn forget(&self, row: &CredentialRow, gmail_id: &str) -> Result<(), Stop> {
        let ids = [gmail_id.to_owned()];
        let mut tx = self.db().begin().await?;
        self.locked(&mut tx, row).await?;
        let kept = store::kept(&mut tx, &row.key, &ids).await?;
        let keys: Vec<String> = kept.into_iter().map(|row| row.key).collect();
        self.remove_messages(&mut tx, &keys).await?;
        fetches::done(&mut tx, &row.key, &ids).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whether a mail is to be fetched whole; what is not, is dealt with.
    async fn belongs(&self, row: &CredentialRow, fetch: &FetchRow, head: &Message) -> Result<bool, Trouble> {
        if is_hidden(&head.labels) {
            self.forget(row, &fetch.gmail_id).await?;
            return Ok(false);
        }
        let ids = [fetch.gmail_id.clone()];
        let mut tx = self.db().begin().await?;
        let row = self.locked(&mut tx, row).await?;
        if let Some(kept) = store::kept(&mut tx, &row.key, &ids).await?.into_iter().next() {
            self.place_kept(&mut tx, &row, &kept, head).await?;
            let labels = serde_json::json!(head.labels).to_string();
            store::label_message(&mut tx, &kept.key, &labels).await?;
        } else if self.may_belong(&mut tx, &row, &fetch.gmail_id, head).await? {
            return Ok(true);
        }
        fetches::done(&mut tx, &row.key, &ids).await?;
        tx.commit().await?;
        Ok(false)
    }

    /// Notes what failed. Where Google's answer leaves open whether a mail or the mailbox is the reason, the others tell,
    /// and if there are none that came through, a call that has to do with no mail.
    async fn settle(
        &self,
        row: &CredentialRow,
        mailbox: &Mailbox,
        ends: Vec<(&FetchRow, Result<(), Trouble>)>,
    ) -> Result<(), Stop> {
        let mut answers = ends.iter().any(|(_, end)| end.is_ok());
        let (mut failed, mut stop) = (Vec::new(), None);
        for (fetch, end) in ends {
            match end {
                Ok(()) => {}
                Err(Trouble::Stop(why)) => stop = Some(why),
                Err(Trouble::Own(reason)) => failed.push((fetch, reason)),
                Err(Trouble::Unclear(error)) => {
                    if !answers {
                        mailbox.profile().await?;
                        answers = true;
                    }
                    failed.push((fetch, error.to_string()));
                }
            }
        }
        if !failed.is_empty() {
            let mut tx = self.db().begin().await?;
            for (fetch, reason) in failed {
                let before = u32::try_from(fetch.tries.clamp(0, TRIES)).unwrap_or(0);
                let now = self.now();
                let times = (now, now + AGAIN * SLOWER.pow(before));
                tracing::warn!(
                    credential = row.key,
                    mail = fetch.gmail_id,
                    reason,
                    "a mail cannot be taken in"
                );
                fetches::failed(&mut tx, &row.key, &fetch.gmail_id, &reason, times).await?;
            }
            tx.commit().await?;
        }
        stop.map_or(Ok(()), Err)
    }
}
