//! The assistant through the whole server and its library, with a provider that the tests play themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::large_futures,
    clippy::print_stdout,
    reason = "tests"
)]

mod aimock;
mod caps;
mod conversations;
mod failures;
mod privacy;
mod provider;
mod seed_002;
mod streams;
