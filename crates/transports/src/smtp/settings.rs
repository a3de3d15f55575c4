//! What to connect to, and how patiently.
//!
//! Promise: neither `Debug`, nor `Display`, nor any error here shows the password.

use std::{fmt, io, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use percent_encoding::percent_decode_str;

/// A server: `smtp://[user:password@]host[:port][?tls=required|opportunistic|none]`, or `smtps://…` for TLS from
/// the first octet.
///
/// Ports: 465 for `smtps`; for `smtp` 587 with a user, 25 without. User and password are percent-encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: TlsMode,
    pub(super) credentials: Option<Credentials>,
}

/// When the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// From the first octet (`smtps://`), certificate checked.
    Implicit,
    /// By STARTTLS, certificate checked; without it nothing is sent.
    Required,
    /// By STARTTLS where offered (RFC 7435). The certificate is checked whenever credentials will be sent, except
    /// to this machine; without credentials an unknown certificate still beats clear text.
    Opportunistic,
    /// Never.
    Never,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

/// What is wrong with an SMTP URL. Never quotes it, since it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(&'static str);

/// What keeps a pool or an HTTP client from being set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of additional certificate authorities cannot be read.
    #[error("cannot read the certificate authorities in {0}: {1}")]
    ReadCa(PathBuf, io::Error),
    /// It holds no usable certificate.
    #[error("{0} holds no PEM certificate that can serve as an authority")]
    NoCa(PathBuf),
    /// A name for EHLO that is no host name or address literal.
    #[error("the name for EHLO must be a host name")]
    Hello,
    /// The HTTP client cannot be set up.
    #[error("HTTP cannot be set up: {0}")]
    Http(String),
    /// A pool without connections sends nothing.
    #[error("at least one connection must be allowed")]
    NoConnections,
    /// The cryptographic provider cannot do TLS 1.2 and 1.3.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// How a pool connects, and how long it waits.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// The server.
    pub url: SmtpUrl,
    /// A PEM file of authorities to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Our name for EHLO; without one, our address on the connection as a literal (RFC 5321 §4.1.4).
    pub hello: Option<String>,
    /// The most connections at a time.
    pub max_connections: usize,
    /// For name resolution and TCP, and again for the TLS handshake.
    pub connect_timeout: Duration,
    /// For the greeting and each reply.
    pub reply_timeout: Duration,
    /// For handing the message over, and for the reply after the final dot.
    pub content_timeout: Duration,
    /// After this long unused, a connection is closed.
    pub idle_timeout: Duration,
}

impl SmtpSettings {
    /// 10 connections; 10 s to connect, 60 s for a reply, 5 min for the last one, 30 s idle.
    #[must_use]
    pub const fn new(url: SmtpUrl) -> Self {
        Self {
            url,
            ca_file: None,
            hello: None,
            max_connections: 10,
            connect_timeout: Duration::from_secs(10),
            reply_timeout: Duration::from_secs(60),
            content_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

impl FromStr for SmtpUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let url = url::Url::parse(text)
            .map_err(|_| InvalidUrl("must be a URL such as smtp://user:pass@host:587"))?;
        let implicit = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(InvalidUrl("must begin with smtp:// or smtps://")),
        };
        let host = host(url.host_str().unwrap_or_default())?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(InvalidUrl("must end after the host, port and query"));
        }
        let mut tls = if implicit { TlsMode::Implicit } else { TlsMode::Opportunistic };
        for (key, value) in url.query_pairs() {
            tls = match (key.as_ref(), value.as_ref(), implicit) {
                ("tls", "required", true) => TlsMode::Implicit,
                ("tls", "required", false) => TlsMode::Required,
                ("tls", "opportunistic", false) => TlsMode::Opportunistic,
                ("tls", "none", false) => TlsMode::Never,
                ("tls", _, true) => return Err(InvalidUrl("smtps:// is always encrypted: leave tls= out")),
                ("tls", ..) => return Err(InvalidUrl("tls= must be required, opportunistic or none")),
                _ => return Err(InvalidUrl("takes no parameter but tls=")),
            };
        }
        let credentials = credentials(&url)?;
        let port = url.port().unwrap_or(match (implicit, credentials.is_some()) {
            (true, _) => 465,
            (false, true) => 587,
            (false, false) => 25,
        });
        Ok(Self { host, port, tls, credentials })
    }
}

/// A host name, or an address without brackets.
fn host(text: &str) -> Result<String, InvalidUrl> {
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) => Ok(name),
        Ok(url::Host::Ipv4(ip)) => Ok(ip.to_string()),
        Ok(url::Host::Ipv6(ip)) => Ok(ip.to_string()),
        Err(_) => Err(InvalidUrl("must name a host")),
    }
}

fn credentials(url: &url::Url) -> Result<Option<Credentials>, InvalidUrl> {
    let decode = |text: &str| {
        let text = percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| InvalidUrl("user and password must be UTF-8"))?;
        // AUTH PLAIN separates its parts with NUL (RFC 4616).
        if text.contains('\0') {
            Err(InvalidUrl("user and password cannot hold NUL"))
        } else {
            Ok(text.into_owned())
        }
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(InvalidUrl("has a password without a user")),
        (_, None) => Err(InvalidUrl("has a user without a password")),
        (user, Some(password)) => Ok(Some(Credentials { user: decode(user)?, password: decode(password)? })),
    }
}

impl SmtpUrl {
    /// The host as a TLS name to check certificates against.
    pub(super) fn server_name(&self) -> Option<rustls_pki_types::ServerName<'static>> {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => Some(rustls_pki_types::ServerName::from(ip)),
            Err(_) => rustls_pki_types::ServerName::try_from(self.host.clone()).ok(),
        }
    }
}

/// Without the credentials.
impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls == TlsMode::Implicit { "smtps" } else { "smtp" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{self} ({:?}, {} credentials)",
            self.tls,
            if self.credentials.is_some() { "with" } else { "no" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> SmtpUrl {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn urls() {
        let plain = url("smtp://mail.example.org");
        assert_eq!((plain.port, plain.tls, plain.credentials.is_none()), (25, TlsMode::Opportunistic, true));
        let submission = url("smtp://li%40example.org:p%3Aw%2F%E9%92%A5@mail.example.org?tls=required");
        assert_eq!((submission.port, submission.tls), (587, TlsMode::Required));
        let credentials = submission.credentials.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("li@example.org", "p:w/钥"));
        let v6 = url("smtps://[::1]");
        assert_eq!((v6.host.as_str(), v6.port, v6.tls), ("::1", 465, TlsMode::Implicit));
        assert_eq!(v6.to_string(), "smtps://[::1]:465");
        assert_eq!(url("smtp://127.0.0.1:2525/?tls=none").tls, TlsMode::Never);
    }

    #[test]
    fn bad_urls_are_refused_without_the_password() {
        for bad in [
            "",
            "mail.example.org",
            "http://mail.example.org",
            "smtp://",
            "smtp:///x",
            "smtp://u:hunter2@/",
            "smtp://u@h",
            "smtp://:hunter2@h",
            "smtp://u:hunter2@h/path",
            "smtp://u:hunter2@h?tls=maybe",
            "smtp://u:hunter2@h?verify=no",
            "smtps://u:hunter2@h?tls=none",
            "smtp://u:hunter2%00@h",
            "smtp://u:hunter2@h:99999",
        ] {
            let error = bad.parse::<SmtpUrl>().expect_err(bad);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn nothing_shows_the_password() {
        let mut settings = SmtpSettings::new(url("smtp://user:hunter2@mail.example.org"));
        settings.hello = Some("letters.example.org".to_owned());
        let shown = format!("{settings:?} {} {:?}", settings.url, settings.url);
        assert!(!shown.contains("hunter2") && shown.contains("mail.example.org"), "{shown}");
    }
}
