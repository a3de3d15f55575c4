//! What changed: history by pages, and the watch that rings when there is more of it.

use http::Method;
use kernel::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Call, Mailbox, MessageRef, of_me,
    wire::{millis, number},
    with_query,
};
use crate::{Error, error::Effect, governor::units};

/// Changes of a page, at most.
const PAGE: &str = "500";

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A message came, was sent or imported.
    MessageAdded,
    /// A message was deleted for ever.
    MessageDeleted,
    /// A message got a label.
    LabelAdded,
    /// A message lost a label.
    LabelRemoved,
}

impl Change {
    const fn name(self) -> &'static str {
        match self {
            Self::MessageAdded => "messageAdded",
            Self::MessageDeleted => "messageDeleted",
            Self::LabelAdded => "labelAdded",
            Self::LabelRemoved => "labelRemoved",
        }
    }
}

/// Which changes.
#[derive(Debug, Clone, Copy)]
pub struct HistoryQuery<'a> {
    /// Later than this. For all pages of one walk the same.
    pub start: u64,
    /// Of these kinds; all if none are named.
    pub changes: &'a [Change],
    /// [`HistoryPage::next`] of the page before.
    pub page: Option<&'a str>,
}

/// Changes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// At most 500.
    pub records: Vec<HistoryRecord>,
    /// For the next page; absent on the last.
    pub next: Option<String>,
    /// How far history goes. It has been reached, and may be stored, only after the last page.
    pub history_id: u64,
    /// Changes that were not understood and are left out. More than none: messages are to be listed.
    pub unreadable: usize,
}

/// Changes that happened together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryRecord {
    /// Rising, with gaps.
    #[serde(default, deserialize_with = "number")]
    pub id: Option<u64>,
    /// Messages that came, were sent or imported.
    #[serde(default, rename = "messagesAdded")]
    pub added: Vec<Touched>,
    /// Messages that were deleted for ever.
    #[serde(default, rename = "messagesDeleted")]
    pub deleted: Vec<Touched>,
    /// Messages that got labels.
    #[serde(default)]
    pub labels_added: Vec<Touched>,
    /// Messages that lost labels.
    #[serde(default)]
    pub labels_removed: Vec<Touched>,
}

/// A message in a change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Touched {
    /// Which, and its labels after the change.
    pub message: Labeled,
    /// The labels that it got or lost.
    #[serde(default, rename = "labelIds")]
    pub labels: Vec<String>,
}

/// A message with its labels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Labeled {
    /// Which.
    #[serde(flatten)]
    pub message: MessageRef,
    /// `INBOX`, `SENT`, `DRAFT`, …
    #[serde(default, rename = "labelIds")]
    pub labels: Vec<String>,
}

/// A watch that rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// How the mailbox stood: where history begins for whoever has none. No position that was reached.
    pub history_id: u64,
    /// When it ends, silently, unless it is renewed: at most seven days.
    pub expires_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryAnswer {
    #[serde(default)]
    history: Vec<Value>,
    #[serde(default)]
    next_page_token: Option<String>,
    #[serde(default, deserialize_with = "number")]
    history_id: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WatchAnswer {
    #[serde(default, deserialize_with = "number")]
    history_id: Option<u64>,
    #[serde(default, deserialize_with = "millis")]
    expiration: Option<Timestamp>,
}

impl HistoryAnswer {
    fn page(self) -> Option<HistoryPage> {
        let all = self.history.len();
        let records: Vec<HistoryRecord> =
            self.history.into_iter().filter_map(|record| serde_json::from_value(record).ok()).collect();
        let unreadable = all - records.len();
        let next = self.next_page_token.filter(|token| !token.is_empty());
        Some(HistoryPage { records, next, history_id: self.history_id?, unreadable })
    }
}

impl Mailbox {
    /// Changes, oldest first.
    ///
    /// # Errors
    /// [`Error::HistoryGone`]: history does not reach back to `start`; [`Error`]
    pub async fn history(&self, query: &HistoryQuery<'_>) -> Result<HistoryPage, Error> {
        let start = query.start.to_string();
        let mut pairs = vec![("startHistoryId", start.as_str()), ("maxResults", PAGE)];
        pairs.extend(query.changes.iter().map(|change| ("historyTypes", change.name())));
        pairs.extend(query.page.map(|page| ("pageToken", page)));
        let answer: HistoryAnswer =
            match self.json(Call::get(with_query(&of_me("history"), pairs), units::HISTORY)).await {
                Err(Error::NotFound) => return Err(Error::HistoryGone),
                answer => answer?,
            };
        answer.page().ok_or_else(|| Error::unreadable("Gmail's history", Effect::Repeatable))
    }

    /// Has `topic` (`projects/{the client's project}/topics/{topic}`) told of changes to messages with one of `labels`, and
    /// renews that. Another topic's watch of the same project is stopped for it.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn watch(&self, topic: &str, labels: &[&str]) -> Result<Watch, Error> {
        let _alone = self.governor.watching.lock().await;
        match self.watch_once(topic, labels).await {
            Err(Error::Permanent { message, .. }) if message.contains("Only one user push notification") => {
                self.stop().await?;
                self.watch_once(topic, labels).await
            }
            outcome => outcome,
        }
    }

    async fn watch_once(&self, topic: &str, labels: &[&str]) -> Result<Watch, Error> {
        // A filter without labels would be none.
        let body = if labels.is_empty() {
            json!({"topicName": topic})
        } else {
            json!({"topicName": topic, "labelIds": labels, "labelFilterBehavior": "include"})
        };
        let answer: WatchAnswer = self.json(Call::post(of_me("watch"), &body, units::WATCH)).await?;
        match (answer.history_id, answer.expiration) {
            (Some(history_id), Some(expires_at)) => Ok(Watch { history_id, expires_at }),
            _ => Err(Error::unreadable("Gmail's watch", Effect::Repeatable)),
        }
    }

    /// Ends all watches of the project on this mailbox; none is a success. Before [`crate::OAuth::revoke`], for without a
    /// token the pushes go on until the watch ends by itself.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn stop(&self) -> Result<(), Error> {
        let call = Call {
            method: Method::POST,
            path: of_me("stop"),
            body: None,
            units: units::STOP,
            effect: Effect::Repeatable,
        };
        self.call(&call).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(value: &Value) -> Option<HistoryPage> {
        serde_json::from_value::<HistoryAnswer>(value.clone()).unwrap().page()
    }

    #[test]
    fn pages() {
        let page_1 = page(&json!({"history": [
            {"id": "11", "messages": [{"id": "a", "threadId": "t"}],
             "messagesAdded": [{"message": {"id": "a", "threadId": "t", "labelIds": ["INBOX"]}}]},
            {"id": 12, "labelsRemoved": [{"message": {"id": "a"}, "labelIds": ["UNREAD"]}]},
            {"id": "13", "messagesAdded": [{"message": {"id": 7}}]},
            "nonsense",
        ], "nextPageToken": "2", "historyId": "20"}))
        .unwrap();
        assert_eq!((page_1.records.len(), page_1.unreadable), (2, 2));
        assert_eq!((page_1.next.as_deref(), page_1.history_id), (Some("2"), 20));
        let [first, second] = page_1.records.as_slice() else { panic!("two") };
        assert_eq!(
            (first.id, first.added[0].message.labels.as_slice()),
            (Some(11), &["INBOX".to_owned()][..])
        );
        assert_eq!((second.id, second.labels_removed[0].labels[0].as_str()), (Some(12), "UNREAD"));
        let empty = page(&json!({"historyId": 20})).unwrap();
        assert!(empty.records.is_empty() && empty.next.is_none());
        assert_eq!(page(&json!({"history": []})), None);
    }

    proptest! {
        #[test]
        fn no_answer_panics(text: String) {
            let _ = serde_json::from_str::<HistoryAnswer>(&text).ok().and_then(HistoryAnswer::page);
            let odd = json!({"history": [text, {"id": text}, {"messagesAdded": text}], "historyId": text});
            let _ = page(&odd);
        }
    }
}
