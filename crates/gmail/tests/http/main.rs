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
mod bots;
mod connect;
mod conversations;
mod follow;
mod goals;
mod hours;
mod house;
mod just_before;
mod mailbag;
mod mailbox;
mod messages;
mod notes;
mod notices;
mod outbox;
mod post_office;
mod push;
mod recommended;
mod refusals;
mod search;
mod send;
mod shared;
mod story;
mod summary;
mod suppress;
mod sync;
mod talk;
mod threading;
mod turn;
mod unsubscribe;
mod uploads;
mod watch;
mod went_on;
mod wipe;
