//! `POST /bases/{kbId}/import`

use accounts::Caller;
use axum::{
    body::Body,
    extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request, State},
    http::{StatusCode, header},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use httpkit::{OkEnvelope, PathId, Query, Refusals, Reply, ok, text};
use kernel::{Problem, ProblemKind};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::super::import::{Format, MAX_FILE};
use crate::Assistant;

/// What a form may add to the file.
const MAX_FORM: usize = 64 * 1024;

pub(super) fn router() -> OpenApiRouter<Assistant> {
    OpenApiRouter::new().routes(routes!(import_entries)).layer(DefaultBodyLimit::disable())
}

/// A file of entries.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the form, which is read as a stream")]
pub(in crate::kb) struct ImportForm {
    /// CSV or Markdown in UTF-8, at most 16 MiB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// What the import did, or would do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::kb) struct ImportedView {
    /// Nothing was written.
    dry_run: bool,
    format: Format,
    created: u64,
    updated: u64,
    /// Entries that the base has already, just so.
    unchanged: u64,
    /// What the file has beside entries: columns of other names, text before the first heading.
    ignored: Vec<String>,
}

/// Import entries from CSV or Markdown
///
/// The file comes as a form's `file` or as the body itself. CSV: a header with `question` and `answer`, and maybe
/// `aliases`, `tags`, `enabled`, or their Chinese names (问题, 答案, 相似问法, 标签, 启用). Markdown: each heading is a
/// question and the text below it the answer; a heading over deeper ones only is their tag. An entry is known by its
/// question: what is there is brought up to the file, the rest of the base stays. Either all rows are taken or
/// none; `errors` names the bad ones (`rows[7].answer`, `lines[12].question`).
#[utoipa::path(post, path = "/bases/{kbId}/import", tag = "knowledge",
    params(
        ("kbId" = String, Path, description = "`kb_…`"),
        ("format" = inline(Option<Format>), Query,
            description = "If neither the content type nor the file's name tells"),
        ("dryRun" = Option<bool>, Query, description = "Check the file and say what would happen")),
    request_body(content((ImportForm = "multipart/form-data"), (String = "text/csv"), (String = "text/markdown"))),
    responses((status = 200, body = OkEnvelope<ImportedView>), Refusals))]
pub(super) async fn import_entries(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(base): PathId,
    mut query: Query,
    request: Request,
) -> Reply<ImportedView> {
    let format: Option<Format> = query.0.optional("format");
    let dry_run = match query.0.optional::<text::Line<5>>("dryRun").map(|v| v.0.parse::<bool>()) {
        Some(Err(_)) => {
            query.0.bad("dryRun", "must be true or false");
            false
        }
        Some(Ok(dry_run)) => dry_run,
        None => false,
    };
    query.0.finish()?;
    // Before the file is read: whoever may not write here sends nothing.
    assistant.kb_base(&caller, &base).await?;
    let _turn = assistant.0.kb.turn().await?;
    let (told, file) = read(request).await?;
    let format = format.or(told).ok_or_else(|| {
        Problem::bad_request(
            "format",
            "must be csv or markdown: neither the content type nor the file's name tells",
        )
    })?;
    let done = assistant.kb_import(&caller, &base, (format, file), dry_run).await?;
    ok(ImportedView {
        dry_run,
        format,
        created: done.created,
        updated: done.updated,
        unchanged: done.unchanged,
        ignored: done.ignored,
    })
}

fn too_large() -> Problem {
    let text = format!("the file is larger than {} MiB", MAX_FILE / 1024 / 1024);
    Problem::new(ProblemKind::TooLarge, text.clone()).field("file", text)
}

fn broken() -> Problem {
    Problem::new(ProblemKind::BadRequest, "the body is malformed or broke off")
}

/// The file and what it says that it is.
async fn read(request: Request) -> Result<(Option<Format>, Vec<u8>), Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "multipart/form-data" {
        return form(request).await;
    }
    let body = Limited::new(request.into_body(), MAX_FILE).collect().await;
    let bytes = body
        .map_err(|e| if e.downcast_ref::<LengthLimitError>().is_some() { too_large() } else { broken() })?;
    Ok((by_type(&kind), bytes.to_bytes().to_vec()))
}

async fn form(request: Request) -> Result<(Option<Format>, Vec<u8>), Problem> {
    let request = request.map(|body| Body::new(Limited::new(body, MAX_FILE + MAX_FORM)));
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| broken())?;
    let failed = |e: axum::extract::multipart::MultipartError| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => broken(),
    };
    while let Some(mut field) = form.next_field().await.map_err(failed)? {
        if field.name() != Some("file") {
            continue;
        }
        let named = by_name(field.file_name().unwrap_or_default());
        let told = named.or_else(|| by_type(field.content_type().unwrap_or_default()));
        let mut bytes = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_FILE {
                return Err(too_large());
            }
        }
        return Ok((told, bytes));
    }
    Err(Problem::bad_request("file", "is required"))
}

fn by_type(kind: &str) -> Option<Format> {
    match kind {
        "text/csv" | "application/csv" | "text/tab-separated-values" => Some(Format::Csv),
        "text/markdown" | "text/x-markdown" => Some(Format::Markdown),
        _ => None,
    }
}

fn by_name(name: &str) -> Option<Format> {
    let name = name.to_lowercase();
    let ends = |all: &[&str]| all.iter().any(|end| name.ends_with(end));
    if ends(&[".csv", ".tsv"]) {
        Some(Format::Csv)
    } else if ends(&[".md", ".markdown"]) {
        Some(Format::Markdown)
    } else {
        None
    }
}
