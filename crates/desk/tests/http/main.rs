//! The desk through the whole server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::large_futures,
    reason = "tests"
)]

mod browser;
mod desk;
mod sessions;
mod socket;
mod sockets;
mod stream;
