//! CSV files: a header, then a row for each entry.
//!
//! Comma, semicolon or tab, whichever the header is written with; quoted as RFC 4180 has it. Columns may come in
//! any order, with English or Chinese names. Several aliases or tags in one cell stand apart by `|` or line ends.

use csv::{ReaderBuilder, StringRecord};
use kernel::Problem;

use super::{super::model::SEPARATOR, Errors, Parsed, Raw};

/// The names under which a column is known, in lower case.
const QUESTION: &[&str] = &["question", "questions", "q", "问题", "問題", "问", "标准问题", "标准问", "提问"];
const ANSWER: &[&str] = &["answer", "answers", "a", "答案", "回答", "答", "答复", "回复"];
const ALIASES: &[&str] = &[
    "aliases",
    "alias",
    "alternatives",
    "variants",
    "similar questions",
    "相似问题",
    "相似问",
    "相似问法",
    "别名",
    "其他问法",
    "扩展问",
];
const TAGS: &[&str] =
    &["tags", "tag", "category", "categories", "topic", "标签", "標籤", "分类", "分類", "类别"];
const ENABLED: &[&str] = &["enabled", "active", "启用", "啟用", "是否启用", "状态"];

/// What the spreadsheet programs of the world put between cells.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

#[derive(Debug, Default)]
struct Columns {
    question: Option<usize>,
    answer: Option<usize>,
    aliases: Option<usize>,
    tags: Option<usize>,
    enabled: Option<usize>,
    count: usize,
    ignored: Vec<String>,
}

impl Columns {
    fn of(header: &StringRecord) -> Self {
        let mut columns = Self { count: header.len(), ..Self::default() };
        for (at, cell) in header.iter().enumerate() {
            let name = cell.trim().to_lowercase().replace(['_', '-'], " ");
            let known = [
                (QUESTION, &mut columns.question),
                (ANSWER, &mut columns.answer),
                (ALIASES, &mut columns.aliases),
                (TAGS, &mut columns.tags),
                (ENABLED, &mut columns.enabled),
            ];
            match known.into_iter().find(|(names, _)| names.contains(&name.as_str())) {
                Some((_, place @ None)) => *place = Some(at),
                _ if name.is_empty() => {}
                _ => columns.ignored.push(format!("column {}", cell.trim())),
            }
        }
        columns
    }

    fn is_whole(&self) -> bool {
        self.question.is_some() && self.answer.is_some()
    }
}

pub(super) fn read(text: &str) -> Result<Parsed, Problem> {
    let (delimiter, columns) = DELIMITERS
        .into_iter()
        .filter_map(|delimiter| {
            let header = reader(text, delimiter).records().next()?.ok()?;
            Some((delimiter, Columns::of(&header)))
        })
        .max_by_key(|(delimiter, columns)| (columns.is_whole(), *delimiter == b','))
        .ok_or_else(|| Problem::rule("file", "is empty"))?;
    let mut errors = Errors::default();
    for (column, name) in [(columns.question, "question"), (columns.answer, "answer")] {
        if column.is_none() {
            errors.add(format!("header.{name}"), "is missing: the first row must name the columns");
        }
    }
    errors.finish()?;
    let mut parsed = Parsed { ignored: columns.ignored.clone(), ..Parsed::default() };
    for record in reader(text, delimiter).records().skip(1) {
        let record = record.map_err(|_| Problem::bad_request("file", "is not a CSV file"))?;
        if record.iter().any(|cell| !cell.trim().is_empty()) {
            row(&mut parsed, &columns, &record);
        }
    }
    Ok(parsed)
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes())
}

fn row(parsed: &mut Parsed, columns: &Columns, record: &StringRecord) {
    let number = record.position().map_or(0, |p| p.record() + 1);
    let line = record.position().map(csv::Position::line);
    let place = format!("rows[{number}]");
    if record.iter().skip(columns.count).any(|cell| !cell.trim().is_empty()) {
        let reason = "has more cells than the header: a cell with a separator in it must be quoted";
        parsed.errors.add(place, reason);
        return;
    }
    let cell = |column: Option<usize>| Some(plain(record.get(column?).unwrap_or_default().trim()));
    let enabled = match cell(columns.enabled).map(truth) {
        None => None,
        Some(Ok(enabled)) => enabled,
        Some(Err(reason)) => {
            parsed.errors.add(format!("{place}.enabled"), reason);
            return;
        }
    };
    let many = |column| cell(column).map(list);
    parsed.add(Raw {
        line,
        question: cell(columns.question).unwrap_or_default().to_owned(),
        answer: cell(columns.answer).unwrap_or_default().to_owned(),
        aliases: many(columns.aliases),
        tags: many(columns.tags),
        enabled,
        place,
    });
}

fn list(cell: &str) -> Vec<String> {
    let parts = cell.split([SEPARATOR, '\n', '\r']).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn truth(cell: &str) -> Result<Option<bool>, &'static str> {
    match cell.to_lowercase().as_str() {
        "" => Ok(None),
        "true" | "yes" | "y" | "1" | "on" | "enabled" | "active" | "是" | "启用" | "啟用" | "有效" => {
            Ok(Some(true))
        }
        "false" | "no" | "n" | "0" | "off" | "disabled" | "inactive" | "否" | "停用" | "禁用" | "无效" => {
            Ok(Some(false))
        }
        _ => Err("must be true or false"),
    }
}

/// With what a spreadsheet program takes a cell for a formula.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

/// A cell that a spreadsheet program shows as it is: an apostrophe before what would be a formula.
pub(in crate::kb) fn guarded(cell: &str) -> String {
    if cell.trim_start_matches('\'').starts_with(FORMULA) { format!("'{cell}") } else { cell.to_owned() }
}

/// Takes back [`guarded`].
fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.trim_start_matches('\'').starts_with(FORMULA) => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_guarded_and_come_back() {
        for text in ["=1+1", "'=x", "''@a", "-5", "'quoted'", "plain", "", "+86 10"] {
            assert_eq!(plain(&guarded(text)), text, "{text}");
            assert!(!guarded(text).starts_with(FORMULA));
        }
    }

    #[test]
    fn separators_and_names() {
        for text in [
            "question,answer\nq1,a1\n",
            "问题;答案\nq1;a1\n",
            "Answer\tQuestion\tnotes\r\na1\tq1\tx\r\n",
            "\n\n标签,相似问法,回答,标准问题\nt,b|c,a1,q1",
            "question,answer\n\"q1\",\"a1\"\n,\n",
        ] {
            let parsed = read(text).unwrap();
            let row = &parsed.rows[0];
            assert_eq!((row.question.as_str(), row.patch.answer.as_deref()), ("q1", Some("a1")), "{text}");
            assert_eq!(parsed.rows.len(), 1);
        }
    }

    #[test]
    fn rows_are_numbered_as_a_spreadsheet_shows_them() {
        let text = "question,answer,enabled\nq1,\"a\nb\",yes\n,x,\nq2,,\nq3,a,maybe\nq4,a,no,more\nq5,a,否";
        let parsed = read(text).unwrap();
        let names: Vec<&str> = parsed.errors.named.keys().map(String::as_str).collect();
        assert_eq!(names, ["rows[3].question", "rows[4].answer", "rows[5].enabled", "rows[6]"]);
        assert_eq!(parsed.errors.named["rows[3].question"], "must not be empty (line 4)");
        assert_eq!(parsed.rows.len(), 2);
        assert_eq!(parsed.rows[1].patch.enabled, Some(false));
    }
}
