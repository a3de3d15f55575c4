//! HTTP as all slices share it: reading requests, answering in the contract's envelope, limits; and the one document that
//! slices share, business hours.
//!
//! Promises
//! - Every answer of the API, an unknown path, a wrong method and a panic included, has the envelope
//!   `{code, message, data}` or `{code, message, errors?}` with the HTTP status equal to `code`.
//! - A refused request names every bad field at once, with the contract's names.
//! - No text with a NUL or a stray control character gets past [`Fields`].
//! - Nothing secret is logged: no headers, no query strings, no bodies.

mod bare;
pub mod client;
pub mod download;
pub mod envelope;
pub mod fields;
pub mod hours;
pub mod limits;
pub mod middleware;
mod text_enum;
pub mod upload;

pub use bare::{Bare, BareReply, Listed, StatusError, StatusRefusals, bare, refuse_in_status};
pub use client::ClientAddr;
pub use envelope::{
    DeskEnvelope, DeskReply, ErrorEnvelope, Failure, OkEnvelope, PageData, Refusals, Reply, desk_ok, ok,
    ok_page,
};
pub use fields::{Bad, Body, Fields, FromField, OptionalBody, PathId, Query, text};
pub use limits::{Attempts, Limiter};
pub use upload::{BodyOrForm, Upload};
