//! Rows into a table, many in one statement.

use super::{Table, row};
use crate::{Tx, Value, error::Result};

/// So many rows are written by one statement, if they are small.
const ROWS: usize = 200;
/// So many values; both engines take more.
const VALUES: usize = 16_000;
/// So many bytes of JSON wait to be written.
const BYTES: usize = 4 * 1024 * 1024;

/// Fills one table.
pub struct Load<'a> {
    tx: &'a mut Tx,
    table: &'a Table,
    most: usize,
    /// The values of `rows` rows, one after the other.
    values: Vec<Value<'static>>,
    rows: usize,
    bytes: usize,
    done: u64,
}

impl<'a> Load<'a> {
    /// Of this table, whose columns are in the order of the lines to come.
    pub fn new(tx: &'a mut Tx, table: &'a Table) -> Self {
        let most = (VALUES / table.columns.len().max(1)).clamp(1, ROWS);
        Self { tx, table, most, values: Vec::new(), rows: 0, bytes: 0, done: 0 }
    }

    /// One row.
    ///
    /// # Errors
    /// Names the table, the line and what is wrong with it, or what the database has against it.
    pub async fn row(&mut self, line: &[u8]) -> Result<()> {
        let at = self.done + self.rows as u64 + 1;
        let values = row::read(self.table, line);
        let values = values.map_err(|e| e.about(&format!("table {}, row {at}", self.table.name)))?;
        self.values.extend(values);
        self.rows += 1;
        self.bytes += line.len();
        if self.rows >= self.most || self.bytes >= BYTES {
            self.write().await?;
        }
        Ok(())
    }

    /// Writes what is left; how many rows there were.
    ///
    /// # Errors
    /// As [`Load::row`].
    pub async fn finish(mut self) -> Result<u64> {
        self.write().await?;
        Ok(self.done)
    }

    async fn write(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let last = self.done + self.rows as u64;
        let written = self.tx.exec_text(&self.table.insert(self.rows), &self.values).await;
        written
            .map_err(|e| e.about(&format!("table {}, rows {} to {last}", self.table.name, self.done + 1)))?;
        self.done = last;
        self.values.clear();
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}
