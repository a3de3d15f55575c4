//! Real sockets on loopback: what peers may do, what they must not, and what they get.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod chunks;
mod ending;
mod handshake;
mod house;
mod node;
mod protocol;
mod sending;
