//! `hongyan import`

use std::path::PathBuf;

use clap::Args;

use crate::{archive, settings::Settings};

/// Where from, and how.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The archive that `hongyan export` made
    file: PathBuf,
    /// Only see whether the archive is whole; writes nothing
    #[arg(long, conflicts_with = "without_keyring")]
    check: bool,
    /// Import although the keys for sealed values are missing: encrypted letters will stay closed for ever
    #[arg(long)]
    without_keyring: bool,
}

impl Import {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        if self.check {
            return archive::check(&self.file);
        }
        archive::import(settings, &self.file, self.without_keyring).await
    }
}
