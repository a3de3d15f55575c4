//! `hongyan export`

use std::path::PathBuf;

use clap::Args;

use crate::{archive, settings::Settings};

/// Where to, and with what.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The archive to make (a .zip file)
    file: PathBuf,
    /// With the keys that open sealed values: whoever has the archive can open them
    #[arg(long)]
    with_keyring: bool,
}

impl Export {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        archive::export(settings, &self.file, self.with_keyring).await
    }
}
