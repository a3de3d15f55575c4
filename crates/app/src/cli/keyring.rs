//! `hongyan keyring`: the keys that seal what is stored.

use anyhow::bail;
use clap::Subcommand;
use kernel::Clock;

use super::say;
use crate::{
    data, keyring,
    settings::Settings,
    system::{self, System},
};

/// What to do with the keys.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Keyring {
    /// Show the keys and what is sealed with each
    List,
    /// Add a key and seal everything anew with it, or finish a rotation that was cut off; servers may run
    Rotate,
    /// Remove keys that nothing is sealed with
    Prune,
}

impl Keyring {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        data::prepare(&settings.data_dir)?;
        let ring = keyring::open(&settings.data_dir)?;
        let mut file = keyring::Exclusive::take(&settings.data_dir)?;
        let system = System::build(settings, Clock::system(), "").await?;
        let tables = system::sealed_tables();
        match self {
            Self::List => list(&system, &file).await?,
            Self::Rotate => {
                let done = file.rotate(&system.db, &ring, &tables).await?;
                if !done.is_new {
                    say("an earlier rotation was not finished; it is now");
                }
                say(&format!("key {} seals now; {} values were sealed anew", done.newest, done.resealed));
                if !done.unreadable.is_empty() {
                    bail!(
                        "{} values cannot be opened with the keys at hand:\n{}",
                        done.unreadable.len(),
                        done.unreadable.join("\n")
                    );
                }
            }
            Self::Prune => match file.prune(&system.db, &tables).await? {
                gone if gone.is_empty() => say("every key is in use"),
                gone => gone.iter().for_each(|id| say(&format!("key {id} is removed"))),
            },
        }
        Ok(())
    }
}

async fn list(system: &System, file: &keyring::Exclusive) -> anyhow::Result<()> {
    let used = keyring::in_use(&system.db, &system::sealed_tables()).await?;
    let keys = file.keys();
    for (id, _) in &keys.sealing {
        let does = if keys.newest() == Some(*id) { "seals" } else { "opens" };
        let values: Vec<String> =
            used.iter().filter(|u| u.key == *id).map(|u| format!("{} {}", u.values, u.table)).collect();
        say(&format!("{id}\t{does}\t{}", values.join(", ")));
    }
    for u in used.iter().filter(|u| keys.sealing.iter().all(|(id, _)| *id != u.key)) {
        say(&format!("{}\tmissing\t{} {}", u.key, u.values, u.table));
    }
    Ok(())
}
