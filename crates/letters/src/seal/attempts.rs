//! Attempts at a letter's passphrase or recovery key, counted in the database: for each caller and letter, in all
//! processes together, whether the server is restarted or not.

use std::time::Duration;

use accounts::Caller;
use kernel::{Problem, ProblemKind};

use crate::{Letters, store};

/// So many wrong ones at once.
const BURST: i64 = 10;
/// And then one each so long.
const EVERY: Duration = Duration::from_secs(60);

impl Letters {
    /// Counts an attempt before it is made, so that parallel guesses are all counted.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub(super) async fn attempt(&self, caller: &Caller, letter: &str) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        let every = i64::try_from(EVERY.as_micros()).unwrap_or(i64::MAX);
        let wait = store::count_attempt(&mut tx, (caller.id(), letter), (BURST, every), now).await?;
        tx.commit().await?;
        match wait {
            None => Ok(()),
            Some(next) => {
                let text = "too many failed attempts at this letter, wait a while";
                Err(Problem::new(ProblemKind::TooMany(next.since(now)), text))
            }
        }
    }

    /// The attempt succeeded: all is forgiven.
    pub(super) async fn attempt_succeeded(&self, caller: &Caller, letter: &str) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        store::forgive_attempts(&mut tx, caller.id(), letter).await?;
        Ok(tx.commit().await?)
    }
}
