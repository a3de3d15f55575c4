//! `GET /statistics`

use accounts::Caller;
use axum::extract::State;
use httpkit::{OkEnvelope, Query, Refusals, Reply, ok};

use crate::{Letters, statistics::Statistics};

/// So many months are shown unless asked otherwise, and at most.
const MONTHS: i64 = 12;
const MOST_MONTHS: i64 = 120;

/// Get the statistics of the caller's letters
///
/// Days, months and years are UTC. Drafts do not count; a revoked letter is a draft. The first answer after
/// many letters were sent takes longer, since they are counted then.
#[utoipa::path(get, path = "/statistics", tag = "personal space",
    params(("months" = Option<i64>, Query, description = "How many months `monthlyStats` has, default 12",
        minimum = 1, maximum = 120)),
    responses((status = 200, body = OkEnvelope<Statistics>), Refusals))]
pub(super) async fn statistics(
    State(letters): State<Letters>,
    caller: Caller,
    Query(mut f): Query,
) -> Reply<Statistics> {
    let months: i64 = f.optional("months").unwrap_or(MONTHS);
    if !(1..=MOST_MONTHS).contains(&months) {
        f.bad("months", format!("must be a whole number from 1 to {MOST_MONTHS}"));
    }
    f.finish()?;
    ok(letters.statistics(&caller, usize::try_from(months).unwrap_or_default()).await?)
}
