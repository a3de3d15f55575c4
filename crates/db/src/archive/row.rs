//! A row as a line of JSON: a list of its values in the table's order.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde_json::Value as Json;

use super::{Column, ColumnType, Table};
use crate::{
    Cell, Row, Value,
    error::{DbError, Result},
};

/// The longest line that is read, in bytes: far more than any row that a slice writes.
pub const MAX_ROW: u64 = 256 * 1024 * 1024;

pub(super) fn write(table: &Table, row: &Row<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'[');
    for (at, column) in table.columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        cell(column, row.cell(at)?, out)?;
    }
    out.push(b']');
    Ok(())
}

fn cell(column: &Column, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<()> {
    let written = match (column.kind, cell) {
        (_, Cell::Null) => serde_json::to_writer(out, &()),
        (ColumnType::Text, Cell::Text(v)) => serde_json::to_writer(out, v),
        (ColumnType::Int, Cell::Int(v)) => serde_json::to_writer(out, &v),
        // The shortest text that reads back as the same number.
        (ColumnType::Float, Cell::Float(v)) => serde_json::to_writer(out, &v.to_string()),
        (ColumnType::Bool, Cell::Bool(v)) => serde_json::to_writer(out, &v),
        // SQLite has no truth values of its own.
        (ColumnType::Bool, Cell::Int(v @ (0 | 1))) => serde_json::to_writer(out, &(v == 1)),
        (ColumnType::Bytes, Cell::Bytes(v)) => serde_json::to_writer(out, &BASE64.encode(v)),
        (kind, _) => {
            return Err(DbError::Other(format!("column {} holds no {}", column.name, kind.as_str())));
        }
    };
    written.map_err(DbError::other)
}

/// Whether a line is a row of the table.
///
/// # Errors
/// What is wrong, with the column's name.
pub fn check_row(table: &Table, line: &[u8]) -> Result<()> {
    read(table, line).map(drop)
}

pub(super) fn read(table: &Table, line: &[u8]) -> Result<Vec<Value<'static>>> {
    let values: Vec<Json> = serde_json::from_slice(line)
        .map_err(|e| DbError::Other(format!("is no list of values: column {}", e.column())))?;
    if values.len() != table.columns.len() {
        let (have, want) = (values.len(), table.columns.len());
        return Err(DbError::Other(format!("has {have} values, not {want}")));
    }
    table.columns.iter().zip(values).map(|(column, value)| one(column, value)).collect()
}

fn one(column: &Column, value: Json) -> Result<Value<'static>> {
    let wrong = |what: &str| DbError::Other(format!("column {}: {what}", column.name));
    let read = match (column.kind, value) {
        (_, Json::Null) if column.nullable => return Ok(Value::Null),
        (_, Json::Null) => return Err(wrong("is null")),
        (ColumnType::Text, Json::String(v)) => Some(Value::Text(Cow::Owned(v))),
        (ColumnType::Int, Json::Number(v)) => v.as_i64().map(Value::Int),
        (ColumnType::Float, Json::String(v)) => v.parse().ok().map(Value::Float),
        (ColumnType::Bool, Json::Bool(v)) => Some(Value::Bool(v)),
        (ColumnType::Bytes, Json::String(v)) => {
            BASE64.decode(v.as_bytes()).ok().map(|v| Value::Bytes(Cow::Owned(v)))
        }
        _ => None,
    };
    read.ok_or_else(|| wrong(&format!("is no {}", column.kind.as_str())))
}
