//! The crate from outside: what is read, split, classified, shown and written.

mod eml;
mod properties;
mod show;
mod split;
mod write;
