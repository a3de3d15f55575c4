//! One version of what must exist once, one provider of cryptography.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, bail};

use super::{Finding, files::Source};
use crate::cargo::cargo;

/// Two versions of one of these have types that don't fit each other, or state that should be shared.
const ONCE: [&str; 7] = ["tokio", "hyper", "axum", "rustls", "http", "serde", "aws-lc-rs"];

/// Never built.
const NEVER: [(&str, &str); 1] = [("ring", "cryptography comes from one provider, aws-lc-rs")];

/// Looks at what is built: the lock file also lists what an unused feature would need.
pub fn check(root: &Path, sources: &[Source]) -> Result<Vec<Finding>> {
    let mut command = cargo(root);
    command.args(["tree", "--workspace", "--edges", "all", "--prefix", "none", "--format", "{p}"]);
    let out = command.output().context("cargo tree")?;
    if !out.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&out.stderr));
    }
    let lock = sources.iter().find(|source| source.path == "Cargo.lock").context("there is no Cargo.lock")?;
    Ok(broken(&String::from_utf8_lossy(&out.stdout), lock))
}

fn broken(tree: &str, lock: &Source) -> Vec<Finding> {
    let built: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let mut findings = Vec::new();
    for name in ONCE {
        let versions: Vec<&str> =
            built.iter().filter(|(n, _)| *n == name).map(|(_, version)| *version).collect();
        if let [first, .., last] = versions.as_slice() {
            let what = format!(
                "{name} is built as {first} and {last}: it must exist once, its types and state are shared"
            );
            findings.push(Finding::new(&lock.path, line_of(lock, name, first), what));
        }
    }
    for (name, why) in NEVER {
        if let Some((_, version)) = built.iter().find(|(n, _)| *n == name) {
            findings.push(Finding::new(
                &lock.path,
                line_of(lock, name, version),
                format!("{name} is built: {why}"),
            ));
        }
    }
    findings
}

fn line_of(lock: &Source, name: &str, version: &str) -> usize {
    let name = format!("name = \"{name}\"");
    let version = format!("version = \"{version}\"");
    let mut lines = lock.text.lines().zip(lock.text.lines().skip(1));
    lines.position(|pair| pair == (name.as_str(), version.as_str())).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::{super::files::fixture::source, *};

    #[test]
    fn duplicates_and_the_second_provider() {
        let lock = source(
            "Cargo.lock",
            "[[package]]\nname = \"http\"\nversion = \"0.2.1\"\n\n[[package]]\nname = \"http\"\nversion = \"1.5.0\"\n\n[[package]]\nname = \"ring\"\nversion = \"0.17.0\"\n",
        );
        let tree = "app v0.1.0 (/r/crates/app)\nhttp v1.5.0\ntokio v1.54.1\ntokio v1.54.1 (*)\n";
        assert_eq!(broken(tree, &lock), []);
        let found = broken(&format!("{tree}http v0.2.1\nring v0.17.0\n\nhttp-body v0.4.0"), &lock);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found[0].starts_with("Cargo.lock:2: http is built as 0.2.1 and 1.5.0"), "{found:#?}");
        assert!(found[1].starts_with("Cargo.lock:10: ring is built"), "{found:#?}");
    }
}
