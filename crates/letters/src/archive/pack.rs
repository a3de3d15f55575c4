//! Writing the archive: what is read asynchronously is compressed, hashed and written on a thread of its own.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
};

use axum::body::Bytes;
use blobs::BlobError;
use httpkit::upload::storage;
use kernel::Problem;
use serde::Serialize;
use tokio::{sync::mpsc, task::JoinHandle};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{MANIFEST, Manifest, Member, Sum};

/// So many chunks wait to be written.
const WAITING: usize = 4;

enum Part {
    /// A new member; whether its bytes are packed already, as pictures, sound and films are.
    Start {
        name: String,
        packed: bool,
    },
    Bytes(Bytes),
    /// The last part.
    End(Box<Manifest>),
}

/// An archive while it grows.
pub(super) struct Packer {
    parts: mpsc::Sender<Part>,
    work: JoinHandle<io::Result<File>>,
}

impl Packer {
    /// Into this file.
    pub(super) fn new(file: File) -> Self {
        let (parts, received) = mpsc::channel(WAITING);
        Self { parts, work: tokio::task::spawn_blocking(move || write(file, received)) }
    }

    /// A member with these bytes.
    pub(super) async fn bytes(&mut self, name: String, bytes: Vec<u8>) -> Result<(), Problem> {
        self.start(name, false).await?;
        self.chunk(bytes.into()).await
    }

    /// A member as JSON.
    pub(super) async fn json(&mut self, name: String, value: &impl Serialize) -> Result<(), Problem> {
        let text = serde_json::to_vec_pretty(value).map_err(|error| {
            tracing::error!(%error, "a member of an archive cannot be written as JSON");
            Problem::internal()
        })?;
        self.bytes(name, text).await
    }

    /// Begins a member; `packed` bytes are not compressed.
    pub(super) async fn start(&mut self, name: String, packed: bool) -> Result<(), Problem> {
        self.send(Part::Start { name, packed }).await
    }

    pub(super) async fn chunk(&mut self, bytes: Bytes) -> Result<(), Problem> {
        self.send(Part::Bytes(bytes)).await
    }

    /// Writes the manifest, with the members that were written. The whole archive.
    pub(super) async fn finish(mut self, manifest: Manifest) -> Result<File, Problem> {
        self.send(Part::End(Box::new(manifest))).await?;
        match self.work.await {
            Ok(Ok(file)) => Ok(file),
            Ok(Err(error)) => Err(storage(&error.into())),
            Err(error) => Err(storage(&BlobError::Io(error.into()))),
        }
    }

    async fn send(&mut self, part: Part) -> Result<(), Problem> {
        if self.parts.send(part).await.is_ok() {
            return Ok(());
        }
        // The writer stops before the end only because it failed.
        Err(match (&mut self.work).await {
            Ok(Err(error)) => storage(&error.into()),
            Ok(Ok(_)) => Problem::internal(),
            Err(error) => storage(&BlobError::Io(error.into())),
        })
    }
}

fn write(file: File, mut parts: mpsc::Receiver<Part>) -> io::Result<File> {
    let mut zip = ZipWriter::new(BufWriter::new(file));
    let mut members: Vec<Member> = Vec::new();
    let mut open: Option<(String, Sum)> = None;
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Start { name, packed } => {
                members.extend(open.take().map(|(name, sum)| sum.finish(name)));
                let method = if packed { CompressionMethod::Stored } else { CompressionMethod::Deflated };
                zip.start_file(name.as_str(), options(method))?;
                open = Some((name, Sum::default()));
            }
            Part::Bytes(bytes) => {
                if let Some((_, sum)) = &mut open {
                    sum.add(&bytes);
                }
                zip.write_all(&bytes)?;
            }
            Part::End(mut manifest) => {
                members.extend(open.take().map(|(name, sum)| sum.finish(name)));
                manifest.members = members;
                zip.start_file(MANIFEST, options(CompressionMethod::Deflated))?;
                serde_json::to_writer_pretty(&mut zip, &manifest)?;
                return zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error);
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::Interrupted, "whoever asked for the archive went away"))
}

fn options(method: CompressionMethod) -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(method).unix_permissions(0o600)
}
