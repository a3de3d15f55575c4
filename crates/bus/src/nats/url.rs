//! Where NATS is: `nats://[user:password@|token@]host[:port][,host[:port]…]`.

use std::str::FromStr;

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

/// The servers of one NATS, and who we are to them. Never printed: it may hold a password.
#[derive(Clone)]
pub struct Url {
    pub(super) servers: Vec<ServerAddr>,
    pub(super) credentials: Credentials,
}

#[derive(Clone)]
pub(super) enum Credentials {
    None,
    Token(String),
    Password { user: String, password: String },
}

/// What the text should have been; it does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUrl(&'static str);

impl std::fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidUrl {}

const FORM: InvalidUrl = InvalidUrl(
    "nats:// or tls://, then user:password@ or token@ if needed, then a comma list of hosts such as nats.example.com:4222",
);
const ONCE: InvalidUrl = InvalidUrl(
    "nats://user:password@host,host: user and password stand before the first host and hold for all",
);
const ENCODING: InvalidUrl = InvalidUrl(
    "nats://user:password@host, where / ? # @ : and blanks in a user, password or token are written as %XX",
);

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nats::Url")
    }
}

impl FromStr for Url {
    type Err = InvalidUrl;

    /// The scheme may be repeated before each host.
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let scheme = ["nats://", "tls://"].into_iter().find(|s| text.starts_with(s)).ok_or(FORM)?;
        let mut parts = text.split(',').map(|part| part.strip_prefix(scheme).unwrap_or(part));
        let first = parts.next().ok_or(FORM)?;
        let (credentials, first) = match first.rsplit_once('@') {
            Some((credentials, host)) => (read_credentials(credentials)?, host),
            None => (Credentials::None, first),
        };
        let servers = std::iter::once(first).chain(parts).map(|host| server(scheme, host));
        Ok(Self { servers: servers.collect::<Result<_, _>>()?, credentials })
    }
}

fn read_credentials(text: &str) -> Result<Credentials, InvalidUrl> {
    Ok(match text.split_once(':') {
        Some((user, password)) => {
            Credentials::Password { user: decoded(user)?, password: decoded(password)? }
        }
        None => Credentials::Token(decoded(text)?),
    })
}

/// Not empty, and without what would end it in a URL.
fn decoded(text: &str) -> Result<String, InvalidUrl> {
    if text.is_empty() {
        return Err(FORM);
    }
    if text.contains(['/', '?', '#', '@', ':', ' ']) {
        return Err(ENCODING);
    }
    Ok(percent_decode_str(text).decode_utf8().map_err(|_| ENCODING)?.into_owned())
}

fn server(scheme: &str, host: &str) -> Result<ServerAddr, InvalidUrl> {
    if host.contains('@') {
        return Err(ONCE);
    }
    // The URL's own parser would take the rest for a path or leave it away.
    if host.is_empty() || host.contains(['/', '?', '#', '\\', ' ', '\t', '\n', '\r']) {
        return Err(FORM);
    }
    let server: ServerAddr = format!("{scheme}{host}").parse().map_err(|_| FORM)?;
    if server.host().is_empty() || server.port() == 0 { Err(FORM) } else { Ok(server) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, String) {
        let url: Url = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        let servers = url.servers.iter().map(|s| format!("{}:{}", s.host(), s.port())).collect();
        let credentials = match url.credentials {
            Credentials::None => String::new(),
            Credentials::Token(token) => token,
            Credentials::Password { user, password } => format!("{user} {password}"),
        };
        (servers, credentials)
    }

    #[test]
    fn hosts_and_who_we_are() {
        for (text, servers, credentials) in [
            ("nats://localhost", &["localhost:4222"][..], ""),
            ("nats://127.0.0.1:4333", &["127.0.0.1:4333"], ""),
            ("tls://nats.example.com", &["nats.example.com:4222"], ""),
            ("nats://[::1]:4000,b:4001,nats://c", &["::1:4000", "b:4001", "c:4222"], ""),
            ("nats://hong:yan%2C%40%3A@a,b", &["a:4222", "b:4222"], "hong yan,@:"),
            ("nats://s3cret@a:4222", &["a:4222"], "s3cret"),
        ] {
            let found = read(text);
            assert_eq!(
                (found.0.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), found.1.as_str()),
                (servers, credentials),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for text in [
            "",
            "memory:",
            "http://a",
            "nats:",
            "nats://",
            "nats://,a",
            "nats://a,",
            "nats://geheim:geheim@",
            "nats://:geheim@a",
            "nats://geheim:@a",
            "nats://@a",
            "nats://geheim:ge/heim@a",
            "nats://u:geheim:geheim@a",
            "nats://u:geheim%FF@a",
            "nats://u:geheim@a,u:geheim@b",
            "nats://a:port",
            "nats://a:0",
            "nats://a:99999",
            "nats://a/path",
            "nats://a?x=1",
            "nats://a,tls://b",
            "nats://a b",
        ] {
            let Err(error) = text.parse::<Url>() else { panic!("{text} is taken") };
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
        assert!(!format!("{:?}", "nats://u:geheim@a".parse::<Url>()).contains("geheim"));
    }
}
