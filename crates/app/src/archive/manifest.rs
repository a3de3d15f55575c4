//! `manifest.json`: what is in an archive.

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER;
use db::archive::{Column, ColumnType, Table};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The form that this version writes and reads.
pub(super) const FORMAT: u64 = 1;
/// Its name in the archive.
pub(super) const MANIFEST: &str = "manifest.json";
/// The list of files.
pub(super) const FILES: &str = "files.jsonl";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// [`FORMAT`]
    pub(super) format: u64,
    /// The version of Hongyan that wrote it.
    pub(super) version: String,
    /// RFC 3339.
    pub(super) created_at: String,
    /// What it came from: `sqlite` or `postgres`.
    pub(super) engine: String,
    /// The schema, by the migrations that made it.
    pub(super) migrations: Vec<MigrationEntry>,
    /// In an order in which they can be filled.
    pub(super) tables: Vec<TableEntry>,
    pub(super) files: FilesEntry,
    /// Empty unless the operator asked for them.
    pub(super) secrets: Vec<Member>,
    /// Which keys open what is sealed.
    pub(super) keyring: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MigrationEntry {
    pub(super) name: String,
    pub(super) checksum: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TableEntry {
    pub(super) name: String,
    pub(super) columns: Vec<ColumnEntry>,
    pub(super) rows: u64,
    #[serde(flatten)]
    pub(super) member: Member,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ColumnEntry {
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) nullable: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FilesEntry {
    pub(super) count: u64,
    /// Of all together.
    pub(super) total_bytes: u64,
    /// [`FILES`]
    #[serde(flatten)]
    pub(super) list: Member,
}

/// A line of [`FILES`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// A member of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) member: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    /// From the archive.
    ///
    /// # Errors
    /// It is damaged or of another form.
    pub(super) fn parse(text: &[u8]) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Form {
            format: u64,
        }
        let Form { format } =
            serde_json::from_slice(text).with_context(|| format!("{MANIFEST} is not Hongyan's"))?;
        if format != FORMAT {
            bail!("the archive has the format {format}, this version of Hongyan reads {FORMAT}");
        }
        serde_json::from_slice(text).with_context(|| format!("{MANIFEST} is damaged"))
    }
}

impl TableEntry {
    pub(super) fn of(table: &Table, rows: u64, member: Member) -> Self {
        let columns = table.columns.iter().map(|c| ColumnEntry {
            name: c.name.clone(),
            r#type: c.kind.as_str().to_owned(),
            nullable: c.nullable,
        });
        Self { name: table.name.clone(), columns: columns.collect(), rows, member }
    }

    /// What a row is read as.
    ///
    /// # Errors
    /// A type that this version does not know.
    pub(super) fn table(&self) -> anyhow::Result<Table> {
        let columns = self.columns.iter().map(|c| {
            let kind = ColumnType::parse(&c.r#type)
                .with_context(|| format!("table {}, column {}: the type {}", self.name, c.name, c.r#type))?;
            Ok(Column { name: c.name.clone(), kind, nullable: c.nullable })
        });
        Ok(Table::described(self.name.clone(), columns.collect::<anyhow::Result<_>>()?))
    }
}

/// Counts and hashes what passes.
#[derive(Default)]
pub(super) struct Sum {
    hash: Sha256,
    bytes: u64,
}

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn finish(self, member: String) -> Member {
        Member { member, bytes: self.bytes, sha256: HEXLOWER.encode(&self.hash.finalize()) }
    }
}
