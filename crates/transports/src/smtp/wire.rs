//! [`Wire`]: the octets of a connection, in clear or in TLS, and the [`Reply`]s read from them.
//!
//! Promises: no server makes us keep more than [`MAX_LINES`] lines of [`MAX_LINE`] octets; every wait ends; what
//! was read before a handshake is not taken for something said inside it (CVE-2011-0411).

use std::{future::Future, io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use crate::{SendError, Stage};

/// RFC 5321 §4.5.3.1.5 says 512; real servers exceed it.
const MAX_LINE: usize = 2048;
const MAX_LINES: usize = 64;
/// What is kept of a reply for the record.
const MAX_TEXT: usize = 1000;

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

pub(super) struct Wire {
    stream: Stream,
    unread: Vec<u8>,
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The text of each line, without codes.
    pub(super) lines: Vec<String>,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Broken {
    /// The server closed, or the network failed.
    Lost(io::Error),
    /// Nothing came in time.
    Silent(Duration),
    /// What came is not SMTP.
    Garbage(&'static str),
}

impl Broken {
    pub(super) fn at(&self, stage: Stage) -> SendError {
        SendError::transient(stage, self.to_string())
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(e) => write!(f, "connection lost: {e}"),
            Self::Silent(limit) => write!(f, "no answer within {limit:?}"),
            Self::Garbage(what) => write!(f, "the answer is not SMTP: {what}"),
        }
    }
}

/// Waits for I/O, but not for ever.
pub(super) async fn within<T>(limit: Duration, io: impl Future<Output = io::Result<T>>) -> Result<T, Broken> {
    match timeout(limit, io).await {
        Ok(done) => done.map_err(Broken::Lost),
        Err(_) => Err(Broken::Silent(limit)),
    }
}

impl Wire {
    pub(super) const fn new(stream: Stream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// The bare connection, for a handshake. Whatever was read ahead is dropped: it came in clear.
    pub(super) fn into_plain(self) -> Option<TcpStream> {
        match self.stream {
            Stream::Plain(tcp) => Some(tcp),
            Stream::Tls(_) => None,
        }
    }

    /// Hands everything to the stream; on success all of it is at least in its buffers.
    pub(super) async fn write(&mut self, octets: &[u8], limit: Duration) -> Result<(), Broken> {
        within(limit, async {
            match &mut self.stream {
                Stream::Plain(s) => s.write_all(octets).await,
                Stream::Tls(s) => s.write_all(octets).await,
            }
        })
        .await
    }

    pub(super) async fn flush(&mut self, limit: Duration) -> Result<(), Broken> {
        within(limit, async {
            match &mut self.stream {
                Stream::Plain(s) => s.flush().await,
                Stream::Tls(s) => s.flush().await,
            }
        })
        .await
    }

    /// A command, or several.
    pub(super) async fn command(&mut self, lines: &str, limit: Duration) -> Result<(), Broken> {
        self.write(lines.as_bytes(), limit).await?;
        self.flush(limit).await
    }

    /// The next reply, all of it within `limit`.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Reply, Broken> {
        timeout(limit, self.read_reply()).await.unwrap_or(Err(Broken::Silent(limit)))
    }

    async fn read_reply(&mut self) -> Result<Reply, Broken> {
        let mut lines = Vec::new();
        while lines.len() < MAX_LINES {
            let line = self.read_line().await?;
            let (code, last, text) =
                parse_line(&line).ok_or(Broken::Garbage("a line without a reply code"))?;
            lines.push(text);
            if last {
                return Ok(Reply { code, lines });
            }
        }
        Err(Broken::Garbage("too many lines"))
    }

    async fn read_line(&mut self) -> Result<Vec<u8>, Broken> {
        let mut searched = 0;
        loop {
            let found = self.unread.iter().skip(searched).position(|b| *b == b'\n');
            if let Some(at) = found {
                let rest = self.unread.split_off(searched + at + 1);
                return Ok(std::mem::replace(&mut self.unread, rest));
            }
            searched = self.unread.len();
            if searched > MAX_LINE {
                return Err(Broken::Garbage("a line too long"));
            }
            self.fill().await.map_err(Broken::Lost)?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.unread.reserve(MAX_LINE);
        let n = match &mut self.stream {
            Stream::Plain(s) => s.read_buf(&mut self.unread).await?,
            Stream::Tls(s) => s.read_buf(&mut self.unread).await?,
        };
        if n == 0 {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server"))
        } else {
            Ok(())
        }
    }
}

/// Code, whether it is the last line, and text with control characters removed.
fn parse_line(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.trim_ascii_end().split_at_checked(3)?;
    let code: u16 = std::str::from_utf8(code).ok()?.parse().ok()?;
    let (last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return None,
    };
    let text = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).collect();
    (200..600).contains(&code).then_some((code, last, text))
}

impl Reply {
    pub(super) const fn is_positive(&self) -> bool {
        self.code < 300
    }

    /// The code and the text on one line, cut to what is worth keeping.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" ")).trim_end().chars().take(MAX_TEXT).collect()
    }

    /// RFC 2034: the first word, if it looks like `5.1.1` and agrees with the code.
    pub(super) fn enhanced(&self) -> Option<String> {
        let word = self.lines.first()?.split(' ').next()?;
        let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let parts: Vec<&str> = word.split('.').collect();
        let class = (self.code / 100).to_string();
        (parts.len() == 3 && parts.first() == Some(&class.as_str()) && parts.into_iter().all(number))
            .then(|| word.to_owned())
    }

    pub(super) fn refusal(&self, stage: Stage) -> SendError {
        SendError::refused(stage, self.code, self.enhanced(), self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(parse_line(b"250 ok\r\n"), Some((250, true, "ok".to_owned())));
        assert_eq!(parse_line(b"250-SIZE 10\n"), Some((250, false, "SIZE 10".to_owned())));
        assert_eq!(parse_line(b"354\r\n"), Some((354, true, String::new())));
        assert_eq!(
            parse_line("550 用户\x1b[31m不存在\r\n".as_bytes()),
            Some((550, true, "用户[31m不存在".to_owned()))
        );
        for bad in ["", "25\r\n", "hello\r\n", "250x\r\n", "999 no\r\n", "+50 a\r\n", "HTTP/1.1 400 Bad\r\n"]
        {
            assert_eq!(parse_line(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn enhanced_codes() {
        let enhanced = |code, text: &str| Reply { code, lines: vec![text.to_owned()] }.enhanced();
        assert_eq!(enhanced(550, "5.1.1 <a@b>: unknown").as_deref(), Some("5.1.1"));
        assert_eq!(enhanced(550, "5.7.26"), Some("5.7.26".to_owned()));
        for (code, text) in
            [(550, "4.1.1 x"), (550, "5.1 x"), (550, "No such user 5.1.1"), (250, "5.1.1"), (550, "")]
        {
            assert_eq!(enhanced(code, text), None, "{code} {text}");
        }
    }
}
