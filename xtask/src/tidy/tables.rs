//! A table belongs to the crate whose migration creates it; no other crate's SQL names it.

use std::collections::BTreeMap;

use super::{Finding, files::Source, lex::Piece, sql::is_sql};

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let literals: Vec<(&Source, &str, Piece)> = sources
        .iter()
        .filter_map(|source| Some((source, source.crate_name()?)))
        .filter(|(_, name)| *name != "xtask")
        .flat_map(|(source, name)| source.product().into_iter().map(move |piece| (source, name, piece)))
        .filter(|(_, _, piece)| is_sql(piece))
        .collect();
    let mut findings = Vec::new();
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (source, name, literal) in &literals {
        for table in tables(literal).into_iter().filter(|table| table.created) {
            let owner = *owners.entry(table.name.clone()).or_insert(name);
            if owner != *name {
                let what =
                    format!("table `{}` is created by `{owner}` already: a table has one owner", table.name);
                findings.push(Finding::new(&source.path, table.line, what));
            }
        }
    }
    for (source, name, literal) in &literals {
        for table in tables(literal).into_iter().filter(|table| !table.created) {
            if let Some(owner) = owners.get(&table.name).filter(|owner| *owner != name) {
                let what = format!(
                    "table `{}` is `{owner}`'s: call its functions, its schema is its own affair",
                    table.name
                );
                findings.push(Finding::new(&source.path, table.line, what));
            }
        }
    }
    findings
}

/// A table that a statement names.
struct Table {
    name: String,
    line: usize,
    created: bool,
}

/// The names after FROM, JOIN, INTO, UPDATE, TABLE and REFERENCES, after an index's ON, and after the commas of
/// a FROM list.
fn tables(literal: &Piece) -> Vec<Table> {
    let words = words(literal);
    let mut found = Vec::new();
    let mut list = false;
    // Words that may stand between the keyword and the name.
    let filler = |word: &str| ["ONLY", "IF", "NOT", "EXISTS", "LATERAL"].contains(&word);
    for (at, (_, word)) in words.iter().enumerate() {
        let mut before =
            words.iter().take(at).rev().map(|(_, word)| word.as_str()).skip_while(|word| filler(word));
        let keyword = before.next().unwrap_or_default();
        if is_clause(word) {
            list = word == "FROM";
        }
        let named = match keyword {
            "FROM" | "JOIN" | "INTO" | "UPDATE" | "TABLE" | "REFERENCES" | "ON" => true,
            "," => list,
            _ => false,
        };
        if named && is_name(word) {
            let created = keyword == "TABLE" && before.next() == Some("CREATE");
            let line = words.get(at).map_or(literal.line, |(line, _)| *line);
            found.push(Table { name: word.clone(), line, created });
        }
    }
    found
}

/// Words that end a FROM list or begin one.
fn is_clause(word: &str) -> bool {
    [
        "FROM",
        "WHERE",
        "SELECT",
        "SET",
        "ORDER",
        "GROUP",
        "VALUES",
        "ON",
        "USING",
        "RETURNING",
        "LIMIT",
        "(",
        ")",
    ]
    .contains(&word)
}

/// Tables have lower-case names; keywords are written in capitals.
fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
}

/// Words and punctuation, each with its line.
fn words(literal: &Piece) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    for (line, text) in literal.lines() {
        let mut word = String::new();
        for c in text.chars().chain([' ']) {
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
            if !word.is_empty() {
                words.push((line, std::mem::take(&mut word)));
            }
            if ['(', ')', ','].contains(&c) {
                words.push((line, c.to_string()));
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{super::files::fixture::source, *};

    const USERS: &str = "const A: &str = \"\nCREATE TABLE IF NOT EXISTS users (\n  id TEXT);\nCREATE INDEX i ON users (id);\";";

    fn found(store: &str) -> Vec<(usize, String)> {
        let sources = [
            source("crates/accounts/src/migrations.rs", USERS),
            source("crates/letters/src/migrations.rs", "const A: &str = \"CREATE TABLE letters (id TEXT)\";"),
            source("crates/letters/src/store.rs", store),
        ];
        check(&sources).into_iter().map(|f| (f.line, f.what)).collect()
    }

    #[test]
    fn another_crates_table_in_every_place_of_a_statement() {
        for (text, line) in [
            ("SELECT id FROM users", 1),
            ("SELECT a.id FROM letters a, users b", 1),
            ("SELECT l.id FROM letters l\nJOIN users u ON u.id = l.id", 2),
            ("INSERT INTO users (id) VALUES ($1)", 1),
            ("UPDATE users SET id = $1", 1),
            ("DELETE FROM users", 1),
            ("SELECT id FROM letters\n WHERE id IN (\n  SELECT id FROM users)", 3),
            ("ALTER TABLE users ADD x TEXT", 1),
            ("CREATE TABLE x (\n  id TEXT REFERENCES users (id))", 2),
        ] {
            let got = found(&format!("sql!(\"{text}\")"));
            assert_eq!(got.len(), 1, "{text}: {got:?}");
            assert_eq!(got[0].0, line, "{text}");
        }
    }

    #[test]
    fn own_tables_and_columns_of_the_same_name() {
        for text in [
            "SELECT id, users FROM letters",
            "UPDATE letters SET a = 1, users = 2",
            "INSERT INTO letters (id, users) VALUES ($1, $2)",
            "SELECT id FROM letters ORDER BY id, users",
        ] {
            assert_eq!(found(&format!("sql!(\"{text}\")")), [], "{text}");
        }
        assert_eq!(found("// SELECT id FROM users\nlet a = \"mail FROM users\";"), []);
    }

    #[test]
    fn one_owner() {
        let got = found("const B: &str = \"CREATE TABLE users (id TEXT)\";");
        assert_eq!(got.len(), 1, "{got:?}");
        assert!(got[0].1.contains("one owner"), "{got:?}");
    }
}
