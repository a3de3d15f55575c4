//! A conversation is marked read or unread, archived or put back into the inbox: in Gmail, where its owner sees the same.
//!
//! Promises: what Gmail took is noted here at once, whether all of it was taken or not; and what is done already costs nothing.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use google::{Error, Mailbox};
use kernel::Problem;
use serde_json::json;

use super::{missing, refusal};
use crate::{
    Gmail,
    store::{self, ConversationRow, CredentialRow, MarkedRow},
};

/// So many messages are marked before that is noted.
const ABREAST: usize = 12;

const UNREAD: &str = "UNREAD";
const INBOX: &str = "INBOX";

/// How a conversation is to be marked; what is `None` stays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    /// False: all that came was read. True: the newest that came was not.
    pub(crate) unread: Option<bool>,
    /// False: archived. True: the newest that came lies in the inbox.
    pub(crate) in_inbox: Option<bool>,
}

/// What is to change of a message's labels.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    add: Vec<&'static str>,
    remove: Vec<&'static str>,
}

/// What is to change, by Gmail's ids of the messages. The field of which that cannot be done, where nothing ever came.
fn changes(
    marked: &[MarkedRow],
    newest: Option<&str>,
    marks: Marks,
) -> Result<BTreeMap<String, Change>, &'static str> {
    let mut all: BTreeMap<String, Change> = BTreeMap::new();
    let wishes = [
        ("unread", UNREAD, marks.unread, (|row| row.unread) as fn(&MarkedRow) -> bool),
        ("in_inbox", INBOX, marks.in_inbox, |row| row.inbox),
    ];
    for (field, label, wish, has) in wishes {
        let mut having = marked.iter().filter(|row| has(row)).peekable();
        match wish {
            Some(false) => {
                having.for_each(|row| all.entry(row.gmail_id.clone()).or_default().remove.push(label));
            }
            Some(true) if having.peek().is_none() => {
                let newest = newest.ok_or(field)?;
                all.entry(newest.to_owned()).or_default().add.push(label);
            }
            Some(true) | None => {}
        }
    }
    Ok(all)
}

impl Gmail {
    /// Marks a conversation in Gmail.
    ///
    /// # Errors
    /// 404; 422 names the field if nothing came that could be marked so; 409 if the account must be connected again, or
    /// Gmail refuses; 503 if Google is away or the account's limits are reached: then some of it may be done.
    pub(crate) async fn mark(&self, user: &str, id: i64, marks: Marks) -> Result<ConversationRow, Problem> {
        let row = self.conversation(user, id).await?;
        let mut conn = self.db().read().await?;
        let credential = store::credential_by_key(&mut conn, &row.credential_key).await?;
        let credential = credential.ok_or_else(missing)?;
        let marked = store::marked(&mut conn, id).await?;
        let newest = store::newest_that_came(&mut conn, id).await?;
        drop(conn);
        let changes = changes(&marked, newest.as_deref(), marks)
            .map_err(|field| Problem::rule(field, "cannot be: nothing came in this conversation yet"))?;
        let mailbox = self.mailbox(&credential);
        let changes: Vec<(String, Change)> = changes.into_iter().collect();
        for some in changes.chunks(ABREAST) {
            self.mark_some(&credential, &mailbox, some).await?;
        }
        Ok(row)
    }

    async fn mark_some(
        &self,
        credential: &CredentialRow,
        mailbox: &Mailbox,
        some: &[(String, Change)],
    ) -> Result<(), Problem> {
        let calls = some.iter().map(|(id, change)| mailbox.modify(id, &change.add, &change.remove));
        let (mut done, mut refused) = (Vec::new(), None);
        for (one, end) in some.iter().zip(join_all(calls).await) {
            match end {
                // A mail that was deleted there meanwhile is removed here by the next reading.
                Ok(()) | Err(Error::NotFound) => done.push(one),
                Err(error) => refused = Some(error),
            }
        }
        self.note_labels(credential, &done).await?;
        match refused {
            Some(error) => Err(refusal(credential, &error).unwrap_or_else(|| Problem::not_found("message"))),
            None => Ok(()),
        }
    }

    /// Notes what Gmail took.
    async fn note_labels(
        &self,
        credential: &CredentialRow,
        done: &[&(String, Change)],
    ) -> Result<(), Problem> {
        let ids: Vec<String> = done.iter().map(|(id, _)| id.clone()).collect();
        let mut tx = self.db().begin().await?;
        store::lock_credentials(&mut tx, &credential.user_id).await?;
        for kept in store::kept(&mut tx, &credential.key, &ids).await? {
            let Some((_, change)) = done.iter().find(|(id, _)| *id == kept.gmail_id) else { continue };
            let mut labels: Vec<String> = serde_json::from_str(&kept.labels).unwrap_or_default();
            labels.retain(|label| !change.add.iter().chain(&change.remove).any(|other| other == label));
            labels.extend(change.add.iter().map(|label| (*label).to_owned()));
            store::label_message(&mut tx, &kept.key, &json!(labels).to_string()).await?;
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, unread: bool, inbox: bool) -> MarkedRow {
        MarkedRow { gmail_id: id.to_owned(), unread, inbox }
    }

    fn planned(marked: &[MarkedRow], unread: Option<bool>, in_inbox: Option<bool>) -> Vec<String> {
        let all = changes(marked, Some("new"), Marks { unread, in_inbox }).unwrap();
        all.into_iter().map(|(id, c)| format!("{id} +{} -{}", c.add.join("+"), c.remove.join("-"))).collect()
    }

    #[test]
    fn what_changes() {
        let some = [row("new", true, true), row("old", true, false), row("own", false, true)];
        assert_eq!(planned(&some, Some(false), None), ["new + -UNREAD", "old + -UNREAD"]);
        assert_eq!(planned(&some, None, Some(false)), ["new + -INBOX", "own + -INBOX"]);
        assert_eq!(
            planned(&some, Some(false), Some(false)),
            ["new + -UNREAD-INBOX", "old + -UNREAD", "own + -INBOX"]
        );
        assert!(planned(&some, Some(true), Some(true)).is_empty());
        assert!(planned(&[], Some(false), Some(false)).is_empty());
        assert_eq!(planned(&[], Some(true), Some(true)), ["new +UNREAD+INBOX -"]);
        let nothing = Marks { unread: None, in_inbox: Some(true) };
        assert_eq!(changes(&[], None, nothing), Err("in_inbox"));
    }
}
