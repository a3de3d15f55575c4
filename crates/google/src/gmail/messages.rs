//! Listing, searching and fetching.

use std::{ops::Range, time::Duration};

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
/// How many sent messages are looked at for one: as many as some minutes' units allow.
const LOOKED_AT: usize = 200;
/// So long, in all, whoever looks at them waits for limits to end.
const OUTWAITED: Duration = Duration::from_secs(60);
/// Where a message's own id stands, and where Gmail puts it when it gives another.
const ITS_ID: [&str; 2] = ["Message-ID", "X-Google-Original-Message-ID"];

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

    /// Waits until so many mails could be fetched without a wait.
    ///
    /// # Errors
    /// [`Error`]: Google wants no call now.
    pub async fn paced(&self, mails: usize) -> Result<(), Error> {
        self.governor.paced(u32::try_from(mails).unwrap_or(u32::MAX).saturating_mul(units::GET)).await
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
    /// Gmail's search, and, since that may lag behind and Gmail may have replaced the id, looks at the mails that were
    /// `sent` in a span too: from some minutes before the send until some after, for Google's clock is not ours. `None` is
    /// certain. A limit that ends within the minute does not end the looks.
    ///
    /// # Errors
    /// [`Error::InDoubt`]: too many were sent in the span to look at each; [`Error`]
    pub async fn find_sent(
        &self,
        message_id: &str,
        sent: Range<Timestamp>,
    ) -> Result<Option<MessageRef>, Error> {
        let wanted = bare(message_id);
        if !is_searchable(wanted) {
            return Err(Error::permanent(
                "invalidMessageId",
                "a Message-ID must have the form <unique@domain>",
            ));
        }
        let q = format!("rfc822msgid:{wanted}");
        let query = Query { q: Some(&q), labels: &["SENT"], spam_and_trash: true, ..Query::default() };
        if let Some(message) = self.messages(&query).await?.messages.into_iter().next() {
            return Ok(Some(message));
        }
        let (candidates, more) = self.sent_in(&sent).await?;
        let mut patience = OUTWAITED;
        for message in candidates {
            let mut fetched = self.message(&message.id, Format::Metadata(&ITS_ID)).await;
            // What was looked at before need not be looked at again.
            if let Err(Error::Retry { after: Some(after), limited: true, .. }) = fetched
                && let Some(left) = patience.checked_sub(after)
            {
                patience = left;
                self.clock.sleep(after).await;
                fetched = self.message(&message.id, Format::Metadata(&ITS_ID)).await;
            }
            let fetched = match fetched {
                Err(Error::NotFound) => continue,
                fetched => fetched?,
            };
            if ITS_ID.iter().filter_map(|name| fetched.header(name)).any(|id| bare(id) == wanted) {
                return Ok(Some(message));
            }
        }
        if more {
            let reason = format!("more than {LOOKED_AT} mails were sent from {} to {}", sent.start, sent.end);
            return Err(Error::InDoubt { reason });
        }
        Ok(None)
    }

    /// The first messages that were sent in a span, the oldest first, as many as may be looked at; and whether there are more.
    async fn sent_in(&self, span: &Range<Timestamp>) -> Result<(Vec<MessageRef>, bool), Error> {
        // Both ends belong to it.
        let q = format!("after:{} before:{}", span.start.seconds() - 1, span.end.seconds() + 1);
        let mut found = Vec::new();
        let mut page: Option<String> = None;
        loop {
            let query = Query { q: Some(&q), labels: &["SENT"], page: page.as_deref(), spam_and_trash: true };
            let listed = self.messages(&query).await?;
            found.extend(listed.messages);
            match listed.next {
                Some(next) => page = Some(next),
                None => break,
            }
        }
        // It was sent soon after the span began.
        found.reverse();
        let more = found.len() > LOOKED_AT;
        found.truncate(LOOKED_AT);
        Ok((found, more))
    }
}

/// A Message-ID without its angle brackets.
fn bare(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}

/// What the search language reads as one word.
fn is_searchable(id: &str) -> bool {
    id.len() <= 512
        && id.contains('@')
        && id.bytes().all(|b| b.is_ascii_graphic() && !b"\"(){}<>".contains(&b))
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
