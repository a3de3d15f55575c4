//! The program: settings, wiring, life cycle, command line.
//!
//! Promises: a wrong setting is named before anything starts; what is started is stopped within ten seconds
//! of `SIGTERM`, finished or given back; logs hold no secret and no letter's text.

pub mod api;
mod archive;
pub mod cli;
pub mod data;
mod doctor;
pub mod keyring;
mod pages;
mod push;
mod serve;
pub mod settings;
pub mod system;

pub use accounts::Plan;
pub use serve::serve;
