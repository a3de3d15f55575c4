//! `GET /auth/callback/`: where Google sends the browser back to.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use kernel::Problem;

use super::page::page;
use crate::Gmail;

/// Come back from Google
///
/// Completes what `auth/initiate/` began, and answers a page. Whose consent it is follows from `state`, and not from the
/// browser: so the page names the user whom the mailbox now belongs to, and says how somebody who was lured here takes it back.
#[utoipa::path(get, path = "/auth/callback/", tag = "gmail", security(()),
    params(
        ("state" = Option<String>, Query, description = "Of `auth_url`"),
        ("code" = Option<String>, Query, description = "To be exchanged"),
        ("error" = Option<String>, Query, description = "Why there is no code")),
    responses(
        (status = 200, description = "The account is connected", content_type = "text/html", body = String),
        (status = "4XX", description = "It is not; the page says why", content_type = "text/html", body = String),
        (status = "5XX", description = "It is not yet: try again", content_type = "text/html", body = String)))]
pub(super) async fn oauth_callback(State(gmail): State<Gmail>, RawQuery(query): RawQuery) -> Response {
    let connected = async {
        let row = gmail.called_back(query.as_deref().unwrap_or_default()).await?;
        let mut conn = gmail.db().read().await?;
        let owner = accounts::store::people(&mut conn, vec![&row.user_id]).await?.into_iter().next();
        Ok::<_, Problem>((row.email, owner.map_or(row.user_id, |person| person.username)))
    };
    match connected.await {
        Ok((email, owner)) => told(
            StatusCode::OK,
            "Connected",
            &format!(
                "{email} is connected to the account of {owner}, who can now read and send its mail here. You may close this \
                 window. If that is not you, remove the access at https://myaccount.google.com/permissions now."
            ),
        ),
        Err(problem) => {
            let status =
                StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let reasons: Vec<&str> = problem.errors.values().map(String::as_str).collect();
            let reason = if reasons.is_empty() { problem.message.clone() } else { reasons.join("; ") };
            // A page that is loaded again comes here, too, even while the first one still waits for Google.
            let text = format!(
                "This did not connect an account: {reason}. If the page was only loaded again, the account may be connected \
                 all the same: look at your list of accounts."
            );
            told(status, "Not connected by this", &text)
        }
    }
}

fn told(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &format!("<p>{}</p>", mail::html::escape(text)))
}
