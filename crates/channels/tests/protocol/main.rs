//! What channels speak, through the public interface: vectors of others, golden pages, random input, and peers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod bridge;
mod douyin;
mod jd;
mod page;
mod peer;
mod random;
mod send;
mod wecom;

use channels::Refusal;
use serde_json::Value;

/// The vectors of a file below `tests/vectors`.
fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// The field that a refusal names.
#[track_caller]
fn field<T: std::fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
    match result.unwrap_err() {
        Refusal::Malformed { field, .. } => field,
        other => panic!("{other:?}"),
    }
}
