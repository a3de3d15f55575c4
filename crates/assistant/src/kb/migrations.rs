//! The tables of the knowledge bases.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[];
