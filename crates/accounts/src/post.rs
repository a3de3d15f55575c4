//! The way out for mail: one letterhead for all slices, and what a mail server's answer means for a dispatch.
//!
//! Message-ID, Date and body follow from the dispatch alone, so that a repeated attempt sends the same bytes.

use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use dispatch::{Dispatch, Outcome};
use hmac::{Hmac, KeyInit, Mac};
use kernel::seal::Keyring;
use sha2::Sha256;
use transports::{Dkim, Email, Kind, Mailbox, Mailer, SendError, bounce::Verp};

/// What a mail says and to whom.
#[derive(Debug, Clone, Default)]
pub struct Letterhead {
    /// The address.
    pub to: String,
    /// The name at the address, may be empty.
    pub to_name: String,
    /// Who writes, shown before "via Hongyan"; empty for mails of the server itself.
    pub from_name: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML, everything escaped.
    pub html: String,
    /// More headers, such as `List-Unsubscribe`.
    pub headers: Vec<(&'static str, String)>,
    /// What the return address says, for mail whose bounces are taken in.
    pub reference: Option<String>,
}

impl Letterhead {
    /// A plain mail of the server itself.
    #[must_use]
    pub fn plain(subject: &str, text: String) -> Self {
        let html = format!("<!doctype html><meta charset=\"utf-8\"><p>{}</p>", escape_lines(&text));
        Self { subject: subject.to_owned(), text, html, ..Self::default() }
    }
}

/// Text as HTML: escaped, lines broken where the text breaks them.
#[must_use]
pub fn escape_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("<br>\n"),
            '\r' => {}
            c => out.push(c),
        }
    }
    out
}

/// Sends mail.
pub struct Post {
    mailer: Mailer,
    dkim: Option<Dkim>,
    from: Mailbox,
    verp: Option<Arc<Verp>>,
    key: [u8; 32],
}

impl Post {
    /// By this mailer, from this mailbox, signed if there is a key.
    #[must_use]
    pub fn new(mailer: Mailer, from: Mailbox, dkim: Option<Dkim>, keyring: &Keyring) -> Self {
        Self { mailer, dkim, from, verp: None, key: keyring.derive("message ids") }
    }

    /// The same, with mail that has a [`Letterhead::reference`] coming back to addresses of this kind.
    #[must_use]
    pub fn returning_to(self, verp: Option<Arc<Verp>>) -> Self {
        Self { verp, ..self }
    }

    /// Where bounces go: to an address that names the mail, or to the sender's.
    fn return_path(&self, reference: Option<&str>) -> String {
        let traced = self.verp.as_ref().zip(reference).and_then(|(verp, reference)| verp.address(reference));
        traced.unwrap_or_else(|| self.from.address.clone()).to_string()
    }

    /// One attempt to send.
    pub async fn deliver(&self, d: &Dispatch, l: Letterhead) -> Outcome {
        let to = match transports::parse_address(&l.to) {
            Ok(to) => to,
            Err(e) => return Outcome::Dead(format!("the address is not valid: {e}")),
        };
        let return_path = self.return_path(l.reference.as_deref());
        let email = match self.email(d, l) {
            Ok(email) => email,
            Err(reason) => return Outcome::Dead(reason),
        };
        let bytes = match transports::render(&email, self.dkim.as_ref()) {
            Ok(bytes) => bytes,
            Err(e) => return Outcome::Dead(format!("the mail cannot be written: {e}")),
        };
        match self.mailer.send(&return_path, &to, &bytes).await {
            Ok(receipt) => Outcome::Done(receipt.answer),
            Err(error) => refused(error),
        }
    }

    fn email(&self, d: &Dispatch, l: Letterhead) -> Result<Email, String> {
        let mailbox = |name: &str, address: &str| {
            let address =
                transports::parse_address(address).map_err(|e| format!("the address is not valid: {e}"))?;
            Ok::<_, String>(Mailbox { name: (!name.is_empty()).then(|| name.to_owned()), address })
        };
        let mut from = self.from.clone();
        if !l.from_name.is_empty() {
            let ours = from.name.as_deref().unwrap_or("Hongyan");
            from.name = Some(format!("{} via {ours}", l.from_name));
        }
        Ok(Email {
            message_id: self.message_id(&d.id),
            date: d.due_at,
            from,
            to: mailbox(&l.to_name, &l.to)?,
            reply_to: l.reply_to.map(|address| mailbox(&l.from_name, &address)).transpose()?,
            subject: l.subject,
            text: l.text,
            html: l.html,
            auto_generated: true,
            headers: l.headers,
        })
    }

    /// The Message-ID of a dispatch's mail, without brackets. The same for every attempt, and tells nothing:
    /// HMAC-SHA-256 of the idempotency key.
    #[must_use]
    pub fn message_id(&self, id: &str) -> String {
        let domain = self.from.address.domain();
        let Ok(mut mac) = <Hmac<Sha256>>::new_from_slice(&self.key) else { return format!("{id}@{domain}") };
        mac.update(id.as_bytes());
        let digest = mac.finalize().into_bytes();
        let short = digest.get(..20).unwrap_or(&digest);
        format!("{}@{domain}", BASE32_NOPAD.encode(short).to_ascii_lowercase())
    }
}

/// A refusal with a 5xx is final; whatever else may pass later.
fn refused(error: SendError) -> Outcome {
    match error.kind {
        Kind::Permanent | Kind::Policy => Outcome::Dead(error.answer),
        Kind::Transient => Outcome::Retry { in_doubt: error.in_doubt, reason: error.answer, after: None },
    }
}
