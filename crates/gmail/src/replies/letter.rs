//! The mail that an answer becomes: from whom, to whom, about what. All of it comes from the mail that is answered and the
//! account, nothing from what anybody's words ask for.

use db::{Conn, Result};
use mail::{Mailbox, OwnAddresses, is_same_mailbox, normal_form};

use crate::{
    model::{Direction, address_key, addresses, mailboxes},
    store::{self, ConversationRow, CredentialRow, MessageRow, ShownReply},
};

/// An answer's envelope.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// `None`: the account's address.
    pub(crate) from: Option<Mailbox>,
    pub(crate) to: Vec<Mailbox>,
    /// `None`: there is no mail whose subject it could take.
    pub(crate) subject: Option<String>,
}

/// The addresses of an account: its own and what it may also send as.
pub(crate) fn of_account(credential: &CredentialRow) -> Vec<String> {
    let mut all = vec![credential.address.clone()];
    all.extend(addresses(&credential.aliases));
    all
}

/// Those of all accounts of the installation.
pub(crate) async fn of_everybody(conn: &mut Conn) -> Result<OwnAddresses> {
    let rows = store::all_addresses(conn).await?;
    let all = rows.into_iter().flat_map(|(address, aliases)| {
        let mut all = addresses(&aliases);
        all.push(address);
        all
    });
    Ok(OwnAddresses::new(all))
}

impl Letter {
    /// The envelope of an answer to `message`, or of a follow-up if that is ours; of a first mail without one.
    pub(crate) fn to(
        credential: &CredentialRow,
        conversation: &ConversationRow,
        message: Option<&MessageRow>,
        own: &OwnAddresses,
    ) -> Self {
        let counterpart =
            Mailbox { name: conversation.name.clone(), address: conversation.counterpart.clone() };
        let Some(m) = message else {
            return Self { from: None, to: vec![counterpart], subject: None };
        };
        let subject = Some(mail::reply::reply_subject(&m.subject));
        // An alias as it was accepted; a spelling of it that only means the same cannot be written from.
        let accepted = of_account(credential);
        let is_accepted =
            |mailbox: &Mailbox| accepted.iter().any(|own| address_key(own) == address_key(&mailbox.address));
        if m.direction == Direction::Out {
            let from = Mailbox { name: m.from_name.clone(), address: m.from_address.clone() };
            return Self { from: Some(from).filter(is_accepted), to: vec![counterpart], subject };
        }
        let written_to = mailboxes(&m.to_list).into_iter().chain(mailboxes(&m.cc_list)).find(is_accepted);
        let from = written_to.map(|mailbox| Mailbox { name: None, ..mailbox });
        let author = Mailbox { name: m.from_name.clone(), address: m.from_address.clone() };
        Self { from, to: answered_to(&m.reply_to, author, counterpart, own), subject }
    }
}

/// To whom the answer to a mail goes: where it asks for answers, or its author; never ourselves, and to the counterpart where
/// nobody is left.
fn answered_to(reply_to: &str, author: Mailbox, counterpart: Mailbox, own: &OwnAddresses) -> Vec<Mailbox> {
    let mut answered = mailboxes(reply_to);
    if answered.is_empty() {
        answered.push(author);
    }
    let mut seen: Vec<String> = Vec::new();
    let mut to: Vec<Mailbox> = Vec::new();
    for mailbox in answered {
        let form = normal_form(&mailbox.address);
        if mailbox.address.contains('@') && !own.contains(&mailbox.address) && !seen.contains(&form) {
            seen.push(form);
            to.push(mailbox);
        }
    }
    if to.is_empty() {
        to.push(counterpart);
    }
    to
}

/// To whom a proposal would go, as [`Letter::to`] has it.
pub(crate) fn shown_to(shown: &ShownReply, own: &OwnAddresses) -> Vec<String> {
    let Some(counterpart) = shown.counterpart.as_deref().map(Mailbox::new) else { return Vec::new() };
    let to = match (&shown.from_address, shown.direction) {
        (Some(author), Some(Direction::In)) => {
            let reply_to = shown.reply_to.as_deref().unwrap_or_default();
            answered_to(reply_to, Mailbox::new(author), counterpart, own)
        }
        _ => vec![counterpart],
    };
    to.into_iter().map(|mailbox| mailbox.address).collect()
}

/// Whether a mail is from the conversation's counterpart.
pub(crate) fn is_theirs(conversation: &ConversationRow, message: &MessageRow) -> bool {
    message.direction == Direction::In && is_same_mailbox(&message.from_address, &conversation.address)
}
