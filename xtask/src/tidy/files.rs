//! The workspace's text files.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::lex::{self, Piece};

/// Folders that are made, not written.
const MADE: [&str; 6] = [".git", "target", "node_modules", "data", "dist", "test-results"];

/// A text file of the workspace.
#[derive(Debug)]
pub struct Source {
    /// From the workspace's root, with `/`.
    pub path: String,
    /// The whole of it.
    pub text: String,
}

impl Source {
    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The crate it belongs to: `letters` for `crates/letters/…`.
    pub fn crate_name(&self) -> Option<&str> {
        let mut parts = self.path.split('/');
        match (parts.next(), parts.next()) {
            (Some("crates"), Some(name)) => Some(name),
            (Some("xtask"), _) => Some("xtask"),
            _ => None,
        }
    }

    /// The path inside its crate's `src` folder.
    pub fn in_src(&self) -> Option<&str> {
        self.path.split_once("/src/").map(|(_, rest)| rest)
    }

    /// Rust's pieces without tests and examples: a whole file of either is left out, and so is a `#[cfg(test)] mod … {` with
    /// all that follows, for test modules stand at the end of their file.
    pub fn product(&self) -> Vec<Piece> {
        let tests = ["/tests/", "/examples/"].iter().any(|folder| self.path.contains(folder))
            || self.path.ends_with("/tests.rs");
        if !self.is_rust() || tests || self.crate_name() == Some("testkit") {
            return Vec::new();
        }
        lex::pieces(&before_tests(&self.text))
    }
}

fn before_tests(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let opens_tests = |at: &usize| {
        let mut next = lines.iter().skip(*at + 1).skip_while(|line| line.starts_with("#["));
        next.next().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let mut marks = lines.iter().enumerate().filter(|(_, line)| **line == "#[cfg(test)]").map(|(at, _)| at);
    let end = marks.find(opens_tests).unwrap_or(lines.len());
    let mut out = String::with_capacity(text.len());
    for line in lines.iter().take(end) {
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Every text file below `root`, in the order of their paths.
///
/// # Errors
/// A file or folder can't be read.
pub fn read(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    walk(root, "", &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn walk(dir: &Path, prefix: &str, out: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        let kind = entry.file_type()?;
        // `.git` is a file where the folder is a second work tree of its repository.
        if MADE.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            walk(&path, &format!("{prefix}{name}/"), out)?;
        } else if kind.is_file() {
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            // What is not UTF-8 is an image, a font or a database.
            if let Ok(text) = String::from_utf8(bytes) {
                out.push(Source { path: format!("{prefix}{name}"), text });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub mod fixture {
    //! Sources out of thin air.

    use super::Source;

    pub fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::source;

    fn code(path: &str, text: &str) -> String {
        source(path, text).product().iter().map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn product_ends_where_the_test_module_begins() {
        let text = "a\n#[cfg(test)]\nuse b;\n#[cfg(test)]\nmod tests;\nc\n#[cfg(test)]\n#[allow(x)]\nmod tests {\nzzz\n}\n";
        let got = code("crates/letters/src/ops.rs", text);
        assert!(got.contains("mod tests;\nc\n"), "{got}");
        assert!(!got.contains("zzz"), "{got}");
    }

    #[test]
    fn tests_are_not_product() {
        for path in
            ["crates/a/tests/it.rs", "crates/a/src/store/tests.rs", "crates/testkit/src/lib.rs", "a.md"]
        {
            assert_eq!(code(path, "a"), "", "{path}");
        }
    }

    #[test]
    fn where_a_file_belongs() {
        let file = source("crates/letters/src/store/page.rs", "");
        assert_eq!((file.crate_name(), file.in_src()), (Some("letters"), Some("store/page.rs")));
        assert_eq!(source("xtask/src/main.rs", "").crate_name(), Some("xtask"));
        assert_eq!(source("Cargo.toml", "").crate_name(), None);
    }
}
