//! What becomes of one mail: stored with what follows from it in one transaction, if it belongs to a conversation.

use std::collections::BTreeSet;

use db::Tx;
use google::{Message, Raw};
use kernel::{Timestamp, terms};
use mail::{
    Classified, Hard, Incoming, Kind, Machine, OWN_MARK, OwnAddresses, Split, classify, classify_foreign,
    is_opt_out, normal_form,
};
use serde_json::json;

use super::{drain::Trouble, is_hidden};
use crate::{
    Gmail,
    model::{Direction, MailKind, own_addresses},
    store::{
        self, ConversationRow, CredentialRow, KnownBy, LabelsRow, MessageRow, OwnSend, PartRow, StandingRow,
        fetches::{self, FetchRow, Rank},
        syncs,
    },
};

/// A mail that was read.
struct Read {
    mail: Incoming,
    split: Split,
    classified: Classified,
    received_at: Timestamp,
}

/// Where a mail belongs.
#[derive(Default)]
struct Place {
    /// Of conversations, in order.
    conversations: BTreeSet<i64>,
    /// The mail of ours that it is.
    own: Option<OwnSend>,
    /// Of conversations in which its thread stands already.
    of_thread: BTreeSet<i64>,
    /// It speaks of a mail of ours.
    reports: bool,
    /// Its author may want no more mail, though there is no conversation with them.
    may_refuse: bool,
}

/// What is known of a mail beside its head.
#[derive(Clone, Copy)]
enum Known<'a> {
    Nothing,
    /// It was read whole, and is this.
    Read(&'a Kind),
    /// It was read before, and stands where it belonged then.
    Kept,
}

/// Gmail's own word is that a mail was sent. Without it an author's address of ours alone proves nothing: the form of a
/// website writes in our name, and Reply-To says who filled it in.
fn direction(own: &OwnAddresses, labels: &[String], mail: &Incoming) -> Direction {
    let sent = labels.iter().any(|label| label == "SENT");
    let ours = mail.from.iter().any(|from| own.contains(&from.address));
    let for_others = mail.reply_to.iter().any(|to| !own.contains(&to.address));
    if sent || ours && !for_others { Direction::Out } else { Direction::In }
}

/// The Message-IDs that a mail was given, by us or by Gmail.
fn message_ids(mail: &Incoming) -> Vec<String> {
    let original =
        mail.field("x-google-original-message-id").map(|id| id.trim().trim_matches(['<', '>']).to_owned());
    mail.message_id.iter().cloned().chain(original).collect()
}

impl Gmail {
    /// Whether a mail may belong to a conversation, by its head.
    pub(super) async fn may_belong(
        &self,
        tx: &mut Tx,
        row: &CredentialRow,
        gmail_id: &str,
        head: &Message,
    ) -> Result<bool, Trouble> {
        let mail = read_head(head)?;
        let machine = classify(&mail, &Split::default(), self.now()).machine;
        // What a report is about stands in its body.
        if matches!(machine, Machine::Hard(Hard::Report | Hard::Daemon | Hard::NullReturnPath)) {
            return Ok(true);
        }
        let of = (gmail_id, head.thread_id.as_str(), head.labels.as_slice());
        let place = self.place_of(tx, row, of, &mail, Known::Nothing).await?;
        Ok(!place.conversations.is_empty() || place.may_refuse)
    }

    /// Puts a mail that is kept into the conversations in which it does not stand yet, though it belongs there.
    pub(super) async fn place_kept(
        &self,
        tx: &mut Tx,
        row: &CredentialRow,
        kept: &LabelsRow,
        head: &Message,
    ) -> Result<(), Trouble> {
        let mail = read_head(head)?;
        let of = (kept.gmail_id.as_str(), head.thread_id.as_str(), head.labels.as_slice());
        let place = self.place_of(tx, row, of, &mail, Known::Kept).await?;
        let conversations = lock(tx, &place.conversations).await?;
        let Some(message) = store::standing(tx, &kept.key).await? else { return Ok(()) };
        for conversation in &conversations {
            self.stand(tx, conversation, &message, &mail, true).await?;
        }
        Ok(())
    }

    /// Puts a message into a locked conversation.
    async fn stand(
        &self,
        tx: &mut Tx,
        conversation: &ConversationRow,
        message: &StandingRow,
        mail: &Incoming,
        past: bool,
    ) -> db::Result<()> {
        if !store::link_message(tx, conversation, message, self.now()).await? {
            return Ok(());
        }
        if let Some(name) = name_of(conversation, message, mail) {
            store::name_counterpart(tx, conversation.id, name).await?;
        }
        // More of the past than was known: what follows a mail of ours is said when all of that is read, too.
        if past && message.direction == Direction::Out {
            syncs::note_past(tx, conversation.id, false).await?;
        }
        Ok(())
    }

    async fn place_of(
        &self,
        tx: &mut Tx,
        row: &CredentialRow,
        (gmail_id, thread, labels): (&str, &str, &[String]),
        mail: &Incoming,
        known: Known<'_>,
    ) -> db::Result<Place> {
        let own = own_addresses([row]);
        let mut place = Place::default();
        let in_fields = |fields: &[&Vec<mail::Mailbox>]| -> Vec<String> {
            let all = fields.iter().flat_map(|field| field.iter()).map(|m| normal_form(&m.address));
            all.filter(|address| !own.contains(address)).collect()
        };
        let outbound = direction(&own, labels, mail) == Direction::Out;
        let others = if outbound {
            place.own = {
                let message_ids = message_ids(mail);
                let mark = mail.field(&OWN_MARK.to_ascii_lowercase()).map(str::trim);
                let by = KnownBy { message_ids: &message_ids, gmail_id: Some(gmail_id), mark };
                store::own_send(tx, &row.key, by).await?
            };
            in_fields(&[&mail.to, &mail.cc, &mail.bcc])
        } else {
            in_fields(&[&mail.from, &mail.reply_to])
        };
        let found = store::conversations_with(tx, &row.key, &others).await?;
        place.conversations.extend(found.iter().map(|row| row.id));
        place.conversations.extend(place.own.as_ref().and_then(|own| own.conversation_id));
        if let Known::Read(
            Kind::Bounce { original_message_id: Some(original), .. }
            | Kind::Complaint { original_message_id: Some(original), .. },
        ) = known
        {
            let by = KnownBy { message_ids: std::slice::from_ref(original), ..KnownBy::default() };
            if let Some(ours) = store::own_send(tx, &row.key, by).await? {
                place.reports = true;
                place.conversations.extend(ours.conversation_id);
            }
        }
        if !thread.is_empty() {
            // Several counterparts may share a thread. What one of them is known to have written, or was written to them
            // alone, is none of the others' business; what nobody is known by goes to all whose thread it is. By whom a kept
            // one is known was seen when it was read: its head may not say it.
            let claimed = !place.conversations.is_empty() || matches!(known, Known::Kept);
            let told = in_fields(&[&mail.from, &mail.reply_to, &mail.to, &mail.cc, &mail.bcc]);
            let all = store::conversations_of_thread(tx, &row.key, thread).await?;
            let shared = all.iter().filter(|row| !claimed || told.contains(&row.address));
            place.conversations.extend(shared.map(|row| row.id));
            place.of_thread = all.iter().map(|row| row.id).collect();
        }
        if !outbound
            && place.conversations.is_empty()
            && let [author] = mail.from.as_slice()
        {
            place.may_refuse = is_opt_out(&mail.subject, "")
                || store::has_written_to(tx, &row.user_id, &normal_form(&author.address)).await?;
        }
        Ok(place)
    }

    /// Stores a mail once, with what follows from it, and takes it off the queue.
    pub(super) async fn ingest(
        &self,
        row: &CredentialRow,
        fetch: &FetchRow,
        raw: Raw,
    ) -> Result<(), Trouble> {
        if is_hidden(&raw.labels) {
            return Ok(self.forget(row, &fetch.gmail_id).await?);
        }
        let now = self.now();
        let raw = Raw { id: fetch.gmail_id.clone(), ..raw };
        let (raw, mut read) = take_apart(raw, now).await?;
        let (id, ids) = (fetch.gmail_id.as_str(), [fetch.gmail_id.clone()]);
        let mut tx = self.db().begin().await?;
        let row = self.locked(&mut tx, row).await?;
        if let Some(kept) = store::kept(&mut tx, &row.key, &ids).await?.into_iter().next() {
            store::label_message(&mut tx, &kept.key, &json!(raw.labels).to_string()).await?;
        } else {
            self.unmask(&mut tx, &mut read).await?;
            let of = (id, raw.thread_id.as_str(), raw.labels.as_slice());
            let known = Known::Read(&read.classified.kind);
            let place = self.place_of(&mut tx, &row, of, &read.mail, known).await?;
            // What was missed for a while is told all the same; it is the turn that finds it too old. A search may find
            // what came after the mailbox was read last before history is asked for it: that is news, too.
            let past = fetch.rank == Rank::Past
                && row.good_until.is_none_or(|good_until| read.received_at <= good_until);
            self.take_in(&mut tx, &row, &raw, &read, place, past).await?;
        }
        fetches::done(&mut tx, &row.key, &ids).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Every installation marks its mails: only what was written here is ours.
    async fn unmask(&self, tx: &mut Tx, read: &mut Read) -> db::Result<()> {
        if read.classified.machine != Machine::Hard(Hard::Ours) {
            return Ok(());
        }
        let mark = read.mail.field(&OWN_MARK.to_ascii_lowercase()).map(str::trim).unwrap_or_default();
        if store::outbox(tx, mark).await?.is_some() {
            return Ok(());
        }
        for id in message_ids(&read.mail) {
            if store::is_own_message_id(tx, &id).await? {
                return Ok(());
            }
        }
        read.classified = classify_foreign(&read.mail, &read.split, read.received_at);
        Ok(())
    }

    async fn take_in(
        &self,
        tx: &mut Tx,
        row: &CredentialRow,
        raw: &Raw,
        read: &Read,
        place: Place,
        past: bool,
    ) -> db::Result<()> {
        let now = self.now();
        let message = message(row, raw, read, &place, (past, now));
        let news = !past && message.direction == Direction::In;
        let mut conversations = lock(tx, &place.conversations).await?;
        if conversations.is_empty() {
            // What comes back of a mail that stands in no conversation concerns its recipients all the same.
            if news && (place.reports || place.may_refuse) {
                self.note_suppression(tx, row, &message, &read.mail, &read.classified).await?;
            }
            return Ok(());
        }
        if !store::insert_message(tx, &message).await? {
            return Ok(());
        }
        let parts = parts(&message, &read.mail, now);
        store::insert_parts(tx, &parts).await?;
        let found_by = found_by(&own_addresses([row]), &message, &read.mail);
        store::insert_terms(tx, &row.key, &message.key, &terms::of_message(&found_by)).await?;
        let standing = StandingRow::from(&message);
        for conversation in &conversations {
            self.stand(tx, conversation, &standing, &read.mail, past).await?;
        }
        // What others wrote in the thread before belongs here by it, and was passed over when it was read. Of a new mail
        // that answers nothing there is none.
        let answers = message.in_reply_to.is_some() || !read.mail.references.is_empty();
        if (past || answers) && conversations.iter().any(|row| !place.of_thread.contains(&row.id)) {
            fetches::queue_thread(tx, &row.key, &message.thread_id, now).await?;
        }
        if news {
            self.note_suppression(tx, row, &message, &read.mail, &read.classified).await?;
        }
        if !past {
            conversations = lock(tx, &place.conversations).await?;
            self.arrived(tx, row, &conversations, &message, &read.mail, &read.classified).await?;
        }
        Ok(())
    }
}

/// These conversations, as far as there are, locked in order.
async fn lock(tx: &mut Tx, ids: &BTreeSet<i64>) -> db::Result<Vec<ConversationRow>> {
    let mut rows = Vec::new();
    for id in ids {
        rows.extend(store::lock_conversation(tx, *id).await?);
    }
    Ok(rows)
}

/// What a mail's head says.
fn read_head(head: &Message) -> Result<Incoming, Trouble> {
    // A field of ours, so that there is one.
    let mut text = "X-Head: 1\r\n".to_owned();
    for header in &head.payload.headers {
        let value = header.value.replace(['\r', '\n'], " ");
        text.push_str(&format!("{}: {value}\r\n", header.name));
    }
    text.push_str("\r\n");
    Incoming::read(text.as_bytes()).map_err(|error| Trouble::Own(error.to_string()))
}

/// Reads a mail beside what else the program does: a large one takes a while. Its octets are gone after that.
async fn take_apart(raw: Raw, now: Timestamp) -> Result<(Raw, Read), Trouble> {
    let read = tokio::task::spawn_blocking(move || {
        let mail = Incoming::read(&raw.bytes).map_err(|error| Trouble::Own(error.to_string()))?;
        let split = mail.split();
        let received_at = raw.internal_date.or(mail.date).unwrap_or(now);
        let classified = classify(&mail, &split, received_at);
        Ok((Raw { bytes: Vec::new(), ..raw }, Read { mail, split, classified, received_at }))
    });
    read.await.unwrap_or_else(|error| Err(Trouble::Own(format!("reading it ended: {error}"))))
}

/// The counterpart's name, if this mail knows it, and no newer one did.
fn name_of<'a>(conversation: &ConversationRow, message: &StandingRow, mail: &'a Incoming) -> Option<&'a str> {
    let is_theirs = |m: &&mail::Mailbox| normal_form(&m.address) == conversation.address;
    let newest = conversation.last_inbound_at.is_none_or(|last| last <= message.received_at);
    let named = match message.direction {
        Direction::In if newest || conversation.name.is_none() => {
            mail.from.iter().chain(&mail.reply_to).find(is_theirs)
        }
        Direction::Out if conversation.name.is_none() => mail.to.iter().chain(&mail.cc).find(is_theirs),
        Direction::In | Direction::Out => None,
    };
    named.and_then(|m| m.name.as_deref()).filter(|name| !name.trim().is_empty())
}

/// What a mail is found by: its subject, who wrote it and to whom, its files, its words. Our own addresses would find
/// everything.
fn found_by(own: &OwnAddresses, message: &MessageRow, mail: &Incoming) -> String {
    let people = [&mail.from, &mail.reply_to, &mail.to, &mail.cc, &mail.bcc].into_iter().flatten();
    let others = people.filter(|m| !own.contains(&m.address));
    let who = others.flat_map(|m| [m.name.as_deref().unwrap_or_default(), m.address.as_str()]);
    let files = mail.attachments.iter().map(|file| file.file_name.as_str());
    // What is short comes first: of a long mail the words behind the limit are not found.
    let all =
        [message.subject.as_str()].into_iter().chain(who).chain(files).chain([message.new_text.as_str()]);
    all.collect::<Vec<&str>>().join("\n")
}

fn machine(classified: &Classified) -> String {
    match classified.machine {
        Machine::None => "none".to_owned(),
        Machine::Hard(mark) => format!("hard:{}", mark.as_str()),
        Machine::Soft(mark) => format!("soft:{}", mark.as_str()),
    }
}

const fn kind(classified: &Classified) -> MailKind {
    match classified.kind {
        Kind::Reply => MailKind::Reply,
        Kind::OutOfOffice { .. } => MailKind::OutOfOffice,
        Kind::Bounce { .. } => MailKind::Bounce,
        Kind::OptOut => MailKind::OptOut,
        Kind::Complaint { .. } => MailKind::Complaint,
        Kind::Notice => MailKind::Notice,
    }
}

/// `[{name, address}]`
fn list(mailboxes: &[mail::Mailbox]) -> String {
    let all: Vec<_> = mailboxes.iter().map(|m| json!({"name": m.name, "address": m.address})).collect();
    json!(all).to_string()
}

fn message(
    row: &CredentialRow,
    raw: &Raw,
    read: &Read,
    place: &Place,
    (past, now): (bool, Timestamp),
) -> MessageRow {
    let Read { mail, split, classified, received_at } = read;
    let author = mail.from.first().or(mail.sender.as_ref());
    MessageRow {
        key: kernel::id::new("gmsg", now),
        credential_key: row.key.clone(),
        gmail_id: raw.id.clone(),
        thread_id: if raw.thread_id.is_empty() { raw.id.clone() } else { raw.thread_id.clone() },
        rfc_message_id: mail.message_id.clone(),
        direction: direction(&own_addresses([row]), &raw.labels, mail),
        from_name: author.and_then(|m| m.name.clone()),
        from_address: author.map(|m| m.address.clone()).unwrap_or_default(),
        reply_to: list(&mail.reply_to),
        to_list: list(&mail.to),
        cc_list: list(&mail.cc),
        subject: mail.subject.clone(),
        in_reply_to: mail.in_reply_to.first().cloned(),
        refs: json!(mail.references).to_string(),
        received_at: *received_at,
        new_text: split.new.clone(),
        quoted: split.quoted.clone(),
        signature: split.signature.clone(),
        html: mail.html.clone(),
        truncated: mail.truncated,
        machine: machine(classified),
        kind: kind(classified),
        labels: json!(raw.labels).to_string(),
        backfill: past,
        outbox_id: place.own.as_ref().map(|own| own.id.clone()),
        created_at: now,
    }
}

fn parts(message: &MessageRow, mail: &Incoming, now: Timestamp) -> Vec<PartRow> {
    let part = |file: &mail::Attachment| PartRow {
        id: kernel::id::new("gatt", now),
        message_key: message.key.clone(),
        part_id: file.id.clone(),
        file_name: file.file_name.clone(),
        mime_type: file.mime_type.clone(),
        content_id: file.content_id.clone(),
        inline: file.inline,
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
    };
    mail.attachments.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wrote_it() {
        let own = OwnAddresses::new(["brand@example.com".to_owned()]);
        for (head, labels, expected) in [
            ("From: li@a.example", &["INBOX"][..], Direction::In),
            ("From: brand@example.com", &["SENT"], Direction::Out),
            ("From: brand@example.com", &["INBOX", "SENT"], Direction::Out),
            ("From: brand@example.com", &["INBOX"], Direction::Out),
            ("From: brand@example.com\r\nReply-To: Li <li@a.example>", &["INBOX", "UNREAD"], Direction::In),
            ("From: brand@example.com\r\nReply-To: li@a.example", &["SENT"], Direction::Out),
            ("From: brand@example.com\r\nReply-To: Brand@Example.com", &["INBOX"], Direction::Out),
            ("From: li@a.example", &["SENT"], Direction::Out),
        ] {
            let mail = Incoming::read(format!("{head}\r\nSubject: x\r\n\r\nx\r\n").as_bytes()).unwrap();
            let labels: Vec<String> = labels.iter().map(|l| (*l).to_owned()).collect();
            assert_eq!(direction(&own, &labels, &mail), expected, "{head} {labels:?}");
        }
    }
}
