//! [`Transaction`]: MAIL, RCPT, DATA and the message, and what their answers mean.
//!
//! Promises: an attempt that fails before the whole message went out is never in doubt; one whose final dot went
//! out and whose answer is unknown always is; after a refusal the connection is in step and can be used again.

use std::time::Duration;

use super::{
    connection::{Connection, Extensions},
    settings::SmtpSettings,
    wire::Broken,
};
use crate::{Kind, Receipt, SendError, Stage, parse_address};

/// One message for one recipient, ready for the wire.
#[derive(Debug)]
pub(super) struct Transaction {
    from: String,
    to: String,
    size: usize,
    content: Vec<u8>,
}

/// A failed transaction.
pub(super) struct Failure {
    pub(super) error: SendError,
    /// What can be done with the connection.
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// In step: the next transaction may follow.
    Usable,
    /// Gone before any of the message went out, as an idle connection goes when the server tires of it.
    Stale,
    /// Gone, or out of step.
    Broken,
}

impl Transaction {
    pub(super) fn new(from: &str, to: &crate::Address, message: &[u8]) -> Result<Self, SendError> {
        let from = match from {
            "" => String::new(),
            from => parse_address(from)
                .map_err(|e| SendError::transient(Stage::Sender, format!("the envelope sender {e}")))?
                .to_string(),
        };
        let content = stuffed(message).ok_or_else(|| SendError {
            kind: Kind::Permanent,
            ..SendError::transient(Stage::Content, "the message has a CR or LF that is not part of a CRLF")
        })?;
        Ok(Self { from, to: to.to_string(), size: message.len(), content })
    }

    fn commands(&self, connection: &Connection) -> [(Option<Stage>, String); 4] {
        let Extensions { size, .. } = &connection.extensions;
        let size = if *size { format!(" SIZE={}", self.size) } else { String::new() };
        let reset = if connection.dirty { "RSET\r\n" } else { "" };
        [
            (None, reset.to_owned()),
            (Some(Stage::Sender), format!("MAIL FROM:<{}>{size}\r\n", self.from)),
            (Some(Stage::Recipient), format!("RCPT TO:<{}>\r\n", self.to)),
            (Some(Stage::Data), "DATA\r\n".to_owned()),
        ]
    }

    /// Hands the message over.
    pub(super) async fn run(
        &self,
        connection: &mut Connection,
        settings: &SmtpSettings,
    ) -> Result<Receipt, Failure> {
        let commands = self.commands(connection);
        let limit = settings.reply_timeout;
        let pipelining = connection.extensions.pipelining;
        if pipelining {
            let all: String = commands.iter().map(|(_, line)| line.as_str()).collect();
            connection.wire.command(&all, limit).await.map_err(|e| lost(Stage::Sender, &e))?;
        }
        let mut commands = commands.iter().filter(|(_, line)| !line.is_empty());
        while let Some((stage, line)) = commands.next() {
            let at = stage.unwrap_or(Stage::Sender);
            if !pipelining {
                connection.wire.command(line, limit).await.map_err(|e| lost(at, &e))?;
            }
            let reply = connection.wire.reply(limit).await.map_err(|e| lost(at, &e))?;
            connection.dirty = stage.is_some();
            if reply.code == 421 {
                return Err(Failure { error: reply.refusal(at), state: State::Stale });
            }
            let wanted = if at == Stage::Data { reply.code == 354 } else { reply.is_positive() };
            if !wanted {
                // The verdict stands, whatever becomes of the connection.
                let ahead = if pipelining { commands.count() } else { 0 };
                let state =
                    if catch_up(connection, at, ahead, limit).await { State::Usable } else { State::Broken };
                return Err(Failure { error: reply.refusal(at), state });
            }
        }
        self.hand_over(connection, settings).await
    }

    async fn hand_over(
        &self,
        connection: &mut Connection,
        settings: &SmtpSettings,
    ) -> Result<Receipt, Failure> {
        let limit = settings.content_timeout;
        // Body and dot in one write. If it fails, the end of it was never accepted for sending.
        connection.wire.write(&self.content, limit).await.map_err(|e| broken(e.at(Stage::Content)))?;
        let in_doubt = |e: Broken| broken(SendError { in_doubt: true, ..e.at(Stage::Content) });
        connection.wire.flush(limit).await.map_err(in_doubt)?;
        let reply = connection.wire.reply(limit).await.map_err(in_doubt)?;
        connection.dirty = false;
        if reply.is_positive() {
            return Ok(Receipt { answer: reply.text() });
        }
        let state = if reply.code == 421 { State::Broken } else { State::Usable };
        Err(Failure { error: reply.refusal(Stage::Content), state })
    }
}

/// Reads the answers to the commands that were sent ahead of a refusal. A server may answer DATA, the last of
/// them, with 354 though it refused the only recipient; a lone dot gets back in step (RFC 2920 §3.1). Where it was
/// not the recipient that was refused, the dot might send an empty message: then only closing is safe.
async fn catch_up(connection: &mut Connection, refused: Stage, ahead: usize, limit: Duration) -> bool {
    for left in (0..ahead).rev() {
        match connection.wire.reply(limit).await {
            Ok(reply) if reply.code == 421 => return false,
            Ok(reply) if left == 0 && reply.code == 354 => {
                if refused != Stage::Recipient {
                    return false;
                }
                let dot = connection.wire.command(".\r\n", limit).await;
                return dot.is_ok() && connection.wire.reply(limit).await.is_ok();
            }
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    true
}

/// Before the message: a lost connection may have been dead all along; silence or garbage is no reason to hurry.
fn lost(stage: Stage, e: &Broken) -> Failure {
    let state = if matches!(e, Broken::Lost(_)) { State::Stale } else { State::Broken };
    Failure { error: e.at(stage), state }
}

const fn broken(error: SendError) -> Failure {
    Failure { error, state: State::Broken }
}

/// RFC 5321 §4.5.2, with the final dot. `None` if a CR or LF stands alone: servers disagree on what those mean,
/// which is how one message is smuggled inside another (CVE-2023-51764).
fn stuffed(message: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    for line in message.split_inclusive(|b| *b == b'\n') {
        let content = match line.strip_suffix(b"\r\n") {
            Some(content) => content,
            None if line.ends_with(b"\n") => return None,
            None => line,
        };
        if content.contains(&b'\r') {
            return None;
        }
        if content.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    Some(out)
}
