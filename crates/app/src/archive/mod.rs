//! An installation in one file: `hongyan export` and `hongyan import`.
//!
//! The file is a zip archive: `tables/{name}.jsonl` (a row a line, see `db::archive`), `files/{key}` (attachments
//! and avatars), `files.jsonl` (their sizes and checksums), with `--with-keyring` `secrets/{name}`, and
//! `manifest.json`, which says what there is, how much of it, and its checksums.
//!
//! Promises
//! - An archive is of one moment, taken while the server runs, and says nothing about the engine: SQLite goes into
//!   PostgreSQL and back.
//! - An import verifies everything before it writes anything, writes into an empty installation only, and leaves
//!   nothing behind if it fails. One that was killed can be repeated.
//! - Memory does not grow with the letters and their files.
//! - What was in hand when the archive was taken is waiting in the new installation.

mod export;
mod import;
mod manifest;
mod read;
mod secrets;

pub(crate) use export::export;
pub(crate) use import::{check, import};
