//! Transactions that stand in each other's way: PostgreSQL ends one of two that wait for each other, and nothing of it
//! took place. It is done once more, which is all that is wanted as a rule; nobody is told to come back later for that.

use db::DbError;
use kernel::Problem;

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It lost against another one; the same again may pass.
    Lost(DbError),
    /// It is refused.
    Refused(Problem),
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Conflict(_) => Self::Lost(error),
            error => Self::Refused(error.into()),
        }
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Stop> for Problem {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Lost(error) => error.into(),
            Stop::Refused(problem) => problem,
        }
    }
}

/// Runs a transaction, and once more if it lost.
///
/// # Errors
/// Those of `run`.
pub(crate) async fn persist<T, R: Future<Output = Result<T, Stop>>>(
    run: impl Fn() -> R,
) -> Result<T, Problem> {
    let end = match run().await {
        Err(Stop::Lost(error)) => {
            tracing::info!(%error, "a transaction lost against another one and is repeated");
            run().await
        }
        end => end,
    };
    end.map_err(Problem::from)
}
