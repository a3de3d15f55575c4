//! Where PostgreSQL's server programs are; how to get them on Debian and its kin.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::cluster;

/// Set before the server package is installed, so that it does not start a cluster of its own on port 5432.
const CREATECLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// The folder of `initdb`, `pg_ctl` and `postgres`.
///
/// # Errors
/// They are not there and can't be installed.
pub fn find_or_install() -> Result<PathBuf> {
    if let Some(bin) = find() {
        return Ok(bin);
    }
    install().context(
        "the tests run on SQLite and on PostgreSQL, and there is no PostgreSQL server on this machine: \
         install one (Debian: apt-get install postgresql) or put its `initdb`, `pg_ctl` and `postgres` on PATH",
    )?;
    find().context("PostgreSQL's server programs are not to be found after the installation")
}

fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = env::split_paths(&path).collect();
    places.extend(pg_config());
    places.extend(debian());
    places.iter().find_map(|place| programs(place))
}

/// The real folder behind `place`, if a server is there that can be run.
fn programs(place: &Path) -> Option<PathBuf> {
    let postgres = fs::canonicalize(place.join("postgres")).ok()?;
    let bin = postgres.parent()?.to_owned();
    if !(bin.join("initdb").is_file() && bin.join("pg_ctl").is_file()) {
        return None;
    }
    let version = Command::new(&postgres).arg("--version").stdin(Stdio::null()).output().ok()?;
    let real = version.status.success() && version.stdout.starts_with(b"postgres (PostgreSQL)");
    real.then_some(bin)
}

fn pg_config() -> Option<PathBuf> {
    let out = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    Some(PathBuf::from(text.trim())).filter(|path| path.is_absolute())
}

/// Debian's folders, the newest major version first.
fn debian() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

fn install() -> Result<()> {
    if !cluster::is_root()? {
        bail!("only root can install it");
    }
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", "postgresql-common"])?;
    let mut settings = fs::OpenOptions::new().append(true).open(CREATECLUSTER).context(CREATECLUSTER)?;
    writeln!(settings, "create_main_cluster = false")?;
    apt(&["install", "-y", "--no-install-recommends", "postgresql"])
}

fn apt(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", "DPkg::Lock::Timeout=120"]).args(args);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let status = command.status().context("apt-get")?;
    if !status.success() {
        bail!("apt-get {} ended with {status}", args.join(" "));
    }
    Ok(())
}
