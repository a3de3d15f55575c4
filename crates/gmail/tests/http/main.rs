//! Outreach, through the router, against `@emulators/google`. Needs Node.js and `HONGYAN_TEST_PEERS`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod connect;
mod follow;
mod goals;
mod house;
mod recommended;
mod refusals;
mod talk;
mod turn;
