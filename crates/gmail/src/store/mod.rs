//! All SQL of outreach, one file a topic.

mod conversations;
mod credentials;
pub(crate) mod fetches;
mod flows;
mod hints;
mod messages;
mod notes;
mod numbers;
mod own_sends;
mod parts;
mod reading;
pub(crate) mod removal;
mod search;
pub(crate) mod syncs;
mod terms;
mod watches;

pub(crate) use conversations::*;
pub(crate) use credentials::*;
pub(crate) use flows::*;
pub(crate) use hints::*;
pub(crate) use messages::*;
pub(crate) use notes::*;
pub(crate) use numbers::number;
pub(crate) use own_sends::*;
pub(crate) use parts::*;
pub(crate) use reading::*;
pub(crate) use search::*;
pub(crate) use terms::insert_terms;
pub(crate) use watches::*;
