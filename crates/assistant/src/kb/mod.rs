//! Knowledge bases: questions with their answers, which the assistant draws from and people keep.
//!
//! Owns `kb_bases`, `kb_entries` and `kb_numbers`. Promises:
//! - A base belongs to who made it; to anybody else it does not exist. A supervisor or an operator may share
//!   one with the desk: then agents, supervisors and operators read it, supervisors and operators keep it.
//! - A search sees every change that was answered before it began, in every process: an index is used only at
//!   the version that the base has when it is asked.
//! - An import is whole or not at all, and the same file once more changes nothing.
//! - What a search answers is quoted from an entry, with its id; it invents nothing.
//! - Memory is bounded: so much text a base, so many indexes, so many files at once.

mod http;
mod import;
mod indexes;
mod migrations;
mod model;
mod ops;
mod search;
mod store;

pub use http::router;
pub use migrations::MIGRATIONS;
pub use model::{Decision, KbRef};
pub use search::{Found, Hit};

pub(crate) use indexes::Kb;
