//! What Google answers and what it means.

use http::HeaderMap;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn answer(status: u16, body: &[u8], headers: &[(&'static str, &str)]) -> Response<Vec<u8>> {
    let mut answer = Response::new(body.to_vec());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    *answer.headers_mut() =
        headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect::<HeaderMap>();
    answer
}

fn api(status: u16, reason: &str, message: &str) -> Error {
    let body = json!({"error": {"code": status, "message": message, "errors": [{"reason": reason}]}});
    Error::of_api(&answer(status, body.to_string().as_bytes(), &[]), Effect::Repeatable, now())
}

fn class(error: &Error) -> String {
    match error {
        Error::Retry { after: None, .. } => "retry".to_owned(),
        Error::Retry { after: Some(after), .. } => format!("retry in {} s", after.as_secs()),
        Error::Reauthorize { .. } => "reauthorize".to_owned(),
        Error::Permanent { code, .. } => format!("never: {code}"),
        Error::DailyLimit { until, .. } => format!("tomorrow: {until}"),
        Error::InDoubt { .. } => "in doubt".to_owned(),
        Error::NotFound => "not found".to_owned(),
        Error::HistoryGone => "gone".to_owned(),
    }
}

#[test]
fn the_table_of_gmail() {
    for (status, reason, message, expected) in [
        (401, "authError", "Invalid Credentials", "reauthorize"),
        (403, "rateLimitExceeded", "", "retry"),
        (403, "userRateLimitExceeded", "", "retry"),
        (403, "quotaExceeded", "", "retry"),
        (403, "RATE_LIMIT_EXCEEDED", "", "retry"),
        (
            403,
            "x",
            "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'",
            "retry",
        ),
        (403, "dailyLimitExceeded", "", "tomorrow: 2026-11-22T08:00:00Z"),
        (429, "x", "… and limit 'Queries per day'", "tomorrow: 2026-11-22T08:00:00Z"),
        (403, "domainPolicy", "", "never: domainPolicy"),
        (403, "insufficientPermissions", "", "never: insufficientPermissions"),
        (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "", "never: ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
        (403, "accessNotConfigured", "", "never: accessNotConfigured"),
        (429, "rateLimitExceeded", "Too many concurrent requests for user.", "retry"),
        (429, "x", "User-rate limit exceeded.  Retry after 2026-11-21T14:00:00.000Z", "retry in 7200 s"),
        (429, "x", "Retry after 2026-11-21T12:00:30Z (Mail sending)", "retry in 30 s"),
        (429, "x", "Retry after 2030-01-01T00:00:00Z", "retry in 86400 s"),
        (429, "x", "Retry after 2020-01-01T00:00:00Z.", "retry in 0 s"),
        (429, "x", "Retry after a while", "retry"),
        (400, "failedPrecondition", "Precondition check failed.", "retry"),
        (400, "failedPrecondition", "Mail service not enabled", "never: failedPrecondition"),
        (400, "invalidArgument", "Invalid id value", "never: invalidArgument"),
        (404, "notFound", "", "not found"),
        (409, "aborted", "", "retry"),
        (413, "uploadTooLarge", "", "never: tooLarge"),
        (500, "backendError", "", "retry"),
        (503, "backendError", "", "retry"),
        (302, "", "", "retry"),
    ] {
        assert_eq!(class(&api(status, reason, message)), expected, "{status} {reason} {message}");
    }
}

#[test]
fn a_send_is_never_repeated_blindly() {
    let send = |status, body: &[u8]| class(&Error::of_api(&answer(status, body, &[]), Effect::Send, now()));
    for doubtful in [500, 502, 503, 504, 408, 307] {
        assert_eq!(send(doubtful, b"<html>"), "in doubt", "{doubtful}");
    }
    assert_eq!(send(429, b""), "retry");
    assert_eq!(send(400, b""), "never: refused");
    let lost = |in_doubt| WebError::Failed { reason: "x".to_owned(), in_doubt };
    assert_eq!(class(&Error::unanswered(lost(true), Effect::Send)), "in doubt");
    assert_eq!(class(&Error::unanswered(lost(false), Effect::Send)), "retry");
    assert_eq!(class(&Error::unanswered(lost(true), Effect::Repeatable)), "retry");
    assert_eq!(class(&Error::unreadable("x", Effect::Send)), "in doubt");
}

#[test]
fn how_long_google_asks_to_wait() {
    let wait = |value: &str| {
        class(&Error::of_api(&answer(429, b"", &[("retry-after", value)]), Effect::Send, now()))
    };
    assert_eq!(wait("17"), "retry in 17 s");
    assert_eq!(wait("Sat, 21 Nov 2026 12:05:00 GMT"), "retry in 300 s");
    for failed in 0..40 {
        let wait = Error::backoff(failed);
        assert!(wait >= Duration::from_secs(1) && wait <= LONGEST_BACKOFF, "{failed}: {wait:?}");
    }
    assert!(Error::backoff(3) >= Duration::from_secs(4) && Error::backoff(3) < Duration::from_secs(5));
}

#[test]
fn days_end_in_california() {
    let next = |at: &str| next_day(at.parse().unwrap()).to_string();
    assert_eq!(next("2026-07-01T06:59:59Z"), "2026-07-01T07:00:00Z");
    assert_eq!(next("2026-07-01T07:00:00Z"), "2026-07-02T07:00:00Z");
    assert_eq!(next("2026-11-01T12:00:00Z"), "2026-11-02T08:00:00Z");
}

#[test]
fn what_oauth_says() {
    let oauth = |status, code: &str, step| {
        let body = json!({"error": code, "error_description": "Token has been expired or revoked."});
        class(&Error::of_oauth(&answer(status, body.to_string().as_bytes(), &[]), step, now()))
    };
    assert_eq!(oauth(400, "invalid_grant", Step::Refresh), "reauthorize");
    assert_eq!(oauth(400, "invalid_grant", Step::Exchange), "reauthorize");
    assert_eq!(oauth(400, "unauthorized_client", Step::Refresh), "reauthorize");
    assert_eq!(oauth(401, "unauthorized_client", Step::Exchange), "never: unauthorized_client");
    for code in ["invalid_client", "admin_policy_enforced", "redirect_uri_mismatch", "invalid_scope"] {
        assert_eq!(oauth(401, code, Step::Refresh), format!("never: {code}"));
    }
    for (status, code) in
        [(500, "invalid_grant"), (503, "x"), (429, "invalid_grant"), (400, "internal_failure")]
    {
        assert_eq!(oauth(status, code, Step::Refresh), "retry", "{status} {code}");
    }
    // Something in between answers in Google's place: the grant is not lost by it.
    for status in [400, 401, 403, 404, 407, 502] {
        let page = answer(status, b"<html>Sign in to the hotel</html>", &[]);
        assert_eq!(class(&Error::of_oauth(&page, Step::Refresh, now())), "retry", "{status}");
    }
}

#[test]
fn only_googles_console_is_linked() {
    let with_link = |url: &str| {
        let body = json!({"error": {"status": "PERMISSION_DENIED", "message": "Gmail API has not been used",
            "details": [{"reason": "SERVICE_DISABLED"}, {"links": [{"url": url}]}]}});
        let error = Error::of_api(&answer(403, body.to_string().as_bytes(), &[]), Effect::Repeatable, now());
        error.to_string()
    };
    let console = "https://console.developers.google.com/apis/api/gmail.googleapis.com/overview?project=1";
    assert!(with_link(console).ends_with(console));
    assert!(with_link("https://console.developers.google.com.evil.example/").ends_with("Google's console"));
}

proptest! {
    #[test]
    fn no_answer_panics(status in 100u16..600, body: Vec<u8>, text: String) {
        let odd = json!({"error": {"message": format!("Retry after {text}"), "errors": [text], "details": 1}});
        for body in [body, text.into_bytes(), odd.to_string().into_bytes()] {
            let answer = answer(status, &body, &[]);
            let error = Error::of_api(&answer, Effect::Send, now());
            prop_assert!(error.to_string().chars().count() < CLIP + 200);
            let _ = Error::of_oauth(&answer, Step::Refresh, now());
        }
    }
}
