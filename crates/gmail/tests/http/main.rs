//! Outreach, through the router, against `@emulators/google`. Needs Node.js and `HONGYAN_TEST_PEERS`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod attachments;
mod connect;
mod conversations;
mod house;
mod mailbag;
mod mailbox;
mod messages;
mod notes;
mod push;
mod refusals;
mod refusals;
mod search;
mod summary;
mod sync;
mod watch;
mod wipe;
