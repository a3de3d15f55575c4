//! Migrations: each runs once, in order, in one transaction, and is never edited afterwards.
//!
//! One text for both engines; `{ID}` stands for the type of ids and other texts that are compared
//! byte by byte (`TEXT`, on PostgreSQL `TEXT COLLATE "C"`), `{BYTES}` for BLOB/BYTEA, and a line that
//! begins with `--pg ` or `--sqlite ` is meant for that engine alone.

use std::collections::BTreeMap;

use kernel::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    Db, Tx, args,
    error::{DbError, Result},
    sql,
};

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// `{slice}/{number}_{what}`, unique for ever.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

impl Migration {
    fn text(&self, engine: &str) -> String {
        let pg = engine == "postgres";
        let (ours, theirs) = if pg { ("--pg ", "--sqlite ") } else { ("--sqlite ", "--pg ") };
        let mut out = String::new();
        for line in self.sql.lines() {
            let trimmed = line.trim_start();
            if trimmed.starts_with(theirs) {
                continue;
            }
            out.push_str(trimmed.strip_prefix(ours).unwrap_or(line));
            out.push('\n');
        }
        out.replace("{ID}", if pg { "TEXT COLLATE \"C\"" } else { "TEXT" })
            .replace("{BYTES}", if pg { "BYTEA" } else { "BLOB" })
    }

    fn checksum(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(self.sql.as_bytes()))
    }
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)";

/// Brings the database to the schema of `migrations`; how many were applied. Several processes may call
/// this at once.
///
/// # Errors
/// A migration fails (nothing of it is kept), was changed after it ran, or the database was written by a
/// newer version of the program.
pub async fn migrate(db: &Db, migrations: &[Migration], now: Timestamp) -> Result<usize> {
    let mut tx = locked(db).await?;
    let todo = missing(&mut tx, migrations).await?;
    for m in &todo {
        tx.execute_raw(&m.text(db.engine())).await.map_err(|e| DbError::Other(format!("{}: {e}", m.name)))?;
        tx.exec(
            sql!("INSERT INTO migrations (name, checksum, applied_at) VALUES ($1, $2, $3)"),
            args![m.name, m.checksum(), now],
        )
        .await?;
    }
    tx.commit().await?;
    Ok(todo.len())
}

/// The names of the migrations that have not run yet.
///
/// # Errors
/// As [`migrate`].
pub async fn pending(db: &Db, migrations: &[Migration]) -> Result<Vec<&'static str>> {
    let mut tx = locked(db).await?;
    Ok(missing(&mut tx, migrations).await?.iter().map(|m| m.name).collect())
}

async fn locked(db: &Db) -> Result<Tx> {
    let mut tx = db.begin().await?;
    if db.is_shared() {
        tx.execute_raw("SELECT pg_advisory_xact_lock(7236270149)").await?;
    }
    tx.execute_raw(TABLE).await?;
    Ok(tx)
}

async fn missing(tx: &mut Tx, migrations: &[Migration]) -> Result<Vec<Migration>> {
    let applied: Vec<(String, String)> =
        tx.all(sql!("SELECT name, checksum FROM migrations"), args![]).await?;
    let mut applied: BTreeMap<String, String> = applied.into_iter().collect();
    let mut todo = Vec::new();
    for m in migrations {
        match applied.remove(m.name) {
            None => todo.push(*m),
            Some(sum) if sum == m.checksum() => {}
            Some(_) => return Err(DbError::Other(format!("migration {} was changed after it ran", m.name))),
        }
    }
    match applied.into_keys().next() {
        None => Ok(todo),
        Some(name) => Err(DbError::Other(format!(
            "the database was written by a newer version of Hongyan: it has the migration {name}, which this one does not know"
        ))),
    }
}
