//! Listing, searching and fetching.

use kernel::Timestamp;
use serde::Deserialize;

use super::{
    Call, Format, Mailbox, Message, MessageRef, Raw, Thread, of_me, segment,
    wire::{Attachment, RawAnswer},
    with_query,
};
use crate::{Error, bytes, error::Effect, governor::units};

/// Messages of a page, at most.
const PAGE: &str = "500";
/// How many of the newest sent messages are looked through for one.
const NEWEST_SENT: usize = 25;

/// Which messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'a> {
    /// Gmail's search language. `after:` takes seconds since the epoch.
    pub q: Option<&'a str>,
    /// All of them on each message: `INBOX`.
    pub labels: &'a [&'a str],
    /// [`Page::next`] of the page before.
    pub page: Option<&'a str>,
    /// Spam and trash too.
    pub spam_and_trash: bool,
}

/// Messages, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Page {
    /// At most 500.
    pub messages: Vec<MessageRef>,
    /// For the next page; absent on the last.
    #[serde(rename = "nextPageToken")]
    pub next: Option<String>,
}

impl Mailbox {
    /// Messages that match, newest first.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn messages(&self, query: &Query<'_>) -> Result<Page, Error> {
        let mut pairs = vec![("maxResults", PAGE)];
        pairs.extend(query.q.map(|q| ("q", q)));
        pairs.extend(query.labels.iter().map(|label| ("labelIds", *label)));
        pairs.extend(query.page.map(|page| ("pageToken", page)));
        if query.spam_and_trash {
            pairs.push(("includeSpamTrash", "true"));
        }
        self.json(Call::get(with_query(&of_me("messages"), pairs), units::LIST)).await
    }

    /// A message in parts.
    ///
    /// # Errors
    /// [`Error::NotFound`]: it was deleted; [`Error`]
    pub async fn message(&self, id: &str, format: Format<'_>) -> Result<Message, Error> {
        let path = of_me(&format!("messages/{}", segment(id)));
        self.json(Call::get(with_query(&path, in_format(format)), units::GET)).await
    }

    /// A message as it went over the wire.
    ///
    /// # Errors
    /// [`Error::NotFound`]: it was deleted; [`Error`]
    pub async fn raw(&self, id: &str) -> Result<Raw, Error> {
        let path = of_me(&format!("messages/{}", segment(id)));
        let body = self.call(&Call::get(with_query(&path, [("format", "raw")]), units::GET)).await?;
        let answer: Option<RawAnswer<'_>> = serde_json::from_slice(&body).ok();
        let unreadable = || Error::unreadable("Gmail's raw message", Effect::Repeatable);
        answer.and_then(RawAnswer::decoded).ok_or_else(unreadable)
    }

    /// The content of a part, by [`super::Part::part_id`]. The message is fetched for it, since Gmail's own ids of
    /// attachments do not last.
    ///
    /// # Errors
    /// [`Error::NotFound`]: message or part are not there; [`Error`]
    pub async fn attachment(&self, message_id: &str, part_id: &str) -> Result<Vec<u8>, Error> {
        let message = self.message(message_id, Format::Full).await?;
        let part = message.payload.find(part_id).ok_or(Error::NotFound)?;
        let Some(attachment_id) = &part.body.attachment_id else {
            return part.body.data.clone().ok_or(Error::NotFound);
        };
        let path = format!("messages/{}/attachments/{}", segment(message_id), segment(attachment_id));
        let body = self.call(&Call::get(of_me(&path), units::GET)).await?;
        let answer: Option<Attachment<'_>> = serde_json::from_slice(&body).ok();
        let unreadable = || Error::unreadable("Gmail's attachment", Effect::Repeatable);
        answer.and_then(|a| bytes::decode(&a.data)).ok_or_else(unreadable)
    }

    /// A thread with its messages, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`]: it was deleted; [`Error`]
    pub async fn thread(&self, id: &str, format: Format<'_>) -> Result<Thread, Error> {
        let path = of_me(&format!("threads/{}", segment(id)));
        self.json(Call::get(with_query(&path, in_format(format)), units::THREAD)).await
    }

    /// Looks for a mail that may have been sent, by the Message-ID that it was given, with or without angle brackets. Asks
    /// Gmail's search, and, since that may lag behind and Gmail may have replaced the id, looks at the newest sent mails
    /// since `since` too.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn find_sent(&self, message_id: &str, since: Timestamp) -> Result<Option<MessageRef>, Error> {
        let wanted = message_id.trim().trim_start_matches('<').trim_end_matches('>');
        // What the search language would read as more than one word is not searched for.
        if !wanted.is_empty() && wanted.bytes().all(|b| b.is_ascii_graphic() && !b"\"(){}".contains(&b)) {
            let q = format!("rfc822msgid:{wanted}");
            let found = self.messages(&Query { q: Some(&q), labels: &["SENT"], ..Query::default() }).await?;
            if let Some(message) = found.messages.into_iter().next() {
                return Ok(Some(message));
            }
        }
        let after = format!("after:{}", since.seconds());
        let query = Query { q: Some(&after), labels: &["SENT"], spam_and_trash: true, ..Query::default() };
        for message in self.messages(&query).await?.messages.into_iter().take(NEWEST_SENT) {
            let headers = ["Message-ID", "X-Google-Original-Message-ID"];
            let fetched = match self.message(&message.id, Format::Metadata(&headers)).await {
                Err(Error::NotFound) => continue,
                fetched => fetched?,
            };
            let is = |name: &&str| fetched.header(name).is_some_and(|value| value.contains(wanted));
            if !wanted.is_empty() && headers.iter().any(|name| is(&name)) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}

fn in_format<'a>(format: Format<'a>) -> Vec<(&'a str, &'a str)> {
    match format {
        Format::Minimal => vec![("format", "minimal")],
        Format::Full => vec![("format", "full")],
        Format::Metadata(headers) => {
            let mut pairs = vec![("format", "metadata")];
            pairs.extend(headers.iter().map(|name| ("metadataHeaders", *name)));
            pairs
        }
    }
}
