//! Letters through the whole server, as the seeds and the contract have them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::large_futures,
    reason = "tests"
)]

mod archive;
mod armed;
mod arrivals;
mod attachments;
mod bounces;
mod bulk;
mod drafts;
mod emotions;
mod encrypted;
mod events;
mod evidence;
mod files;
mod helpers;
mod hooks;
mod hostile;
mod keyholder;
mod lists;
mod moderation;
mod notifications;
mod quotas;
mod races;
mod readers;
mod recipients;
mod refusals;
mod schedule;
mod sealed_files;
mod seed_001;
mod seed_002;
mod seed_003;
mod statistics;
mod statistics_model;
mod timeline;
mod times;
mod trigger_races;
mod triggers;
mod web_push;
