//! Every Rust file says what it is for, has a size one can hold in the head, and none of its tests sleeps.

use super::{
    Finding,
    files::Source,
    lex::{self, Kind},
};

/// Lines of a file.
const LIMIT: usize = 500;

/// Files that may be longer, each with the reason.
const LONGER: &[(&str, &str)] = &[];

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        if !source.text.starts_with("//!") {
            let what = "the file does not begin with `//!`: what it is for and what it promises comes first";
            findings.push(Finding::new(&source.path, 1, what));
        }
        ignored(source, &mut findings);
    }
    sizes(sources, LONGER, &mut findings);
    findings
}

fn ignored(source: &Source, findings: &mut Vec<Finding>) {
    for piece in lex::pieces(&source.text).iter().filter(|piece| piece.kind == Kind::Code) {
        for (line, code) in piece.lines() {
            let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
            if ["#[ignore]", "#[ignore="].iter().any(|mark| code.contains(mark)) {
                let what = "an ignored test: a test that does not run proves nothing, mend it or delete it";
                findings.push(Finding::new(&source.path, line, what));
            }
        }
    }
}

fn sizes(sources: &[Source], longer: &[(&str, &str)], findings: &mut Vec<Finding>) {
    for source in sources.iter().filter(|source| source.is_rust()) {
        let lines = source.text.lines().count();
        let excused = longer.iter().any(|(path, _)| *path == source.path);
        if lines > LIMIT && !excused {
            let what = format!(
                "{lines} lines, over {LIMIT}: split it, or give the reason in xtask/src/tidy/shape.rs"
            );
            findings.push(Finding::new(&source.path, LIMIT + 1, what));
        } else if lines <= LIMIT && excused {
            let what =
                format!("{lines} lines need no excuse any more: take it out of xtask/src/tidy/shape.rs");
            findings.push(Finding::new(&source.path, 1, what));
        }
    }
    for (path, _) in longer.iter().filter(|(path, _)| !sources.iter().any(|source| source.path == *path)) {
        findings.push(Finding::new(path, 1, "gone, but still excused in xtask/src/tidy/shape.rs"));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::files::fixture::source, *};

    #[test]
    fn a_file_begins_with_its_purpose() {
        assert_eq!(check(&[source("crates/a/src/x.rs", "//! x\n"), source("x.md", "x")]), []);
        assert_eq!(check(&[source("crates/a/src/x.rs", "use y;\n//! x\n")]).len(), 1);
        assert_eq!(check(&[source("crates/a/src/x.rs", "")]).len(), 1);
    }

    #[test]
    fn ignored_tests() {
        let text = "//! `#[ignore]` in words\n#[test]\n#[ignore = \"slow\"]\nfn a() { b(\"#[ignore]\") }\n#[test] #[ ignore ]\nfn c() {}\n";
        let lines: Vec<usize> =
            check(&[source("crates/a/tests/x.rs", text)]).iter().map(|f| f.line).collect();
        assert_eq!(lines, [3, 5]);
    }

    #[test]
    fn long_files_need_a_reason_and_reasons_need_long_files() {
        let long = source("long.rs", &"x\n".repeat(LIMIT + 1));
        let short = source("short.rs", &"x\n".repeat(LIMIT));
        let sources = [long, short];
        let found = |longer: &[(&str, &str)]| {
            let mut findings = Vec::new();
            sizes(&sources, longer, &mut findings);
            findings.into_iter().map(|f| f.path).collect::<Vec<_>>()
        };
        assert_eq!(found(&[]), ["long.rs"]);
        assert_eq!(found(&[("long.rs", "a table")]), [""; 0]);
        assert_eq!(
            found(&[("long.rs", "a table"), ("short.rs", "why"), ("gone.rs", "why")]),
            ["short.rs", "gone.rs"]
        );
    }
}
