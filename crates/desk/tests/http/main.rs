//! The desk through the whole server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::large_futures,
    reason = "tests"
)]

mod agents;
mod desk;
mod model;
mod races;
mod sessions;
mod watch;
mod workbench;
