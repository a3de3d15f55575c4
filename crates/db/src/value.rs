//! Values on their way in ([`Value`]) and out ([`Cell`], [`FromRow`]), the same for both engines.
//!
//! Columns are TEXT, BIGINT, DOUBLE PRECISION, BOOLEAN and BLOB/BYTEA only. A list of texts is bound as an
//! array on PostgreSQL (`= ANY($1)`) and as a JSON array on SQLite (`IN (SELECT value FROM json_each($1))`).

use std::{borrow::Cow, fmt};

use bytes::{BufMut, BytesMut};
use kernel::Timestamp;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::error::{DbError, Result};

/// A bound parameter. Its `Debug` output tells the kind alone: drivers log parameters and errors name them,
/// and what people wrote belongs into neither.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL, of whatever type.
    Null,
    /// BOOLEAN
    Bool(bool),
    /// BIGINT
    Int(i64),
    /// DOUBLE PRECISION
    Float(f64),
    /// TEXT, also JSON
    Text(Cow<'a, str>),
    /// BLOB or BYTEA
    Bytes(Cow<'a, [u8]>),
    /// A list of texts.
    List(Vec<Cow<'a, str>>),
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool"),
            Self::Int(_) => f.write_str("Int"),
            Self::Float(_) => f.write_str("Float"),
            Self::Text(v) => write!(f, "Text of {} bytes", v.len()),
            Self::Bytes(v) => write!(f, "Bytes of {} bytes", v.len()),
            Self::List(v) => write!(f, "List of {}", v.len()),
        }
    }
}

macro_rules! from {
    ($($ty:ty => |$v:ident| $e:expr),* $(,)?) => { $(
        impl<'a> From<$ty> for Value<'a> { fn from($v: $ty) -> Self { $e } }
    )* };
}

from! {
    bool => |v| Self::Bool(v),
    i64 => |v| Self::Int(v),
    i32 => |v| Self::Int(v.into()),
    u32 => |v| Self::Int(v.into()),
    f64 => |v| Self::Float(v),
    Timestamp => |v| Self::Int(v.micros()),
    String => |v| Self::Text(Cow::Owned(v)),
    &'a str => |v| Self::Text(Cow::Borrowed(v)),
    &'a String => |v| Self::Text(Cow::Borrowed(v)),
    &'a [u8] => |v| Self::Bytes(Cow::Borrowed(v)),
    Vec<u8> => |v| Self::Bytes(Cow::Owned(v)),
    &'a Vec<u8> => |v| Self::Bytes(Cow::Borrowed(v)),
    Vec<&'a str> => |v| Self::List(v.into_iter().map(Cow::Borrowed).collect()),
    &'a [String] => |v| Self::List(v.iter().map(|s| Cow::Borrowed(s.as_str())).collect()),
    &'a Vec<String> => |v| Self::from(v.as_slice()),
    &'a Option<String> => |v| v.as_deref().map_or(Self::Null, Self::from),
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput as Out, Value as Owned, ValueRef as Ref};
        Ok(match self {
            Self::Null => Out::Owned(Owned::Null),
            Self::Bool(v) => Out::Owned(Owned::Integer((*v).into())),
            Self::Int(v) => Out::Owned(Owned::Integer(*v)),
            Self::Float(v) => Out::Owned(Owned::Real(*v)),
            Self::Text(v) => Out::Borrowed(Ref::Text(v.as_bytes())),
            Self::Bytes(v) => Out::Borrowed(Ref::Blob(v)),
            Self::List(v) => Out::Owned(Owned::Text(json_list(v)?)),
        })
    }
}

fn json_list(list: &[Cow<'_, str>]) -> rusqlite::Result<String> {
    serde_json::to_string(&list.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

type BoxError = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, BoxError> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Bool(v) if *ty == Type::BOOL => out.put_u8(u8::from(*v)),
            Self::Int(v) if *ty == Type::INT8 => out.put_i64(*v),
            Self::Int(v) if *ty == Type::INT4 => out.put_i32(i32::try_from(*v)?),
            Self::Float(v) if *ty == Type::FLOAT8 => out.put_f64(*v),
            // JSON's binary form is its text; JSONB, whose form differs, is not used.
            Self::Text(v) if [Type::TEXT, Type::VARCHAR, Type::JSON].contains(ty) => {
                out.put_slice(v.as_bytes())
            }
            Self::Bytes(v) if *ty == Type::BYTEA => out.put_slice(v),
            Self::List(v) if *ty == Type::TEXT_ARRAY => return v.to_sql(ty, out),
            other => return Err(format!("cannot bind {other:?} as {ty}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One column of one row, borrowed from the driver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL
    Null,
    /// BOOLEAN (PostgreSQL; SQLite gives an integer)
    Bool(bool),
    /// BIGINT
    Int(i64),
    /// DOUBLE PRECISION
    Float(f64),
    /// TEXT
    Text(&'a str),
    /// BLOB or BYTEA
    Bytes(&'a [u8]),
}

/// One row, borrowed from the driver.
pub enum Row<'a> {
    /// From SQLite.
    #[doc(hidden)]
    Lite(&'a rusqlite::Row<'a>),
    /// From PostgreSQL.
    #[doc(hidden)]
    Pg(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// Reads column `at`, from 0.
    ///
    /// # Errors
    /// There is no such column or it holds another type: a bug that the statement's own test shows.
    pub fn get<T: FromCell>(&self, at: usize) -> Result<T> {
        T::from_cell(self.cell(at)?)
            .ok_or_else(|| DbError::Other(format!("column {at} is not a {}", std::any::type_name::<T>())))
    }

    pub(crate) fn cell(&self, at: usize) -> Result<Cell<'_>> {
        match self {
            Self::Lite(row) => {
                use rusqlite::types::ValueRef as Ref;
                Ok(match row.get_ref(at)? {
                    Ref::Null => Cell::Null,
                    Ref::Integer(v) => Cell::Int(v),
                    Ref::Real(v) => Cell::Float(v),
                    Ref::Text(v) => Cell::Text(std::str::from_utf8(v).map_err(DbError::other)?),
                    Ref::Blob(v) => Cell::Bytes(v),
                })
            }
            Self::Pg(row) => pg_cell(row, at),
        }
    }
}

fn pg_cell(row: &tokio_postgres::Row, at: usize) -> Result<Cell<'_>> {
    let column = row.columns().get(at).ok_or_else(|| DbError::Other(format!("no column {at}")))?;
    let ty = column.type_();
    let cell = if *ty == Type::BOOL {
        row.try_get::<_, Option<bool>>(at)?.map(Cell::Bool)
    } else if *ty == Type::INT8 {
        row.try_get::<_, Option<i64>>(at)?.map(Cell::Int)
    } else if *ty == Type::INT4 {
        row.try_get::<_, Option<i32>>(at)?.map(|v| Cell::Int(v.into()))
    } else if *ty == Type::FLOAT8 {
        row.try_get::<_, Option<f64>>(at)?.map(Cell::Float)
    } else if *ty == Type::BYTEA {
        row.try_get::<_, Option<&[u8]>>(at)?.map(Cell::Bytes)
    } else {
        row.try_get::<_, Option<&str>>(at)?.map(Cell::Text)
    };
    Ok(cell.unwrap_or(Cell::Null))
}

/// A type that a column can be read as.
pub trait FromCell: Sized {
    /// `None` if the cell holds something else.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

macro_rules! from_cell {
    ($($ty:ty { $($pat:pat => $e:expr),* $(,)? })*) => { $(
        impl FromCell for $ty {
            fn from_cell(cell: Cell<'_>) -> Option<Self> {
                match cell { $($pat => Some($e),)* _ => None }
            }
        }
    )* };
}

from_cell! {
    bool { Cell::Bool(v) => v, Cell::Int(0) => false, Cell::Int(1) => true }
    i64 { Cell::Int(v) => v }
    f64 { Cell::Float(v) => v }
    String { Cell::Text(v) => v.to_owned() }
    Vec<u8> { Cell::Bytes(v) => v.to_owned() }
    Timestamp { Cell::Int(v) => Timestamp::from_micros(v) }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        if cell == Cell::Null { Some(None) } else { T::from_cell(cell).map(Some) }
    }
}

/// A type that a whole row can be read as: a tuple, or a struct made with [`crate::row!`].
pub trait FromRow: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// As [`Row::get`].
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

macro_rules! from_row {
    ($($($t:ident $n:tt),+;)*) => { $(
        impl<$($t: FromCell),+> FromRow for ($($t,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> { Ok(($(row.get::<$t>($n)?,)+)) }
        }
    )* };
}

from_row! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
}
