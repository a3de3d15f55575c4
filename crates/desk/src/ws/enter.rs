//! Who may come in: the credential, the origin, the agent.
//!
//! A browser cannot set headers on a WebSocket. It sends the token as a subprotocol or gets a ticket first, which is
//! good once and for a moment, so that what proxies write into their logs opens nothing.

use axum::http::{HeaderMap, HeaderValue, header};
use data_encoding::HEXLOWER;
use kernel::Problem;
use sha2::{Digest as _, Sha256};
use sockets::Upgrade;

use crate::{Desk, auth::Agent, store, stream::Login};

/// The subprotocol.
pub(super) const V1: &str = "desk.v1";
/// What precedes a token among the subprotocols.
const BEARER: &str = "bearer.";
/// What every ticket begins with.
pub(crate) const TICKET: &str = "wst_";

/// What is stored of a ticket.
pub(crate) fn hash(ticket: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(ticket.as_bytes()))
}

/// What a client proves itself with.
pub(super) enum Credential {
    Token(String),
    Ticket(String),
    Nothing,
}

/// What a handshake shows of the client.
pub(super) struct Shown {
    pub(super) credential: Credential,
    /// Whether it names the subprotocol, which is then answered.
    pub(super) speaks_v1: bool,
}

impl Shown {
    /// The header counts before the subprotocol, the ticket before the token.
    pub(super) fn of(
        headers: &HeaderMap,
        upgrade: &Upgrade,
        ticket: Option<String>,
        token: Option<String>,
    ) -> Result<Self, Problem> {
        let speaks_v1 = upgrade.offered().any(|offered| offered == V1);
        let offered = upgrade.offered().find_map(|offered| offered.strip_prefix(BEARER));
        let credential = if let Some(value) = headers.get(header::AUTHORIZATION) {
            Credential::Token(bearer(value)?)
        } else if let Some(token) = offered {
            if !speaks_v1 {
                return Err(Problem::bad_request("Sec-WebSocket-Protocol", format!("must offer {V1}")));
            }
            Credential::Token(token.to_owned())
        } else {
            match (ticket, token) {
                (Some(ticket), _) => Credential::Ticket(ticket),
                (None, Some(token)) => Credential::Token(token),
                (None, None) => Credential::Nothing,
            }
        };
        Ok(Self { credential, speaks_v1 })
    }
}

fn bearer(value: &HeaderValue) -> Result<String, Problem> {
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let problem = || Problem::unauthorized("the Authorization header must be: Bearer <token>");
    Ok(token.ok_or_else(problem)?.1.trim().to_owned())
}

/// A browser says which page connects; it must be ours, or one that the operator named. A page that is neither could
/// use what the browser's owner reaches and it does not: a desk without authentication in an inner net. Who is no
/// browser sends no origin.
pub(super) fn check_origin(desk: &Desk, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let ours = origin_of(&desk.0.accounts.config().public_url);
    let allowed = &desk.0.config.allowed_origins;
    if origin == ours || allowed.iter().any(|allowed| allowed == "*" || allowed == origin) {
        return Ok(());
    }
    Err(Problem::forbidden("a page of this origin may not connect: see DESK__ALLOWED_ORIGINS")
        .field("Origin", "is not allowed"))
}

/// The scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at.saturating_add(3));
    let rest = url.get(host..).unwrap_or_default();
    let end = rest.find('/').map_or(url.len(), |at| host.saturating_add(at));
    url.get(..end).unwrap_or(url)
}

/// Who came in.
pub(super) struct Entry {
    pub(super) agent: Agent,
    pub(super) login: Option<Login>,
    /// Whether it is the agent's own stream.
    pub(super) is_own: bool,
}

/// Lets an agent in to a stream.
pub(super) async fn enter(desk: &Desk, cs_id: &str, credential: Credential) -> Result<Entry, Problem> {
    let caller = match credential {
        Credential::Token(token) if token.len() > 4096 => {
            return Err(Problem::unauthorized("the access token is invalid, expired or revoked"));
        }
        Credential::Token(token) => desk.0.accounts.authenticate(&token).await?,
        Credential::Ticket(ticket) => by_ticket(desk, &ticket).await?,
        Credential::Nothing if desk.0.config.auth => {
            return Err(Problem::unauthorized("an access token or a ticket is required"));
        }
        Credential::Nothing => {
            let agent = Agent { id: Some(cs_id.to_owned()), supervisor: true, operator: true };
            return Ok(Entry { agent, login: None, is_own: true });
        }
    };
    let agent = Agent::of(&caller)?;
    agent.named(Some(cs_id))?;
    let login =
        Login { session_id: caller.session_id.clone(), expires_at: caller.expires_at, role: caller.role };
    Ok(Entry { is_own: caller.id() == cs_id, agent, login: Some(login) })
}

async fn by_ticket(desk: &Desk, ticket: &str) -> Result<accounts::Caller, Problem> {
    let refused = || Problem::unauthorized("the ticket is invalid, expired or used");
    let mut tx = desk.db().begin().await?;
    let taken = store::take_ticket(&mut tx, &hash(ticket), desk.clock().now()).await?;
    tx.commit().await?;
    let (login, expires) = taken.ok_or_else(refused)?;
    desk.0.accounts.logged_in(&login, expires).await?.ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_a_url() {
        for (url, origin) in [
            ("https://desk.example.com", "https://desk.example.com"),
            ("https://desk.example.com:8443/a/b", "https://desk.example.com:8443"),
            ("", ""),
        ] {
            assert_eq!(origin_of(url), origin);
        }
    }
}
