//! The address that a mail program posts to when its reader wants no more (RFC 8058).
//!
//! It needs no row: it says whose mail it was and who its reader is, and proves that we wrote it.

use data_encoding::BASE64URL_NOPAD;
use kernel::{Problem, Signer};

use crate::{Gmail, model::SuppressionReason};

/// What a token of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reader {
    /// Who sent the mail.
    pub(crate) user_id: String,
    /// Who was sent it.
    pub(crate) address: String,
    /// Which mail.
    pub(crate) outbox_id: String,
}

impl Gmail {
    fn unsubscribe_signer(&self) -> Signer {
        Signer::new(self.0.accounts.keyring().derive("outreach: unsubscribe links"), 16)
    }

    /// Where a reader of a mail refuses more.
    pub(super) fn unsubscribe_url(&self, user: &str, address: &str, outbox: &str) -> String {
        let said = format!("{user}\n{address}\n{outbox}");
        let tag = self.unsubscribe_signer().tag(&said);
        let token = format!("{}.{tag}", BASE64URL_NOPAD.encode(said.as_bytes()));
        format!("{}/api/gmail/unsubscribe/{token}/", self.0.config.public_url)
    }

    /// Whose a token is.
    ///
    /// # Errors
    /// 404 if it is none of ours.
    pub(crate) fn reader(&self, token: &str) -> Result<Reader, Problem> {
        let unknown = || Problem::not_found("link");
        let (said, tag) = token.split_once('.').ok_or_else(unknown)?;
        let said = BASE64URL_NOPAD.decode(said.as_bytes()).map_err(|_| unknown())?;
        let said = String::from_utf8(said).map_err(|_| unknown())?;
        if !self.unsubscribe_signer().verify(&said, tag) {
            return Err(unknown());
        }
        let mut parts = said.split('\n').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(user_id), Some(address), Some(outbox_id), None) => {
                Ok(Reader { user_id, address, outbox_id })
            }
            _ => Err(unknown()),
        }
    }

    /// A reader wants no more of a user's mails.
    pub(crate) async fn unsubscribe(&self, reader: &Reader) -> Result<(), Problem> {
        let detail = format!("by the link in {}", reader.outbox_id);
        let mut tx = self.db().begin().await?;
        self.suppress(&mut tx, &reader.user_id, &reader.address, (SuppressionReason::OptOut, Some(&detail)))
            .await?;
        tx.commit().await?;
        Ok(())
    }
}
