//! Readers' right not to be written to: no more letters by e-mail, or no more of one sender.
//!
//! What is refused hangs on an address, not on an account: most readers have none. A mail's links hold a token that
//! proves which letter it brought and to which address; it names the address to nobody who does not know it.
//! A sender is not told that he is blocked: his letters are delivered, to where the reader does not look.

use db::Conn;
use kernel::Problem;

use crate::{
    Letters,
    store::{self, LetterRow},
};

/// The scope of a refusal that holds for everybody's letters.
pub(crate) const EVERYBODY: &str = "";
/// So many senders may an address block.
const MOST_BLOCKED: usize = 1000;

/// Who holds a mailed link: the letter that it came with, and the address that it went to.
pub(crate) struct Holder {
    pub(crate) letter: LetterRow,
    pub(crate) address: String,
    pub(crate) address_key: String,
}

/// What an address refuses.
pub(crate) struct Refusals {
    /// Letters come by e-mail, too.
    pub(crate) letter_emails: bool,
    /// The senders who are blocked and since when, the newest first.
    pub(crate) blocked: Vec<(String, kernel::Timestamp)>,
}

impl Letters {
    /// The token for the links of a letter's mail.
    pub(crate) fn refusal_token(&self, letter: &str, address_key: &str) -> String {
        let id = letter.strip_prefix("mail_").unwrap_or(letter);
        format!("{id}-{}", self.0.tokens.tag(&signed(letter, address_key)))
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// 404 if it is none of ours.
    pub(crate) async fn holder(&self, conn: &mut Conn, token: &str) -> Result<Holder, Problem> {
        let unknown = || Problem::not_found("link");
        let (id, tag) = token.split_once('-').ok_or_else(unknown)?;
        let letter = store::letter(conn, &format!("mail_{id}")).await?.ok_or_else(unknown)?;
        let now = letter.recipient_email.clone().zip(letter.recipient_key.clone());
        let before = store::recipient_changes(conn, &letter.id).await?;
        let mut addresses = now.into_iter().chain(before.into_iter().map(|c| (c.old_email, c.old_key)));
        let (address, address_key) = addresses
            .find(|(_, key)| self.0.tokens.verify(&signed(&letter.id, key), tag))
            .ok_or_else(unknown)?;
        Ok(Holder { letter, address, address_key })
    }

    /// What an address refuses.
    pub(crate) async fn refusals(&self, conn: &mut Conn, address_key: &str) -> Result<Refusals, Problem> {
        let all = store::refusals(conn, address_key).await?;
        let letter_emails = all.iter().all(|(sender, _)| sender != EVERYBODY);
        Ok(Refusals { letter_emails, blocked: all.into_iter().filter(|(s, _)| s != EVERYBODY).collect() })
    }

    /// Whether letters come to an address by e-mail, too.
    pub(crate) async fn set_letter_emails(&self, address_key: &str, wanted: bool) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        match wanted {
            true => store::accept(&mut tx, address_key, EVERYBODY).await?,
            false => store::refuse(&mut tx, address_key, EVERYBODY, self.clock().now()).await?,
        }
        Ok(tx.commit().await?)
    }

    /// Blocks a sender for an address, or lets them through again; what they sent goes out of sight, or comes back.
    pub(crate) async fn set_blocked(
        &self,
        address_key: &str,
        sender: &str,
        block: bool,
    ) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        if block {
            if store::refusals(&mut tx, address_key).await?.len() > MOST_BLOCKED {
                return Err(Problem::rule(
                    "userId",
                    format!("at most {MOST_BLOCKED} senders can be blocked"),
                ));
            }
            store::refuse(&mut tx, address_key, sender, self.clock().now()).await?;
        } else {
            store::accept(&mut tx, address_key, sender).await?;
        }
        store::sweep(&mut tx, address_key, sender, block).await?;
        tx.commit().await?;
        // Once more, for what was being delivered while nobody knew of the block yet.
        let mut tx = self.db().begin().await?;
        store::sweep(&mut tx, address_key, sender, block).await?;
        Ok(tx.commit().await?)
    }
}

fn signed(letter: &str, address_key: &str) -> String {
    format!("{letter} {address_key}")
}
