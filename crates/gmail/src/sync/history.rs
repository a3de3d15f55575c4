//! What changed in a mailbox since it was read last, and what is listed where history does not say.

use std::{collections::BTreeMap, time::Duration};

use db::Tx;
use google::{Change, Error, HistoryPage, HistoryQuery, HistoryRecord, Mailbox, Query, Touched};
use kernel::{Timestamp, time::days};

use super::{SEARCH_LAG, is_hidden, run::Stop};
use crate::{
    Gmail,
    store::{
        self, CredentialRow, LabelsRow,
        fetches::{self, Rank},
        syncs,
    },
};

const CHANGES: [Change; 4] =
    [Change::MessageAdded, Change::MessageDeleted, Change::LabelAdded, Change::LabelRemoved];

/// Google's times and ours may differ, and mails may be dated back: so much is listed twice.
const OVERLAP: Duration = days(1);

/// Gmail's history ids are whole numbers that a column holds.
fn column(history_id: u64) -> Result<i64, Error> {
    i64::try_from(history_id).map_err(|_| Error::retry("Gmail's history has a place that is none"))
}

/// What a page says of one message.
#[derive(Default)]
struct Said {
    /// The labels that it has, if it is kept here.
    labels: Option<Vec<String>>,
    changed: bool,
    deleted: bool,
    /// Where it is to be looked at.
    wanted: Option<(Rank, bool)>,
}

impl Gmail {
    /// Reads what changed, and queues what is to be looked at. The place is stored after the last page.
    pub(super) async fn read_changes(&self, key: &str) -> Result<(), Stop> {
        let row = self.fresh(key).await?;
        let (mailbox, started) = (self.mailbox(&row), self.now());
        let Some(place) = row.history_id else {
            let profile = mailbox.profile().await?;
            let mut tx = self.db().begin().await?;
            store::anchor(&mut tx, key, column(profile.history_id)?, started).await?;
            tx.commit().await?;
            return Ok(());
        };
        if self.walk(&row, &mailbox, place, started).await? {
            let since = syncs::to_relist(&mut self.db().read().await?, key, started).await?;
            if let Some(since) = since {
                self.list_since(&row, &mailbox, since, started).await?;
                let mut tx = self.db().begin().await?;
                syncs::relisted(&mut tx, key).await?;
                tx.commit().await?;
            }
            return Ok(());
        }
        tracing::info!(credential = key, "history does not reach back: the mailbox is listed");
        self.list_window(&row, &mailbox, place, started).await
    }

    /// Walks history by pages; false if it does not tell all.
    async fn walk(
        &self,
        row: &CredentialRow,
        mailbox: &Mailbox,
        place: i64,
        started: Timestamp,
    ) -> Result<bool, Stop> {
        let start = u64::try_from(place).unwrap_or(0);
        let mut page: Option<String> = None;
        loop {
            let query = HistoryQuery { start, changes: &CHANGES, page: page.as_deref() };
            let read = match mailbox.history(&query).await {
                Err(Error::HistoryGone) => return Ok(false),
                read => read?,
            };
            if read.unreadable > 0 {
                tracing::warn!(credential = row.key, changes = read.unreadable, "history is not understood");
                return Ok(false);
            }
            let mut tx = self.db().begin().await?;
            self.apply(&mut tx, row, &read).await?;
            if read.next.is_none() {
                let to = column(read.history_id)?;
                store::advance(&mut tx, &row.key, (place, to.max(place)), started, self.now()).await?;
                tx.commit().await?;
                return Ok(true);
            }
            tx.commit().await?;
            page = read.next;
        }
    }

    async fn apply(&self, tx: &mut Tx, row: &CredentialRow, page: &HistoryPage) -> Result<(), Stop> {
        let ids = touched(&page.records);
        if ids.is_empty() {
            return Ok(());
        }
        self.locked(tx, row).await?;
        let kept = store::kept(tx, &row.key, &ids).await?;
        let mut said: BTreeMap<&str, Said> = BTreeMap::new();
        for row in &kept {
            let labels = serde_json::from_str(&row.labels).unwrap_or_default();
            said.insert(&row.gmail_id, Said { labels: Some(labels), ..Said::default() });
        }
        for record in &page.records {
            read_record(&mut said, record);
        }
        self.keep_up(tx, row, &kept, &said).await?;
        let now = self.now().micros();
        let order = |wanted: (Rank, bool)| {
            let mut all: Vec<String> = Vec::new();
            for id in &ids {
                if said.get(id.as_str()).is_some_and(|said| said.wanted == Some(wanted) && !said.deleted) {
                    all.push(id.clone());
                }
            }
            all
        };
        for wanted in [(Rank::Live, false), (Rank::Past, true)] {
            fetches::queue(tx, &row.key, &order(wanted), wanted, |n| now.saturating_add(n)).await?;
        }
        let deleted: Vec<String> =
            said.iter().filter(|(_, said)| said.deleted).map(|(id, _)| (*id).to_owned()).collect();
        fetches::done(tx, &row.key, &deleted).await?;
        Ok(())
    }

    /// Removes what is kept here and is gone there, and notes labels.
    async fn keep_up(
        &self,
        tx: &mut Tx,
        row: &CredentialRow,
        kept: &[LabelsRow],
        said: &BTreeMap<&str, Said>,
    ) -> Result<(), Stop> {
        let mut gone = Vec::new();
        for message in kept {
            let Some(said) = said.get(message.gmail_id.as_str()) else { continue };
            let labels = said.labels.clone().unwrap_or_default();
            if said.deleted || is_hidden(&labels) {
                gone.push(message.key.clone());
            } else if said.changed {
                let labels = serde_json::json!(labels).to_string();
                store::label_message(tx, &message.key, &labels).await?;
            }
        }
        if !gone.is_empty() {
            tracing::debug!(credential = row.key, messages = gone.len(), "messages are gone from Gmail");
            self.remove_messages(tx, &gone).await?;
        }
        Ok(())
    }

    /// Lists what came since nothing was missing, from a place that is noted first, so that nothing falls in between.
    async fn list_window(
        &self,
        row: &CredentialRow,
        mailbox: &Mailbox,
        place: i64,
        started: Timestamp,
    ) -> Result<(), Stop> {
        let to = column(mailbox.profile().await?.history_id)?;
        let since = row.good_until.unwrap_or(row.created_at).minus(OVERLAP);
        self.list_since(row, mailbox, since, started).await?;
        let mut tx = self.db().begin().await?;
        fetches::queue_known(&mut tx, &row.key, since, started).await?;
        store::advance(&mut tx, &row.key, (place, to), started, self.now()).await?;
        syncs::relist(&mut tx, &row.key, since, self.now() + SEARCH_LAG).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Queues what came since a time and is not kept here.
    async fn list_since(
        &self,
        row: &CredentialRow,
        mailbox: &Mailbox,
        since: Timestamp,
        started: Timestamp,
    ) -> Result<(), Stop> {
        let q = format!("after:{}", since.seconds());
        let (mut page, mut listed) = (None::<String>, 0i64);
        loop {
            let query = Query { q: Some(&q), page: page.as_deref(), ..Query::default() };
            let read = mailbox.messages(&query).await?;
            let ids: Vec<String> = read.messages.into_iter().map(|message| message.id).collect();
            let mut tx = self.db().begin().await?;
            let new = self.unknown(&mut tx, row, &ids).await?;
            // Newest first is how Gmail lists; oldest first is how mails follow each other.
            let at = started.micros().saturating_sub(listed);
            fetches::queue(&mut tx, &row.key, &new, (Rank::Window, false), |n| at.saturating_sub(n)).await?;
            listed = listed.saturating_add(i64::try_from(ids.len()).unwrap_or(0));
            tx.commit().await?;
            if read.next.is_none() {
                return Ok(());
            }
            page = read.next;
        }
    }

    /// Those that are not kept here.
    pub(super) async fn unknown(
        &self,
        tx: &mut Tx,
        row: &CredentialRow,
        ids: &[String],
    ) -> Result<Vec<String>, Stop> {
        let kept = store::kept(tx, &row.key, ids).await?;
        let known: std::collections::HashSet<&str> = kept.iter().map(|row| row.gmail_id.as_str()).collect();
        Ok(ids.iter().filter(|id| !known.contains(id.as_str())).cloned().collect())
    }
}

/// The messages that a page speaks of, each once, in order.
fn touched(records: &[HistoryRecord]) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let all = records
        .iter()
        .flat_map(|r| r.added.iter().chain(&r.deleted).chain(&r.labels_added).chain(&r.labels_removed));
    all.map(|touched| &touched.message.message.id).filter(|id| seen.insert(*id)).cloned().collect()
}

fn read_record<'a>(said: &mut BTreeMap<&'a str, Said>, record: &'a HistoryRecord) {
    fn of<'a, 'm>(said: &'m mut BTreeMap<&'a str, Said>, touched: &'a Touched) -> &'m mut Said {
        said.entry(&touched.message.message.id).or_default()
    }
    for touched in &record.added {
        let one = of(said, touched);
        if one.labels.is_none() && !is_hidden(&touched.message.labels) {
            one.wanted = Some((Rank::Live, false));
        }
    }
    for touched in &record.labels_added {
        let one = of(said, touched);
        match &mut one.labels {
            Some(labels) => {
                labels.retain(|label| !touched.labels.contains(label));
                labels.extend(touched.labels.iter().cloned());
                one.changed = true;
            }
            None if is_hidden(&touched.labels) => one.wanted = None,
            // A draft that was sent.
            None if touched.labels.iter().any(|l| l == "SENT") && !is_hidden(&touched.message.labels) => {
                one.wanted = Some((Rank::Live, false));
            }
            None => {}
        }
    }
    for touched in &record.labels_removed {
        let one = of(said, touched);
        let lost = |label: &str| touched.labels.iter().any(|l| l == label);
        match &mut one.labels {
            Some(labels) => {
                labels.retain(|label| !touched.labels.contains(label));
                one.changed = true;
            }
            None if is_hidden(&touched.message.labels) => {}
            // What comes back was seen before: nothing is done because of it once more.
            None if lost("TRASH") => one.wanted = one.wanted.or(Some((Rank::Past, true))),
            None if lost("SPAM") || lost("DRAFT") => one.wanted = Some((Rank::Live, false)),
            None => {}
        }
    }
    for touched in &record.deleted {
        of(said, touched).deleted = true;
    }
}

#[cfg(test)]
mod tests {
    use google::{Labeled, MessageRef};

    use super::*;

    fn touched(labels: &[&str], now: &[&str]) -> Vec<Touched> {
        let text = |all: &[&str]| all.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        let message = MessageRef { id: "m".to_owned(), thread_id: String::new() };
        vec![Touched { message: Labeled { message, labels: text(now) }, labels: text(labels) }]
    }

    enum Happened {
        Added,
        Deleted,
        Gained(&'static str),
        Lost(&'static str),
    }
    use Happened::{Added, Deleted, Gained, Lost};

    /// What a page of these records says of one message, whose labels are `now` by then.
    fn read(
        kept: Option<&[&str]>,
        now: &[&str],
        happened: &[Happened],
    ) -> (Option<Vec<String>>, bool, Option<Rank>) {
        let records: Vec<HistoryRecord> = happened
            .iter()
            .map(|one| {
                let of = |is: bool, labels: &[&str]| if is { touched(labels, now) } else { Vec::new() };
                HistoryRecord {
                    id: None,
                    added: of(matches!(one, Added), &[]),
                    deleted: of(matches!(one, Deleted), &[]),
                    labels_added: if let Gained(label) = one { touched(&[label], now) } else { Vec::new() },
                    labels_removed: if let Lost(label) = one { touched(&[label], now) } else { Vec::new() },
                }
            })
            .collect();
        let mut said = BTreeMap::new();
        if let Some(labels) = kept {
            let labels = labels.iter().map(|l| (*l).to_owned()).collect();
            said.insert("m", Said { labels: Some(labels), ..Said::default() });
        }
        for record in &records {
            read_record(&mut said, record);
        }
        let said = said.remove("m").unwrap();
        (said.labels, said.deleted, said.wanted.map(|(rank, _)| rank))
    }

    #[test]
    fn messages_that_are_not_kept() {
        for (now, happened, wanted) in [
            (&["INBOX"][..], &[Added][..], Some(Rank::Live)),
            (&["SPAM"], &[Added], None),
            (&["DRAFT"], &[Added], None),
            (&["SENT"], &[Added, Gained("DRAFT"), Lost("DRAFT"), Gained("SENT")], Some(Rank::Live)),
            (&["INBOX"], &[Lost("SPAM")], Some(Rank::Live)),
            (&["INBOX"], &[Lost("TRASH")], Some(Rank::Past)),
            (&["INBOX"], &[Added, Gained("TRASH"), Lost("TRASH")], Some(Rank::Past)),
            (&["TRASH"], &[Added, Gained("TRASH")], None),
            (&["INBOX"], &[Gained("STARRED"), Lost("UNREAD")], None),
        ] {
            assert_eq!(read(None, now, happened).2, wanted, "{now:?}");
        }
        assert!(read(None, &[], &[Added, Deleted]).1);
    }

    #[test]
    fn messages_that_are_kept() {
        let labels =
            |happened: &[Happened]| read(Some(&["INBOX", "UNREAD"]), &["INBOX"], happened).0.unwrap();
        assert_eq!(labels(&[Lost("UNREAD"), Gained("STARRED")]), ["INBOX", "STARRED"]);
        assert!(is_hidden(&labels(&[Gained("TRASH")])));
        assert!(!is_hidden(&labels(&[Gained("TRASH"), Lost("TRASH")])));
        assert_eq!(read(Some(&["INBOX"]), &["INBOX"], &[Added]).2, None, "it is here");
    }
}
