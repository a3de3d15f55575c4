//! `GET /bases/{kbId}/export`

use accounts::Caller;
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use csv::Writer;
use httpkit::{Failure, PathId, Refusals};
use kernel::Problem;

use super::super::{
    import::guarded,
    model::SEPARATOR,
    store::{self, EntryRow},
};
use crate::Assistant;

/// Export a base as CSV
///
/// UTF-8 with a byte order mark; the columns `question`, `answer`, `aliases`, `tags` (several stand apart by `|`)
/// and `enabled`. A cell that a spreadsheet program would take for a formula has an apostrophe before it; the
/// import takes it away again.
#[utoipa::path(get, path = "/bases/{kbId}/export", tag = "knowledge",
    params(("kbId" = String, Path, description = "`kb_…`")),
    responses((status = 200, content_type = "text/csv", body = String), Refusals))]
pub(super) async fn export_base(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Response, Failure> {
    let base = assistant.kb_base(&caller, &id).await?;
    let _turn = assistant.0.kb.turn().await?;
    let entries = store::all_entries(&mut assistant.db().read().await?, &base.id).await?;
    let written = tokio::task::spawn_blocking(move || table(&entries)).await;
    let table = written.map_err(|e| e.to_string()).and_then(|table| table.map_err(|e| e.to_string()));
    let table = table.map_err(|error| {
        tracing::error!(error, "a knowledge base cannot be written as CSV");
        Problem::internal()
    })?;
    let name = format!("attachment; filename=\"{}.csv\"", base.id);
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, table).into_response())
}

fn table(entries: &[EntryRow]) -> Result<Vec<u8>, csv::Error> {
    let mut out = Writer::from_writer("\u{feff}".as_bytes().to_vec());
    out.write_record(["question", "answer", "aliases", "tags", "enabled"])?;
    let mut mark = [0; 4];
    let separator: &str = SEPARATOR.encode_utf8(&mut mark);
    for entry in entries {
        let c = &entry.content;
        let lists = (c.aliases.join(separator), c.tags.join(separator));
        let cells = [&c.question, &c.answer, &lists.0, &lists.1].map(|cell| guarded(cell));
        let enabled = if c.enabled { "true" } else { "false" };
        out.write_record(cells.iter().map(String::as_str).chain([enabled]))?;
    }
    out.into_inner().map_err(|e| csv::Error::from(e.into_error()))
}
