//! Writing an archive.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use db::{Snapshot, archive};
use kernel::Clock;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    manifest::{
        FILES, FORMAT, FileEntry, FilesEntry, MANIFEST, Manifest, Member, MigrationEntry, Sum, TableEntry,
    },
    secrets,
};
use crate::{cli::say, settings::Settings, system};

/// How much is copied at once.
const CHUNK: usize = 256 * 1024;
/// Beyond this a member needs the larger form of its header.
const LARGE: u64 = 3 << 30;

/// Writes everything into a new file; the server may run.
///
/// # Errors
/// What cannot be read or written. Nothing is left under the name then.
pub(crate) async fn export(settings: &Settings, file: &Path, with_keyring: bool) -> anyhow::Result<()> {
    if file.exists() {
        bail!("{} exists already", file.display());
    }
    let db = system::open_database(settings).await?;
    let pending = db::pending(&db, &system::migrations()).await?;
    if !pending.is_empty() {
        bail!("the database is not up to date, run `hongyan migrate`: {} is missing", pending.join(", "));
    }
    let blobs = system::open_storage(settings)?;
    let out = Unfinished::create(file)?;
    // A file of a row that the snapshot has was there before the row, and is removed after it. So one that is
    // not seen before the snapshot is seen after it.
    let mut frozen = blobs.freeze();
    frozen.add()?;
    let mut snapshot = db.snapshot().await?;
    frozen.add()?;

    let mut writer = Writer { zip: ZipWriter::new(BufWriter::new(out.open()?)), buffer: vec![0; CHUNK] };
    let migrations = db::applied(&mut snapshot).await?;
    let mut tables = Vec::new();
    for table in archive::tables(&mut snapshot).await? {
        tables.push(writer.table(&mut snapshot, &table).await?);
    }
    drop(snapshot);
    let files = writer.files(&frozen)?;
    drop(frozen);
    let keyring = secrets::read(&settings.data_dir, secrets::KEYRING)?.unwrap_or_default();
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: Clock::system().now().to_string(),
        engine: db.engine().to_owned(),
        migrations: migrations
            .into_iter()
            .map(|m| MigrationEntry { name: m.name, checksum: m.checksum })
            .collect(),
        tables,
        files,
        secrets: if with_keyring { writer.secrets(&settings.data_dir)? } else { Vec::new() },
        keyring: secrets::fingerprints(&keyring),
    };
    let text = serde_json::to_vec_pretty(&manifest)?;
    writer.bytes(MANIFEST, &text)?;
    let done =
        writer.zip.finish().map_err(io::Error::from)?.into_inner().map_err(io::IntoInnerError::into_error)?;
    done.sync_all()?;
    out.publish(file)?;
    report(&manifest, file);
    Ok(())
}

fn report(manifest: &Manifest, file: &Path) {
    let rows: u64 = manifest.tables.iter().map(|t| t.rows).sum();
    let FilesEntry { count, total_bytes, .. } = &manifest.files;
    let tables = manifest.tables.len();
    say(&format!("{}: {rows} rows of {tables} tables, {count} files of {total_bytes} bytes", file.display()));
    say(
        "Whoever has the archive reads every letter in it that is not encrypted: keep it as safe as the server.",
    );
    say(match manifest.secrets.is_empty() {
        true => {
            "WITHOUT THE KEYRING: sealed values (encrypted letters, tokens, push addresses) can be opened only with the \
             file `keyring` of this data folder. Keep a copy of it apart from the archive, or export --with-keyring."
        }
        false => {
            "WITH THE KEYRING: whoever has the archive also opens what is sealed, save letters under a passphrase."
        }
    });
}

struct Writer {
    zip: ZipWriter<BufWriter<File>>,
    buffer: Vec<u8>,
}

fn options(method: CompressionMethod, large: bool) -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(method).large_file(large).unix_permissions(0o600)
}

impl Writer {
    fn start(&mut self, member: &str, method: CompressionMethod, large: bool) -> anyhow::Result<()> {
        self.zip
            .start_file(member, options(method, large))
            .with_context(|| format!("{member} cannot be written"))
    }

    async fn table(&mut self, snapshot: &mut Snapshot, table: &archive::Table) -> anyhow::Result<TableEntry> {
        let member = format!("tables/{}.jsonl", table.name);
        self.start(&member, CompressionMethod::Deflated, true)?;
        let mut sum = Sum::default();
        let rows = snapshot.dump(table, |line| {
            for part in [line, b"\n"] {
                sum.add(part);
                self.zip.write_all(part)?;
            }
            Ok(())
        });
        let rows = rows.await?;
        Ok(TableEntry::of(table, rows, sum.finish(member)))
    }

    fn files(&mut self, frozen: &blobs::Frozen) -> anyhow::Result<FilesEntry> {
        let (mut list, mut count, mut total_bytes) = (Vec::new(), 0, 0);
        for key in frozen.keys() {
            let member = format!("files/{key}");
            let missing = || format!("the file {key} was removed meanwhile: run the export again");
            let mut file = frozen.open(key).with_context(missing)?;
            // Pictures, sound and films are packed already.
            self.start(&member, CompressionMethod::Stored, file.metadata()?.len() > LARGE)?;
            let Member { bytes, sha256, .. } = self.copy(&mut file, member)?;
            count += 1;
            total_bytes += bytes;
            serde_json::to_writer(&mut list, &FileEntry { key: key.to_owned(), bytes, sha256 })?;
            list.push(b'\n');
        }
        Ok(FilesEntry { count, total_bytes, list: self.bytes(FILES, &list)? })
    }

    fn secrets(&mut self, dir: &Path) -> anyhow::Result<Vec<Member>> {
        let mut members = Vec::new();
        for name in secrets::NAMES {
            if let Some(text) = secrets::read(dir, name)? {
                members.push(self.bytes(&format!("secrets/{name}"), &text)?);
            }
        }
        Ok(members)
    }

    fn bytes(&mut self, member: &str, mut bytes: &[u8]) -> anyhow::Result<Member> {
        self.start(member, CompressionMethod::Deflated, false)?;
        self.copy(&mut bytes, member.to_owned())
    }

    fn copy(&mut self, from: &mut impl Read, member: String) -> anyhow::Result<Member> {
        let mut sum = Sum::default();
        loop {
            let n = from.read(&mut self.buffer).with_context(|| format!("{member} cannot be read"))?;
            let Some(chunk) = self.buffer.get(..n).filter(|chunk| !chunk.is_empty()) else {
                return Ok(sum.finish(member));
            };
            sum.add(chunk);
            self.zip.write_all(chunk).with_context(|| format!("{member} cannot be written"))?;
        }
    }
}

/// The archive while it grows, for its owner only; removed unless it was published.
struct Unfinished(PathBuf);

impl Unfinished {
    fn create(file: &Path) -> anyhow::Result<Self> {
        let name = file.file_name().context("the archive needs a name")?.to_string_lossy().into_owned();
        let unique = kernel::id::new("partial", Clock::system().now());
        Ok(Self(file.with_file_name(format!(".{name}.{unique}"))))
    }

    fn open(&self) -> anyhow::Result<File> {
        let file = File::options().create_new(true).write(true).mode(0o600).open(&self.0);
        file.with_context(|| format!("{} cannot be made", self.0.display()))
    }

    /// Gives it its name, which nothing may have.
    fn publish(self, file: &Path) -> anyhow::Result<()> {
        fs::hard_link(&self.0, file).with_context(|| format!("{} cannot be made", file.display()))?;
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.0.display(), "an unfinished archive stays");
        }
    }
}
