//! Which tables there are, what their columns hold, and which must be filled first.

use crate::{
    Conn, Tx, args,
    error::{DbError, Result},
    sql,
};

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// In the order in which a row's values stand.
    pub columns: Vec<Column>,
    /// The columns of the primary key, in its order.
    key: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether it may hold nothing.
    pub nullable: bool,
}

/// What a column holds, whatever the engine calls it, and how it stands in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text: a string.
    Text,
    /// A whole number of 64 bits: a number.
    Int,
    /// A float of 64 bits: a string, so that nothing is rounded on the way and `inf` and `NaN` have a form.
    Float,
    /// `true` or `false`.
    Bool,
    /// Bytes: a string in base 64.
    Bytes,
}

impl ColumnType {
    /// Its name in an archive.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Bytes => "bytes",
        }
    }

    /// From its name in an archive.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Text, Self::Int, Self::Float, Self::Bool, Self::Bytes].into_iter().find(|t| t.as_str() == name)
    }

    /// From what the engine calls it.
    fn declared(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "TEXT" | "CHARACTER VARYING" | "JSON" => Self::Text,
            "BIGINT" | "INTEGER" => Self::Int,
            "DOUBLE PRECISION" | "REAL" => Self::Float,
            "BOOLEAN" => Self::Bool,
            "BLOB" | "BYTEA" => Self::Bytes,
            _ => return None,
        })
    }
}

impl Table {
    /// A table as an archive describes it; enough to read its rows.
    #[must_use]
    pub fn described(name: String, columns: Vec<Column>) -> Self {
        Self { name, columns, key: Vec::new() }
    }

    /// This table, with its values in the order of `other`, which is the same table elsewhere.
    ///
    /// # Errors
    /// A column is missing on one side, or holds something else.
    pub fn in_order_of(&self, other: &Self) -> Result<Self> {
        let differs = |what: &str| DbError::Other(format!("table {}, column {what}", self.name));
        let mut columns = Vec::with_capacity(self.columns.len());
        for theirs in &other.columns {
            match self.columns.iter().find(|c| c.name == theirs.name) {
                None => return Err(differs(&format!("{}: not in this database", theirs.name))),
                Some(c) if c.kind == theirs.kind => columns.push(c.clone()),
                Some(c) => {
                    let (have, want) = (c.kind.as_str(), theirs.kind.as_str());
                    return Err(differs(&format!("{}: holds {have} here and {want} there", c.name)));
                }
            }
        }
        if let Some(extra) = self.columns.iter().find(|c| !columns.contains(c)) {
            return Err(differs(&format!("{}: only in this database", extra.name)));
        }
        Ok(Self { name: self.name.clone(), columns, key: self.key.clone() })
    }

    pub(super) fn select(&self) -> String {
        let order = match self.key.is_empty() {
            true => String::new(),
            false => format!(" ORDER BY {}", names(self.key.iter())),
        };
        format!("SELECT {} FROM {}{order}", names(self.columns.iter().map(|c| &c.name)), quoted(&self.name))
    }

    /// The statement that writes so many rows.
    pub(super) fn insert(&self, rows: usize) -> String {
        use std::fmt::Write as _;
        let columns = names(self.columns.iter().map(|c| &c.name));
        let mut text = format!("INSERT INTO {} ({columns}) VALUES ", quoted(&self.name));
        let mut number = 0;
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.columns.len() {
                number += 1;
                let comma = if column == 0 { "" } else { ", " };
                // Writing into a string does not fail.
                let _ = write!(text, "{comma}${number}");
            }
            text.push(')');
        }
        text
    }
}

fn names<'a>(all: impl Iterator<Item = &'a String>) -> String {
    all.map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Every table but `migrations`, in an order in which none comes before one that it refers to.
///
/// # Errors
/// [`DbError`]; a column of a type that no archive knows; tables that refer to each other in a circle.
pub async fn tables(conn: &mut Conn) -> Result<Vec<Table>> {
    let names: Vec<(String,)> = conn
        .all(
            sql!(
                sqlite: "SELECT name FROM pragma_table_list
                         WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'
                           AND name <> 'migrations' ORDER BY name",
                postgres: "SELECT c.relname::TEXT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                           WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
                             AND NOT c.relispartition AND c.relname <> 'migrations' ORDER BY 1"
            ),
            args![],
        )
        .await?;
    let mut waiting = Vec::new();
    for (name,) in names {
        let before = referred(conn, &name).await?;
        waiting.push((table(conn, name).await?, before));
    }
    let mut sorted: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let there = |name: &String| sorted.iter().any(|t| t.name == *name);
        let ready = waiting.iter().position(|(t, before)| before.iter().all(|b| *b == t.name || there(b)));
        match ready {
            Some(at) => sorted.push(waiting.remove(at).0),
            None => return Err(DbError::other("tables refer to each other in a circle")),
        }
    }
    Ok(sorted)
}

async fn table(conn: &mut Conn, name: String) -> Result<Table> {
    // The last value: the place in the primary key from 1, or 0.
    let rows: Vec<(String, String, bool, i64)> = conn
        .all(
            sql!(
                sqlite: "SELECT name, type, \"notnull\" <> 0, pk FROM pragma_table_info($1) ORDER BY cid",
                postgres: "SELECT a.attname::TEXT, format_type(a.atttypid, NULL)::TEXT, a.attnotnull,
                               COALESCE(array_position(string_to_array(i.indkey::TEXT, ' '), a.attnum::TEXT), 0)::BIGINT
                           FROM pg_attribute AS a
                           JOIN pg_class AS c ON c.oid = a.attrelid
                           JOIN pg_namespace AS n ON n.oid = c.relnamespace
                           LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
                           WHERE n.nspname = current_schema() AND c.relname = CAST($1 AS TEXT) AND a.attnum > 0
                             AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum"
            ),
            args![name.as_str()],
        )
        .await?;
    let mut columns = Vec::with_capacity(rows.len());
    let mut key = Vec::new();
    for (column, declared, not_null, place) in rows {
        let kind = ColumnType::declared(&declared).ok_or_else(|| {
            DbError::Other(format!("table {name}, column {column}: no archive knows the type {declared}"))
        })?;
        if place > 0 {
            key.push((place, column.clone()));
        }
        columns.push(Column { name: column, kind, nullable: !not_null });
    }
    key.sort();
    Ok(Table { name, columns, key: key.into_iter().map(|(_, name)| name).collect() })
}

/// The tables whose rows those of `name` refer to.
async fn referred(conn: &mut Conn, name: &str) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .all(
            sql!(
                sqlite: "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1)",
                postgres: "SELECT DISTINCT f.relname::TEXT FROM pg_constraint AS k
                           JOIN pg_class AS c ON c.oid = k.conrelid
                           JOIN pg_class AS f ON f.oid = k.confrelid
                           JOIN pg_namespace AS n ON n.oid = c.relnamespace
                           WHERE k.contype = 'f' AND n.nspname = current_schema()
                             AND c.relname = CAST($1 AS TEXT)"
            ),
            args![name],
        )
        .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// Keeps everybody else from writing into `tables` until the transaction ends; the name of one that has rows,
/// if there is one.
///
/// # Errors
/// [`DbError`]
pub async fn lock_empty(tx: &mut Tx, tables: &[Table]) -> Result<Option<String>> {
    if tables.is_empty() {
        return Ok(None);
    }
    if tx.is_postgres() {
        let all = names(tables.iter().map(|t| &t.name));
        tx.execute_raw(&format!("LOCK TABLE {all} IN EXCLUSIVE MODE")).await?;
    }
    for table in tables {
        let mut filled = false;
        let look = format!("SELECT CAST(1 AS BIGINT) FROM {} LIMIT 1", quoted(&table.name));
        tx.each(&look, |_| {
            filled = true;
            Ok(())
        })
        .await?;
        if filled {
            return Ok(Some(table.name.clone()));
        }
    }
    Ok(None)
}
