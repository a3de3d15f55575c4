//! The steps of `cargo xtask test`, in order; the first failure ends the run.

use std::{
    io::{self, IsTerminal},
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    cargo::{cargo, has_nextest},
    fuzz, nats, peers,
    postgres::Server,
    summary::{Counts, Runner, pass_through},
    tidy,
};

/// Every check and every test; with `--only-tests` the tests alone. What else is given filters the tests.
pub fn test(root: &Path, mut args: Vec<String>) -> ExitCode {
    let only_tests = args.first().is_some_and(|arg| arg == "--only-tests");
    if only_tests {
        args.remove(0);
    }
    let mut run = Run::new(root);
    let checks = if only_tests { Ok(()) } else { run.checks() };
    let result = checks.and_then(|()| run.tests(&args));
    let result = if only_tests { result } else { result.and_then(|()| run.fuzz()) };
    run.report(result)
}

/// One of the checks: `fmt`, `tidy`, `clippy`, `doc` or `fuzz`.
pub fn one(root: &Path, name: &str) -> ExitCode {
    let mut run = Run::new(root);
    let result = match name {
        "fmt" => run.fmt(),
        "tidy" => run.tidy(),
        "clippy" => run.clippy(),
        "fuzz" => run.fuzz(),
        _ => run.doc(),
    };
    run.report(result)
}

/// A run: which steps it took, how long each, and what the tests said.
struct Run<'a> {
    root: &'a Path,
    steps: Vec<(&'static str, Duration)>,
    counts: Counts,
}

impl<'a> Run<'a> {
    fn new(root: &'a Path) -> Self {
        Self { root, steps: Vec::new(), counts: Counts::default() }
    }

    fn checks(&mut self) -> Result<()> {
        self.fmt()?;
        self.tidy()?;
        self.clippy()?;
        self.doc()
    }

    fn fmt(&mut self) -> Result<()> {
        self.step("fmt", |run| status(cargo(run.root).args(["fmt", "--all", "--check"])))
    }

    fn tidy(&mut self) -> Result<()> {
        self.step("tidy", |run| tidy::check(run.root))
    }

    fn clippy(&mut self) -> Result<()> {
        let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        self.step("clippy", |run| status(cargo(run.root).args(args)))
    }

    fn doc(&mut self) -> Result<()> {
        let args = ["doc", "--workspace", "--no-deps", "--document-private-items"];
        self.step("doc", |run| status(cargo(run.root).args(args).env("RUSTDOCFLAGS", "-D warnings")))
    }

    fn fuzz(&mut self) -> Result<()> {
        self.step("fuzz", |run| fuzz::run(run.root))
    }

    /// The tests on both databases, then the doc tests.
    fn tests(&mut self, filter: &[String]) -> Result<()> {
        let server = self.step("postgres", |_| Server::start())?;
        println!("PostgreSQL for the tests: {}", server.url);
        let nats = self.step("nats", |run| nats::find_or_fetch(run.root))?;
        let peers = self.step("peers", |run| peers::install(run.root))?;
        self.step("tests", |run| {
            let mut command = cargo(run.root);
            let runner = if has_nextest(run.root) { Runner::Nextest } else { Runner::Libtest };
            if runner == Runner::Nextest {
                command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
            } else {
                command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]);
            }
            command.args(filter);
            command.env("HONGYAN_TEST_POSTGRES", &server.url).env("HONGYAN_TEST_PG_BIN", &server.bin);
            command.env("HONGYAN_TEST_PEERS", &peers).env("HONGYAN_TEST_NATS_SERVER", &nats);
            run.count(runner, &mut command)
        })?;
        if !filter.is_empty() {
            return Ok(());
        }
        self.step("doc tests", |run| {
            let mut command = cargo(run.root);
            command.args(["test", "--doc", "--workspace"]);
            run.count(Runner::Libtest, &mut command)
        })
    }

    /// Runs a test runner and adds what its summary says.
    fn count(&mut self, runner: Runner, command: &mut Command) -> Result<()> {
        if io::stderr().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        match runner {
            Runner::Libtest => command.stdout(Stdio::piped()),
            Runner::Nextest => command.stderr(Stdio::piped()),
        };
        let before = self.counts.summaries;
        let mut child = command.spawn().with_context(|| said(command))?;
        if let Some(from) = child.stdout.take() {
            pass_through(runner, from, io::stdout(), &mut self.counts)?;
        }
        if let Some(from) = child.stderr.take() {
            pass_through(runner, from, io::stderr(), &mut self.counts)?;
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("`{}` ended with {status}", said(command));
        }
        if self.counts.summaries == before {
            bail!("`{}` printed no summary: whether tests ran is not known", said(command));
        }
        Ok(())
    }

    fn step<T>(&mut self, name: &'static str, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        println!("\n=== {name}");
        let start = Instant::now();
        let result = work(self);
        self.steps.push((name, start.elapsed()));
        result
    }

    /// Prints the times, the failure if there was one, and as the very last line the tests' counts.
    fn report(self, result: Result<()>) -> ExitCode {
        println!();
        for (name, took) in &self.steps {
            println!("{name:<10}{:>8.1} s", took.as_secs_f64());
        }
        let code = match (result, self.steps.last()) {
            (Ok(()), _) => {
                println!("\nOK");
                ExitCode::SUCCESS
            }
            (Err(error), Some((step, _))) => {
                println!("\nFAILED at {step}: {error:#}");
                ExitCode::FAILURE
            }
            (Err(error), None) => {
                println!("\nFAILED: {error:#}");
                ExitCode::FAILURE
            }
        };
        if self.counts.summaries > 0 {
            println!("{}", self.counts);
        }
        code
    }
}

fn status(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| said(command))?;
    if !status.success() {
        bail!("`{}` ended with {status}", said(command));
    }
    Ok(())
}

/// The command as a developer would type it.
fn said(command: &Command) -> String {
    let mut text = String::from("cargo");
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}
