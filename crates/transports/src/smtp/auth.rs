//! AUTH PLAIN (RFC 4616) and LOGIN, the two that every submission server has.
//!
//! Promise: neither password nor its encodings are in the error, even where a server repeats what it was sent.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    settings::Credentials,
    wire::{Reply, Wire},
};
use crate::{SendError, Stage};

/// Logs in by the first of PLAIN and LOGIN that the server offers, and says by which.
pub(super) async fn authenticate(
    wire: &mut Wire,
    offered: &[String],
    credentials: &Credentials,
    limit: Duration,
) -> Result<&'static str, SendError> {
    let offers = |mechanism: &str| offered.iter().any(|m| m == mechanism);
    let user = STANDARD.encode(&credentials.user);
    let password = STANDARD.encode(&credentials.password);
    let plain = STANDARD.encode(format!("\0{}\0{}", credentials.user, credentials.password));
    let secrets = [plain.as_str(), password.as_str(), credentials.password.as_str()];

    let (mechanism, steps) = if offers("PLAIN") {
        ("PLAIN", vec![format!("AUTH PLAIN {plain}\r\n")])
    } else if offers("LOGIN") {
        ("LOGIN", vec!["AUTH LOGIN\r\n".to_owned(), format!("{user}\r\n"), format!("{password}\r\n")])
    } else {
        return Err(SendError::transient(Stage::Auth, "the server offers neither AUTH PLAIN nor AUTH LOGIN"));
    };
    let last = steps.len();
    for (i, step) in steps.iter().enumerate() {
        let reply = exchange(wire, step, limit).await?;
        let wanted = if i + 1 == last { reply.is_positive() } else { reply.code == 334 };
        if !wanted {
            return Err(without(reply.refusal(Stage::Auth), &secrets));
        }
    }
    Ok(mechanism)
}

async fn exchange(wire: &mut Wire, line: &str, limit: Duration) -> Result<Reply, SendError> {
    wire.command(line, limit).await.map_err(|e| e.at(Stage::Auth))?;
    wire.reply(limit).await.map_err(|e| e.at(Stage::Auth))
}

fn without(mut error: SendError, secrets: &[&str]) -> SendError {
    for secret in secrets.iter().filter(|s| !s.is_empty()) {
        error.answer = error.answer.replace(secret, "…");
    }
    error
}
