//! `hongyan letter …`: reports, and what is done about them.

use clap::Subcommand;
use kernel::{Clock, PageRequest};
use letters::{Moderation, ModerationAction};

use super::say;
use crate::{settings::Settings, system::System};

#[derive(Debug, Subcommand)]
pub(super) enum Letter {
    /// List the open reports of readers
    Reports,
    /// Take a letter down: nobody but its author can see it any more, and its author is told
    Takedown {
        /// The letter: `mail_…`
        mail_id: String,
        /// Why; the author is told
        reason: String,
    },
    /// Give back a letter that was taken down
    Restore {
        /// The letter: `mail_…`
        mail_id: String,
        /// Why, for the record
        reason: String,
    },
    /// Close a letter's reports and leave it where it is
    Dismiss {
        /// The letter: `mail_…`
        mail_id: String,
        /// Why, for the record
        reason: String,
    },
}

impl Letter {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let system = System::build(settings, Clock::system(), "").await?;
        let (action, mail_id, reason) = match self {
            Self::Reports => return reports(&system.letters).await,
            Self::Takedown { mail_id, reason } => (ModerationAction::Takedown, mail_id, reason),
            Self::Restore { mail_id, reason } => (ModerationAction::Restore, mail_id, reason),
            Self::Dismiss { mail_id, reason } => (ModerationAction::Dismiss, mail_id, reason),
        };
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.chars().count() > 500 || reason.chars().any(char::is_control) {
            anyhow::bail!("the reason must be one line of at most 500 characters");
        }
        let decision = Moderation { action, actor: "command-line".to_owned(), reason };
        let changed = system.letters.moderate(&mail_id, &decision).await?;
        let note = if changed { "" } else { ": nothing to change" };
        say(&format!("{mail_id} {}{note}", action.as_str()));
        Ok(())
    }
}

async fn reports(letters: &letters::Letters) -> anyhow::Result<()> {
    let mut page = PageRequest { page: 1, size: PageRequest::MAX_SIZE };
    loop {
        let reports = letters.open_reports(page).await?;
        for r in &reports {
            let state = if r.taken_down { "down" } else { "visible" };
            let text = r.text.as_deref().unwrap_or_default().replace(['\n', '\r', '\t'], " ");
            say(&format!(
                "{}\t{}\t{}\t{state}\t{}\t{text}",
                r.reported_at,
                r.mail_id,
                r.reason.as_str(),
                r.title
            ));
        }
        if reports.len() < usize::try_from(page.size)? {
            return Ok(());
        }
        page.page += 1;
    }
}
