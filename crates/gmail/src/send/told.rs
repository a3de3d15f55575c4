//! Whether its owner is told that a mail will not leave.

use std::time::Duration;

use db::{Result, Tx};
use kernel::Timestamp;

use super::envelope::Envelope;
use crate::{
    model::Source,
    notices::{self, News},
    store::OutboxRow,
};

/// So long a call waits for the end of a mail that it asks for.
const ANSWERED: Duration = Duration::from_secs(20);

/// Tells its owner that a mail will not leave, but not who waits for the answer of the call that asks for it. `row` is as it
/// was before it ended.
pub(super) async fn tell_failed(tx: &mut Tx, row: &OutboxRow, why: &str, now: Timestamp) -> Result<()> {
    if is_answered(row, now) {
        return Ok(());
    }
    let Ok(Envelope { to, cc, bcc, subject, .. }) = Envelope::of(row) else { return Ok(()) };
    let to = to.iter().chain(&cc).chain(&bcc).map(|party| party.address.as_str()).collect::<Vec<_>>();
    let (credential, outbox, to) = (&row.credential_key, &row.id, &to.join(", "));
    let news = News::Failed { credential, outbox, to, subject: &subject, why };
    notices::tell(tx, &row.user_id, news, now).await
}

/// Whether a call still waits that says that a mail fails: it was to leave at once, and nothing kept it until now.
fn is_answered(row: &OutboxRow, now: Timestamp) -> bool {
    row.source == Source::Person
        && row.dispatch_no == 1
        && row.due_at <= row.created_at
        && row.waiting_until.is_none()
        && now.since(row.created_at) <= ANSWERED
}
