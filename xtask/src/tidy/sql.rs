//! Where SQL stands and what it may not say.

use super::{
    Finding,
    files::Source,
    lex::{Kind, Piece},
};

/// A line of a literal that begins with one of these, in capitals, makes the literal SQL.
const VERBS: [&str; 16] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "WITH",
    "CREATE",
    "ALTER",
    "DROP",
    "FROM",
    "WHERE",
    "JOIN",
    "LEFT",
    "VALUES",
    "RETURNING",
    "ORDER",
    "ON",
];

const CLOCK: &str = "time is an argument from kernel::Clock, so that ten years are a test of milliseconds";
const COLUMNS: &str = "columns are read by their order, so they are named";

/// In lower case, without white space.
const FORBIDDEN: [(&str, &str); 6] = [
    ("now()", CLOCK),
    ("current_timestamp", CLOCK),
    ("datetime(", CLOCK),
    ("select*", COLUMNS),
    ("returning*", COLUMNS),
    ("random()", "randomness comes from kernel, and the two databases' differ"),
];

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let pieces = source.product();
        if !may_hold_sql(source) {
            misplaced(source, &pieces, &mut findings);
        }
        for literal in pieces.iter().filter(|piece| is_sql(piece)) {
            forbidden(source, literal, &mut findings);
        }
    }
    findings
}

/// Whether the piece is a string literal with SQL in it.
pub fn is_sql(piece: &Piece) -> bool {
    piece.kind == Kind::Text && piece.text.lines().any(|line| statement(line).is_some())
}

/// The line from its verb on.
fn statement(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line =
        line.strip_prefix("--pg ").or_else(|| line.strip_prefix("--sqlite ")).unwrap_or(line).trim_start();
    let verb = line.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    VERBS.contains(&verb).then_some(line)
}

/// `db` is the seam itself; a slice's SQL is in `store.rs` or `store/`, its schema in `migrations.rs`. The knowledge
/// bases are a slice within the assistant's crate, with the same rooms.
fn may_hold_sql(source: &Source) -> bool {
    if matches!(source.crate_name(), None | Some("db" | "xtask")) {
        return true;
    }
    let inside = source.in_src().unwrap_or_default();
    let inside = inside.strip_prefix("kb/").unwrap_or(inside);
    ["store.rs", "migrations.rs"].contains(&inside)
        || inside.starts_with("store/")
        || inside.starts_with("migrations/")
}

fn misplaced(source: &Source, pieces: &[Piece], findings: &mut Vec<Finding>) {
    for (line, code) in pieces.iter().filter(|piece| piece.kind == Kind::Code).flat_map(Piece::lines) {
        let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '!'));
        if words.any(|word| word == "sql!") {
            let what =
                "SQL outside `store`: a slice's statements stand in one place, next to the tables they read";
            findings.push(Finding::new(&source.path, line, what));
        }
    }
}

fn forbidden(source: &Source, literal: &Piece, findings: &mut Vec<Finding>) {
    for (word, why) in FORBIDDEN {
        if let Some(line) = position(literal, word) {
            findings.push(Finding::new(&source.path, line, format!("SQL says `{word}`: {why}")));
        }
    }
}

/// The line in which `word` ends, wherever white space stands in between.
fn position(literal: &Piece, word: &str) -> Option<usize> {
    let mut seen = String::new();
    for (line, text) in literal.lines() {
        seen.extend(text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()));
        if seen.contains(word) {
            return Some(line);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{super::files::fixture::source, *};

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        check(&[source(path, text)]).into_iter().map(|f| (f.line, f.what)).collect()
    }

    #[test]
    fn statements_belong_to_the_store() {
        let text = "//! sql! in words\nfn f() {\n    tx.exec(db::sql!(\"DELETE FROM a\"), args![]);\n}\n";
        assert_eq!(found("crates/letters/src/ops.rs", text).len(), 1);
        assert_eq!(found("crates/letters/src/ops.rs", text)[0].0, 3);
        for path in
            ["crates/letters/src/store.rs", "crates/letters/src/store/page.rs", "crates/db/src/migrate.rs"]
        {
            assert_eq!(found(path, text), [], "{path}");
        }
        assert_eq!(found("crates/letters/src/http/store.rs", text).len(), 1);
        let in_tests = format!("#[cfg(test)]\nmod tests {{\n{text}\n}}");
        assert_eq!(found("crates/letters/src/ops.rs", &in_tests), []);
    }

    #[test]
    fn what_statements_may_not_say() {
        for (bad, line) in [
            ("SELECT * FROM a", 1),
            ("SELECT\n  *\nFROM a", 2),
            ("INSERT INTO a (b) VALUES (1)\nRETURNING *", 2),
            ("UPDATE a SET b = NOW()", 1),
            ("CREATE TABLE a (\n  b TEXT DEFAULT current_timestamp)", 2),
            ("--sqlite UPDATE a SET b = datetime ('x')", 1),
            ("SELECT a FROM b ORDER BY random()", 1),
        ] {
            let got = found("crates/letters/src/store.rs", &format!("sql!(\"{bad}\")"));
            assert_eq!(got.len(), 1, "{bad}: {got:?}");
            assert_eq!(got[0].0, line, "{bad}");
        }
        for good in
            ["SELECT COUNT(*) FROM a", "SELECT a.known FROM a", "SELECT a * 2 FROM b", "call now() later"]
        {
            assert_eq!(found("crates/letters/src/store.rs", &format!("sql!(\"{good}\")")), [], "{good}");
        }
    }
}
