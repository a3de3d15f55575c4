//! Reading an archive, which may be damaged or somebody's malice.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use db::archive;
use zip::ZipArchive;

use super::{
    manifest::{FILES, FileEntry, MANIFEST, Manifest, Member, Sum, TableEntry},
    secrets,
};

/// The largest manifest, and the largest file of keys, in bytes.
const SMALL: u64 = 16 * 1024 * 1024;
/// The longest line of the list of files.
const LINE: u64 = 4096;
const CHUNK: usize = 256 * 1024;

/// An open archive.
pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    pub(super) manifest: Manifest,
}

impl Archive {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let mut zip = ZipArchive::new(BufReader::new(file))
            .with_context(|| format!("{} is not a whole zip archive", path.display()))?;
        let mut text = Vec::new();
        zip.by_name(MANIFEST)
            .with_context(|| format!("{} is not an archive of Hongyan", path.display()))?
            .take(SMALL)
            .read_to_end(&mut text)
            .with_context(|| format!("{MANIFEST} is damaged"))?;
        Ok(Self { zip, manifest: Manifest::parse(&text)? })
    }

    /// Reads everything once: checksums, counts, and whether each row is one. Nothing may be missing, nothing
    /// may be there that the manifest does not name.
    pub(super) fn verify(&mut self) -> anyhow::Result<()> {
        if self.zip.has_duplicate_names() {
            bail!("a member occurs twice");
        }
        let tables = std::mem::take(&mut self.manifest.tables);
        let verified = tables.iter().try_for_each(|entry| self.verify_table(entry));
        self.manifest.tables = tables;
        verified?;
        for member in self.manifest.secrets.clone() {
            self.secret(&member)?;
        }
        let list = self.manifest.files.list.clone();
        if list.member != FILES {
            bail!("the list of files must be {FILES}");
        }
        self.lines(&list, LINE, |_| Ok(()))?;
        let mut known = self.named()?;
        let (mut count, mut bytes) = (0, 0);
        for file in self.files()? {
            let member = file_member(&file)?;
            self.chunks(&member, |_| Ok(()))?;
            count += 1;
            bytes += file.bytes;
            known.insert(member.member);
        }
        let told = &self.manifest.files;
        if (count, bytes) != (told.count, told.total_bytes) {
            bail!(
                "{FILES} names {count} files of {bytes} bytes, {MANIFEST} {} of {}",
                told.count,
                told.total_bytes
            );
        }
        for name in self.zip.file_names() {
            let name = name?;
            if !known.contains(name.as_ref()) {
                bail!("{name:?} is in the archive, and {MANIFEST} does not know it");
            }
        }
        Ok(())
    }

    fn named(&self) -> anyhow::Result<BTreeSet<String>> {
        let m = &self.manifest;
        let members = m.tables.iter().map(|t| &t.member).chain(&m.secrets).map(|member| &member.member);
        let mut named: BTreeSet<String> = [MANIFEST.to_owned(), FILES.to_owned()].into();
        for name in members {
            if !named.insert(name.clone()) {
                bail!("{MANIFEST} names {name:?} twice");
            }
        }
        Ok(named)
    }

    fn verify_table(&mut self, entry: &TableEntry) -> anyhow::Result<()> {
        if entry.member.member != format!("tables/{}.jsonl", entry.name) {
            bail!("{:?} is no place for the table {}", entry.member.member, entry.name);
        }
        let (table, mut rows) = (entry.table()?, 0);
        self.lines(&entry.member, archive::MAX_ROW, |line| {
            rows += 1;
            archive::check_row(&table, line).with_context(|| format!("{}, line {rows}", entry.member.member))
        })?;
        if rows != entry.rows {
            bail!("{} has {rows} rows, {MANIFEST} says {}", entry.member.member, entry.rows);
        }
        Ok(())
    }

    /// The lines of a member that was verified.
    pub(super) fn reader(&mut self, member: &Member) -> anyhow::Result<impl BufRead + '_> {
        let file = self.zip.by_name(&member.member);
        Ok(BufReader::with_capacity(CHUNK, file.with_context(|| format!("{} is missing", member.member))?))
    }

    /// Every line of a member, without its end; checks the member's size and checksum.
    fn lines(
        &mut self,
        member: &Member,
        longest: u64,
        mut each: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut reader = self.reader(member)?;
        let (mut sum, mut line) = (Sum::default(), Vec::new());
        let mut bad = None;
        while next_line(&mut reader, &mut line, longest, member)? {
            sum.add(&line);
            // A wrong checksum explains more than what it led to.
            if bad.is_none() {
                bad = each(line.strip_suffix(b"\n").unwrap_or(&line)).err();
            }
        }
        compare(sum, member)?;
        bad.map_or(Ok(()), Err)
    }

    /// A member's bytes; checks its size and checksum.
    pub(super) fn chunks(
        &mut self,
        member: &Member,
        mut each: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut reader = self.reader(member)?;
        let mut sum = Sum::default();
        let mut passed = 0;
        loop {
            let chunk = reader.fill_buf().with_context(|| format!("{} is damaged", member.member))?;
            let n = chunk.len();
            passed += n as u64;
            if n == 0 || passed > member.bytes {
                break;
            }
            sum.add(chunk);
            each(chunk)?;
            reader.consume(n);
        }
        if passed > member.bytes {
            bail!("{} is damaged: it is longer than {} bytes", member.member, member.bytes);
        }
        compare(sum, member)
    }

    /// The files, in the order of their list.
    pub(super) fn files(&mut self) -> anyhow::Result<Vec<FileEntry>> {
        let list = self.manifest.files.list.clone();
        let mut files = Vec::new();
        self.lines(&list, LINE, |line| {
            files.push(serde_json::from_slice(line).with_context(|| format!("{FILES} is damaged"))?);
            Ok(())
        })?;
        Ok(files)
    }

    /// The name and the text of a file of keys.
    pub(super) fn secret(&mut self, member: &Member) -> anyhow::Result<(&'static str, Vec<u8>)> {
        let name = member.member.strip_prefix("secrets/");
        let known = secrets::NAMES.into_iter().find(|known| Some(*known) == name);
        let Some(known) = known.filter(|_| member.bytes <= SMALL) else {
            bail!("{:?} is no file of keys that this version knows", member.member);
        };
        let mut text = Vec::new();
        self.chunks(member, |chunk| {
            text.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok((known, text))
    }
}

/// Where a file is in the archive. Its key is checked again by the store: no name of ours leads out of a folder.
pub(super) fn file_member(file: &FileEntry) -> anyhow::Result<Member> {
    let ours = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if file.key.is_empty() || !file.key.bytes().all(ours) {
        bail!("{FILES}: {:?} is not the key of a file", file.key);
    }
    Ok(Member { member: format!("files/{}", file.key), bytes: file.bytes, sha256: file.sha256.clone() })
}

/// Reads a line with its end; `false` if there is none left.
pub(super) fn next_line(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
    longest: u64,
    member: &Member,
) -> anyhow::Result<bool> {
    line.clear();
    let damaged = || format!("{} is damaged", member.member);
    let n = reader.take(longest).read_until(b'\n', line).with_context(damaged)?;
    if n as u64 == longest {
        bail!("{}: a line is too long", damaged());
    }
    Ok(n > 0)
}

fn compare(sum: Sum, member: &Member) -> anyhow::Result<()> {
    let found = sum.finish(member.member.clone());
    if found != *member {
        bail!("{} is damaged: its size or checksum differs", member.member);
    }
    Ok(())
}
