//! One SMTP conversation of the bounce listener (RFC 5321), over any stream.
//!
//! Promises: only `CRLF.CRLF` ends a message, and a line feed without its carriage return ends the conversation
//! instead, so that nothing can be smuggled behind a message; what a client sends ahead waits for its turn; of a
//! message only the first [`KEPT`] octets are held in memory, which is where reports say what they have to say.

use std::{io, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::{Intake, Refused, Returned, Verp};

/// So much of a message is kept; the rest, mostly our own letter coming back, is read and dropped.
pub(super) const KEPT: usize = 256 * 1024;
/// The largest message that is taken at all, in octets.
const LARGEST: u64 = 32 * 1024 * 1024;
/// The longest command line with its CRLF; RFC 5321 wants 512, more for the parameters of extensions.
const LONGEST_LINE: usize = 2048;
/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// So many refusals, and the conversation is over.
const MOST_REFUSALS: u32 = 10;

/// What one conversation needs.
pub(super) struct Session<S> {
    io: S,
    verp: Arc<Verp>,
    intake: Arc<dyn Intake>,
    stop: CancellationToken,
    /// Read, not yet used.
    buffer: Vec<u8>,
    greeted: bool,
    /// Of the transaction: the sender, then the reference of the recipient.
    sender: Option<String>,
    reference: Option<String>,
    refusals: u32,
}

/// Why a conversation ends.
enum End {
    /// The client left, said QUIT, or cannot be heard any more.
    Over,
    /// It is told so.
    Told(&'static str),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Over
    }
}

const BARE: &str = "550 5.5.2 A line feed without carriage return is not taken here";
const STOPPING: &str = "421 4.3.2 Shutting down, come back later";

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    pub(super) fn new(io: S, verp: Arc<Verp>, intake: Arc<dyn Intake>, stop: CancellationToken) -> Self {
        Self {
            io,
            verp,
            intake,
            stop,
            buffer: Vec::new(),
            greeted: false,
            sender: None,
            reference: None,
            refusals: 0,
        }
    }

    /// Until it is over.
    pub(super) async fn run(mut self) {
        let end = self.converse().await;
        if let Err(End::Told(reply)) = end {
            // Whoever is gone need not be told.
            let _ = self.reply(reply).await;
        }
        let _ = self.io.shutdown().await;
    }

    async fn converse(&mut self) -> Result<(), End> {
        let greeting = format!("220 {} ESMTP for returned mail only", self.verp.domain());
        self.reply(&greeting).await?;
        loop {
            let stop = self.stop.clone();
            let line = tokio::select! {
                biased;
                line = self.line() => line?,
                () = stop.cancelled() => return Err(End::Told(STOPPING)),
            };
            let reply = self.command(&line).await?;
            if reply.starts_with('4') || reply.starts_with('5') {
                self.refusals += 1;
            }
            if self.refusals > MOST_REFUSALS {
                return Err(End::Told("421 4.7.0 Too many errors"));
            }
            self.reply(&reply).await?;
        }
    }

    async fn reply(&mut self, reply: &str) -> Result<(), End> {
        let write = async {
            self.io.write_all(format!("{reply}\r\n").as_bytes()).await?;
            self.io.flush().await
        };
        tokio::time::timeout(SILENCE, write).await.map_err(|_| End::Over)?.map_err(End::from)
    }

    /// More octets into the buffer.
    async fn fill(&mut self) -> Result<(), End> {
        let mut chunk = [0; 8192];
        let read = tokio::time::timeout(SILENCE, self.io.read(&mut chunk)).await;
        let n = read.map_err(|_| End::Told("421 4.4.2 Silent for too long"))??;
        if n == 0 {
            return Err(End::Over);
        }
        self.buffer.extend_from_slice(chunk.get(..n).unwrap_or_default());
        Ok(())
    }

    /// The next command line without its CRLF. Stopping to wait for it loses nothing.
    async fn line(&mut self) -> Result<String, End> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                let line = line.strip_suffix(b"\r\n").ok_or(End::Told(BARE))?;
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(End::Told("500 5.5.2 The line is too long"));
            }
            self.fill().await?;
        }
    }

    async fn command(&mut self, line: &str) -> Result<String, End> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let reply = match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" if rest.trim().is_empty() => "501 5.5.4 Say who you are",
            "HELO" => {
                self.greet();
                return Ok(format!("250 {}", self.verp.domain()));
            }
            "EHLO" => {
                self.greet();
                return Ok(format!(
                    "250-{}\r\n250-PIPELINING\r\n250-SIZE {LARGEST}\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES",
                    self.verp.domain()
                ));
            }
            "MAIL" => self.mail(rest),
            "RCPT" => self.recipient(rest),
            "DATA" => return self.data().await,
            "RSET" => {
                self.reset();
                "250 2.0.0 Ok"
            }
            "NOOP" => "250 2.0.0 Ok",
            "VRFY" => "252 2.5.0 Send it and see",
            "QUIT" => return Err(End::Told("221 2.0.0 Bye")),
            _ => "500 5.5.1 Not a command here",
        };
        Ok(reply.to_owned())
    }

    fn greet(&mut self) {
        self.greeted = true;
        self.reset();
    }

    fn reset(&mut self) {
        (self.sender, self.reference) = (None, None);
    }

    fn mail(&mut self, rest: &str) -> &'static str {
        if !self.greeted {
            return "503 5.5.1 Say EHLO first";
        }
        if self.sender.is_some() {
            return "503 5.5.1 There is a sender already";
        }
        let Some((sender, parameters)) = path(rest, "FROM:") else {
            return "501 5.5.4 Must be MAIL FROM:<address>";
        };
        for parameter in parameters.split_ascii_whitespace() {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name.to_ascii_uppercase().as_str() {
                "SIZE" => match value.parse::<u64>() {
                    Ok(size) if size > LARGEST => return "552 5.3.4 Larger than anything that is taken here",
                    Ok(_) => {}
                    Err(_) => return "501 5.5.4 SIZE is not a number",
                },
                "BODY" => {}
                _ => return "555 5.5.4 Parameter not known",
            }
        }
        self.sender = Some(sender.to_owned());
        "250 2.1.0 Ok"
    }

    fn recipient(&mut self, rest: &str) -> &'static str {
        if self.sender.is_none() {
            return "503 5.5.1 Say MAIL first";
        }
        let Some((address, _)) = path(rest, "TO:") else {
            return "501 5.5.4 Must be RCPT TO:<address>";
        };
        match self.verp.read(address) {
            Err(Refused::Domain) => "550 5.7.1 Mail is not relayed here",
            Err(Refused::Unknown) => "550 5.1.1 Nothing was sent from this address",
            // Each return address is another letter's; one report is about one of them.
            Ok(_) if self.reference.is_some() => "452 4.5.3 One recipient at a time",
            Ok(reference) => {
                self.reference = Some(reference);
                "250 2.1.5 Ok"
            }
        }
    }

    async fn data(&mut self) -> Result<String, End> {
        let (Some(sender), Some(reference)) = (self.sender.take(), self.reference.take()) else {
            self.reset();
            return Ok("503 5.5.1 Say MAIL and RCPT first".to_owned());
        };
        if !self.buffer.is_empty() {
            // RFC 2920 §3.1: nothing may follow DATA until it is answered.
            return Err(End::Told("503 5.5.0 The message came before it was asked for"));
        }
        self.reply("354 End with a dot on a line of its own").await?;
        let mut content = Content::default();
        loop {
            self.fill().await?;
            let (used, done) = content.take(&self.buffer).map_err(|()| End::Told(BARE))?;
            self.buffer.drain(..used);
            if done {
                break;
            }
        }
        if content.size > LARGEST {
            return Ok("552 5.3.4 Larger than anything that is taken here".to_owned());
        }
        let returned = Returned { reference, sender, message: content.kept };
        Ok(match self.intake.take(returned).await {
            Ok(()) => "250 2.0.0 Noted".to_owned(),
            Err(reason) => {
                tracing::warn!(reason, "a returned mail cannot be taken in now");
                "451 4.3.0 Cannot be stored now, come back later".to_owned()
            }
        })
    }
}

/// The path and the parameters behind it: `FROM:<a@b> SIZE=10`. A source route is dropped (RFC 5321 §C).
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (head, tail) = rest.trim_start().split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (path, parameters) = tail.trim_start().strip_prefix('<')?.split_once('>')?;
    let path = if path.starts_with('@') { path.split_once(':').map_or(path, |(_, p)| p) } else { path };
    let plain = path.len() <= 320 && !path.chars().any(|c| c.is_control() || c == ' ' || c == '<');
    plain.then_some((path, parameters))
}

/// A message being read: the dots of RFC 5321 §4.5.2 taken out.
#[derive(Default)]
struct Content {
    kept: Vec<u8>,
    size: u64,
    at: At,
}

#[derive(Default, Clone, Copy)]
enum At {
    #[default]
    LineStart,
    Text,
    /// After a carriage return in a line.
    Return,
    /// After a dot at the start of a line.
    Dot,
    /// After that dot and a carriage return.
    DotReturn,
}

impl Content {
    /// How many octets were used, and whether the message ends there. An error is a bare line feed.
    fn take(&mut self, octets: &[u8]) -> Result<(usize, bool), ()> {
        for (n, &b) in octets.iter().enumerate() {
            match (self.at, b) {
                (At::DotReturn, b'\n') => return Ok((n + 1, true)),
                (At::Return, b'\n') => {
                    self.push(b"\r\n");
                    self.at = At::LineStart;
                }
                (At::LineStart | At::Text | At::Dot, b'\n') => return Err(()),
                (At::LineStart, b'.') => self.at = At::Dot,
                (At::LineStart | At::Text, b'\r') => self.at = At::Return,
                (At::Dot, b'\r') => self.at = At::DotReturn,
                (At::Return | At::DotReturn, b) => {
                    self.push(b"\r");
                    self.at = At::Return;
                    if b != b'\r' {
                        self.push(&[b]);
                        self.at = At::Text;
                    }
                }
                (At::LineStart | At::Text | At::Dot, b) => {
                    self.push(&[b]);
                    self.at = At::Text;
                }
            }
        }
        Ok((octets.len(), false))
    }

    fn push(&mut self, octets: &[u8]) {
        self.size += octets.len() as u64;
        if self.kept.len() + octets.len() <= KEPT {
            self.kept.extend_from_slice(octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ()> {
        // Whole, and octet by octet: the same.
        let mut whole = Content::default();
        let (used, done) = whole.take(octets)?;
        let mut single = Content::default();
        for b in octets.get(..used).unwrap_or_default() {
            single.take(&[*b])?;
        }
        assert_eq!(whole.kept, single.kept);
        Ok(done.then_some((whole.kept, used)))
    }

    #[test]
    fn dots_and_ends() {
        let ended = |o: &[u8]| read(o).unwrap().map(|(kept, used)| (String::from_utf8(kept).unwrap(), used));
        assert_eq!(ended(b"a\r\n.\r\nQUIT\r\n"), Some(("a\r\n".to_owned(), 6)));
        assert_eq!(ended(b".\r\n"), Some((String::new(), 3)));
        assert_eq!(ended(b"..\r\n.x\r\n.\r\n"), Some((".\r\nx\r\n".to_owned(), 11)));
        assert_eq!(ended(b"a\r.\r\r\n.\r\n"), Some(("a\r.\r\r\n".to_owned(), 9)));
        assert_eq!(ended(b".\r.\r\n\r\n.\r\n").unwrap().0, "\r.\r\n\r\n");
        assert_eq!(ended(b"a\r\n."), None);
        for smuggled in [&b"a\n.\r\n"[..], b"a\r\n.\n", b"\n", b"a\r\n.\r\r\n.\n"] {
            assert!(read(smuggled).is_err(), "{smuggled:?}");
        }
    }

    #[test]
    fn paths() {
        assert_eq!(path("FROM:<>", "FROM:"), Some(("", "")));
        assert_eq!(path("from: <a@b> SIZE=1", "FROM:"), Some(("a@b", " SIZE=1")));
        assert_eq!(path("TO:<@x,@y:a@b>", "TO:"), Some(("a@b", "")));
        for bad in ["", "FROM", "FROM:a@b", "FROM:<a@b", "FROM:<a b>", "FRO\u{e9}:<a>", "TO:<<a>>"] {
            assert_eq!(path(bad, "FROM:"), None, "{bad}");
        }
    }
}
