//! Scores on labelled texts, against the goals that the project set itself, and what holds for any text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod any_text;
mod compose;
mod data;
mod golden;
