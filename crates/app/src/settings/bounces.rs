//! `mail.bounce_domain`, `mail.bounce_listen`: where letters' mails come back to.

use std::net::SocketAddr;

use super::{Reader, named};

/// The domain of return addresses, and where its mail is taken in.
#[derive(Debug, Clone)]
pub struct Bounces {
    /// In lower-case ASCII.
    pub domain: String,
    /// `None`: another process listens, or nobody does yet.
    pub listen: Option<SocketAddr>,
}

impl Reader {
    pub(super) fn bounces(&mut self) -> Option<Bounces> {
        let domain = self.read("mail.bounce_domain", |text| {
            let address = transports::parse_address(&format!("bounce@{text}"));
            let address = address.map_err(|_| "must be a domain such as bounce.example.com".to_owned())?;
            // `bounce+`, a letter, two numbers, a tag: at most 64; the whole address at most 254.
            match address.domain().len() {
                0..=180 => Ok(address.domain().to_owned()),
                _ => Err("must have at most 180 characters".to_owned()),
            }
        });
        let listen = self.read("mail.bounce_listen", |text| {
            text.parse().map_err(|_| "must be an address such as 127.0.0.1:2525 or [::]:25".to_owned())
        });
        if listen.is_some()
            && domain.is_none()
            && !self.errors.iter().any(|e| e.starts_with("mail.bounce_domain"))
        {
            self.errors.push(named("mail.bounce_domain", "is required with mail.bounce_listen"));
        }
        domain.map(|domain| Bounces { domain, listen })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, SettingsError};

    fn load(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::load(
            None,
            pairs.iter().map(|(k, v)| (format!("HONGYAN_MAIL__BOUNCE_{k}"), (*v).to_owned())),
        )
    }

    #[test]
    fn a_listener_needs_its_domain() {
        assert!(load(&[]).unwrap().mail.bounces.is_none());
        let both = load(&[("DOMAIN", "Bounce.Example.com"), ("LISTEN", "127.0.0.1:2525")]).unwrap();
        let both = both.mail.bounces.unwrap();
        assert_eq!((both.domain.as_str(), both.listen.is_some()), ("bounce.example.com", true));
        for (wrong, key) in [
            (
                &[("LISTEN", "127.0.0.1:25")][..],
                "mail.bounce_domain (HONGYAN_MAIL__BOUNCE_DOMAIN): is required",
            ),
            (&[("DOMAIN", "a b")], "mail.bounce_domain"),
            (&[("DOMAIN", "b.example"), ("LISTEN", "25")], "mail.bounce_listen"),
        ] {
            let error = load(wrong).unwrap_err();
            assert!(error.0.len() == 1 && error.0[0].starts_with(key), "{error}");
        }
    }
}
