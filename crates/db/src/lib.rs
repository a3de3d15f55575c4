//! The seam over SQLite and PostgreSQL: one SQL text, two drivers.
//!
//! Promises
//! - A statement is written once with [`sql!`] (twice only where the engines must differ), is registered
//!   in [`STATEMENTS`], and a test prepares every registered statement on both engines.
//! - `$1`, `$2` are the first and second value on both, wherever they stand.
//! - A [`Tx`] rolls back unless it is committed; `Ok` from [`Tx::commit`] means on disk. A statement that
//!   failed fails the transaction, on SQLite too.
//! - SQLite has one writer behind a fair queue. Transactions that wait behind each other share one
//!   `COMMIT` (group commit), each in a savepoint of its own, and each is acknowledged after that commit.
//! - What a transaction says with [`Tx::notify`] is heard after its commit, by every process that shares
//!   the database, through the database or through what carries it instead. It is a hint: it may be lost with a connection, so whoever listens also looks by itself.
//! - What is written over or deleted does not stay behind in the pages of a SQLite file.
//! - Nothing outside this crate names a driver.

pub mod archive;
mod conn;
mod error;
mod lite;
mod migrate;
mod pg;
mod pg_url;
mod sealed;
mod signal;
mod value;

pub use conn::{Conn, Db, Snapshot, Tx};
pub use error::{DbError, Result};
pub use linkme;
pub use migrate::{Applied, Migration, applied, installation, known, migrate, migrate_in, pending};
pub use sealed::{BoxFuture, SealedRow, SealedTable, by_key};
pub use signal::{Notice, Process, Signals};
pub use value::{Cell, FromCell, FromRow, Row, Value};

pub use pg_url::check_postgres_url;

/// One registered SQL statement.
#[derive(Debug)]
pub struct Statement {
    /// `file:line` of its macro call.
    pub at: &'static str,
    /// The text for SQLite.
    pub sqlite: &'static str,
    /// The text for PostgreSQL; mostly the same.
    pub postgres: &'static str,
}

/// Every statement of every crate that is linked in.
#[allow(unsafe_code, reason = "linkme places the static in a section of its own")]
#[linkme::distributed_slice]
pub static STATEMENTS: [Statement];

/// A registered `&'static Statement`: `sql!("SELECT …")`, or `sql!(sqlite: "…", postgres: "…")` where the
/// engines must differ.
#[macro_export]
macro_rules! sql {
    (sqlite: $lite:expr, postgres: $pg:expr $(,)?) => {{
        #[allow(unsafe_code, reason = "linkme places the static in a section of its own")]
        #[$crate::linkme::distributed_slice($crate::STATEMENTS)]
        #[linkme(crate = $crate::linkme)]
        static STATEMENT: $crate::Statement =
            $crate::Statement { at: concat!(file!(), ":", line!()), sqlite: $lite, postgres: $pg };
        &STATEMENT
    }};
    ($both:expr) => {
        $crate::sql!(sqlite: $both, postgres: $both)
    };
}

/// The values of `$1, $2, …`: `args![id, now, 10]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::Value::from($value)),*] };
}

/// A struct whose fields are read from a row's columns in order.
#[macro_export]
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$fmeta:meta])* $fvis:vis $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$fmeta])* $fvis $field: $ty),* }
        #[allow(dead_code, reason = "for rows that read more columns after these")]
        impl $name {
            /// How many columns it reads.
            pub const COLUMNS: usize = [$(stringify!($field)),*].len();
        }
        impl $crate::FromRow for $name {
            fn from_row(row: &$crate::Row<'_>) -> $crate::Result<Self> {
                let mut at = 0..;
                Ok(Self { $($field: row.get(at.next().unwrap_or(usize::MAX))?),* })
            }
        }
    };
}
