//! The section `desk`.

use super::Reader;

impl Reader {
    pub(super) fn desk(&mut self) -> desk::Config {
        let auth = self.read("desk.auth", |text| match text {
            "jwt" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be jwt or off".to_owned()),
        });
        desk::Config { auth: auth.unwrap_or(true) }
    }
}
