//! The arrows of the house: which workspace crate may depend on which.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Finding, files::Source};
use crate::cargo::cargo;

/// Every crate with what it may use. A slice's line is a decision of `ARCHITECTURE.md`.
const LAYERS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("nlp", &[]),
    ("channels", &["kernel"]),
    // Frames to sockets; what they say is the slices' business.
    ("sockets", &["kernel"]),
    ("db", &["kernel"]),
    ("dispatch", &["kernel", "db"]),
    ("bus", &["kernel", "db"]),
    ("blobs", &["kernel"]),
    // Uploads and downloads are streams between a request and a file.
    ("httpkit", &["kernel", "db", "blobs"]),
    ("transports", &["kernel"]),
    // What Google says and is told; whose mailboxes they are is the slice's business.
    ("google", &["kernel", "transports"]),
    // What e-mails say and how they are written; no slice, no I/O. Addresses and delivery reports are `transports`'.
    ("mail", &["kernel", "transports"]),
    ("accounts", &["kernel", "db", "dispatch", "bus", "httpkit", "blobs", "transports"]),
    // One assistant for all slices; like `accounts` it lies below them.
    ("assistant", &["kernel", "nlp", "db", "dispatch", "bus", "httpkit", "transports", "accounts"]),
    // `accounts` is the foundation slice: one table of users for all.
    (
        "letters",
        &[
            "kernel",
            "nlp",
            "db",
            "dispatch",
            "bus",
            "httpkit",
            "blobs",
            "transports",
            "accounts",
            "assistant",
        ],
    ),
    (
        "desk",
        &[
            "kernel",
            "nlp",
            "db",
            "dispatch",
            "bus",
            "httpkit",
            "blobs",
            "transports",
            "accounts",
            "assistant",
            "channels",
            "sockets",
        ],
    ),
    (
        "gmail",
        &[
            "kernel",
            "db",
            "dispatch",
            "httpkit",
            "blobs",
            "transports",
            "mail",
            "google",
            "accounts",
            "assistant",
        ],
    ),
    (
        "app",
        &[
            "gmail",
            "google",
            "kernel",
            "nlp",
            "db",
            "dispatch",
            "bus",
            "httpkit",
            "blobs",
            "transports",
            "accounts",
            "assistant",
            "letters",
            "channels",
            "sockets",
            "desk",
        ],
    ),
    (
        TESTKIT,
        &[
            "kernel",
            "nlp",
            "db",
            "dispatch",
            "bus",
            "httpkit",
            "blobs",
            "transports",
            "accounts",
            "assistant",
            "letters",
            "channels",
            "sockets",
            "desk",
            "app",
        ],
    ),
    ("xtask", &[]),
];

/// For tests, so every crate may use it, for tests.
const TESTKIT: &str = "testkit";

pub fn check(root: &Path, sources: &[Source]) -> Result<Vec<Finding>> {
    let mut command = cargo(root);
    command.args(["metadata", "--format-version", "1", "--no-deps"]);
    let out = command.output().context("cargo metadata")?;
    if !out.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    }
    let metadata = serde_json::from_slice(&out.stdout).context("cargo metadata")?;
    broken(root, &metadata, sources)
}

fn broken(root: &Path, metadata: &Value, sources: &[Source]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in array(metadata, "packages")? {
        let name = text(package, "name")?;
        let manifest = Path::new(text(package, "manifest_path")?);
        let manifest = manifest.strip_prefix(root).unwrap_or(manifest).to_string_lossy().into_owned();
        let Some((_, allowed)) = LAYERS.iter().find(|(crate_name, _)| *crate_name == name) else {
            let what =
                format!("the crate `{name}` has no layer: say in xtask/src/tidy/layers.rs what it may use");
            findings.push(Finding::new(&manifest, 1, what));
            continue;
        };
        // What has a path is a crate of this workspace.
        for edge in array(package, "dependencies")?
            .iter()
            .filter(|edge| edge.get("path").is_some_and(Value::is_string))
        {
            let target = text(edge, "name")?;
            let dev = edge.get("kind").and_then(Value::as_str) == Some("dev");
            if let Some(what) = refused(name, target, dev, allowed) {
                findings.push(Finding::new(&manifest, line_of(sources, &manifest, target), what));
            }
        }
    }
    Ok(findings)
}

fn refused(name: &str, target: &str, dev: bool, allowed: &[&str]) -> Option<String> {
    if target == TESTKIT {
        return (!dev)
            .then(|| format!("`{TESTKIT}` is a dev-dependency only: the product carries no test code"));
    }
    let known = allowed.contains(&target);
    (!known).then(|| {
        format!("`{name}` may not use `{target}`: arrows point down only, slices don't know each other")
    })
}

fn line_of(sources: &[Source], manifest: &str, target: &str) -> usize {
    let manifest = sources.iter().find(|source| source.path == manifest);
    let line = manifest.and_then(|source| {
        source
            .text
            .lines()
            .position(|line| line.strip_prefix(target).is_some_and(|rest| rest.starts_with(['.', ' ', '='])))
    });
    line.map_or(1, |at| at + 1)
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value.get(key).and_then(Value::as_array).with_context(|| format!("cargo metadata has no `{key}`"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("cargo metadata has no `{key}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::files::fixture::source, *};

    #[test]
    fn upward_edges_and_testkit_in_the_product() {
        let edge = |name: &str, kind: Value| json!({ "name": name, "path": "/r/x", "kind": kind });
        let metadata = json!({ "packages": [
            { "name": "db", "manifest_path": "/r/crates/db/Cargo.toml", "dependencies": [
                edge("kernel", Value::Null), edge("letters", Value::Null), edge("testkit", json!("dev")),
                { "name": "serde", "kind": null },
            ] },
            { "name": "letters", "manifest_path": "/r/crates/letters/Cargo.toml", "dependencies": [
                edge("testkit", Value::Null), edge("app", json!("dev")),
            ] },
            { "name": "unheard", "manifest_path": "/r/crates/unheard/Cargo.toml", "dependencies": [] },
        ] });
        let sources = [source(
            "crates/db/Cargo.toml",
            "[dependencies]\nkernel.workspace = true\nletters.workspace = true\n",
        )];
        let found = broken(Path::new("/r"), &metadata, &sources).unwrap();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("crates/db/Cargo.toml:3: `db` may not use `letters`"), "{found:#?}");
        assert!(found[1].contains("`testkit` is a dev-dependency only"), "{found:#?}");
        assert!(found[2].contains("`letters` may not use `app`"), "{found:#?}");
        assert!(
            found[3].starts_with("crates/unheard/Cargo.toml:1: the crate `unheard` has no layer"),
            "{found:#?}"
        );
    }

    #[test]
    fn layers_are_listed_from_the_bottom() {
        for (at, (name, allowed)) in LAYERS.iter().enumerate() {
            for target in *allowed {
                assert!(LAYERS[..at].iter().any(|(below, _)| below == target), "{name} → {target} points up");
            }
        }
    }
}
