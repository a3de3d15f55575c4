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

mod accounts;
mod agents;
mod assisted;
mod browser;
mod callbacks;
mod capacity;
mod closed_hours;
mod desk;
mod engines;
mod intake;
mod line;
mod model;
mod order;
mod out;
mod peer;
mod peers;
mod pending;
mod races;
mod ratings;
mod repeated;
mod reports;
mod resend;
mod retention;
mod sessions;
mod sight;
mod socket;
mod sockets;
mod stream;
mod supervise;
mod turn_property;
mod turn_races;
mod turns;
mod unsent;
mod voices;
mod watch;
mod webhooks;
mod wecom;
mod wecom_state;
mod workbench;
