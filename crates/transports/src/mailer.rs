//! [`Mailer`]: the way out that the settings chose.

use crate::{Address, Outbox, Receipt, SendError, SmtpPool};

/// A server, or a folder.
#[derive(Debug, Clone)]
pub enum Mailer {
    /// Real e-mail.
    Smtp(SmtpPool),
    /// `.eml` files.
    File(Outbox),
}

impl Mailer {
    /// Hands one message over, for one recipient. `envelope_from` is where bounces go; empty means nowhere.
    ///
    /// A caller that stops waiting leaves the outcome in doubt.
    ///
    /// # Errors
    /// See [`SmtpPool::send`] and [`Outbox::send`].
    pub async fn send(
        &self,
        envelope_from: &str,
        to: &Address,
        message: &[u8],
    ) -> Result<Receipt, SendError> {
        match self {
            Self::Smtp(pool) => pool.send(envelope_from, to, message).await,
            Self::File(outbox) => outbox.send(message).await,
        }
    }

    /// Tries the way out without sending anything, for the operator: what it found, in a sentence.
    ///
    /// # Errors
    /// What would keep a message from going out.
    pub async fn check(&self) -> Result<String, SendError> {
        match self {
            Self::Smtp(pool) => pool.check().await,
            Self::File(outbox) => outbox.check().await,
        }
    }
}
