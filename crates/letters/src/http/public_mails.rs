//! `GET /mails/public`: what was written to everybody.

use axum::extract::State;
use httpkit::{OkEnvelope, PageData, Query, Refusals, Reply, ok_page};
use kernel::Page;

use crate::{
    Letters,
    store::{self, Filter},
    view::{MailItem, People},
};

/// List public letters
///
/// The PUBLIC letters that have arrived, the latest first; open without an account.
#[utoipa::path(get, path = "/mails/public", tag = "letters", security(()),
    params(
        ("page" = Option<i64>, Query, description = "From 1, default 1", minimum = 1),
        ("size" = Option<i64>, Query, description = "1 to 100, default 10", minimum = 1, maximum = 100)),
    responses((status = 200, body = OkEnvelope<PageData<MailItem>>), Refusals))]
pub(super) async fn public_mails(
    State(letters): State<Letters>,
    mut query: Query,
) -> Reply<PageData<MailItem>> {
    let page = query.page();
    query.0.finish()?;
    let now = letters.clock().now();
    let mut conn = letters.db().read().await?;
    let filter = Filter::public(page);
    let (rows, total) = store::received(&mut conn, &filter).await?;
    let people = People::of(&mut conn, None, &rows).await?;
    let list = rows.into_iter().map(|row| letters.item(row, &people, now)).collect();
    ok_page(Page { list, total, request: page })
}
