//! `POST /triggers/events`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, Fields, OkEnvelope, Refusals, Reply, ok, text};
use utoipa::ToSchema;

use crate::{
    Letters,
    triggers::{Happening, Reported},
};

/// What happened.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct EventReport {
    /// The kind of event, compared without regard to case and width.
    #[schema(example = "graduation", max_length = 100)]
    r#type: Option<String>,
    /// What it says; keywords are looked for in it.
    #[schema(example = "今天我终于毕业了!", max_length = 4000)]
    text: Option<String>,
    /// Default false; true changes nothing and tells what would fire.
    dry_run: Option<bool>,
}

/// `type` and `text`, of which one must be there.
pub(super) fn happening(f: &mut Fields) -> Happening {
    let kind = f.optional::<text::Line<100>>("type").map(|t| t.0);
    let text = f.optional::<text::Lines<4000>>("text").map(|t| t.0);
    if !f.has("type") && !f.has("text") {
        f.bad("type", "type or text is required");
    }
    Happening { kind, text }
}

/// Report an event
///
/// Makes the caller's EVENT letters due that wait for it. The event is compared and forgotten.
#[utoipa::path(post, path = "/triggers/events", tag = "letters", request_body = EventReport,
    responses((status = 200, body = OkEnvelope<Reported>), Refusals))]
pub(super) async fn report_event(
    State(letters): State<Letters>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<Reported> {
    let event = happening(&mut f);
    let dry = f.optional("dryRun").unwrap_or(false);
    f.finish()?;
    ok(letters.report_event(caller.id(), &event, dry).await?)
}
