//! What a person asks to be sent, as a mail of the outbox; and how it goes.

use std::{collections::BTreeSet, time::Duration};

use db::{Conn, Tx};
use kernel::{Problem, ProblemKind, Timestamp};
use mail::{
    Mailbox,
    reply::{self, Addressed},
};
use sha2::{Digest as _, Sha256};

use super::{Key, NewSend, Wishes, addresses::keys, aliases, envelope::Party, found, words};
use crate::{
    Gmail,
    model::{SendState, Source, address_key, mailboxes, own_addresses},
    store::{self, ConversationRow, CredentialRow, MessageRow, OutboxRow},
};

/// When a mail is to leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Timing {
    /// After the settings' time to take it back.
    #[default]
    Usual,
    /// After so many seconds.
    Held(i64),
    /// At a time.
    At(Timestamp),
}

/// What a person asks to be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// An account, or an alias of one.
    pub(crate) email: Option<Mailbox>,
    pub(crate) from: Option<Mailbox>,
    pub(crate) to: Vec<Mailbox>,
    pub(crate) cc: Vec<Mailbox>,
    pub(crate) bcc: Vec<Mailbox>,
    pub(crate) subject: Option<String>,
    /// HTML or text.
    pub(crate) body: Option<String>,
    /// The text beside HTML.
    pub(crate) text: Option<String>,
    pub(crate) attachments: Vec<String>,
    pub(crate) conversation_id: Option<i64>,
    /// Gmail's id of a mail of the conversation.
    pub(crate) reply_to_message: Option<String>,
    pub(crate) reply_all: bool,
    pub(crate) timing: Timing,
    pub(crate) unsubscribe: Option<bool>,
    pub(crate) idempotency_key: Option<String>,
}

impl Request {
    /// The idempotency key with what it is used for.
    fn key(&self) -> Result<Option<Key>, Problem> {
        let Some(key) = &self.idempotency_key else { return Ok(None) };
        let parties = |list: &[Mailbox]| list.iter().map(Party::from).collect::<Vec<_>>();
        let asked = serde_json::to_vec(&(
            (self.email.as_ref().map(Party::from), self.from.as_ref().map(Party::from)),
            (parties(&self.to), parties(&self.cc), parties(&self.bcc)),
            (&self.subject, &self.body, &self.text, &self.attachments),
            (self.conversation_id, &self.reply_to_message, self.reply_all),
            (self.unsubscribe, format!("{:?}", self.timing)),
        ));
        let asked = asked.map_err(|_| Problem::internal())?;
        Ok(Some(Key { key: key.clone(), fingerprint: Sha256::digest(&asked).to_vec() }))
    }
}

/// So long a sender is kept waiting for the end of a mail that leaves at once.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is announced may be missed: the row is looked at so often.
const LOOK: Duration = Duration::from_secs(1);

impl Gmail {
    /// Puts what a person asks for into the outbox; its id.
    ///
    /// # Errors
    /// As [`Gmail::enqueue`]; and 422 or 404 for whatever is named and not there.
    pub(crate) async fn compose(&self, user: &str, request: Request) -> Result<String, Problem> {
        let key = request.key()?;
        let mut conn = self.db().read().await?;
        // What was taken once is answered as it was, though it would be refused by now.
        if let Some(id) = found(&mut conn, user, key.as_ref()).await? {
            return Ok(id);
        }
        let all = store::credentials(&mut conn, user).await?;
        let conversation = named_conversation(&mut conn, user, &request).await?;
        let (credential, alias) = account(&all, &request, conversation.as_ref())?;
        let answers = answered(&mut conn, &request, conversation.as_ref()).await?;
        drop(conn);
        let from = request.from.clone().or(alias);
        let credential = match &from {
            Some(from) => self.with_alias(credential, &from.address).await?,
            None => credential,
        };
        let wishes = Wishes { unsubscribe: request.unsubscribe, key };
        let mut new = self.new_send(&all, request, answers, from)?;
        let mut tx = self.db().begin().await?;
        new.conversation_id = match conversation {
            Some(conversation) => Some(conversation.id),
            None => only_counterpart(&mut tx, &credential, &new).await?,
        };
        let to = keys(new.to.iter().chain(&new.cc).chain(&new.bcc));
        let concerned = concerned(&mut tx, &credential.key, new.conversation_id, &to).await?;
        let (id, is_new) = self.enqueue_with(&mut tx, &credential, &new, &wishes).await?;
        for conversation in concerned.into_iter().filter(|_| is_new) {
            self.person_wrote(&mut tx, conversation, self.now()).await?;
        }
        tx.commit().await?;
        Ok(id)
    }

    fn new_send(
        &self,
        own: &[CredentialRow],
        request: Request,
        answers: Option<MessageRow>,
        from: Option<Mailbox>,
    ) -> Result<NewSend, Problem> {
        let (to, cc) = recipients(own, &request, answers.as_ref());
        if to.is_empty() && cc.is_empty() && request.bcc.is_empty() {
            return Err(Problem::rule("to", "must have at least one address"));
        }
        let subject = match (request.subject, &answers) {
            (Some(subject), _) => subject,
            (None, Some(answered)) => reply::reply_subject(&answered.subject),
            (None, None) => return Err(Problem::bad_request("subject", "is required")),
        };
        let (text, html) = texts(request.body, request.text)?;
        Ok(NewSend {
            source: Source::Person,
            conversation_id: None,
            from,
            to,
            cc,
            bcc: request.bcc,
            subject,
            text,
            html,
            attachments: request.attachments,
            answers,
            due_at: self.due_at(request.timing)?,
            reply_id: None,
            goal_id: None,
        })
    }

    fn due_at(&self, timing: Timing) -> Result<Timestamp, Problem> {
        let now = self.now();
        match timing {
            Timing::Usual => Ok(now + self.0.config.send.hold),
            Timing::Held(seconds) => Ok(now + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
            Timing::At(at) if at > now + kernel::time::days(366) => {
                Err(Problem::rule("send_at", "must be within a year from now"))
            }
            Timing::At(at) => Ok(at),
        }
    }

    /// Waits for the end of a mail that leaves at once, but not for long. Its row.
    pub(crate) async fn outcome_of(&self, user: &str, id: &str) -> Result<OutboxRow, Problem> {
        let mut notices = self.db().signals().listen();
        let wait = async {
            loop {
                let row = self.outbox_of(user, id).await?;
                if self.rests(&row) {
                    return Ok(row);
                }
                let heard = async {
                    loop {
                        match notices.recv().await {
                            Ok(notice) if &*notice.topic == store::OUTBOX_TOPIC && &*notice.payload == id => {
                                return;
                            }
                            Ok(notice) if &*notice.topic == "*" => return,
                            Ok(_) => {}
                            // Missed some: look.
                            Err(_) => return,
                        }
                    }
                };
                // By the machine's own time: a person waits.
                let _ = tokio::time::timeout(LOOK, heard).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(row) => row,
            Err(_) => self.outbox_of(user, id).await,
        }
    }

    /// Whether nothing is to be expected of a mail soon.
    fn rests(&self, row: &OutboxRow) -> bool {
        let now = self.now();
        match row.state {
            SendState::Held => row.due_at > now || row.waiting_until.is_some_and(|until| until > now),
            SendState::Unknown => row.waiting_until.is_some_and(|until| until > now),
            SendState::Sending => false,
            SendState::Sent | SendState::Failed | SendState::Cancelled => true,
        }
    }
}

async fn named_conversation(
    conn: &mut Conn,
    user: &str,
    request: &Request,
) -> Result<Option<ConversationRow>, Problem> {
    let Some(id) = request.conversation_id else { return Ok(None) };
    let found = store::conversation(conn, user, id).await?;
    found.map(Some).ok_or_else(|| Problem::new(ProblemKind::NotFound, "conversation not found"))
}

/// Which account sends, and the alias by which it was named.
fn account(
    all: &[CredentialRow],
    request: &Request,
    conversation: Option<&ConversationRow>,
) -> Result<(CredentialRow, Option<Mailbox>), Problem> {
    let of = |email: &Mailbox| {
        let key = address_key(&email.address);
        let own = all.iter().find(|c| c.address == key).map(|c| (c.clone(), None));
        own.or_else(|| {
            let has = |c: &&CredentialRow| aliases::find(c, &email.address).is_some();
            all.iter().find(has).map(|c| (c.clone(), Some(email.clone())))
        })
    };
    let chosen = match (&request.email, conversation) {
        (Some(email), _) => {
            let text = || format!("{} is none of your connected accounts", email.address);
            of(email).ok_or_else(|| Problem::rule("email", text()))?
        }
        (None, Some(conversation)) => {
            let found = all.iter().find(|c| c.key == conversation.credential_key);
            (
                found
                    .cloned()
                    .ok_or_else(|| Problem::rule("email", "the conversation's account is disconnected"))?,
                None,
            )
        }
        (None, None) => {
            let default = all.iter().find(|c| c.is_default).or(all.first());
            (default.cloned().ok_or_else(|| Problem::rule("email", "no account is connected"))?, None)
        }
    };
    if conversation.is_some_and(|conversation| conversation.credential_key != chosen.0.key) {
        return Err(Problem::rule("conversation_id", format!("is not a conversation of {}", chosen.0.email)));
    }
    Ok(chosen)
}

async fn answered(
    conn: &mut Conn,
    request: &Request,
    conversation: Option<&ConversationRow>,
) -> Result<Option<MessageRow>, Problem> {
    let Some(gmail_id) = &request.reply_to_message else {
        return match request.reply_all {
            true => Err(Problem::rule("reply_all", "needs reply_to_message")),
            false => Ok(None),
        };
    };
    let Some(conversation) = conversation else {
        return Err(Problem::bad_request("conversation_id", "is required with reply_to_message"));
    };
    let found = store::message_in(conn, (&conversation.credential_key, conversation.id), gmail_id).await?;
    found.map(Some).ok_or_else(|| Problem::rule("reply_to_message", "is no message of the conversation"))
}

/// To whom: those who were named; where nobody was, or all are to be answered, those of the mail that is answered.
fn recipients(
    own: &[CredentialRow],
    request: &Request,
    answers: Option<&MessageRow>,
) -> (Vec<Mailbox>, Vec<Mailbox>) {
    let (mut to, mut cc) = (request.to.clone(), request.cc.clone());
    if let Some(answered) = answers.filter(|_| to.is_empty() || request.reply_all) {
        let author = Mailbox { name: answered.from_name.clone(), address: answered.from_address.clone() };
        let (reply_to, all_to, all_cc) =
            (mailboxes(&answered.reply_to), mailboxes(&answered.to_list), mailboxes(&answered.cc_list));
        let addressed = Addressed { from: &[author], reply_to: &reply_to, to: &all_to, cc: &all_cc };
        let those = reply::reply_recipients(addressed, &own_addresses(own), request.reply_all);
        to.extend(those.to);
        cc.extend(those.cc);
    }
    let mut seen: Vec<String> = Vec::new();
    let mut once = |list: Vec<Mailbox>| -> Vec<Mailbox> {
        let mut kept = Vec::new();
        for one in list {
            let key = address_key(&one.address);
            if !seen.contains(&key) {
                seen.push(key);
                kept.push(one);
            }
        }
        kept
    };
    let to = once(to);
    (to, once(cc))
}

/// Text and HTML of what was written.
fn texts(body: Option<String>, text: Option<String>) -> Result<(Option<String>, Option<String>), Problem> {
    match (body, text) {
        (None, None) => Err(Problem::bad_request("body", "is required")),
        (None, Some(text)) => Ok((Some(text), None)),
        (Some(body), text) if words::is_html(&body) => Ok((text, Some(body))),
        (Some(body), None) => Ok((Some(body), None)),
        (Some(_), Some(_)) => Err(Problem::rule("text", "must not come beside a body that is plain text")),
    }
}

/// The conversations in which a mail to these is a word of its sender's, locked, in order: what waits there is locked after
/// them.
pub(super) async fn concerned(
    tx: &mut Tx,
    credential: &str,
    named: Option<i64>,
    to: &[String],
) -> Result<Vec<i64>, Problem> {
    let found = store::conversations_with(tx, credential, to).await?;
    let ids: BTreeSet<i64> = found.iter().map(|conversation| conversation.id).chain(named).collect();
    for id in &ids {
        store::lock_conversation(tx, *id).await?;
    }
    Ok(ids.into_iter().collect())
}

/// The conversation with the one whom a mail goes to, if there is one.
async fn only_counterpart(
    tx: &mut Tx,
    credential: &CredentialRow,
    new: &NewSend,
) -> Result<Option<i64>, Problem> {
    let to = keys(&new.to);
    if to.len() != 1 {
        return Ok(None);
    }
    let found = store::conversations_with(tx, &credential.key, &to).await?;
    Ok(found.first().map(|conversation| conversation.id))
}
