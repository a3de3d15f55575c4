//! Many entries from one file, all or none.
//!
//! An entry is known by its question ([`question_key`]): what is there already is brought up to the file, what
//! is new is added, what the file does not name stays. The same file once more changes nothing. A refusal names
//! every bad row and field, up to [`NAMED`] of them.

mod csv;
mod markdown;

use std::collections::{BTreeMap, HashMap};

use accounts::Caller;
use httpkit::{Bad, FromField, text_enum};
use kernel::{Problem, ProblemKind};
use serde_json::Value;

use super::{
    model::{ALIAS, Answer, Content, ENTRIES, Patch, Question, Shorts, TAG, question_key},
    ops::room,
    store::{self, EntryRow, Written},
};
use crate::Assistant;

pub(in crate::kb) use csv::guarded;

/// The largest file in bytes.
pub(crate) const MAX_FILE: usize = 16 * 1024 * 1024;
/// So many bad fields are named.
const NAMED: usize = 100;
/// So many entries are written by one statement.
const BATCH: usize = 500;

text_enum! {
    /// What an imported file is.
    #[schema(as = ImportFormat)]
    Format {
        /// A table with a header.
        Csv = "csv",
        /// Headings with text below them.
        Markdown = "markdown",
    }
}

/// The entries of a file.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    rows: Vec<Row>,
    /// What the file has beside entries, in words.
    pub(crate) ignored: Vec<String>,
    errors: Errors,
}

/// One entry of a file.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// Where it stands: `rows[7]` of a table, `lines[120]` of a text.
    place: String,
    question: String,
    key: String,
    patch: Patch,
}

/// Bad fields by their names.
#[derive(Debug, Default)]
struct Errors {
    named: BTreeMap<String, String>,
    /// Those beyond [`NAMED`].
    more: usize,
}

impl Errors {
    fn add(&mut self, name: String, reason: impl Into<String>) {
        if self.named.len() < NAMED {
            self.named.entry(name).or_insert_with(|| reason.into());
        } else {
            self.more += 1;
        }
    }

    fn finish(self) -> Result<(), Problem> {
        if self.named.is_empty() {
            return Ok(());
        }
        let message = match self.more {
            0 => "validation failed, nothing was imported".to_owned(),
            more => format!("validation failed, nothing was imported; {more} more fields are bad"),
        };
        Err(Problem { kind: ProblemKind::Rule, message, errors: self.named })
    }
}

/// What a row says, before it is checked.
#[derive(Debug, Default)]
struct Raw {
    place: String,
    /// Added to reasons, so that the row is found in an editor too.
    line: Option<u64>,
    question: String,
    answer: String,
    aliases: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    enabled: Option<bool>,
}

impl Parsed {
    fn read(format: Format, bytes: &[u8]) -> Result<Self, Problem> {
        let text = utf8(bytes)?;
        let mut parsed = match format {
            Format::Csv => csv::read(text)?,
            Format::Markdown => markdown::read(text),
        };
        parsed.find_repetitions();
        std::mem::take(&mut parsed.errors).finish()?;
        if parsed.rows.is_empty() {
            return Err(Problem::rule("file", "has no entries"));
        }
        Ok(parsed)
    }

    /// Checks a row by the rules of a single entry.
    fn add(&mut self, raw: Raw) {
        let before = self.errors.named.len() + self.errors.more;
        let Raw { place, line, question, answer, aliases, tags, enabled } = raw;
        let at = line.map_or_else(String::new, |line| format!(" (line {line})"));
        let question: Question = self.field(&place, "question", &at, Value::String(question));
        let answer: Answer = self.field(&place, "answer", &at, Value::String(answer));
        let aliases: Option<Shorts<ALIAS>> =
            aliases.map(|list| self.field(&place, "aliases", &at, Value::from(list)));
        let tags: Option<Shorts<TAG>> = tags.map(|list| self.field(&place, "tags", &at, Value::from(list)));
        if self.errors.named.len() + self.errors.more > before {
            return;
        }
        let key = question_key(&question.0);
        let patch = Patch {
            question: Some(question.0.clone()),
            answer: Some(answer.0),
            aliases: aliases.map(|list| list.0),
            tags: tags.map(|list| list.0),
            enabled,
        };
        self.rows.push(Row { place, question: question.0, key, patch });
    }

    fn field<T: FromField + Default>(&mut self, place: &str, name: &str, at: &str, value: Value) -> T {
        match T::from_field(&value) {
            Ok(value) => value,
            Err(Bad::Type(reason) | Bad::Rule(reason)) => {
                self.errors.add(format!("{place}.{name}"), format!("{reason}{at}"));
                T::default()
            }
        }
    }

    fn find_repetitions(&mut self) {
        let mut first: HashMap<&str, &str> = HashMap::new();
        for row in &self.rows {
            if let Some(place) = first.get(row.key.as_str()) {
                self.errors.add(format!("{}.question", row.place), format!("is that of {place} once more"));
            } else {
                first.insert(&row.key, &row.place);
            }
        }
        if self.rows.len() > usize::try_from(ENTRIES).unwrap_or(usize::MAX) {
            self.errors.add("file".to_owned(), format!("has more than {ENTRIES} entries"));
        }
    }
}

/// The text of a file, without a byte order mark.
fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::bad_request("file", "is UTF-16; save it as UTF-8 (\"CSV UTF-8\")"));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let good = bytes.get(..e.valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|b| **b == b'\n').count() + 1;
        Problem::bad_request("file", format!("is not UTF-8 in line {line} (byte {})", e.valid_up_to() + 1))
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// What an import did, or would do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) ignored: Vec<String>,
}

/// What is to be written.
struct Plan {
    writes: Vec<(Option<EntryRow>, String, Content)>,
    unchanged: u64,
    entries: i64,
    bytes: i64,
}

impl Plan {
    fn make(rows: Vec<Row>, there: Vec<EntryRow>) -> Self {
        let mut there: HashMap<String, EntryRow> =
            there.into_iter().map(|e| (question_key(&e.content.question), e)).collect();
        let mut plan = Self { writes: Vec::new(), unchanged: 0, entries: 0, bytes: 0 };
        for row in rows {
            let old = there.remove(&row.key);
            let before = old.as_ref().map(|old| old.content.clone());
            let fresh = Content { enabled: true, ..Content::default() };
            let content = row.patch.onto(before.clone().unwrap_or(fresh));
            if before.as_ref() == Some(&content) {
                plan.unchanged += 1;
                continue;
            }
            plan.entries += i64::from(before.is_none());
            plan.bytes += content.bytes() - before.map_or(0, |c| c.bytes());
            plan.writes.push((old, row.key, content));
        }
        plan
    }
}

impl Assistant {
    /// Takes a file into a base, or (`dry_run`) says what that would do.
    pub(in crate::kb) async fn kb_import(
        &self,
        caller: &Caller,
        base: &str,
        (format, file): (Format, Vec<u8>),
        dry_run: bool,
    ) -> Result<Imported, Problem> {
        let parsed = tokio::task::spawn_blocking(move || Parsed::read(format, &file)).await;
        let Parsed { rows, ignored, .. } = parsed.map_err(|error| {
            tracing::error!(%error, "reading a file for a knowledge base failed");
            Problem::internal()
        })??;
        let now = self.clock().now();
        let mut tx = self.db().begin().await?;
        let base = self.kb_lock(&mut tx, caller, base).await?;
        let plan = Plan::make(rows, store::all_entries(&mut tx, &base.id).await?);
        room(&base, plan.entries, plan.bytes)?;
        let created = u64::try_from(plan.entries).unwrap_or_default();
        let updated = (plan.writes.len() as u64).saturating_sub(created);
        let done = Imported { created, updated, unchanged: plan.unchanged, ignored };
        if dry_run || plan.writes.is_empty() {
            return Ok(done);
        }
        let mut at = now;
        let all: Vec<(String, String, Content, kernel::Timestamp)> = plan
            .writes
            .into_iter()
            .map(|(old, key, content)| match old {
                Some(old) => (old.id, key, content, old.created_at),
                None => {
                    // Listed in the file's order.
                    at = at.plus(std::time::Duration::from_micros(1));
                    (kernel::id::new("kbe", now), key, content, at)
                }
            })
            .collect();
        for batch in all.chunks(BATCH) {
            let batch: Vec<Written<'_>> = batch
                .iter()
                .map(|(id, key, content, at)| Written { id, key, content, created_at: *at })
                .collect();
            store::put(&mut tx, &base.id, &batch, now).await?;
        }
        store::changed(&mut tx, &base.id, plan.entries, plan.bytes, now).await?;
        tx.commit().await?;
        Ok(done)
    }
}
