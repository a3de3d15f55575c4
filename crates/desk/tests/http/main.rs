//! The desk through the whole server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::large_futures,
    clippy::print_stdout,
    reason = "tests"
)]

mod assisted;
mod desk;
mod sessions;
mod turn_property;
mod turn_races;
mod turns;
