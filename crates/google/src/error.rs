//! [`Error`]: why a call to Google has no result, and what is to be done about it. The one place that judges answers.

use std::time::Duration;

use http::{Response, StatusCode};
use kernel::{Timestamp, time::days};
use serde_json::Value;
use transports::web::{WebError, retry_after};

/// Characters of what Google says that are kept.
const CLIP: usize = 300;
/// The longest wait between tries that [`Error::backoff`] gives.
const LONGEST_BACKOFF: Duration = Duration::from_secs(64);

/// Why there is no result. The texts hold no secret and no part of a mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It was not done, and may be later: limits, outages, a lost answer of a call that may be repeated.
    #[error("{reason}")]
    Retry {
        /// For the record.
        reason: String,
        /// How long Google, or the mailbox's own limits, ask to wait; otherwise the caller's patience
        /// ([`Error::backoff`]) decides.
        after: Option<Duration>,
        /// A limit was reached; else it is an outage.
        limited: bool,
    },
    /// The grant is gone: a person must connect the account again. Nothing else helps.
    #[error("{reason}")]
    Reauthorize {
        /// Fit for that person.
        reason: String,
    },
    /// It will not be done, however often it is asked. Says nothing about the account's grant.
    #[error("{message}")]
    Permanent {
        /// Google's word for it (`domainPolicy`, `invalid_client`), or ours.
        code: String,
        /// Fit for the account's owner.
        message: String,
    },
    /// The project's calls of a day are used up: the operator should know.
    #[error("{reason}")]
    DailyLimit {
        /// When Google counts anew: midnight in California.
        until: Timestamp,
        /// For the record.
        reason: String,
    },
    /// A mail may or may not have been sent: look for it ([`crate::Mailbox::find_sent`]) before sending it again.
    #[error("the answer to a send is lost: {reason}")]
    InDoubt {
        /// For the record.
        reason: String,
    },
    /// There is no such message, thread or attachment (any more).
    #[error("Gmail has no such thing")]
    NotFound,
    /// History does not reach back so far: changes since then are to be found by listing.
    #[error("Gmail's history does not reach back so far")]
    HistoryGone,
}

/// What a call does, as far as errors differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Twice is as good as once.
    Repeatable,
    /// Twice is a second mail.
    Send,
}

/// Which of OAuth's calls it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Exchange,
    Refresh,
    Revoke,
}

impl Error {
    /// A failure of this moment, such as the caller's own store's.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: None, limited: false }
    }

    pub(crate) fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self::Permanent { code: code.to_owned(), message: message.into() }
    }

    /// How long to wait before the next try after so many failed ones (from 1): 1, 2, 4 … 64 seconds, and up to a second
    /// more, so that not all come at once.
    #[must_use]
    pub fn backoff(failed: u32) -> Duration {
        let base = Duration::from_secs(1 << failed.saturating_sub(1).min(6));
        let [a, b] = kernel::id::random::<2>().unwrap_or_default();
        (base + Duration::from_millis(u64::from(u16::from_be_bytes([a, b]) % 1000))).min(LONGEST_BACKOFF)
    }

    /// There is no answer.
    pub(crate) fn unanswered(error: WebError, effect: Effect) -> Self {
        match error {
            WebError::Refused(reason) => Self::permanent("refused", reason),
            WebError::Failed { reason, in_doubt: true } if effect == Effect::Send => Self::InDoubt { reason },
            WebError::Failed { reason, .. } => Self::retry(reason),
        }
    }

    /// There is an answer, that it was done, which cannot be read.
    pub(crate) fn unreadable(what: &str, effect: Effect) -> Self {
        let reason = format!("{what} is not understood");
        if effect == Effect::Send { Self::InDoubt { reason } } else { Self::retry(reason) }
    }

    /// What an answer of the Gmail API says that is no success.
    pub(crate) fn of_api(answer: &Response<Vec<u8>>, effect: Effect, now: Timestamp) -> Self {
        let said = Said::read(answer.body());
        let status = answer.status();
        let reason = format!("Gmail answers {} {}", status.as_u16(), said.text());
        let later = |limited| Self::Retry {
            reason: reason.clone(),
            after: retry_after(answer.headers(), now).or_else(|| said.retry_after(now)),
            limited,
        };
        match status.as_u16() {
            401 => Self::Reauthorize {
                reason: "Google does not accept the account's access any more: connect it again".to_owned(),
            },
            403 | 429 if said.is_daily() => Self::DailyLimit { until: next_day(now), reason },
            429 => later(true),
            403 if said.is_rate() => later(true),
            403 => said.forbidden(),
            404 | 410 => Self::NotFound,
            400 if said.has("failedPrecondition") && !said.message.contains("not enabled") => later(false),
            409 => later(false),
            413 => Self::permanent("tooLarge", "Gmail takes no mail of this size"),
            408 | 500..=599 if effect == Effect::Send => Self::InDoubt { reason },
            408 | 500..=599 => later(false),
            400..=499 => Self::permanent(said.code("refused"), format!("Gmail refuses it: {}", said.text())),
            // Google's API does not redirect; something in between does.
            _ if effect == Effect::Send => Self::InDoubt { reason },
            _ => later(false),
        }
    }

    /// What an answer of the token or revocation endpoint says that is no success.
    pub(crate) fn of_oauth(answer: &Response<Vec<u8>>, step: Step, now: Timestamp) -> Self {
        let said = Said::read(answer.body());
        let status = answer.status();
        let client_error = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
        let code = said.code("");
        let passing = matches!(
            code,
            "" | "temporarily_unavailable"
                | "server_error"
                | "internal_failure"
                | "slow_down"
                | "rate_limit_exceeded"
        );
        if !client_error || passing || status == StatusCode::REQUEST_TIMEOUT {
            let reason = format!("Google's OAuth answers {} {}", status.as_u16(), said.text());
            let limited = status == StatusCode::TOO_MANY_REQUESTS;
            return Self::Retry { reason, after: retry_after(answer.headers(), now), limited };
        }
        let reauthorize = |reason: &str| Self::Reauthorize { reason: reason.to_owned() };
        match (code, step) {
            ("invalid_grant", Step::Exchange) => {
                reauthorize("Google does not accept the code: it is used, too old, or another's. Begin again")
            }
            ("invalid_grant" | "invalid_token", _) => {
                reauthorize("Google has ended the account's access: connect it again")
            }
            ("unauthorized_client", Step::Refresh) => {
                reauthorize("Google does not give this OAuth client access to the account: connect it again")
            }
            _ => Self::permanent(code, oauth_text(code, &said)),
        }
    }
}

fn oauth_text(code: &str, said: &Said) -> String {
    match code {
        "invalid_client" | "deleted_client" | "disabled_client" | "unauthorized_client" => {
            "Google does not know the OAuth client, or its secret is another: check the client's JSON file"
                .to_owned()
        }
        "redirect_uri_mismatch" => {
            "the redirect URI must be registered with the OAuth client in Google's console".to_owned()
        }
        "admin_policy_enforced" | "org_internal" => {
            "the administrator of the account's organization does not allow this app".to_owned()
        }
        "access_denied" => "the account's owner did not allow the access".to_owned(),
        _ => format!("Google refuses it: {}", said.text()),
    }
}

/// Midnight in California, where Google's days begin.
fn next_day(now: Timestamp) -> Timestamp {
    let midnight = || {
        let zone = jiff::tz::TimeZone::get("America/Los_Angeles").ok()?;
        let here = jiff::Timestamp::from_microsecond(now.micros()).ok()?.to_zoned(zone);
        let next = here.tomorrow().ok()?.start_of_day().ok()?;
        Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
    };
    midnight().unwrap_or(now + days(1))
}

/// The body of an error, in Google's two forms: `{error: {code, message, errors, status, details}}` and
/// `{error, error_description}`.
#[derive(Debug, Default)]
struct Said {
    /// Of both forms, most telling first: `rateLimitExceeded`, `RESOURCE_EXHAUSTED`; `invalid_grant`.
    codes: Vec<String>,
    message: String,
    /// What of a quota was used up: `QueriesPerMinutePerUser`.
    limit: String,
    /// Where the project's owner can mend it.
    link: Option<String>,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let string = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
        let list = |v: &Value, key: &str| v.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        match value.get("error") {
            Some(Value::String(code)) => {
                let message = string(&value, "error_description").unwrap_or_default();
                Self { codes: vec![code.clone()], message, ..Self::default() }
            }
            Some(error @ Value::Object(_)) => {
                let details = list(error, "details");
                let mut codes: Vec<String> = list(error, "errors")
                    .iter()
                    .chain(&details)
                    .filter_map(|e| string(e, "reason"))
                    .collect();
                codes.extend(string(error, "status"));
                let in_details =
                    |key: &str| details.iter().filter_map(|d| d.get("metadata")).find_map(|m| string(m, key));
                let links = details.iter().flat_map(|d| list(d, "links"));
                Self {
                    codes,
                    message: string(error, "message").unwrap_or_default(),
                    limit: in_details("quota_limit").unwrap_or_default(),
                    link: links.filter_map(|l| string(&l, "url")).find(|url| is_console(url)),
                }
            }
            _ => Self::default(),
        }
    }

    fn has(&self, code: &str) -> bool {
        let same = |c: &String| c.replace('_', "").eq_ignore_ascii_case(code);
        self.codes.iter().any(same)
    }

    fn code<'a>(&'a self, otherwise: &'a str) -> &'a str {
        self.codes.first().map_or(otherwise, String::as_str)
    }

    /// Codes and message, cut and on one line.
    fn text(&self) -> String {
        let whole = format!("{}: {}", self.code("without a reason"), self.message);
        whole.chars().take(CLIP).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    fn is_daily(&self) -> bool {
        self.has("dailyLimitExceeded")
            || self.has("dailyLimitExceededUnreg")
            || self.limit.to_ascii_lowercase().contains("perday")
            || self.message.contains("per day")
    }

    fn is_rate(&self) -> bool {
        ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "resourceExhausted"]
            .iter()
            .any(|code| self.has(code))
            || self.message.contains("Quota exceeded for quota metric")
    }

    /// "… Retry after 2026-08-01T12:00:00.000Z"
    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let (_, rest) = self.message.split_once("Retry after ")?;
        let word = rest.split(|c: char| c.is_whitespace() || matches!(c, '(' | ',')).next()?;
        let at: Timestamp = word.trim_end_matches('.').parse().ok()?;
        Some(at.since(now).min(days(1)))
    }

    fn forbidden(&self) -> Error {
        let switched_off = self.has("accessNotConfigured") || self.has("serviceDisabled");
        let message = if self.has("domainPolicy") {
            "the administrator of the account's domain does not allow apps to use Gmail".to_owned()
        } else if self.has("insufficientPermissions") || self.has("accessTokenScopeInsufficient") {
            "the account has not granted what this needs: connect it again and leave every box ticked"
                .to_owned()
        } else if switched_off || self.message.contains("API has not been used") {
            let at = self.link.as_deref().unwrap_or("Google's console");
            format!("the Gmail API is not switched on in the OAuth client's project: see {at}")
        } else {
            format!("Gmail refuses it: {}", self.text())
        };
        Error::permanent(self.code("forbidden"), message)
    }
}

/// A link that may be shown: an answer leads people nowhere else.
fn is_console(url: &str) -> bool {
    let hosts = ["https://console.developers.google.com/", "https://console.cloud.google.com/"];
    url.len() <= CLIP
        && hosts.iter().any(|host| url.starts_with(host))
        && url.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
