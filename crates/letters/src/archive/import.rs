//! Taking in an archive: all of it is verified, then letter after letter is made, each in its own transaction.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
};

use accounts::{Caller, Plan};
use axum::body::Bytes;
use httpkit::upload::storage;
use kernel::{Problem, ProblemKind, Timestamp};
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    Member,
    source::{From, Source},
    unpack::Archive,
};
use crate::{
    Letters,
    attach::{SHARED, agrees, leaves_open},
    model::AttachmentType,
    ops::{Attachment, overtaken, set_text},
    seal::Before,
    store::{self, ContentRow, LetterRow},
    view::file_url,
};

/// An archive is as large as so many of the largest attachments.
const ATTACHMENTS: u64 = 20;
/// How much larger it may get when it is unpacked.
const UNPACKED: u64 = 4;
/// So many chunks of a file wait to be written.
const WAITING: usize = 4;

const HERE: &str = "this account has it";
const TOO_LARGE: &str = "a file of it is larger than this plan takes";
const OTHER_TYPE: &str = "a file of it is not of the type that it is said to be";
const NO_FILE: &str = "a file of it is not in the archive";

/// The largest archive that is taken in, in bytes.
pub(crate) fn most_bytes(plan: Plan) -> u64 {
    plan.max_attachment().saturating_mul(ATTACHMENTS)
}

/// What became of an archive.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ImportedLetters {
    /// Letters that were made: drafts and delivered ones.
    imported: u64,
    /// Those that are drafts now.
    drafts: u64,
    /// Those that are in the inbox now.
    delivered: u64,
    /// Letters that were not made.
    skipped: Vec<SkippedLetter>,
}

/// A letter that was not made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SkippedLetter {
    /// Its id in the archive.
    mail_id: String,
    reason: &'static str,
}

/// What making a letter comes to.
enum Made {
    Draft,
    Delivered,
    Skipped(&'static str),
}

impl Letters {
    /// Takes in the letters of an archive for the caller.
    pub(crate) async fn import_account(
        &self,
        caller: &Caller,
        file: File,
    ) -> Result<ImportedLetters, Problem> {
        let most = most_bytes(caller.plan).saturating_mul(UNPACKED);
        let now = self.clock().now();
        let (archive, letters) = blocking(move || {
            let mut archive = Archive::open(file, most)?;
            let letters = archive.letters();
            check(&mut archive, &letters, now)?;
            Ok((archive, letters))
        })
        .await?;
        let imports = store::imports(&mut self.db().read().await?, caller.id()).await?;
        let mut import =
            Import { letters: self, caller, archive: Some(archive), now, imports, kept: HashMap::new() };
        let mut done = ImportedLetters::default();
        for id in letters {
            match Box::pin(import.letter(&id)).await? {
                Made::Draft => done.drafts += 1,
                Made::Delivered => done.delivered += 1,
                Made::Skipped(reason) => done.skipped.push(SkippedLetter { mail_id: id, reason }),
            }
        }
        done.imported = done.drafts + done.delivered;
        Ok(done)
    }
}

/// Checks every letter, and that the files of encrypted ones are theirs alone.
fn check(archive: &mut Archive, letters: &[String], now: Timestamp) -> Result<(), Problem> {
    let mut uses: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    for id in letters {
        let values = archive.letter(id)?;
        let source = Source::read(id, values, &archive.members, now)?;
        let encrypted = source.draft.is_encrypted == Some(true);
        for file in source.files() {
            let (n, sealed) = uses.entry(file.name.clone()).or_default();
            *n += 1;
            *sealed |= encrypted;
        }
    }
    match uses.into_iter().find(|(_, (n, sealed))| *sealed && *n > 1) {
        Some((file, _)) => Err(Problem::rule(file, SHARED)),
        None => Ok(()),
    }
}

/// An archive being taken in.
struct Import<'a> {
    letters: &'a Letters,
    caller: &'a Caller,
    /// Away while a thread reads it.
    archive: Option<Archive>,
    now: Timestamp,
    /// How many letters were imported before.
    imports: i64,
    /// The URLs of the files that were kept, by their members and types: a file may be in several letters.
    kept: HashMap<(String, &'static str), String>,
}

impl Import<'_> {
    async fn letter(&mut self, id: &str) -> Result<Made, Problem> {
        {
            let mut conn = self.letters.db().read().await?;
            if store::was_imported(&mut conn, self.caller.id(), id).await? {
                return Ok(Made::Skipped(HERE));
            }
            match self.letters.readable(&mut conn, Some(self.caller), id).await {
                Ok(_) => return Ok(Made::Skipped(HERE)),
                Err(problem) if problem.kind == ProblemKind::NotFound => {}
                Err(problem) => return Err(problem),
            }
        }
        let (owned, now) = (id.to_owned(), self.now);
        let source = self
            .with(move |archive| {
                let values = archive.letter(&owned)?;
                Source::read(&owned, values, &archive.members, now)
            })
            .await?;
        let most = self.caller.plan.max_attachment();
        let reason = source.unreadable.or_else(|| {
            let nowhere = source.attachments.iter().any(|a| matches!(a.from, From::Nowhere));
            let large = source.files().any(|file| file.size > most);
            nowhere.then_some(NO_FILE).or_else(|| large.then_some(TOO_LARGE))
        });
        if let Some(reason) = reason {
            return Ok(Made::Skipped(reason));
        }
        match self.attachments(&source).await? {
            Some(attachments) => self.make(source, attachments).await,
            None => Ok(Made::Skipped(OTHER_TYPE)),
        }
    }

    /// Keeps a letter's files. `None` if one is not of its type.
    async fn attachments(&mut self, source: &Source) -> Result<Option<Vec<Attachment>>, Problem> {
        let mut out = Vec::with_capacity(source.attachments.len());
        for a in &source.attachments {
            let (url, thumbnail) = match &a.from {
                From::Link { url, thumbnail } => (url.clone(), thumbnail.clone()),
                From::File { member, name } => match self.file(member, name, a.kind).await? {
                    Some(url) => (url, None),
                    None => return Ok(None),
                },
                From::Nowhere => return Ok(None),
            };
            out.push(Attachment { kind: a.kind, url, thumbnail });
        }
        Ok(Some(out))
    }

    async fn file(
        &mut self,
        member: &Member,
        name: &str,
        kind: AttachmentType,
    ) -> Result<Option<String>, Problem> {
        let known = (member.name.clone(), kind.as_str());
        if let Some(url) = self.kept.get(&known) {
            return Ok(Some(url.clone()));
        }
        let mut writer = self.letters.0.blobs.writer(member.size);
        let (chunks, mut received) = mpsc::channel::<Bytes>(WAITING);
        let (mut archive, wanted) = (self.archive.take().ok_or_else(Problem::internal)?, member.clone());
        let read = tokio::task::spawn_blocking(move || {
            let read = archive.read(&wanted, |chunk| {
                // Who receives is gone only after an error of its own, which is the one to be told.
                chunks.blocking_send(Bytes::copy_from_slice(chunk)).map_err(|_| Problem::internal())
            });
            (archive, read)
        });
        let mut written = Ok(());
        while let Some(chunk) = received.recv().await {
            written = writer.write(chunk).await;
            if written.is_err() {
                break;
            }
        }
        drop(received);
        let (archive, read) = read.await.map_err(|_| Problem::internal())?;
        self.archive = Some(archive);
        written.map_err(|e| storage(&e))?;
        read?;
        if writer.size() == 0 || !agrees(kind, &writer.sniff()) {
            return Ok(None);
        }
        let row = self.letters.keep_file(self.caller.id(), kind, name.to_owned(), writer).await?;
        let url = file_url(self.letters.public_url(), &row.id);
        self.kept.insert(known, url.clone());
        Ok(Some(url))
    }

    /// Makes the letter, with its place in the inbox, and remembers that it is made.
    async fn make(&mut self, source: Source, attachments: Vec<Attachment>) -> Result<Made, Problem> {
        let Source { id: source_id, mut draft, created_at, delivered_at, .. } = source;
        let letters = self.letters;
        let mut letter = LetterRow::blank(self.caller.id(), created_at);
        // Before all others: capsules of imported letters take no place from those that are written here.
        letter.ordinal = self.imports.saturating_add(1).saturating_neg();
        let mut content = ContentRow { content: None, sealed: None, trigger_condition: "{}".to_owned() };
        let text = draft.content.take().map(Zeroizing::new);
        draft.attachments = Some(attachments.clone());
        let before = Before::new(&letter, &content);
        let sealing = letters.sealing(self.caller, &before, &draft, text).await?;
        letters.apply(&mut letter, &mut content, draft)?;
        set_text(&mut content, &sealing);
        let mut tx = letters.db().begin().await?;
        if !store::remember_import(&mut tx, self.caller.id(), &source_id, &letter.id).await? {
            return Ok(Made::Skipped(HERE));
        }
        store::insert(&mut tx, &letter, &content).await?;
        let files = letters.save_sealing(&mut tx, &letter, &attachments, &sealing).await?;
        let files = files.filter(|files| !leaves_open(&letter, files)).ok_or_else(overtaken)?;
        if !attachments.is_empty() {
            letters.attach(&mut tx, &letter, &attachments, &files).await?;
        }
        if let Some(at) = delivered_at {
            store::put_delivered(&mut tx, &letter, at).await?;
        }
        tx.commit().await?;
        self.imports = self.imports.saturating_add(1);
        Ok(if delivered_at.is_some() { Made::Delivered } else { Made::Draft })
    }

    /// Reads the archive on a thread that may wait.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Archive) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let mut archive = self.archive.take().ok_or_else(Problem::internal)?;
        let (archive, done) = blocking(move || {
            let done = work(&mut archive);
            Ok((archive, done))
        })
        .await?;
        self.archive = Some(archive);
        done
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "reading an archive failed");
        Problem::internal()
    })?
}
