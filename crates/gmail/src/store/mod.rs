//! All SQL of outreach, one file a topic.

mod conversations;
mod credentials;
mod flows;
mod messages;
mod numbers;
mod outbox;
mod suppressions;
mod uploads;
mod waiting;

pub(crate) use conversations::*;
pub(crate) use credentials::*;
pub(crate) use flows::*;
pub(crate) use messages::*;
pub(crate) use numbers::number;
pub(crate) use outbox::*;
pub(crate) use suppressions::*;
pub(crate) use uploads::*;
pub(crate) use waiting::*;
