//! Whole tables out of one database and into another, of either engine.
//!
//! It knows no table by name: what there is, it asks the database ([`tables`]), so a new table needs no code
//! here. A row travels as one line of JSON ([`Table`] says what stands where), the same for both engines.
//!
//! Promises
//! - What [`Snapshot::dump`](crate::Snapshot::dump) reads is the state of one moment, while others write.
//! - A value comes back as it was: text, whole numbers, floats to the last bit, truth values, bytes.
//! - One row at a time is in memory when reading, a few megabytes of rows when writing.

mod load;
mod row;
mod schema;

pub use load::Load;
pub use row::{MAX_ROW, check_row};
pub use schema::{Column, ColumnType, Table, lock_empty, tables};

use crate::{DbError, Snapshot, error::Result};

impl Snapshot {
    /// Hands on every row of `table` as a line of JSON without its line end, in the order of the primary key;
    /// how many there were.
    ///
    /// # Errors
    /// [`DbError`], or that of `line`.
    pub async fn dump(
        &mut self,
        table: &Table,
        mut line: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<u64> {
        let (mut text, mut rows) = (Vec::new(), 0_u64);
        self.each(&table.select(), |row| {
            text.clear();
            row::write(table, row, &mut text)?;
            line(&text).map_err(DbError::other)?;
            rows += 1;
            Ok(())
        })
        .await
        .map_err(|e| e.about(&format!("table {}, row {}", table.name, rows + 1)))?;
        Ok(rows)
    }
}
