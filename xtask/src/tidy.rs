//! Tests of the code base's shape: what the compiler and clippy don't see.
//!
//! Each check is a function from sources to [`Finding`]s, in a module of its own. A finding says what is
//! wrong and why that is a rule, so that whoever meets it need not look it up.

mod drivers;
mod files;
mod hygiene;
mod layers;
mod lex;
mod locked;
mod schemas;
mod shape;
mod sql;
mod tables;

use std::{fmt, path::Path};

use anyhow::{Result, bail};

/// A rule that is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Prints every finding, a line each.
///
/// # Errors
/// There are findings, or the workspace could not be read.
pub fn check(root: &Path) -> Result<()> {
    let sources = files::read(root)?;
    let mut findings = layers::check(root, &sources)?;
    findings.extend(locked::check(root, &sources)?);
    findings.extend(drivers::check(&sources));
    findings.extend(sql::check(&sources));
    findings.extend(tables::check(&sources));
    findings.extend(schemas::check(&sources));
    findings.extend(shape::check(&sources));
    findings.extend(hygiene::check(&sources));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} broken rules", findings.len());
    }
    println!("{} files", sources.len());
    Ok(())
}
