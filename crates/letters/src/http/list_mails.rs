//! `GET /mails`

use accounts::Caller;
use axum::extract::State;
use httpkit::{OkEnvelope, PageData, Query, Refusals, Reply, ok_page};
use kernel::Page;

use crate::{
    Letters,
    model::{ListType, Status},
    store::{self, Filter},
    view::{MailItem, People, own_mailboxes},
};

/// List letters
///
/// `INBOX`: delivered to the caller; `SENT`: the caller's, no drafts; `DRAFT`: the caller's drafts; without a
/// type: all of the caller's and all delivered to them. The newest first.
#[utoipa::path(get, path = "/mails", tag = "letters",
    params(
        ("type" = inline(Option<ListType>), Query),
        ("status" = inline(Option<Status>), Query, description = "Narrows further"),
        ("page" = Option<i64>, Query, description = "From 1, default 1", minimum = 1),
        ("size" = Option<i64>, Query, description = "1 to 100, default 10", minimum = 1, maximum = 100)),
    responses((status = 200, body = OkEnvelope<PageData<MailItem>>), Refusals))]
pub(super) async fn list_mails(
    State(letters): State<Letters>,
    caller: Caller,
    mut query: Query,
) -> Reply<PageData<MailItem>> {
    let kind: Option<ListType> = query.0.optional("type");
    let status: Option<Status> = query.0.optional("status");
    let page = query.page();
    query.0.finish()?;
    let now = letters.clock().now();
    let mailboxes = own_mailboxes(&caller);
    let filter = Filter { owner: caller.id(), mailboxes, stored: None, after: None, until: None, page };
    let filter = filter.status(status, now, letters.0.config.delivering_lead);
    let mut conn = letters.db().read().await?;
    let (rows, total) = match kind {
        Some(ListType::Inbox) => store::received(&mut conn, &filter).await?,
        Some(ListType::Sent) => store::own(&mut conn, &filter, false).await?,
        Some(ListType::Draft) => store::own(&mut conn, &filter, true).await?,
        None => store::all(&mut conn, &filter).await?,
    };
    let people = People::of(&mut conn, Some(&caller), &rows).await?;
    let list = rows.into_iter().map(|row| letters.item(row, &people, now)).collect();
    ok_page(Page { list, total, request: page })
}
