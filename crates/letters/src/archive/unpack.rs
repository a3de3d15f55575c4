//! Reading an archive that anybody may have made. All of it blocks.
//!
//! Promises: no more is read than is declared, nothing is believed that is not verified, and no name in the
//! archive ever becomes the name of a file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kernel::Problem;
use serde_json::{Map, Value};
use zip::ZipArchive;

use super::{FORMAT, Kind, MANIFEST, Manifest, Member, Sum};

/// So many letters are taken in at once.
const MAX_LETTERS: usize = 10_000;
/// A letter, its message, and a few files.
const MAX_MEMBERS: usize = 50_000;
/// The largest manifest, in bytes.
const MAX_MANIFEST: u64 = 16 * 1024 * 1024;
/// The largest letter as JSON, in bytes.
const MAX_LETTER: u64 = 2 * 1024 * 1024;
/// The table of contents of so many members has so many bytes at most.
const MAX_CONTENTS: u64 = 8 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

/// An open archive.
pub(super) struct Archive {
    zip: ZipArchive<BufReader<Budget>>,
    pub(super) members: BTreeMap<String, Member>,
    buffer: Vec<u8>,
}

/// Why a member is refused.
fn bad(member: &str, reason: impl Into<String>) -> Problem {
    Problem::rule(member, reason)
}

impl Archive {
    /// Opens an archive whose members, unpacked, may have `most` bytes, and verifies all of them.
    pub(super) fn open(file: File, most: u64) -> Result<Self, Problem> {
        let left = Arc::new(AtomicU64::new(MAX_CONTENTS));
        let budget = Budget { file, left: Arc::clone(&left) };
        let mut zip = ZipArchive::new(BufReader::new(budget))
            .map_err(|_| bad("file", "is not a whole zip archive, or has too many members"))?;
        left.store(u64::MAX, Ordering::Relaxed);
        if zip.len() > MAX_MEMBERS {
            return Err(bad("file", format!("has more than {MAX_MEMBERS} members")));
        }
        if zip.has_duplicate_names() {
            return Err(bad("file", "has a member twice"));
        }
        let manifest = manifest(&mut zip)?;
        let mut archive = Self { members: named(manifest, most)?, zip, buffer: vec![0; CHUNK] };
        archive.check_names()?;
        for member in archive.members.values().cloned().collect::<Vec<_>>() {
            archive.read(&member, |_| Ok(()))?;
        }
        Ok(archive)
    }

    fn check_names(&self) -> Result<(), Problem> {
        let mut count = 0;
        for name in self.zip.file_names() {
            let name = name.map_err(|_| bad("file", "has a member whose name is not UTF-8"))?;
            if name != MANIFEST && !self.members.contains_key(name.as_ref()) {
                // The name is a stranger's: it is shown, and used for nothing.
                let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
                return Err(bad("file", format!("has a member that {MANIFEST} does not name: {shown:?}")));
            }
            count += usize::from(name != MANIFEST);
        }
        if count != self.members.len() {
            let names: BTreeSet<_> = self.zip.file_names().flatten().collect();
            let missing = self.members.keys().find(|name| !names.contains(name.as_str()));
            return Err(bad(missing.map_or("file", String::as_str), "is missing"));
        }
        Ok(())
    }

    /// The ids of the letters, in their order.
    pub(super) fn letters(&self) -> Vec<String> {
        let ids = self.members.keys().filter_map(|name| match Kind::of(name) {
            Some(Kind::Letter(id)) => Some(id.to_owned()),
            _ => None,
        });
        ids.collect()
    }

    /// A letter as it is in the archive.
    pub(super) fn letter(&mut self, id: &str) -> Result<Map<String, Value>, Problem> {
        let name = format!("letters/{id}.json");
        let Some(member) = self.members.get(&name).cloned() else { return Err(bad(&name, "is missing")) };
        let mut text = Vec::new();
        self.read(&member, |chunk| {
            text.extend_from_slice(chunk);
            Ok(())
        })?;
        match serde_json::from_slice(&text) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(bad(&name, "must be a JSON object")),
            Err(e) => Err(bad(&name, format!("is not JSON: line {}, column {}", e.line(), e.column()))),
        }
    }

    /// A member's bytes; verifies its size and checksum.
    pub(super) fn read(
        &mut self,
        member: &Member,
        mut each: impl FnMut(&[u8]) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let damaged = || bad(&member.name, "is damaged: its size or checksum is not that of the manifest");
        // One byte more than is declared tells a member that goes on.
        let mut reader =
            self.zip.by_name(&member.name).map_err(|_| damaged())?.take(member.size.saturating_add(1));
        let mut sum = Sum::default();
        loop {
            let n = reader.read(&mut self.buffer).map_err(|_| damaged())?;
            let Some(chunk) = self.buffer.get(..n).filter(|chunk| !chunk.is_empty()) else { break };
            sum.add(chunk);
            if sum.size > member.size {
                return Err(damaged());
            }
            each(chunk)?;
        }
        if sum.finish(member.name.clone()) == *member { Ok(()) } else { Err(damaged()) }
    }
}

fn manifest(zip: &mut ZipArchive<BufReader<Budget>>) -> Result<Manifest, Problem> {
    let mut text = Vec::new();
    zip.by_name(MANIFEST)
        .map_err(|_| bad(MANIFEST, "is missing: this is not an archive of an account"))?
        .take(MAX_MANIFEST)
        .read_to_end(&mut text)
        .map_err(|_| bad(MANIFEST, "is damaged"))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|e| bad(MANIFEST, format!("is not a manifest: {e}")))?;
    if manifest.format != FORMAT {
        return Err(bad(MANIFEST, format!("has another format than {FORMAT}")));
    }
    Ok(manifest)
}

/// The members that the manifest names, each of a sane name and size.
fn named(manifest: Manifest, most: u64) -> Result<BTreeMap<String, Member>, Problem> {
    let (mut members, mut total, mut letters) = (BTreeMap::new(), 0_u64, 0_usize);
    if manifest.members.len() > MAX_MEMBERS {
        return Err(bad(MANIFEST, format!("names more than {MAX_MEMBERS} members")));
    }
    for member in manifest.members {
        total = total.saturating_add(member.size);
        let Some(kind) = Kind::of(&member.name) else {
            let shown: String = member.name.chars().filter(|c| !c.is_control()).take(100).collect();
            return Err(bad(MANIFEST, format!("names what is no member of an account's archive: {shown:?}")));
        };
        if let Kind::Letter(_) = kind {
            letters += 1;
            if member.size > MAX_LETTER {
                return Err(bad(&member.name, format!("is larger than {MAX_LETTER} bytes")));
            }
        }
        let name = member.name.clone();
        if members.insert(name.clone(), member).is_some() {
            return Err(bad(MANIFEST, format!("names {name} twice")));
        }
    }
    if letters > MAX_LETTERS {
        return Err(bad("file", format!("has more than {MAX_LETTERS} letters")));
    }
    if total > most {
        return Err(bad("file", format!("has more than {most} bytes when unpacked, the most for this plan")));
    }
    Ok(members)
}

/// A file of which so many bytes may be read: its table of contents is read into memory before anything is
/// known of it.
struct Budget {
    file: File,
    left: Arc<AtomicU64>,
}

impl Read for Budget {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(into)?;
        let left = self.left.load(Ordering::Relaxed);
        match left.checked_sub(n as u64) {
            Some(_) if left == u64::MAX => {}
            Some(rest) => self.left.store(rest, Ordering::Relaxed),
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, "too long a table of contents")),
        }
        Ok(n)
    }
}

impl Seek for Budget {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
