//! The project's own commands: `cargo xtask run` starts the server, `cargo xtask test` checks everything.
//!
//! Promises
//! - `test` needs nothing but a Rust toolchain, and a PostgreSQL and a NATS server that are there or can be fetched: it
//!   fails when there is none, because a scenario that quietly skipped one of the two databases proves nothing.
//! - Nothing outlives a command: the PostgreSQL of a test run is gone afterwards, however the run ended.
//! - Quick to build: standard library, `anyhow` and `serde_json` alone.
#![allow(clippy::print_stdout, reason = "a command-line tool speaks on its standard output")]

mod cargo;
mod fuzz;
mod nats;
mod peers;
mod postgres;
mod steps;
mod summary;
mod tidy;

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
cargo xtask run [--release] [args…]            build and start the server; args go to `hongyan serve`
cargo xtask test [--only-tests] [filter…]      every check, then every test on both databases;
                                               a filter picks tests (nextest syntax) and leaves out doc tests
cargo xtask fmt | tidy | clippy | doc | fuzz   one of the checks of `test`
cargo xtask peers                              install the test peers; prints where they are
cargo xtask postgres                           a PostgreSQL like that of the tests, until Ctrl-C
cargo xtask nats                               a NATS server for events between processes, until Ctrl-C";

fn main() -> ExitCode {
    match command(env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(args: Vec<String>) -> Result<ExitCode> {
    let root = root()?;
    let mut args = args.into_iter();
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    match (name.as_str(), rest.as_slice()) {
        ("run", _) => cargo::run_server(&root, rest),
        ("test", _) => Ok(steps::test(&root, rest)),
        ("fmt" | "tidy" | "clippy" | "doc" | "fuzz", []) => Ok(steps::one(&root, &name)),
        ("peers", []) => {
            println!("{}", peers::install(&root)?.display());
            Ok(ExitCode::SUCCESS)
        }
        ("postgres", []) => postgres::foreground().map(|()| ExitCode::SUCCESS),
        (postgres::KEEPER, [bin]) => postgres::keep(bin.into()).map(|()| ExitCode::SUCCESS),
        ("nats", []) => match nats::foreground(&root)? {},
        ("help" | "--help" | "-h", _) => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("unknown command\n\n{USAGE}"),
    }
}

/// The workspace's folder: commands mean the same wherever in it they are called.
fn root() -> Result<PathBuf> {
    let own = env::var_os("CARGO_MANIFEST_DIR").context("start this as `cargo xtask`")?;
    let mut root = PathBuf::from(own);
    root.pop();
    Ok(root)
}
