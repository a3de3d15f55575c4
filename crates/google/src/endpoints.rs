//! [`Endpoints`]: where Google is.

/// URLs of Google's services; another's in tests and behind gateways. None ends in a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Where a person's browser goes to consent.
    pub auth_uri: String,
    /// Where codes and refresh tokens become access tokens.
    pub token_uri: String,
    /// Where a grant ends.
    pub revoke_uri: String,
    /// Before `/gmail/v1/…` and `/upload/gmail/v1/…`.
    pub api_base: String,
    /// The keys that pushes are signed with.
    pub jwks_uri: String,
}

/// Google's, as its documents have them in 2026.
impl Default for Endpoints {
    fn default() -> Self {
        Self {
            auth_uri: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
            token_uri: "https://oauth2.googleapis.com/token".to_owned(),
            revoke_uri: "https://oauth2.googleapis.com/revoke".to_owned(),
            api_base: "https://gmail.googleapis.com".to_owned(),
            jwks_uri: "https://www.googleapis.com/oauth2/v3/certs".to_owned(),
        }
    }
}

/// Addresses of the same services, former ones too, as client secrets of the console name them.
const AUTH_NAMES: [&str; 2] =
    ["https://accounts.google.com/o/oauth2/auth", "https://accounts.google.com/o/oauth2/v2/auth"];
const TOKEN_NAMES: [&str; 4] = [
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v3/token",
    "https://www.googleapis.com/oauth2/v4/token",
];

impl Endpoints {
    /// Whether a client secret's `auth_uri` means ours.
    pub(crate) fn is_auth(&self, uri: &str) -> bool {
        same(uri, &self.auth_uri, &AUTH_NAMES)
    }

    /// Whether a client secret's `token_uri` means ours.
    pub(crate) fn is_token(&self, uri: &str) -> bool {
        same(uri, &self.token_uri, &TOKEN_NAMES)
    }
}

fn same(uri: &str, ours: &str, names: &[&str]) -> bool {
    uri == ours || (names.contains(&ours) && names.contains(&uri))
}
