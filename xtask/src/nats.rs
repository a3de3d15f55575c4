//! The NATS server that tests start, each its own: found, or fetched from Debian into a folder below `target`.
//!
//! Promise: nothing is installed on the machine. Debian's package would start a service on NATS' usual port, so its
//! one program is unpacked instead; tests find it by `HONGYAN_TEST_NATS_SERVER`.

use std::{
    convert::Infallible,
    env, fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

const PROGRAM: &str = "nats-server";

/// The program `nats-server`.
///
/// # Errors
/// It is not there and can't be fetched.
pub fn find_or_fetch(root: &Path) -> Result<PathBuf> {
    let fetched = root.join("target/nats");
    if let Some(program) = find(&fetched) {
        return Ok(program);
    }
    fetch(&fetched).context(
        "the tests need a NATS server, and there is none on this machine: install one (Debian: apt-get install \
         nats-server) or put `nats-server` on PATH",
    )?;
    find(&fetched).context("nats-server is not to be found in Debian's package")
}

fn find(fetched: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = env::split_paths(&path).collect();
    places.extend([
        "/usr/sbin".into(),
        "/usr/local/bin".into(),
        fetched.join("usr/sbin"),
        fetched.join("usr/bin"),
    ]);
    places.into_iter().map(|place| place.join(PROGRAM)).find(|program| {
        let version = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        version.is_ok_and(|out| out.status.success() && out.stdout.starts_with(b"nats-server"))
    })
}

/// Needs Debian's lists of packages, which root alone can bring up to date, and no other right.
fn fetch(to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let download = |what: &[&str]| {
        let mut apt = Command::new("apt-get");
        run(apt.args(["-q", "-o", "APT::Sandbox::User=root"]).args(what).current_dir(to))
    };
    if download(&["download", PROGRAM]).is_err() {
        download(&["update"])?;
        download(&["download", PROGRAM])?;
    }
    for entry in fs::read_dir(to)? {
        let package = entry?.path();
        if package.extension().is_some_and(|e| e == "deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(to))?;
            fs::remove_file(&package)?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).status().with_context(|| name.clone())?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

/// `cargo xtask nats`: becomes a NATS server on a free port of 127.0.0.1, until Ctrl-C.
///
/// # Errors
/// There is no `nats-server`, or it does not start.
pub fn foreground(root: &Path) -> Result<Infallible> {
    let program = find_or_fetch(root)?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    println!("HONGYAN_EVENTS__URL=nats://127.0.0.1:{port}");
    println!("HONGYAN_TEST_NATS_SERVER={}", program.display());
    let error = Command::new(&program).args(["-a", "127.0.0.1", "-p", &port.to_string()]).exec();
    Err(error).with_context(|| program.display().to_string())
}
