//! [`Connection`]: from a name to a greeted, encrypted and authenticated connection.

use std::{net::IpAddr, time::Duration};

use tokio::net::TcpStream;

use super::{
    auth,
    settings::{SmtpSettings, TlsMode},
    tls::Connectors,
    wire::{Broken, Reply, Stream, Wire, within},
};
use crate::{SendError, Stage};

/// How long a parting word may take; nobody waits for it.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that is ready for a message.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) extensions: Extensions,
    /// A transaction was begun and neither finished nor reset.
    pub(super) dirty: bool,
    /// How it came about, for the operator.
    pub(super) story: Story,
}

/// What the server offers, as far as we use it.
#[derive(Debug, Default, Clone)]
pub(super) struct Extensions {
    pub(super) pipelining: bool,
    pub(super) size: bool,
    starttls: bool,
    auth: Vec<String>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Story {
    greeting: String,
    verified: bool,
    encrypted: bool,
    mechanism: Option<&'static str>,
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tls = match (self.encrypted, self.verified) {
            (true, true) => "TLS, certificate verified",
            (true, false) => "TLS, certificate not verified",
            (false, _) => "not encrypted",
        };
        let auth = self.mechanism.map_or("no login".to_owned(), |m| format!("login by {m}"));
        write!(f, "{:?}; {tls}; {auth}", self.greeting)
    }
}

impl Connection {
    pub(super) async fn open(settings: &SmtpSettings, tls: &Connectors) -> Result<Self, SendError> {
        let url = &settings.url;
        let failed = |e: Broken| e.at(Stage::Connect);
        let tcp = TcpStream::connect((url.host.as_str(), url.port));
        let tcp = within(settings.connect_timeout, tcp).await.map_err(failed)?;
        // Nagle's algorithm against delayed acknowledgements costs 40 ms per message.
        tcp.set_nodelay(true).map_err(|e| failed(Broken::Lost(e)))?;
        let here = tcp.local_addr().map_err(|e| failed(Broken::Lost(e)))?.ip();
        let local = tcp.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
        let hello = settings.hello.clone().unwrap_or_else(|| literal(here));

        let mut opening = Opening { settings, tls, hello, local, story: Story::default() };
        let mut wire = Wire::new(Stream::Plain(tcp));
        if url.tls == TlsMode::Implicit {
            wire = opening.encrypt(wire).await?;
        }
        let greeting = wire.reply(settings.reply_timeout).await.map_err(failed)?;
        if !greeting.is_positive() {
            return Err(greeting.refusal(Stage::Connect));
        }
        opening.story.greeting = greeting.text();
        let (wire, extensions) = opening.shake(wire).await?;
        Ok(Self { wire, extensions, dirty: false, story: opening.story })
    }

    /// Says goodbye, without insisting.
    pub(super) async fn quit(mut self) {
        if self.wire.command("QUIT\r\n", QUIT_TIMEOUT).await.is_ok() {
            // Whatever the answer, the connection ends here.
            let _ = self.wire.reply(QUIT_TIMEOUT).await;
        }
    }
}

/// RFC 5321 §4.1.3.
fn literal(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

struct Opening<'a> {
    settings: &'a SmtpSettings,
    tls: &'a Connectors,
    hello: String,
    /// The other end is this machine.
    local: bool,
    story: Story,
}

impl Opening<'_> {
    /// EHLO, STARTTLS and AUTH, as the settings and the server have it.
    async fn shake(&mut self, mut wire: Wire) -> Result<(Wire, Extensions), SendError> {
        let mut extensions = self.ehlo(&mut wire).await?;
        let url = &self.settings.url;
        let start = match url.tls {
            TlsMode::Implicit | TlsMode::Never => false,
            TlsMode::Opportunistic => extensions.starttls,
            TlsMode::Required if extensions.starttls => true,
            TlsMode::Required => {
                return Err(SendError::transient(
                    Stage::Tls,
                    "the server does not offer STARTTLS, which is required",
                ));
            }
        };
        if start {
            let reply = self.exchange(&mut wire, "STARTTLS\r\n", Stage::Tls).await?;
            if reply.code != 220 {
                return Err(reply.refusal(Stage::Tls));
            }
            wire = self.encrypt(wire).await?;
            // What was offered in clear may have been altered (RFC 3207 §4.2).
            extensions = self.ehlo(&mut wire).await?;
        }
        if let Some(credentials) = &url.credentials {
            if !self.story.encrypted && !self.local {
                let answer =
                    "credentials are configured, but the connection is not encrypted: they were not sent";
                return Err(SendError::transient(Stage::Auth, answer));
            }
            let limit = self.settings.reply_timeout;
            let mechanism = auth::authenticate(&mut wire, &extensions.auth, credentials, limit).await?;
            self.story.mechanism = Some(mechanism);
        }
        Ok((wire, extensions))
    }

    async fn encrypt(&mut self, wire: Wire) -> Result<Wire, SendError> {
        let url = &self.settings.url;
        let lax = url.tls == TlsMode::Opportunistic && (url.credentials.is_none() || self.local);
        let connector = if lax { &self.tls.unverified } else { &self.tls.verified };
        let name = url
            .server_name()
            .ok_or_else(|| SendError::transient(Stage::Tls, "the host is no name for TLS"))?;
        let tcp = wire.into_plain().ok_or_else(|| SendError::transient(Stage::Tls, "TLS inside TLS"))?;
        let stream = within(self.settings.connect_timeout, connector.connect(name, tcp)).await;
        let stream = stream.map_err(|e| {
            // The reason is in the handshake, not in the network that carried it.
            let reason = if let Broken::Lost(e) = e { e.to_string() } else { e.to_string() };
            SendError::transient(Stage::Tls, format!("TLS handshake: {reason}"))
        })?;
        self.story.encrypted = true;
        self.story.verified = !lax;
        Ok(Wire::new(Stream::Tls(Box::new(stream))))
    }

    /// EHLO, or HELO where the server knows nothing newer.
    async fn ehlo(&self, wire: &mut Wire) -> Result<Extensions, SendError> {
        let reply = self.exchange(wire, &format!("EHLO {}\r\n", self.hello), Stage::Hello).await?;
        if reply.is_positive() {
            return Ok(extensions(&reply));
        }
        if !matches!(reply.code, 500 | 502 | 504) {
            return Err(reply.refusal(Stage::Hello));
        }
        let reply = self.exchange(wire, &format!("HELO {}\r\n", self.hello), Stage::Hello).await?;
        if reply.is_positive() { Ok(Extensions::default()) } else { Err(reply.refusal(Stage::Hello)) }
    }

    async fn exchange(&self, wire: &mut Wire, line: &str, stage: Stage) -> Result<Reply, SendError> {
        let limit = self.settings.reply_timeout;
        wire.command(line, limit).await.map_err(|e| e.at(stage))?;
        wire.reply(limit).await.map_err(|e| e.at(stage))
    }
}

fn extensions(reply: &Reply) -> Extensions {
    let mut extensions = Extensions::default();
    for line in reply.lines.iter().skip(1) {
        let line = line.to_ascii_uppercase();
        // `AUTH=PLAIN` is what some servers said before RFC 2554.
        let mut words = line.split([' ', '=']);
        match words.next() {
            Some("PIPELINING") => extensions.pipelining = true,
            Some("SIZE") => extensions.size = true,
            Some("STARTTLS") => extensions.starttls = true,
            Some("AUTH") => extensions.auth.extend(words.map(str::to_owned)),
            _ => {}
        }
    }
    extensions
}
