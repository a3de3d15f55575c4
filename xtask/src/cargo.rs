//! Calling cargo from inside `cargo xtask`.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result};

/// `cargo` at the workspace's root, with the toolchain that runs this very command.
///
/// What the outer `cargo run` said about the `xtask` package is taken out of the environment: build scripts
/// that watch those variables would run again at every change between `cargo test` and `cargo xtask test`.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether `cargo nextest` is there.
pub fn has_nextest(root: &Path) -> bool {
    let mut probe = cargo(root);
    probe.args(["nextest", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Becomes `cargo run … serve`, which in turn becomes the server: signals reach it and its exit code is ours,
/// because it is the same process.
///
/// # Errors
/// Cargo could not be started.
pub fn run_server(root: &Path, mut args: Vec<String>) -> Result<ExitCode> {
    let release = args.first().is_some_and(|arg| arg == "--release");
    if release {
        args.remove(0);
    }
    let mut command = cargo(root);
    command.args(["run", "--package", "app", "--bin", "hongyan"]);
    if release {
        command.args(["--profile", "fast"]);
    }
    let error = command.args(["--", "serve"]).args(args).exec();
    Err(error).context("start cargo")
}
