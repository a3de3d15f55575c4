//! The crate from outside: what is read, split, classified, shown and written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod eml;
mod properties;
mod show;
mod split;
mod write;
