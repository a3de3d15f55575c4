//! `/bases/{kbId}/synonyms`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, PathId, Refusals, Reply, ok};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{model::Groups, store};
use crate::Assistant;

/// Words that mean the same in this base.
#[derive(Serialize, ToSchema)]
pub(in crate::kb) struct Synonyms {
    /// At most 2000 groups of 2 to 20 words or phrases of at most 50 characters.
    #[schema(example = json!([["退款", "退钱", "refund"], ["parcel", "package"]]))]
    synonyms: Vec<Vec<String>>,
}

/// Get a base's synonyms
///
/// They hold beside the general ones that the assistant knows.
#[utoipa::path(get, path = "/bases/{kbId}/synonyms", tag = "knowledge",
    params(("kbId" = String, Path, description = "`kb_…`")),
    responses((status = 200, body = OkEnvelope<Synonyms>), Refusals))]
pub(super) async fn get_synonyms(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
) -> Reply<Synonyms> {
    let base = assistant.kb_base(&caller, &id).await?;
    ok(Synonyms { synonyms: store::synonyms(&mut assistant.db().read().await?, &base.id).await? })
}

/// Replace a base's synonyms
#[utoipa::path(put, path = "/bases/{kbId}/synonyms", tag = "knowledge", request_body = Synonyms,
    params(("kbId" = String, Path, description = "`kb_…`")),
    responses((status = 200, body = OkEnvelope<Synonyms>), Refusals))]
pub(super) async fn set_synonyms(
    State(assistant): State<Assistant>,
    caller: Caller,
    PathId(id): PathId,
    Body(mut f): Body,
) -> Reply<Synonyms> {
    let groups: Groups = f.required("synonyms");
    f.finish()?;
    assistant.kb_set_synonyms(&caller, &id, &groups.0).await?;
    ok(Synonyms { synonyms: groups.0 })
}
