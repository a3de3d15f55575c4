//! Where a provider may be: anywhere that the operator says, but never at an address by which machines in a
//! cloud hand out credentials.

use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};

/// Names of metadata services that do not resolve to a link-local address everywhere.
const METADATA_NAMES: &[&str] =
    &["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];
/// Metadata services outside the link-local networks: AWS over IPv6, Alibaba Cloud, Oracle Cloud.
const METADATA_ADDRESSES: &[&str] = &["fd00:ec2::254", "100.100.100.200", "192.0.0.192"];

/// Reads a base URL as the settings have it; the result ends in a slash.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn read_base_url(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "must be an http or https URL such as http://127.0.0.1:11434/v1/";
    let mut url = Url::parse(text).map_err(|_| EXPECTED)?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(EXPECTED);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a name or password: the key belongs into assistant.api_key");
    }
    let refused = match url.host().ok_or(EXPECTED)? {
        Host::Domain(name) => METADATA_NAMES.contains(&name.trim_end_matches('.')),
        Host::Ipv4(ip) => is_refused(ip.into()),
        Host::Ipv6(ip) => is_refused(ip.into()),
    };
    if refused {
        return Err("must not be a link-local address or a metadata service");
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url.into())
}

/// Whether a base URL leads to this machine or its own network, so that nothing leaves the house.
#[must_use]
pub fn is_near(base_url: &str) -> bool {
    let Ok(url) = Url::parse(base_url) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        None => false,
    }
}

/// Whether a connection to this address is refused, whatever name it was found under.
pub(crate) fn is_refused(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let fixed = METADATA_ADDRESSES.iter().any(|a| a.parse() == Ok(ip));
    fixed
        || match ip {
            IpAddr::V4(ip) => {
                ip.is_link_local() || ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast()
            }
            IpAddr::V6(ip) => is_refused_v6(ip),
        }
}

fn is_refused_v6(ip: Ipv6Addr) -> bool {
    ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_says_but_no_metadata() {
        for (text, read) in [
            ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/"),
            ("https://llm.example.com/a/b/", "https://llm.example.com/a/b/"),
            ("http://[::1]:8000/v1", "http://[::1]:8000/v1/"),
        ] {
            assert_eq!(read_base_url(text).as_deref(), Ok(read));
        }
        for bad in [
            "",
            "llm.example.com",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://user:secret@example.com/v1",
            "https://example.com/v1?key=1",
            "http://169.254.169.254/latest/",
            "http://2852039166/latest/",
            "http://0xa9fea9fe/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "http://0.0.0.0/",
            "http://METADATA.google.internal/",
            "http://metadata.google.internal./",
        ] {
            assert!(read_base_url(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn near_is_this_machine_and_its_network() {
        for near in ["http://localhost/", "http://127.0.0.9/", "http://10.1.2.3/v1/", "http://[::1]/"] {
            assert!(is_near(near), "{near}");
        }
        for far in ["https://api.openai.com/v1/", "http://8.8.8.8/", "http://localhost.example.com/"] {
            assert!(!is_near(far), "{far}");
        }
    }
}
