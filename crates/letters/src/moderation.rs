//! Readers report letters, operators decide: taken down, a letter is there for its author alone.
//!
//! Every decision is on record with who made it and why, and its author is told.

use accounts::{Caller, Role};
use db::Tx;
use dispatch::NewDispatch;
use kernel::{PageRequest, Problem, ProblemKind, Timestamp};

use crate::{
    Letters,
    model::{Moderation, ModerationAction, ReportReason, Stored},
    store::{self, LetterRow, NewReport, ReportRow},
    work::NOTICE,
};

/// A report in an operator's list.
#[derive(Debug, Clone)]
pub struct Report {
    /// `report_…`
    pub id: String,
    /// The letter.
    pub mail_id: String,
    /// The letter's title.
    pub title: String,
    /// Why it was reported.
    pub reason: ReportReason,
    /// In the reader's words.
    pub text: Option<String>,
    /// When.
    pub reported_at: Timestamp,
    /// Whether the letter is taken down.
    pub taken_down: bool,
}

/// Refuses all but operators.
pub(crate) fn operator(caller: &Caller) -> Result<(), Problem> {
    match caller.role {
        Role::Operator => Ok(()),
        _ => Err(Problem::forbidden("for operators only")),
    }
}

impl Letters {
    /// Puts a reader's report of a delivered letter on record.
    pub(crate) async fn report(
        &self,
        letter: &LetterRow,
        reporter: &str,
        reason: ReportReason,
        text: Option<String>,
    ) -> Result<(), Problem> {
        self.0.reports.check(reporter)?;
        let now = self.clock().now();
        let id = kernel::id::new("report", now);
        let mut tx = self.db().begin().await?;
        let new = NewReport { id, letter_id: &letter.id, reporter, reason, text };
        if !store::insert_report(&mut tx, &new, now).await? {
            return Err(Problem::new(ProblemKind::Conflict, "you have reported this letter already"));
        }
        tx.commit().await?;
        metrics::counter!("hongyan_letter_reports_total", "reason" => reason.as_str()).increment(1);
        Ok(())
    }

    /// Reports, the open ones or all, the earliest first, and how many there are.
    pub(crate) async fn reports(
        &self,
        open: bool,
        page: PageRequest,
    ) -> Result<(Vec<ReportRow>, i64), Problem> {
        let mut conn = self.db().read().await?;
        Ok(store::reports(&mut conn, open, page).await?)
    }

    /// The open reports for the command line, the earliest first.
    ///
    /// # Errors
    /// [`Problem`]
    pub async fn open_reports(&self, page: PageRequest) -> Result<Vec<Report>, Problem> {
        let (rows, _) = self.reports(true, page).await?;
        let report = |r: ReportRow| Report {
            id: r.id,
            mail_id: r.letter_id,
            title: r.title,
            reason: r.reason,
            text: r.text,
            reported_at: r.created_at,
            taken_down: r.taken_at.is_some(),
        };
        Ok(rows.into_iter().map(report).collect())
    }

    /// Takes a delivered letter down, gives it back, or closes its reports. Whether anything changed: what is
    /// down is not taken down twice.
    ///
    /// # Errors
    /// 404 for no such letter, 422 for one that has not arrived: nobody but its author can see it.
    pub async fn moderate(&self, id: &str, m: &Moderation) -> Result<bool, Problem> {
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        let letter = store::lock_any(&mut tx, id).await?.ok_or_else(|| Problem::not_found("letter"))?;
        if letter.stored != Stored::Delivered {
            return Err(Problem::rule("status", "only a delivered letter has readers"));
        }
        let changed = match m.action {
            ModerationAction::Takedown => store::insert_takedown(&mut tx, id, &m.reason, now).await?,
            ModerationAction::Restore => store::delete_takedown(&mut tx, id).await?,
            ModerationAction::Dismiss => false,
        };
        let closed = store::close_reports(&mut tx, id, now).await?;
        if !changed && closed == 0 {
            return Ok(false);
        }
        let number = kernel::id::new("mod", now);
        store::insert_moderation(&mut tx, &number, id, m, now).await?;
        if changed {
            store::put_in_place(&mut tx, &letter, letter.mailbox()).await?;
            tell(&mut tx, &letter, &number, m, now).await?;
        }
        tx.commit().await?;
        tracing::info!(letter.id = id, action = m.action.as_str(), actor = m.actor, "a letter was moderated");
        Ok(true)
    }
}

/// Schedules the mail that tells the author.
async fn tell(
    tx: &mut Tx,
    letter: &LetterRow,
    number: &str,
    m: &Moderation,
    now: Timestamp,
) -> db::Result<()> {
    let channel = match m.action {
        ModerationAction::Takedown => "takedown",
        ModerationAction::Restore | ModerationAction::Dismiss => "restore",
    };
    let notice = NewDispatch {
        id: format!("{}/{}/{channel}/{number}", letter.id, letter.schedule_no),
        kind: NOTICE,
        subject: letter.id.clone(),
        destination: String::new(),
        payload: Some(m.reason.clone()),
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[notice]).await.map(drop)
}
