//! Reading an archive into an empty installation.

use std::{collections::HashMap, path::Path};

use anyhow::{Context as _, bail};
use blobs::Blobs;
use db::{
    Applied, Db, Migration, Tx,
    archive::{self, Load, Table},
};
use kernel::Clock;

use super::{
    manifest::{FileEntry, Manifest},
    read::{Archive, file_member, next_line},
    secrets,
};
use crate::{
    cli::say,
    data,
    settings::{Database, Settings},
    system,
};

/// Reads everything and writes nothing.
///
/// # Errors
/// Names the member that is damaged, or what this version does not know.
pub(crate) fn check(file: &Path) -> anyhow::Result<()> {
    let archive = verified(file)?;
    let m = &archive.manifest;
    let rows: u64 = m.tables.iter().map(|t| t.rows).sum();
    say(&format!(
        "{}: whole, of {} from {}, written by Hongyan {}: {rows} rows of {} tables, {} files of {} bytes, {}",
        file.display(),
        m.created_at,
        m.engine,
        m.version,
        m.tables.len(),
        m.files.count,
        m.files.total_bytes,
        if m.secrets.is_empty() { "without the keyring" } else { "with the keyring" },
    ));
    Ok(())
}

fn verified(file: &Path) -> anyhow::Result<Archive> {
    let mut archive = Archive::open(file)?;
    schema(&archive.manifest)?;
    archive.verify().with_context(|| file.display().to_string())?;
    Ok(archive)
}

/// The migrations that made the archive's schema.
fn schema(manifest: &Manifest) -> anyhow::Result<Vec<Migration>> {
    let applied: Vec<Applied> = manifest
        .migrations
        .iter()
        .map(|m| Applied { name: m.name.clone(), checksum: m.checksum.clone() })
        .collect();
    db::known(&system::migrations(), &applied).context("the archive")
}

/// Writes an archive into an empty database, an empty folder of files and, if it has them and there are none, the
/// keys.
///
/// # Errors
/// What is wrong with the archive, or what is there already. Nothing is left behind then.
pub(crate) async fn import(settings: &Settings, file: &Path, without_keyring: bool) -> anyhow::Result<()> {
    let mut archive = verified(file)?;
    data::prepare(&settings.data_dir)?;
    let _lock = match settings.database {
        Database::Sqlite(_) => Some(data::lock(&settings.data_dir)?),
        Database::Postgres(_) => None,
    };
    let keys = new_keys(&mut archive, &settings.data_dir, without_keyring)?;
    let db = system::open_database(settings).await?;
    let blobs = system::open_storage(settings)?;
    // Before anything is written anywhere.
    let mut tx = db.begin().await?;
    prepare(&mut tx, &archive.manifest).await?;
    drop(tx);
    let files = new_files(&mut archive, &blobs).await?;

    let mut undo = Undo::default();
    let done = write(&mut archive, settings, &db, &blobs, (&keys, files), &mut undo).await;
    if done.is_err() {
        undo.all(&settings.data_dir, &blobs).await;
    }
    let taken_back = done?;
    let m = &archive.manifest;
    let rows: u64 = m.tables.iter().map(|t| t.rows).sum();
    say(&format!(
        "{rows} rows of {} tables and {} files imported into {}; {taken_back} deliveries that were in hand wait again",
        m.tables.len(),
        m.files.count,
        db.engine()
    ));
    Ok(())
}

/// What was written outside the database so far.
#[derive(Default)]
struct Undo {
    files: Vec<String>,
    secrets: Vec<&'static str>,
}

impl Undo {
    async fn all(self, dir: &Path, blobs: &Blobs) {
        for key in self.files {
            if let Err(error) = blobs.delete(&key).await {
                say(&format!("the file {key} of the failed import stays: {error}"));
            }
        }
        for name in self.secrets {
            if let Err(error) = std::fs::remove_file(dir.join(name)) {
                say(&format!("{name} of the failed import stays: {error}"));
            }
        }
    }
}

type Keys = Vec<(&'static str, Vec<u8>)>;

/// Files and keys first: a row must not tell of a file that is not there yet.
async fn write(
    archive: &mut Archive,
    settings: &Settings,
    db: &Db,
    blobs: &Blobs,
    (keys, files): (&Keys, Vec<FileEntry>),
    undo: &mut Undo,
) -> anyhow::Result<usize> {
    for file in &files {
        undo.files.push(file.key.clone());
        write_file(archive, blobs, file).await?;
    }
    for (name, text) in keys {
        secrets::write(&settings.data_dir, name, text)?;
        undo.secrets.push(name);
    }
    let mut tx = db.begin().await?;
    let tables = prepare(&mut tx, &archive.manifest).await?;
    let entries: Vec<_> =
        archive.manifest.tables.iter().map(|t| (t.name.clone(), t.member.clone())).collect();
    let mut by_name: HashMap<String, Table> = tables.into_iter().map(|t| (t.name.clone(), t)).collect();
    for (name, member) in entries {
        let table = by_name.remove(&name).with_context(|| format!("table {name}"))?;
        let mut load = Load::new(&mut tx, &table);
        let (mut reader, mut line) = (archive.reader(&member)?, Vec::new());
        while next_line(&mut reader, &mut line, archive::MAX_ROW, &member)? {
            load.row(line.strip_suffix(b"\n").unwrap_or(&line)).await?;
        }
        load.finish().await?;
    }
    let now = Clock::system().now();
    let taken_back = dispatch::take_back_all(&mut tx, now).await?;
    // What this version added to the schema since the archive was written.
    db::migrate_in(&mut tx, &system::migrations(), now).await?;
    tx.commit().await?;
    Ok(taken_back)
}

/// Brings the database to the archive's schema and sees that it is empty; its tables, their columns in the
/// archive's order.
async fn prepare(tx: &mut Tx, manifest: &Manifest) -> anyhow::Result<Vec<Table>> {
    let known = schema(manifest)?;
    db::migrate_in(tx, &known, Clock::system().now())
        .await
        .context("the database must be new, or at the schema of the archive")?;
    let here = archive::tables(tx).await?;
    let mut tables = Vec::with_capacity(here.len());
    for entry in &manifest.tables {
        let ours = here.iter().find(|t| t.name == entry.name);
        let ours = ours.with_context(|| format!("the database has no table {}", entry.name))?;
        tables.push(ours.in_order_of(&entry.table()?)?);
    }
    if let Some(more) = here.iter().find(|t| !tables.iter().any(|known| known.name == t.name)) {
        bail!("the archive has no table {}", more.name);
    }
    if let Some(filled) = archive::lock_empty(tx, &tables).await? {
        bail!("the database is not empty: there are rows in {filled}. An import needs a new one");
    }
    Ok(tables)
}

/// The files that are not there yet. What is there must be the archive's: left by an import that was killed.
async fn new_files(archive: &mut Archive, blobs: &Blobs) -> anyhow::Result<Vec<FileEntry>> {
    let mut files: HashMap<String, FileEntry> =
        archive.files()?.into_iter().map(|file| (file.key.clone(), file)).collect();
    for key in blobs.keys().await? {
        let same = match files.remove(&key) {
            None => false,
            Some(file) => is_stored(blobs, &file).await?,
        };
        if !same {
            bail!(
                "the folder of files is not empty: {key} is not of this archive. An import needs a new one"
            );
        }
    }
    let mut files: Vec<FileEntry> = files.into_values().collect();
    files.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(files)
}

async fn is_stored(blobs: &Blobs, file: &FileEntry) -> anyhow::Result<bool> {
    use std::io::Read as _;
    let mut frozen = blobs.freeze();
    frozen.add_one(&file.key)?;
    let (mut stored, mut buffer) = (frozen.open(&file.key)?, vec![0; 64 * 1024]);
    let mut sum = super::manifest::Sum::default();
    loop {
        let n = stored.read(&mut buffer)?;
        match buffer.get(..n) {
            Some(chunk) if n > 0 => sum.add(chunk),
            _ => break,
        }
    }
    let member = file_member(file)?;
    Ok(sum.finish(member.member.clone()) == member)
}

async fn write_file(archive: &mut Archive, blobs: &Blobs, file: &FileEntry) -> anyhow::Result<()> {
    let member = file_member(file)?;
    let named = || format!("{} cannot be stored", member.member);
    let mut writer = blobs.writer(file.bytes);
    let runtime = tokio::runtime::Handle::current();
    // The archive is read right here, and the store writes on threads of its own.
    tokio::task::block_in_place(|| {
        archive.chunks(&member, |chunk| {
            let chunk = bytes::Bytes::copy_from_slice(chunk);
            Ok(runtime.block_on(writer.write(chunk))?)
        })
    })
    .with_context(named)?;
    writer.finish(&file.key).await.with_context(named)?;
    Ok(())
}

/// The keys that are to be made. The keys that the data folder has must open what the archive holds.
fn new_keys(archive: &mut Archive, dir: &Path, without_keyring: bool) -> anyhow::Result<Keys> {
    let wanted = archive.manifest.keyring.clone();
    let mut keys = Keys::new();
    for member in archive.manifest.secrets.clone() {
        let (name, text) = archive.secret(&member)?;
        match secrets::read(dir, name)? {
            None => keys.push((name, text)),
            Some(here) if here == text => {}
            Some(_) => bail!(
                "{} is not the archive's {name}: move it away, or import into another data folder",
                dir.join(name).display()
            ),
        }
    }
    if keys.iter().any(|(name, _)| *name == secrets::KEYRING) || without_keyring {
        return Ok(keys);
    }
    let here = secrets::fingerprints(&secrets::read(dir, secrets::KEYRING)?.unwrap_or_default());
    if !wanted.iter().all(|key| here.contains(key)) {
        bail!(
            "{} has not the keys that seal the archive's encrypted letters and tokens, and the archive does not hold \
             them: copy the old data folder's file `keyring` there first, or lose what is sealed with \
             --without-keyring",
            dir.display()
        );
    }
    Ok(keys)
}
