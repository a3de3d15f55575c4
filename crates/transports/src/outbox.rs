//! [`Outbox`]: a folder of `.eml` files in place of a server, for trials, tests and archives.
//!
//! Promises: a file is there whole or not at all and survives a power cut once [`Outbox::send`] has answered;
//! the same Message-ID always means the same file; no Message-ID can name a file outside the folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::digest;

use crate::{Receipt, SendError, Stage};

/// The folder.
#[derive(Debug, Clone)]
pub struct Outbox {
    dir: Arc<Path>,
}

/// Keeps temporary files apart: two attempts may write the same message at once.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

impl Outbox {
    /// Makes the folder if need be.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir: PathBuf = dir.into();
        fs::create_dir_all(&dir)?;
        Ok(Self { dir: dir.into() })
    }

    /// Writes `message`, octet for octet, as `{message-id}.eml`.
    ///
    /// # Errors
    /// [`Stage::Store`], transient: the disk is full, the folder is gone.
    pub async fn send(&self, message: &[u8]) -> Result<Receipt, SendError> {
        let name = file_name(message);
        let (dir, file, message) = (Arc::clone(&self.dir), name.clone(), message.to_vec());
        off_thread(move || store(&dir, &file, &message)).await?;
        Ok(Receipt { answer: format!("stored as {name}") })
    }

    /// Writes and removes a file.
    ///
    /// # Errors
    /// As [`Outbox::send`].
    pub async fn check(&self) -> Result<String, SendError> {
        let dir = Arc::clone(&self.dir);
        off_thread(move || {
            store(&dir, ".check", b"")?;
            fs::remove_file(dir.join(".check"))
        })
        .await?;
        Ok(format!("{} is writable", self.dir.display()))
    }
}

async fn off_thread(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), SendError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)));
    done.map_err(|e| SendError::transient(Stage::Store, format!("cannot write to the outbox: {e}")))
}

fn store(dir: &Path, name: &str, message: &[u8]) -> io::Result<()> {
    let unique = TEMPORARY.fetch_add(1, Ordering::Relaxed);
    let temporary = dir.join(format!(".{}-{unique}.tmp", std::process::id()));
    let written = write_through(&temporary, message).and_then(|()| fs::rename(&temporary, dir.join(name)));
    if let Err(e) = written {
        // The first error is the one that matters; a leftover is hidden and holds nothing of value.
        let _ = fs::remove_file(&temporary);
        return Err(e);
    }
    sync_dir(dir)
}

fn write_through(path: &Path, message: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    io::Write::write_all(&mut file, message)?;
    file.sync_all()
}

/// A rename is durable once its folder is (POSIX; Windows offers no such call and needs none).
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(dir)?.sync_all() } else { Ok(()) }
}

/// The Message-ID as a file name. One that had to be altered, or shortened, gets a hash of the true one, so that
/// two ids never share a file; a message without one is named by its content.
fn file_name(message: &[u8]) -> String {
    const LONGEST: usize = 120;
    let Some(id) = message_id(message) else {
        return format!("{}.eml", short_hash(message));
    };
    let safe = |c: char| if c.is_ascii_alphanumeric() || "@+-_=.".contains(c) { c } else { '_' };
    let name: String = id.chars().map(safe).take(LONGEST).collect();
    let name = if name.starts_with('.') { format!("_{name}") } else { name };
    if name == id { format!("{name}.eml") } else { format!("{name}-{}.eml", short_hash(id.as_bytes())) }
}

fn message_id(message: &[u8]) -> Option<String> {
    let mut lines = message.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end).take_while(|l| !l.is_empty());
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked("message-id:".len())?;
        name.eq_ignore_ascii_case(b"message-id:").then_some(value)
    })?;
    let id = String::from_utf8_lossy(value).trim().trim_start_matches('<').trim_end_matches('>').to_owned();
    (!id.is_empty()).then_some(id)
}

fn short_hash(octets: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, octets);
    hash.as_ref().iter().take(16).map(|b| format!("{b:02x}")).collect()
}
