//! The section `desk`.

use transports::web::Reach;

use super::{Reader, boolean};

impl Reader {
    pub(super) fn desk(&mut self) -> desk::Config {
        let auth = self.read("desk.auth", |text| match text {
            "jwt" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be jwt or off".to_owned()),
        });
        let inside = self.read("desk.webhooks_allow_private", boolean).unwrap_or(false);
        let webhooks = if inside { Reach::Anywhere } else { Reach::Public };
        desk::Config { auth: auth.unwrap_or(true), webhooks }
    }
}
