//! Where a URL that somebody gave us may lead: to the public internet, never into our own network.
//!
//! Two locks on one door. [`Reach::check`] refuses what can be seen in the URL; [`PublicNames`] looks names up for the
//! connection itself and hands on public addresses only, so that a name which changes its address between the check and
//! the call (DNS rebinding) gains nothing. Redirects are not followed at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// How far a [`super::Web`] may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// For URLs that come from users: `https` on port 443 of a public address.
    Public,
    /// For URLs that come from the settings, and in closed networks: `http` and `https`, anywhere.
    Anywhere,
}

/// The longest URL that is taken from a user.
const LONGEST: usize = 2048;

impl Reach {
    /// Reads a URL that may be called.
    ///
    /// # Errors
    /// What is wrong with it, fit for its giver; it does not repeat the URL.
    pub fn check(self, url: &str) -> Result<Url, &'static str> {
        if url.len() > LONGEST {
            return Err("must be a URL of at most 2048 characters");
        }
        // The parser reads 127.1, 0x7f000001 and 2130706433 as the address that they are.
        let parsed = Url::parse(url).map_err(|_| "must be an absolute URL")?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("must be a URL without a user name or password");
        }
        let Some(host) = parsed.host() else { return Err("must be a URL with a host") };
        match self {
            Self::Anywhere if matches!(parsed.scheme(), "http" | "https") => Ok(parsed),
            Self::Anywhere => Err("must be an http or https URL"),
            Self::Public if parsed.scheme() != "https" => Err("must be an https URL"),
            Self::Public if parsed.port_or_known_default() != Some(443) => Err("must be a URL on port 443"),
            Self::Public if !may_be_public(&host) => Err("must be a URL of a public host"),
            Self::Public => Ok(parsed),
        }
    }
}

/// False for what is known without asking anybody.
fn may_be_public(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => is_public(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => is_public(IpAddr::V6(*ip)),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let local = ["localhost", "local", "internal", "home.arpa"];
            name.contains('.') && !local.iter().any(|l| name == *l || name.ends_with(&format!(".{l}")))
        }
    }
}

/// Whether an address belongs to the public internet, by IANA's special-purpose registries. An IPv6 address that
/// carries an IPv4 one (mapped, NAT64) is judged by that.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    if let Some(v4) = ip.to_ipv4_mapped().or_else(|| nat64(ip)) {
        return is_public_v4(v4);
    }
    // Global unicast, without protocol assignments and Teredo (2001::/23), documentation (2001:db8::/32, 3fff::/20)
    // and 6to4 (2002::/16), which carries an IPv4 address that may be anybody's.
    matches!(a, 0x2000..=0x3fff)
        && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
        && a != 0x2002
        && !(a == 0x3fff && b < 0x1000)
}

/// The IPv4 address in one of NAT64's well-known prefix, 64:ff9b::/96 (RFC 6052).
fn nat64(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

/// The name leads to no public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has no public address")]
pub(super) struct NotPublic;

/// Looks names up and keeps their public addresses.
pub(super) struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found.into_iter().filter(|a| is_public(a.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_inside_is_refused() {
        for bad in [
            "http://push.example.com/x",
            "ftp://push.example.com/x",
            "file:///etc/passwd",
            "https://push.example.com:8443/x",
            "https://push.example.com:22/x",
            "https://user@push.example.com/x",
            "https://user:secret@push.example.com/x",
            "https://push.example.com@127.0.0.1/x",
            "https://127.0.0.1/x",
            "https://127.1/x",
            "https://2130706433/x",
            "https://0x7f000001/x",
            "https://0x7f.0.0.1/x",
            "https://0177.0.0.1/x",
            "https://１２７.0.0.1/x",
            "https://0.0.0.0/x",
            "https://10.1.2.3/x",
            "https://100.64.0.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://172.31.255.255/x",
            "https://192.168.0.1/x",
            "https://198.18.0.1/x",
            "https://224.0.0.1/x",
            "https://255.255.255.255/x",
            "https://[::1]/x",
            "https://[::]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://[::ffff:a9fe:a9fe]/x",
            "https://[::127.0.0.1]/x",
            "https://[64:ff9b::7f00:1]/x",
            "https://[64:ff9b:1::a00:1]/x",
            "https://[2002:7f00:1::]/x",
            "https://[2001::1]/x",
            "https://[2001:db8::1]/x",
            "https://[fe80::1]/x",
            "https://[fec0::1]/x",
            "https://[fd00::1]/x",
            "https://[ff02::1]/x",
            "https://localhost/x",
            "https://LOCALHOST./x",
            "https://x.localhost/x",
            "https://metadata.google.internal/x",
            "https://printer.local/x",
            "https://database/x",
            "https://",
            "push.example.com/x",
            "",
        ] {
            assert!(Reach::Public.check(bad).is_err(), "{bad}");
        }
        let long = format!("https://push.example.com/{}", "x".repeat(2048));
        assert!(Reach::Public.check(&long).is_err() && Reach::Anywhere.check(&long).is_err());
    }

    #[test]
    fn what_leads_outside_is_taken() {
        for good in [
            "https://fcm.googleapis.com/fcm/send/x:y",
            "https://updates.push.services.mozilla.com:443/wpush/v2/x",
            "https://web.push.apple.com/x?y=1",
            "https://93.184.216.34/x",
            "https://[2606:2800:220:1::1]/x",
            "https://[64:ff9b::5db8:d822]/x",
            "https://[::ffff:93.184.216.34]/x",
        ] {
            assert!(Reach::Public.check(good).is_ok(), "{good}");
        }
        assert!(Reach::Anywhere.check("http://127.0.0.1:9000/x").is_ok());
        assert!(Reach::Anywhere.check("http://user@127.0.0.1:9000/x").is_err());
        assert!(Reach::Anywhere.check("gopher://127.0.0.1/x").is_err());
    }

    #[tokio::test]
    async fn a_name_of_this_machine_has_no_public_address() {
        let Err(error) = PublicNames.resolve("localhost".parse().unwrap()).await else {
            panic!("localhost was resolved")
        };
        assert!(error.downcast_ref::<NotPublic>().is_some(), "{error}");
    }
}
