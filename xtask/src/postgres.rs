//! A PostgreSQL for the tests: a fresh cluster on a free port of 127.0.0.1, gone when its user is.
//!
//! Who owns the cluster is a process of its own, the keeper. It holds the reading end of a pipe whose other
//! end only the command has; when that end closes, because the command ended, panicked, was interrupted or
//! killed, the keeper shuts the cluster down and removes its folder. Destructors alone could not promise this.

mod cluster;
mod install;

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use cluster::Cluster;

/// The command that the keeper's process is started with.
pub const KEEPER: &str = "postgres-keeper";

/// A running cluster; dropping it stops the cluster and waits until its folder is removed.
pub struct Server {
    /// Superuser without password.
    pub url: String,
    /// The folder of `initdb`, `pg_ctl` and `postgres`.
    pub bin: PathBuf,
    keeper: Child,
}

impl Server {
    /// Starts a cluster, installing PostgreSQL first if there is none.
    ///
    /// # Errors
    /// PostgreSQL is not there and can't be installed, or does not start.
    pub fn start() -> Result<Self> {
        let bin = install::find_or_install()?;
        let mut keeper = Command::new(env::current_exe()?)
            .arg(KEEPER)
            .arg(&bin)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C at the terminal is for the command; the keeper learns of it by the pipe.
            .process_group(0)
            .spawn()
            .context("start the keeper of PostgreSQL")?;
        let mut url = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut url)?;
        }
        let url = url.trim_end().to_owned();
        if url.is_empty() {
            keeper.wait()?;
            bail!("PostgreSQL could not be started (see above)");
        }
        Ok(Self { url, bin, keeper })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!("waiting for PostgreSQL to stop: {error}");
        }
    }
}

/// `cargo xtask postgres`: a cluster until Ctrl-C.
///
/// # Errors
/// As [`Server::start`].
pub fn foreground() -> Result<()> {
    let mut server = Server::start()?;
    println!("HONGYAN_TEST_POSTGRES={}", server.url);
    println!("HONGYAN_TEST_PG_BIN={}", server.bin.display());
    eprintln!("PostgreSQL runs until Ctrl-C");
    // `wait` would close the pipe first, and with that end the cluster.
    let _pipe = server.keeper.stdin.take();
    server.keeper.wait()?;
    bail!("PostgreSQL's keeper ended by itself")
}

/// The keeper: prints the cluster's URL on a line, keeps the cluster until standard input ends.
///
/// # Errors
/// The cluster does not start.
pub fn keep(bin: PathBuf) -> Result<()> {
    let cluster = Cluster::start(bin)?;
    let mut out = io::stdout();
    writeln!(out, "{}", cluster.url())?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
