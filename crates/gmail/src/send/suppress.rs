//! Who gets no more mail: whoever opted out, complained, or whose address is dead.

use std::collections::BTreeMap;

use db::{Conn, Result, Tx};
use kernel::{Problem, ProblemKind};
use mail::{Classified, Incoming, Kind, Mailbox, normal_form};

use super::{NewSend, addresses::keys, control};
use crate::{
    Gmail,
    model::{Direction, SuppressionReason, own_addresses},
    store::{self, CredentialRow, MessageRow, SuppressionRow},
};

/// So much of what a report says is kept, in characters.
const DETAIL: usize = 300;

/// Why somebody gets none, in words that follow the address.
pub(super) fn why(row: &SuppressionRow) -> String {
    let day = row.created_at.date();
    match row.reason {
        SuppressionReason::Manual => format!("is on the suppression list since {day}"),
        SuppressionReason::OptOut => format!("wants no more mail since {day}"),
        SuppressionReason::Bounce => format!("cannot be reached by mail since {day}"),
        SuppressionReason::Complaint => format!("called a mail from here spam on {day}"),
    }
}

impl Gmail {
    /// What a new mail means for the list of those who get none.
    pub(crate) async fn note_suppression(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        message: &MessageRow,
        mail: &Incoming,
        classified: &Classified,
    ) -> Result<()> {
        if message.direction != Direction::In {
            return Ok(());
        }
        match &classified.kind {
            Kind::OptOut => {
                let own = own_addresses([credential]);
                if let [author] = mail.from.as_slice()
                    && !own.contains(&author.address)
                    && author.address.contains('@')
                {
                    let detail = format!("wrote so: {}", message.subject);
                    let why = (SuppressionReason::OptOut, Some(detail.as_str()));
                    self.suppress(tx, &credential.user_id, &author.address, why).await?;
                }
                Ok(())
            }
            Kind::Bounce { recipients, original_message_id } => {
                let dead = recipients.iter().filter(|r| r.dead_address);
                let dead: Vec<_> = dead.map(|r| (r.address.as_str(), r.diagnostic.as_str())).collect();
                self.reported(
                    tx,
                    credential,
                    original_message_id.as_deref(),
                    &dead,
                    SuppressionReason::Bounce,
                )
                .await
            }
            Kind::Complaint { original_message_id, recipient } => {
                let told = [(recipient.as_deref().unwrap_or_default(), "")];
                let reason = SuppressionReason::Complaint;
                self.reported(tx, credential, original_message_id.as_deref(), &told, reason).await
            }
            Kind::Reply | Kind::OutOfOffice { .. } | Kind::Notice => Ok(()),
        }
    }

    /// Believes a report about a mail that this account sent, about those it was sent to.
    async fn reported(
        &self,
        tx: &mut Tx,
        credential: &CredentialRow,
        original: Option<&str>,
        recipients: &[(&str, &str)],
        reason: SuppressionReason,
    ) -> Result<()> {
        let Some(original) = original.filter(|_| !recipients.is_empty()) else { return Ok(()) };
        let Some(sent) = store::outbox_by_message_id(tx, &credential.key, original).await? else {
            return Ok(());
        };
        let all = store::recipients_of(tx, &sent.id).await?;
        for (address, diagnostic) in recipients {
            // A report that names nobody is about the only one there is.
            let address = match (address.is_empty(), all.as_slice()) {
                (true, [only]) => only.as_str(),
                _ => *address,
            };
            if store::is_recipient(tx, &sent.id, &normal_form(address)).await? {
                let detail: String = format!("{}: {diagnostic}", sent.id).chars().take(DETAIL).collect();
                let detail = detail.trim_end_matches([':', ' ']);
                self.suppress(tx, &credential.user_id, address, (reason, Some(detail))).await?;
            }
        }
        Ok(())
    }

    /// Puts an address on a user's list, and takes back what waits to go to it. The row that there is now, and whether it
    /// is new.
    pub(crate) async fn suppress(
        &self,
        tx: &mut Tx,
        user: &str,
        email: &str,
        (reason, detail): (SuppressionReason, Option<&str>),
    ) -> Result<(SuppressionRow, bool)> {
        let (now, address) = (self.now(), normal_form(email));
        if let Some(row) = of_address(tx, user, &address).await? {
            return Ok((row, false));
        }
        let row = SuppressionRow {
            id: store::number(tx, "suppression").await?,
            user_id: user.to_owned(),
            email: email.trim().to_owned(),
            address: address.clone(),
            reason,
            detail: detail.map(str::to_owned),
            created_at: now,
        };
        if !store::insert_suppression(tx, &row).await?
            && let Some(row) = of_address(tx, user, &address).await?
        {
            return Ok((row, false));
        }
        let waiting = store::lock_waiting_to(tx, user, &address).await?;
        let text = format!("{} {}", row.email, why(&row));
        let by_owner = row.reason == SuppressionReason::Manual;
        let why = control::Why { code: "suppressed", reason: &text, by_owner };
        control::end_waiting(tx, &waiting, why, now).await?;
        Ok((row, true))
    }

    /// Refuses a mail to anybody who gets none.
    pub(super) async fn refuse_suppressed(
        &self,
        conn: &mut Conn,
        user: &str,
        new: &NewSend,
    ) -> Result<(), Problem> {
        let all = keys(new.to.iter().chain(&new.cc).chain(&new.bcc));
        let rows = store::suppressions_of(conn, user, &all).await?;
        let mut errors = BTreeMap::new();
        for (field, list) in [("to", &new.to), ("cc", &new.cc), ("bcc", &new.bcc)] {
            let told: Vec<String> = list.iter().filter_map(|one| told(&rows, one)).collect();
            if !told.is_empty() {
                errors.insert(field.to_owned(), told.join("; "));
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        Err(Problem { kind: ProblemKind::Rule, message: "validation failed".to_owned(), errors })
    }

    /// Why a mail may not go to those it is for, if it may not.
    pub(super) async fn suppressed(
        &self,
        conn: &mut Conn,
        user: &str,
        outbox: &str,
    ) -> Result<Option<String>> {
        let all = store::recipients_of(conn, outbox).await?;
        let rows = store::suppressions_of(conn, user, &all).await?;
        let told: Vec<String> = rows.iter().map(|row| format!("{} {}", row.email, why(row))).collect();
        Ok((!told.is_empty()).then(|| told.join("; ")))
    }
}

fn told(rows: &[SuppressionRow], one: &Mailbox) -> Option<String> {
    let address = normal_form(&one.address);
    rows.iter().find(|row| row.address == address).map(|row| format!("{} {}", one.address, why(row)))
}

async fn of_address(conn: &mut Conn, user: &str, address: &str) -> Result<Option<SuppressionRow>> {
    let rows = store::suppressions_of(conn, user, &[address.to_owned()]).await?;
    Ok(rows.into_iter().next())
}
