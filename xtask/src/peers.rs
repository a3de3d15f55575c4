//! What others wrote, from npm, for tests to talk to: a language model's stand-in, a push service, a WebSocket client,
//! WeCom's envelope, Google's emulator.
//!
//! Promise: exactly the versions of `xtask/peers/package-lock.json`, in a folder below `target`; tests find
//! them by `HONGYAN_TEST_PEERS`, which names the `node_modules` folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

const FILES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Installs what is missing or of another version; the folder for `HONGYAN_TEST_PEERS`.
pub fn install(root: &Path) -> Result<PathBuf> {
    let (from, to) = (root.join("xtask/peers"), root.join("target/peers"));
    let modules = to.join("node_modules");
    let same =
        |name: &str| matches!((fs::read(from.join(name)), fs::read(to.join(name))), (Ok(a), Ok(b)) if a == b);
    if modules.is_dir() && FILES.iter().all(|name| same(name)) {
        return Ok(modules);
    }
    fs::create_dir_all(&to)?;
    for name in FILES {
        fs::copy(from.join(name), to.join(name)).with_context(|| format!("xtask/peers/{name}"))?;
    }
    let status = Command::new("npm").arg("ci").current_dir(&to).status();
    if !status.context("npm (Node.js is needed for the tests)")?.success() {
        fs::remove_dir_all(&to)?;
        bail!("npm cannot install the test peers");
    }
    Ok(modules)
}
