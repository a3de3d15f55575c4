//! The whole client against `@emulators/google`. Needs Node.js and `HONGYAN_TEST_PEERS`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod account;
mod mailbox;
mod oauth;
mod pushes;
mod sending;
mod tokens;
