//! [`ClientSecret`]: the JSON file that Google's console gives for an OAuth client.
//!
//! Promise: what the file names as endpoints is compared and then forgotten; a file alone sends us nowhere.

use serde_json::{Map, Value};
use url::{Host, Url};

use crate::{Endpoints, Secret};

/// Octets of a file, at most; the console's are below 1 KiB.
const LARGEST: usize = 64 * 1024;
/// Characters of an id or a secret.
const LONGEST: usize = 512;

/// Which kind of client it is; the kinds differ in where they may be redirected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To the URIs that the console lists, exactly.
    Web,
    /// To this machine, any port and path.
    Installed,
}

/// An OAuth client: who we are to Google.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecret {
    /// Its kind.
    pub kind: Kind,
    /// Public: it stands in every authorization URL.
    pub client_id: String,
    /// Its password.
    pub secret: Secret,
    /// The project, whose topics alone a watch can ring.
    pub project_id: Option<String>,
    /// Where the browser may be sent back to; empty where the file does not say.
    pub redirect_uris: Vec<String>,
}

/// What is wrong with a client secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidClient {
    /// `web.token_uri`; empty where it is about the whole.
    pub field: String,
    /// Fit for its giver.
    pub reason: String,
}

impl InvalidClient {
    fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// Where Google sends the browser back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// As Google is told, to the letter, both times.
    pub uri: String,
    /// It is our callback, so that the person need not paste anything.
    pub ours: bool,
}

impl ClientSecret {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not the file of an OAuth client, or names other endpoints than ours.
    pub fn read(json: &str, endpoints: &Endpoints) -> Result<Self, InvalidClient> {
        let whole = |reason: &str| InvalidClient::new("", reason);
        if json.len() > LARGEST {
            return Err(whole("must be at most 64 KiB"));
        }
        if is_api_key(json.trim().trim_matches('"')) {
            return Err(whole(API_KEY));
        }
        let value: Value = serde_json::from_str(json).map_err(|_| whole("must be JSON"))?;
        let Value::Object(file) = value else { return Err(whole("must be a JSON object")) };
        refuse_others(&file)?;
        let (name, kind, inner) = match (file.get("web"), file.get("installed")) {
            (Some(_), Some(_)) => return Err(whole("must have `web` or `installed`, not both")),
            (Some(inner), None) => ("web", Kind::Web, inner),
            (None, Some(inner)) => ("installed", Kind::Installed, inner),
            (None, None) => {
                return Err(whole(
                    "must be an OAuth client's file with `web` or `installed`, as Google's console gives it",
                ));
            }
        };
        let Value::Object(inner) = inner else { return Err(InvalidClient::new(name, "must be an object")) };
        for (field, known) in [
            ("auth_uri", endpoints.is_auth(text(inner, name, "auth_uri")?.unwrap_or(&endpoints.auth_uri))),
            (
                "token_uri",
                endpoints.is_token(text(inner, name, "token_uri")?.unwrap_or(&endpoints.token_uri)),
            ),
        ] {
            if !known {
                let ours = if field == "auth_uri" { &endpoints.auth_uri } else { &endpoints.token_uri };
                return Err(InvalidClient::new(format!("{name}.{field}"), format!("must be {ours}")));
            }
        }
        Ok(Self {
            kind,
            client_id: needed(inner, name, "client_id")?,
            secret: Secret::new(needed(inner, name, "client_secret")?),
            project_id: text(inner, name, "project_id")?.map(str::to_owned),
            redirect_uris: redirect_uris(inner, name)?,
        })
    }

    /// Where the browser is to be sent back to: `wanted`, our `callback`, or the first that the file lists, from which the
    /// person pastes the address.
    ///
    /// # Errors
    /// The client may not be redirected there.
    pub fn redirect(&self, wanted: Option<&str>, callback: &str) -> Result<Redirect, InvalidClient> {
        let listed = |uri: &str| self.redirect_uris.iter().any(|u| u == uri);
        let loopback = |uri: &str| self.kind == Kind::Installed && is_loopback(uri);
        if let Some(uri) = wanted {
            if !listed(uri) && !loopback(uri) {
                let reason = match self.redirect_uris.as_slice() {
                    [] => "must be registered with the OAuth client in Google's console".to_owned(),
                    uris => format!("must be one of the client's: {}", uris.join(", ")),
                };
                return Err(InvalidClient::new("redirect_uri", reason));
            }
            return Ok(Redirect { uri: uri.to_owned(), ours: uri == callback });
        }
        // A fresh web client's file lists none; Google says so if the callback is not registered.
        let unknown = self.kind == Kind::Web && self.redirect_uris.is_empty();
        if listed(callback) || loopback(callback) || unknown {
            return Ok(Redirect { uri: callback.to_owned(), ours: true });
        }
        // Copying a code from Google's own page (`urn:ietf:wg:oauth:2.0:oob`) is no longer possible.
        let usable = self.redirect_uris.iter().find(|uri| Url::parse(uri).is_ok_and(|u| is_http(&u)));
        let local = || "http://localhost".to_owned();
        match (usable, self.kind) {
            (Some(uri), _) => Ok(Redirect { uri: uri.clone(), ours: false }),
            (None, Kind::Installed) => Ok(Redirect { uri: local(), ours: false }),
            (None, Kind::Web) => Err(InvalidClient::new(
                "web.redirect_uris",
                format!("must list an http or https address; add {callback} in Google's console"),
            )),
        }
    }
}

const API_KEY: &str = "is an API key: Gmail needs an OAuth client of type `web` or `installed`";

fn is_api_key(text: &str) -> bool {
    text.len() == 39 && text.starts_with("AIza")
}

/// Names the other files that Google gives, which people take for this one.
fn refuse_others(file: &Map<String, Value>) -> Result<(), InvalidClient> {
    let kind = file.get("type").and_then(Value::as_str).unwrap_or_default();
    let reason = match kind {
        "service_account" => {
            "is a service account's key: an OAuth client of type `web` or `installed` is needed"
        }
        "authorized_user" => {
            "is a user's own credentials: an OAuth client of type `web` or `installed` is needed"
        }
        "external_account" => {
            "is a workload's identity: an OAuth client of type `web` or `installed` is needed"
        }
        _ if file.keys().any(|k| matches!(k.as_str(), "api_key" | "apiKey" | "keyString")) => API_KEY,
        _ => return Ok(()),
    };
    Err(InvalidClient::new(if kind.is_empty() { "" } else { "type" }, reason))
}

/// A text, if it is there.
fn text<'a>(
    object: &'a Map<String, Value>,
    name: &str,
    field: &str,
) -> Result<Option<&'a str>, InvalidClient> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(InvalidClient::new(format!("{name}.{field}"), "must be a text")),
    }
}

fn needed(object: &Map<String, Value>, name: &str, field: &str) -> Result<String, InvalidClient> {
    let wrong = |reason: &str| InvalidClient::new(format!("{name}.{field}"), reason);
    let text = text(object, name, field)?.ok_or_else(|| wrong("is missing"))?;
    if is_api_key(text) {
        return Err(wrong(API_KEY));
    }
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong("must be 1 to 512 visible ASCII characters"));
    }
    Ok(text.to_owned())
}

fn redirect_uris(object: &Map<String, Value>, name: &str) -> Result<Vec<String>, InvalidClient> {
    let wrong = || InvalidClient::new(format!("{name}.redirect_uris"), "must be a list of texts");
    match object.get("redirect_uris") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => {
            list.iter().map(|uri| uri.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

fn is_loopback(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && here && url.username().is_empty() && url.password().is_none()
}

#[cfg(test)]
mod tests;
