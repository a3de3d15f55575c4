//! Opening an encrypted letter for somebody who may see it, against one more check.

use accounts::Caller;
use kernel::Problem;
use zeroize::Zeroizing;

use super::{Before, Passphrase, ReadableBy, Ticket, key::LetterKey, recovery::RecoveryKey};
use crate::{
    Letters,
    store::{self, AttachmentRow, KeyRow},
};

/// What a reader shows.
#[derive(Default)]
pub(crate) struct Proof {
    /// Of the reader's own account.
    pub(crate) password: Option<String>,
    pub(crate) passphrase: Option<Passphrase>,
    pub(crate) recovery_key: Option<String>,
}

/// An opened letter.
pub(crate) struct Unlocked {
    pub(crate) text: Zeroizing<String>,
    /// `None` if it is not encrypted.
    pub(crate) readable_by: Option<ReadableBy>,
    /// With tickets for those that are sealed.
    pub(crate) attachments: Vec<(AttachmentRow, Option<String>)>,
}

impl Letters {
    /// Opens a letter.
    pub(crate) async fn unlock(&self, caller: &Caller, id: &str, proof: Proof) -> Result<Unlocked, Problem> {
        let (before, attachments) = {
            let mut conn = self.db().read().await?;
            let letter = self.readable(&mut conn, Some(caller), id).await?;
            let kept = store::kept(&mut conn, id).await?.ok_or_else(|| Problem::not_found("letter"))?;
            let attachments = store::attachments(&mut conn, id).await?;
            (Before::kept(letter, kept), attachments)
        };
        let readable_by = before.is_encrypted.then(|| ReadableBy::of(before.key.as_ref()));
        let key = match (readable_by, &before.key) {
            (None, _) => None,
            (Some(ReadableBy::Keyholder), Some(row)) => {
                Some(self.open_by_proof(caller, id, row, proof).await?)
            }
            (Some(_), row) => {
                self.check_account(caller, proof).await?;
                let wrapped = row.as_ref().and_then(|row| row.server.as_deref());
                wrapped.map(|wrapped| LetterKey::from_server(self.keyring(), id, wrapped)).transpose()?
            }
        };
        let text = self.text_of(&before, key.as_ref())?;
        let attachments = attachments.into_iter().map(|a| {
            let ticket = self.ticket(&a, key.as_ref())?;
            Ok((a, ticket))
        });
        Ok(Unlocked { text, readable_by, attachments: attachments.collect::<Result<_, Problem>>()? })
    }

    /// Checks the password of the caller's own account.
    pub(crate) async fn check_account(&self, caller: &Caller, proof: Proof) -> Result<(), Problem> {
        let Some(password) = proof.password else {
            return Err(Problem::bad_request("password", "is required: the one of your account"));
        };
        if !self.0.accounts.check_password(caller, password).await? {
            let text = "the password is wrong";
            return Err(Problem::forbidden(text).field("password", text));
        }
        Ok(())
    }

    async fn open_by_proof(
        &self,
        caller: &Caller,
        letter: &str,
        row: &KeyRow,
        proof: Proof,
    ) -> Result<LetterKey, Problem> {
        match (proof.passphrase, proof.recovery_key) {
            (Some(phrase), None) => self.open_by_passphrase(caller, letter, row, &phrase).await,
            (None, Some(typed)) => {
                let typed = Zeroizing::new(typed);
                let key = RecoveryKey::parse(&typed).map_err(|why| Problem::rule("recoveryKey", why))?;
                self.attempt(caller, letter).await?;
                let wrapped = row.recovery.as_deref().unwrap_or_default();
                let Some(key) = LetterKey::from_recovery(letter, wrapped, &key) else {
                    let text = "the recovery key is another letter's";
                    return Err(Problem::forbidden(text).field("recoveryKey", text));
                };
                self.attempt_succeeded(caller, letter).await?;
                Ok(key)
            }
            (None, None) => {
                Err(Problem::bad_request("passphrase", "is required, or recoveryKey: the letter's own"))
            }
            (Some(_), Some(_)) => {
                Err(Problem::bad_request("recoveryKey", "must not be given beside the passphrase"))
            }
        }
    }

    fn ticket(&self, a: &AttachmentRow, key: Option<&LetterKey>) -> Result<Option<String>, Problem> {
        let (Some(file), Some(sealed), Some(key)) = (&a.file_id, &a.sealed_key, key) else { return Ok(None) };
        let secret = key.open_file(file, sealed)?;
        Ticket::issue(self.keyring(), file, &secret, self.clock().now()).map(Some)
    }
}
