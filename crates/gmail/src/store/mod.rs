//! All SQL of outreach, one file a topic.

mod credentials;
mod flows;
mod numbers;

pub(crate) use credentials::*;
pub(crate) use flows::*;
pub(crate) use numbers::number;
