//! The section `desk`.

use super::Reader;

impl Reader {
    pub(super) fn desk(&mut self) -> desk::Config {
        let auth = self.read("desk.auth", |text| match text {
            "jwt" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be jwt or off".to_owned()),
        });
        let allowed_origins = self.read("desk.allowed_origins", origins).unwrap_or_default();
        desk::Config { auth: auth.unwrap_or(true), allowed_origins }
    }
}

/// `https://a.example, https://b.example:8443`, or `*`.
fn origins(text: &str) -> Result<Vec<String>, String> {
    let is_origin = |text: &str| {
        let uri: Option<axum::http::Uri> = text.parse().ok();
        let whole = uri.filter(|uri| uri.authority().is_some() && !text.ends_with('/'));
        whole.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.path() == "/")
    };
    let all: Vec<String> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
    match all.iter().find(|origin| *origin != "*" && !is_origin(origin)) {
        Some(bad) => Err(format!("must be origins such as https://desk.example.com, or *: {bad}")),
        None => Ok(all),
    }
}
