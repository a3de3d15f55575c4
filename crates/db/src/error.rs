//! What can go wrong in the database, sorted by what the caller can do about it.

use kernel::{Problem, ProblemKind};

/// A database error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// The database is away, restarting or overloaded. Nothing is known to be wrong with the request.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A unique constraint refused the row.
    #[error("a row with this key exists: {0}")]
    Unique(String),
    /// Two transactions stood in each other's way; the same again may pass.
    #[error("conflicting transactions: {0}")]
    Conflict(String),
    /// Everything else: a bug, a damaged file, a full disk.
    #[error("database error: {0}")]
    Other(String),
}

/// With [`DbError`].
pub type Result<T, E = DbError> = std::result::Result<T, E>;

impl DbError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict(_))
    }

    pub(crate) fn after_failure() -> Self {
        Self::other("an earlier statement of this transaction failed")
    }

    /// The same, with what it is about before it.
    pub(crate) fn about(self, what: &str) -> Self {
        match self {
            Self::Unavailable(text) => Self::Unavailable(format!("{what}: {text}")),
            Self::Unique(text) => Self::Unique(format!("{what}: {text}")),
            Self::Conflict(text) => Self::Conflict(format!("{what}: {text}")),
            Self::Other(text) => Self::Other(format!("{what}: {text}")),
        }
    }

    pub(crate) fn other(what: impl std::fmt::Display) -> Self {
        Self::Other(what.to_string())
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(e: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let text = e.to_string();
        match e.sqlite_error() {
            Some(f) if [2067, 1555].contains(&f.extended_code) => Self::Unique(text),
            Some(f) if f.code == Code::DatabaseBusy || f.code == Code::DatabaseLocked => Self::Conflict(text),
            Some(f) if f.code == Code::DiskFull || f.code == Code::SystemIoFailure => Self::Unavailable(text),
            _ => Self::Other(text),
        }
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(e: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let Some(db) = e.as_db_error() else {
            // No answer from the server: the connection broke, was refused or closed.
            return if e.is_closed() || std::error::Error::source(&e).is_some_and(|s| s.is::<std::io::Error>())
            {
                Self::Unavailable(chain(&e))
            } else {
                Self::Other(chain(&e))
            };
        };
        let text = format!("{}: {}", db.code().code(), db.message());
        let code = db.code();
        if *code == SqlState::UNIQUE_VIOLATION {
            Self::Unique(format!("{text} ({})", db.constraint().unwrap_or("?")))
        } else if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) {
            Self::Conflict(text)
        } else if ["08", "53", "57"].iter().any(|class| code.code().starts_with(class)) {
            Self::Unavailable(text)
        } else {
            Self::Other(text)
        }
    }
}

impl From<deadpool_postgres::PoolError> for DbError {
    fn from(e: deadpool_postgres::PoolError) -> Self {
        match e {
            deadpool_postgres::PoolError::Backend(e) => match Self::from(e) {
                // A failed login is a setting to mend, and still "away" for whoever asks meanwhile.
                Self::Other(text) => Self::Unavailable(text),
                e => e,
            },
            e => Self::Unavailable(e.to_string()),
        }
    }
}

impl From<DbError> for Problem {
    /// The cause goes to the log once, here; the caller learns only whether to come back.
    fn from(e: DbError) -> Self {
        if e.is_transient() {
            tracing::warn!(error = %e, "request met an unavailable database");
            Self::new(ProblemKind::Unavailable, "the database is not available at the moment, try again")
        } else {
            tracing::error!(error = %e, "database error");
            Self::internal()
        }
    }
}

fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut next = e.source();
    while let Some(e) = next {
        text = format!("{text}: {e}");
        next = e.source();
    }
    text
}
