//! The section `desk`.

use super::{Reader, boolean, named};

impl Reader {
    pub(super) fn desk(&mut self, listen: &[std::net::SocketAddr]) -> desk::Config {
        let auth = self.read("desk.auth", |text| match text {
            "jwt" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be jwt or off".to_owned()),
        });
        let auth = auth.unwrap_or(true);
        let anywhere = self.read("desk.auth_off_beyond_loopback", boolean).unwrap_or(false);
        if let Some(address) = listen.iter().find(|a| !auth && !anywhere && !a.ip().is_loopback()) {
            let problem = format!(
                "off gives the desk to whoever reaches {address}, which is not this machine alone; if that network is \
                 closed, say so with desk.auth_off_beyond_loopback (HONGYAN_DESK__AUTH_OFF_BEYOND_LOOPBACK)"
            );
            self.errors.push(named("desk.auth", &problem));
        }
        desk::Config { auth }
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    fn load(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Settings::load(None, pairs).map_err(|e| e.to_string())
    }

    #[test]
    fn without_authentication_it_listens_here_alone_unless_told_twice() {
        let off = ("HONGYAN_DESK__AUTH", "off");
        assert!(!load(&[off]).unwrap().desk.auth && load(&[]).unwrap().desk.auth);
        let everywhere = ("HONGYAN_SERVER__LISTEN", "127.0.0.1:5003,0.0.0.0:5004");
        let refused = load(&[off, everywhere]).unwrap_err();
        assert!(refused.contains("desk.auth") && refused.contains("0.0.0.0:5004"), "{refused}");
        let twice = ("HONGYAN_DESK__AUTH_OFF_BEYOND_LOOPBACK", "true");
        assert!(!load(&[off, everywhere, twice]).unwrap().desk.auth);
        assert!(load(&[everywhere]).unwrap().desk.auth);
    }
}
