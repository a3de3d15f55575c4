//! Accounts through the whole server, as seed 002 and the contract have them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::large_futures,
    reason = "tests"
)]

mod avatars;
mod devices;
mod helpers;
mod hostile;
mod limits;
mod mailed_links;
mod profile;
mod races;
mod seed_002;
mod sessions;
