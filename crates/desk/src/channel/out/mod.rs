//! How each channel is sent a message.

mod others;
mod wecom;

pub(crate) use wecom::{WINDOW, Window, count, missing, named, refusal};
