//! [`Web`]: how the program calls other servers over HTTP.
//!
//! Promises:
//! - A call ends within its time, follows no redirect, uses no proxy of the environment, and reads no more of an answer
//!   than it was told to.
//! - With [`Reach::Public`] no call goes into our own network, whatever the URL or its name's addresses (see `reach`).
//! - Certificates are checked against the public authorities and the operator's own.
//! - No error repeats the URL: that of a push subscription is a secret.

mod reach;

use std::{path::PathBuf, time::Duration};

use http::{HeaderMap, Request, Response, header::RETRY_AFTER};
use kernel::Timestamp;
use rustls::ClientConfig;

pub use reach::Reach;

use crate::{SetupError, smtp};

/// How a [`Web`] behaves.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Where it may go.
    pub reach: Reach,
    /// HTTP/2 alone, over TLS or, for `http` URLs, in the clear by prior knowledge. Otherwise what TLS negotiates.
    pub http2_only: bool,
    /// A file with certificates of authorities to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// For the whole call, from the name's look-up to the last octet of the answer.
    pub timeout: Duration,
    /// Octets of an answer's body; a longer one is an error.
    pub max_answer: usize,
}

impl WebSettings {
    /// 30 seconds, 64 KiB, any version of HTTP.
    #[must_use]
    pub const fn new(reach: Reach) -> Self {
        let timeout = Duration::from_secs(30);
        Self { reach, http2_only: false, ca_file: None, timeout, max_answer: 64 * 1024 }
    }
}

/// A client with its pool of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Web {
    client: reqwest::Client,
    reach: Reach,
    timeout: Duration,
    max_answer: usize,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// The URL may not be called, now or later.
    #[error("{0}")]
    Refused(String),
    /// It failed this time.
    #[error("{reason}")]
    Failed {
        /// Without the URL.
        reason: String,
        /// The request may have been acted on all the same.
        in_doubt: bool,
    },
}

impl Web {
    /// A client of its own.
    ///
    /// # Errors
    /// `ca_file` cannot be used, or TLS not set up.
    pub fn new(settings: &WebSettings) -> Result<Self, SetupError> {
        let roots = smtp::authorities(settings.ca_file.as_deref())?;
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        if !settings.http2_only {
            tls.alpn_protocols.push(b"http/1.1".to_vec());
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("Hongyan/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .http2_keep_alive_interval(Duration::from_secs(30))
            .http2_keep_alive_timeout(Duration::from_secs(10));
        if settings.http2_only {
            builder = builder.http2_prior_knowledge();
        }
        if settings.reach == Reach::Public {
            builder = builder.dns_resolver(reach::PublicNames);
        }
        let client = builder.build().map_err(|e| SetupError::Http(reason(e)))?;
        let WebSettings { reach, timeout, max_answer, .. } = *settings;
        Ok(Self { client, reach, timeout, max_answer })
    }

    /// The same client, with its connections, for calls that end sooner and whose answers are shorter; what it was made
    /// with stays the most.
    #[must_use]
    pub fn limited(&self, timeout: Duration, max_answer: usize) -> Self {
        let (timeout, max_answer) = (timeout.min(self.timeout), max_answer.min(self.max_answer));
        Self { timeout, max_answer, ..self.clone() }
    }

    /// Sends one request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`WebError`]
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, WebError> {
        let mut answer = self.execute(request).await?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if body.len() + piece.len() > self.max_answer {
                let reason = format!("the answer is larger than {} octets", self.max_answer);
                return Err(WebError::Failed { reason, in_doubt: true });
            }
            body.extend_from_slice(&piece);
        }
        Ok(response(answer, body))
    }

    /// Sends one request and reads no more of the answer than its head, whatever its status.
    ///
    /// # Errors
    /// [`WebError`]
    pub async fn tell(&self, request: Request<Vec<u8>>) -> Result<Response<()>, WebError> {
        Ok(response(self.execute(request).await?, ()))
    }

    async fn execute(&self, request: Request<Vec<u8>>) -> Result<reqwest::Response, WebError> {
        let refused = |reason: &str| WebError::Refused(format!("the URL is refused: it {reason}"));
        self.reach.check(&request.uri().to_string()).map_err(refused)?;
        let mut request = reqwest::Request::try_from(request).map_err(|_| refused("cannot be called"))?;
        *request.timeout_mut() = Some(self.timeout);
        self.client.execute(request).await.map_err(failed)
    }
}

/// The head of an answer with this body.
fn response<T>(mut answer: reqwest::Response, body: T) -> Response<T> {
    let mut response = Response::new(body);
    *response.status_mut() = answer.status();
    *response.version_mut() = answer.version();
    std::mem::swap(response.headers_mut(), answer.headers_mut());
    response
}

fn failed(error: reqwest::Error) -> WebError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(e) = cause {
        if e.is::<reach::NotPublic>() {
            return WebError::Refused(e.to_string());
        }
        cause = e.source();
    }
    let in_doubt = !error.is_connect();
    WebError::Failed { reason: reason(error), in_doubt }
}

/// The error with its causes and without the URL.
fn reason(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(e) = cause {
        let more = e.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = e.source();
    }
    text
}

/// What a server asks for with `Retry-After`, in seconds or as a date; at most a day.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            at.as_secs().saturating_sub(u64::try_from(now.seconds()).unwrap_or(0))
        }
    };
    Some(Duration::from_secs(seconds).min(kernel::time::days(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guard is asked when the connection is made, whatever was checked before.
    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_at_the_connection() {
        let web = Web::new(&WebSettings::new(Reach::Public)).unwrap();
        let error = failed(web.client.get("https://localhost/").send().await.unwrap_err());
        assert_eq!(error, WebError::Refused("the host has no public address".to_owned()));
    }

    #[test]
    fn how_long_a_server_wants_us_to_wait() {
        let now: Timestamp = "2028-01-15T12:00:00Z".parse().unwrap();
        let asked = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|d| d.as_secs())
        };
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Sat, 15 Jan 2028 12:05:00 GMT"), Some(300));
        assert_eq!(asked("Sat, 15 Jan 2028 11:00:00 GMT"), Some(0));
        assert_eq!(asked("99999999999"), Some(86400));
        assert_eq!((asked("soon"), asked("-1")), (None, None));
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
