//! How many tests ran: read from the runners' own summary lines while their output passes through.

use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
};

use anyhow::Result;

/// Whose summary lines are meant: a failing test's output may well hold those of another runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// `cargo nextest run`, which prints on standard error.
    Nextest,
    /// `cargo test`, which prints a line for each test binary on standard output.
    Libtest,
}

impl Runner {
    fn mark(self) -> &'static str {
        match self {
            Self::Nextest => "Summary [",
            Self::Libtest => "test result:",
        }
    }
}

/// The tests of a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Ran and held.
    pub passed: u64,
    /// Failed, timed out or could not be started.
    pub failed: u64,
    /// Left out, by a filter or by the test itself.
    pub skipped: u64,
    /// How many summaries these are the sum of; none means that no test runner came to its end.
    pub summaries: u64,
}

impl Counts {
    /// Adds what a line of a runner's output says, if it is a summary.
    pub fn read(&mut self, runner: Runner, line: &str) {
        let line = without_colours(line);
        let line = line.trim_start();
        if !line.starts_with(runner.mark()) {
            return;
        }
        self.summaries += 1;
        let mut last = None;
        for word in line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
            if let Ok(number) = word.parse::<u64>() {
                last = Some(number);
                continue;
            }
            match (word, last.take()) {
                ("passed", Some(n)) => self.passed += n,
                // nextest: "1 failed", "1 timed out", "1 exec failed"
                ("failed" | "timed" | "exec", Some(n)) => self.failed += n,
                ("skipped" | "ignored", Some(n)) => self.skipped += n,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tests: {} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Copies `from` to `to` as it comes and counts on the way.
///
/// # Errors
/// Reading or writing failed.
pub fn pass_through(runner: Runner, from: impl Read, mut to: impl Write, counts: &mut Counts) -> Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        counts.read(runner, &String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

/// The text without `ESC [ … m` sequences.
fn without_colours(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(runner: Runner, lines: &[&str]) -> Counts {
        let mut counts = Counts::default();
        let mut seen = Vec::new();
        pass_through(runner, lines.join("\n").as_bytes(), &mut seen, &mut counts).unwrap();
        assert_eq!(seen, lines.join("\n").as_bytes());
        counts
    }

    #[test]
    fn nextest_with_colours_and_every_kind_of_failure() {
        let got = counts(
            Runner::Nextest,
            &[
                "   Compiling kernel v0.1.0",
                "\u{1b}[31;1m     Summary\u{1b}[0m [   0.510s] \u{1b}[1m12\u{1b}[0m tests run: \u{1b}[1m8\u{1b}[0m passed (1 slow, 1 flaky), 2 failed, 1 exec failed, 1 timed out, 3 skipped",
            ],
        );
        assert_eq!(got, Counts { passed: 8, failed: 4, skipped: 3, summaries: 1 });
        assert_eq!(got.to_string(), "tests: 8 passed, 4 failed, 3 skipped");
    }

    #[test]
    fn cargo_test_summaries_add_up() {
        let got = counts(
            Runner::Libtest,
            &[
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
                "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s",
            ],
        );
        assert_eq!(got, Counts { passed: 4, failed: 1, skipped: 1, summaries: 2 });
    }

    #[test]
    fn a_test_that_talks_about_passing_is_not_a_summary() {
        assert_eq!(
            counts(
                Runner::Nextest,
                &["PASS [0.1s] letters counts_10_passed", "test result: FAILED. 2 passed"]
            ),
            Counts::default()
        );
        assert_eq!(Counts { passed: 2, ..Counts::default() }.to_string(), "tests: 2 passed, 0 failed");
    }
}
