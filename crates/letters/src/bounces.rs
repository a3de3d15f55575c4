//! What comes back of letters' mails, put on record: shown to the author, who is told once by mail.

use std::{future::Future, pin::Pin, sync::Arc};

use accounts::post::Post;
use db::Tx;
use dispatch::NewDispatch;
use kernel::{Problem, Timestamp};
use transports::bounce::{self, Intake, Notice, RecipientReport, Returned, Severity, Status};

use crate::{
    Letters, ids,
    model::{BounceKind, Stored},
    recipients::sent_to,
    store::{self, BounceRow, LetterRow},
    work::NOTICE,
};

/// So many reports about one mail are kept; whoever has its return address could send any number.
const MOST: i64 = 10;

/// Takes in returned mail.
pub struct Bounces {
    /// The slice.
    pub letters: Letters,
    /// What mailed the letters: it knows their Message-IDs.
    pub post: Arc<Post>,
}

impl Intake for Bounces {
    fn take<'a>(
        &'a self,
        returned: Returned,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move { self.take_in(&returned).await.map_err(|problem| problem.message) })
    }
}

impl Bounces {
    async fn take_in(&self, returned: &Returned) -> Result<(), Problem> {
        let Some((letter, schedule_no, mailing_no)) = ids::returned(&returned.reference) else {
            return Ok(());
        };
        let dispatch_id = ids::email(&letter, schedule_no, mailing_no);
        let message_id = self.post.message_id(&dispatch_id);
        let read = bounce::read(&returned.message, &returned.sender, &message_id);
        let kind = match &read {
            Notice::Report(_) => "report",
            Notice::AutoReply => "auto-reply",
            Notice::Other => "other",
        };
        tracing::info!(dispatch.id = dispatch_id, kind, "a mail came back");
        metrics::counter!("hongyan_returned_mails_total", "kind" => kind).increment(1);
        let Notice::Report(reports) = read else { return Ok(()) };
        // Each mail has one recipient; where forwarding made more of it, the worst is what its author should know.
        let Some((report, kind)) = worst(&reports) else { return Ok(()) };
        let now = self.letters.clock().now();
        let row = BounceRow {
            dispatch_id,
            kind,
            status: report.status.map(|s| s.to_string()),
            diagnostic: report.diagnostic.clone(),
            received_at: now,
        };
        let mut tx = self.letters.db().begin().await?;
        let Some(stored) = store::letter(&mut tx, &letter).await? else { return Ok(()) };
        if stored.stored == Stored::Draft {
            return Ok(());
        }
        let fact = format!("{} {}", kind.as_str(), row.status.as_deref().unwrap_or("-"));
        if store::insert_bounce(&mut tx, &letter, &fact, &row, MOST).await? && kind != BounceKind::Delayed {
            failed(&mut tx, &stored, report.status, &row).await?;
        }
        Ok(tx.commit().await?)
    }
}

fn worst(reports: &[RecipientReport]) -> Option<(&RecipientReport, BounceKind)> {
    let kinds = reports.iter().filter_map(|report| {
        let kind = match report.severity() {
            Severity::Hard => BounceKind::Hard,
            Severity::Soft => BounceKind::Soft,
            Severity::Delayed => BounceKind::Delayed,
            Severity::None => return None,
        };
        Some((report, kind))
    });
    kinds.min_by_key(|(_, kind)| *kind as u8)
}

/// What follows from a mail's failure after it was taken: the address is marked, the author told.
async fn failed(tx: &mut Tx, letter: &LetterRow, status: Option<Status>, row: &BounceRow) -> db::Result<()> {
    if let Some(status) = status {
        let changes = store::recipient_changes(tx, &letter.id).await?;
        if let Some((_, key)) = sent_to(letter, &changes, &row.dispatch_id) {
            mark(tx, key, status, row.received_at).await?;
        }
    }
    let reason = match (&row.status, row.diagnostic.as_str()) {
        (None, "") => "the mail came back without a reason".to_owned(),
        (Some(status), "") => status.clone(),
        (_, diagnostic) => diagnostic.to_owned(),
    };
    tell(tx, &row.dispatch_id, &letter.id, reason, row.received_at).await
}

/// Marks an address if the status says that nothing sent to it will ever arrive.
pub(crate) async fn mark(tx: &mut Tx, key: &str, status: Status, now: Timestamp) -> db::Result<()> {
    match status.is_dead_address() {
        true => store::mark_dead(tx, key, &status.to_string(), now).await,
        false => Ok(()),
    }
}

/// Schedules the mail to the author about a mail that failed, once.
pub(crate) async fn tell(
    tx: &mut Tx,
    dispatch_id: &str,
    letter: &str,
    reason: String,
    now: Timestamp,
) -> db::Result<()> {
    let notice = NewDispatch {
        id: ids::notice(dispatch_id),
        kind: NOTICE,
        subject: letter.to_owned(),
        destination: String::new(),
        payload: Some(reason),
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[notice]).await.map(drop)
}
