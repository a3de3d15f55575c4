//! The desk through the whole server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::large_futures,
    reason = "tests"
)]

mod accounts;
mod callbacks;
mod desk;
mod peer;
mod sessions;
mod wecom;
