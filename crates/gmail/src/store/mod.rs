//! All SQL of outreach, one file a topic.

mod conversations;
mod credentials;
mod flows;
mod messages;
mod notes;
mod numbers;
mod parts;
mod reading;
mod search;

pub(crate) use conversations::*;
pub(crate) use credentials::*;
pub(crate) use flows::*;
pub(crate) use messages::*;
pub(crate) use notes::*;
pub(crate) use numbers::number;
pub(crate) use parts::*;
pub(crate) use reading::*;
pub(crate) use search::*;
