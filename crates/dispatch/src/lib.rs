//! The durable engine: everything that Hongyan sends is a *dispatch*, due at a time, under an id that is
//! its idempotency key.
//!
//! Promises
//! - **Never early**: a dispatch is claimed only when the clock has reached its `due_at`.
//! - **Never lost**: it is a row from the transaction that scheduled it until it is done, cancelled or dead,
//!   and a dead one stays with its reason.
//! - **Batch kinds** ([`Batch`]) do all their work in the database: claim, work and completion of a whole
//!   batch are one transaction, so each takes effect exactly once. The row locks are the lease.
//! - **Single kinds** ([`Single`]) act on the outside with no transaction open: claimed under a lease and a
//!   fence, acted on, recorded under the fence. An attempt whose end was not recorded is repeated, and the
//!   repetition is marked `in_doubt`.
//! - A cancelled dispatch whose cancellation was answered is never acted on.
//! - One bad dispatch fails alone. A slow destination does not hold up the others; a busy kind does not
//!   hold up another kind.
//! - Memory is bounded by [`SingleOptions::concurrency`] and the batch size, whatever is due.
//!
//! `scheduled → running → done | dead`, `running → scheduled` (retry, snooze, rescue),
//! `scheduled → cancelled`. Batch kinds go from `scheduled` to `done` in one step.

mod batch;
mod engine;
mod migrations;
mod model;
mod policy;
mod restore;
mod single;
pub mod store;
mod suspect;

pub use engine::{Builder, Engine};
pub use migrations::MIGRATIONS;
pub use model::{Batch, BoxFuture, Dispatch, NewDispatch, Outcome, Settled, Single};
pub use policy::Retry;
pub use restore::take_back_all;
pub use single::SingleOptions;
pub use store::{Attempt, Record, cancel, enqueue, redirect};
