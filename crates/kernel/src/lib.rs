//! What every other crate speaks: time, ids, problems, pages and sealed bytes.
//!
//! Promises: no I/O beyond the system clock and the system's randomness, no SQL, no HTTP.

pub mod clock;
pub mod id;
pub mod page;
pub mod problem;
pub mod seal;
pub mod sign;
pub mod terms;
pub mod time;
pub mod webhook;

pub use clock::{Clock, Sim};
pub use page::{Page, PageRequest};
pub use problem::{Problem, ProblemKind};
pub use sign::Signer;
pub use time::Timestamp;
