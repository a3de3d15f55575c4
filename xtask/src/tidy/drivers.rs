//! Only the crate `db` names a database driver.

use super::{Finding, files::Source, lex::Kind};

const DRIVERS: [&str; 3] = ["rusqlite", "tokio_postgres", "deadpool_postgres"];

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|s| !matches!(s.crate_name(), None | Some("db"))) {
        for (line, name) in named(source) {
            let what = format!(
                "{name} is named outside `db`: all else works on `db::Tx`, so that it runs on both databases"
            );
            findings.push(Finding::new(&source.path, line, what));
        }
    }
    findings
}

/// In code and in a crate's manifest; a comment or a message may speak of a driver.
fn named(source: &Source) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    let mut look = |line: usize, code: &str| {
        let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'));
        found.extend(
            words.find_map(|w| DRIVERS.iter().find(|d| w.replace('-', "_") == **d)).map(|d| (line, *d)),
        );
    };
    if source.is_rust() {
        for piece in super::lex::pieces(&source.text).iter().filter(|piece| piece.kind == Kind::Code) {
            piece.lines().for_each(|(line, code)| look(line, code));
        }
    } else if source.path.ends_with("Cargo.toml") {
        source.text.lines().enumerate().for_each(|(n, code)| look(n + 1, code));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::files::fixture::source, *};

    #[test]
    fn a_driver_outside_db() {
        let sources = [
            source("crates/db/src/lite.rs", "use rusqlite::Connection;"),
            source(
                "crates/letters/src/store.rs",
                "//! Not rusqlite.\nuse db::Tx;\nuse rusqlite::Connection;\n",
            ),
            source("crates/bus/Cargo.toml", "[dependencies]\ntokio-postgres.workspace = true\n"),
            source("crates/bus/src/lib.rs", "const A: &str = \"rusqlite\"; fn my_rusqlite_like() {}"),
            source("Cargo.toml", "rusqlite = \"1\""),
        ];
        let found: Vec<_> = check(&sources).into_iter().map(|f| (f.path, f.line)).collect();
        assert_eq!(
            found,
            [("crates/letters/src/store.rs".to_owned(), 3), ("crates/bus/Cargo.toml".to_owned(), 2)]
        );
    }
}
