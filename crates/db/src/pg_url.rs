//! The form of a PostgreSQL URL, checked without connecting.

use tokio_postgres::Config;

/// Checks `postgres://user:password@host/database`.
///
/// # Errors
/// What is wrong, without repeating the URL, which may hold a password.
pub fn check_postgres_url(url: &str) -> Result<(), String> {
    let config: Config = url.parse().map_err(|e: tokio_postgres::Error| {
        std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string)
    })?;
    match (config.get_hosts().is_empty(), config.get_user()) {
        (true, _) => Err("must name a host".to_owned()),
        (_, None) => Err("must name a user".to_owned()),
        _ => Ok(()),
    }
}
