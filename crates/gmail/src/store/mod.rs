//! All SQL of outreach, one file a topic.

mod conversations;
mod credentials;
mod decisions;
mod flows;
mod goals;
mod messages;
mod numbers;
mod replies;

pub(crate) use conversations::*;
pub(crate) use credentials::*;
pub(crate) use decisions::*;
pub(crate) use flows::*;
pub(crate) use goals::*;
pub(crate) use messages::*;
pub(crate) use numbers::number;
pub(crate) use replies::*;
