//! Migrations: each runs once, in order, in one transaction, and is never edited afterwards.
//!
//! One text for both engines; `{ID}` stands for the type of ids and other texts that are compared
//! byte by byte (`TEXT`, on PostgreSQL `TEXT COLLATE "C"`), `{BYTES}` for BLOB/BYTEA, and a line that
//! begins with `--pg ` or `--sqlite ` is meant for that engine alone.

use std::collections::BTreeMap;

use kernel::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    Conn, Db, Tx, args,
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
    let mut tx = db.begin().await?;
    let applied = migrate_in(&mut tx, migrations, now).await?;
    tx.commit().await?;
    Ok(applied)
}

/// [`migrate`] as a part of a transaction.
///
/// # Errors
/// As [`migrate`].
pub async fn migrate_in(tx: &mut Tx, migrations: &[Migration], now: Timestamp) -> Result<usize> {
    lock(tx).await?;
    let engine = if tx.is_postgres() { "postgres" } else { "sqlite" };
    let todo = missing(tx, migrations).await?;
    for m in &todo {
        tx.execute_raw(&m.text(engine)).await.map_err(|e| DbError::Other(format!("{}: {e}", m.name)))?;
        tx.exec(
            sql!("INSERT INTO migrations (name, checksum, applied_at) VALUES ($1, $2, $3)"),
            args![m.name, m.checksum(), now],
        )
        .await?;
    }
    Ok(todo.len())
}

/// A migration that has run, by its name and the checksum of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its name.
    pub name: String,
    /// SHA-256 of its text, hexadecimal.
    pub checksum: String,
}

/// The migrations that have run, by name.
///
/// # Errors
/// [`DbError`], also where the database was never migrated.
pub async fn applied(conn: &mut Conn) -> Result<Vec<Applied>> {
    let rows: Vec<(String, String)> =
        conn.all(sql!("SELECT name, checksum FROM migrations ORDER BY name"), args![]).await?;
    Ok(rows.into_iter().map(|(name, checksum)| Applied { name, checksum }).collect())
}

/// What tells this database from those of other installations, in 16 hexadecimal digits: the same for every process
/// that shares it, and for ever.
///
/// # Errors
/// [`DbError`], also where the database was never migrated.
pub async fn installation(conn: &mut Conn) -> Result<String> {
    // To the microsecond, and no migration is ever taken back.
    let (born,): (Option<i64>,) = conn.one(sql!("SELECT MIN(applied_at) FROM migrations"), args![]).await?;
    let born = born.ok_or_else(|| DbError::other("the database was never migrated"))?;
    let digest = Sha256::digest(format!("hongyan installation {born}").as_bytes());
    Ok(data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or(&digest)))
}

/// Those of `migrations` that made a schema elsewhere, in their order.
///
/// # Errors
/// The schema was made by one that is not among `migrations`, or was changed since.
pub fn known(migrations: &[Migration], applied: &[Applied]) -> Result<Vec<Migration>> {
    for a in applied {
        match migrations.iter().find(|m| m.name == a.name) {
            None => return Err(newer(&a.name)),
            Some(m) if m.checksum() == a.checksum => {}
            Some(m) => return Err(changed(m.name)),
        }
    }
    Ok(migrations.iter().filter(|m| applied.iter().any(|a| a.name == m.name)).copied().collect())
}

/// The names of the migrations that have not run yet.
///
/// # Errors
/// As [`migrate`].
pub async fn pending(db: &Db, migrations: &[Migration]) -> Result<Vec<&'static str>> {
    let mut tx = db.begin().await?;
    lock(&mut tx).await?;
    Ok(missing(&mut tx, migrations).await?.iter().map(|m| m.name).collect())
}

async fn lock(tx: &mut Tx) -> Result<()> {
    if tx.is_postgres() {
        tx.execute_raw("SELECT pg_advisory_xact_lock(7236270149)").await?;
    }
    tx.execute_raw(TABLE).await
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
            Some(_) => return Err(changed(m.name)),
        }
    }
    match applied.into_keys().next() {
        None => Ok(todo),
        Some(name) => Err(newer(&name)),
    }
}

fn changed(name: &str) -> DbError {
    DbError::Other(format!("migration {name} was changed after it ran"))
}

fn newer(name: &str) -> DbError {
    DbError::Other(format!(
        "the database was written by a newer version of Hongyan: it has the migration {name}, which this one does not know"
    ))
}
