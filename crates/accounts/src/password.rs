//! Passwords: Argon2id with the crate's recommended parameters (19 MiB, 2 passes, OWASP's first choice),
//! a few at a time on threads of their own, since each takes that memory.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use kernel::Problem;
use tokio::sync::Semaphore;

/// At most so many hashes at once.
const AT_ONCE: usize = 2;

/// Hashes and verifies.
#[derive(Clone)]
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    /// Verified against when there is no account, so that the answer takes as long.
    nobody: Arc<str>,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, Problem> {
        Ok(Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            nobody: hash(b"nobody has this password")?.into(),
        })
    }

    pub(crate) async fn hash(&self, password: String) -> Result<String, Problem> {
        self.run(move || hash(password.as_bytes())).await?
    }

    /// `stored` is `None` where there is no such account: false, after the same time.
    pub(crate) async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Problem> {
        let nobody = Arc::clone(&self.nobody);
        self.run(move || {
            let exists = stored.is_some();
            let stored = stored.unwrap_or_else(|| nobody.as_ref().to_owned());
            let Ok(parsed) = PasswordHash::new(&stored) else {
                tracing::error!("a stored password hash is malformed");
                return Err(Problem::internal());
            };
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && exists)
        })
        .await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let _permit = self.permits.acquire().await.map_err(|_| Problem::internal())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())
    }
}

fn hash(password: &[u8]) -> Result<String, Problem> {
    Argon2::default().hash_password(password).map(|h| h.to_string()).map_err(|error| {
        tracing::error!(%error, "a password cannot be hashed");
        Problem::internal()
    })
}
