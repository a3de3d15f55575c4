//! No loose ends in the text: marks of unfinished work, stray white space, one machine's paths.

use super::{Finding, files::Source};

/// Put together here, so that this file does not find itself.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const MACHINE: &str = concat!("/wo", "rk/");

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (n, line) in source.text.split('\n').enumerate() {
            let mut find = |what: String| findings.push(Finding::new(&source.path, n + 1, what));
            if is_code(&source.path) {
                let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                if let Some(mark) = words.find(|word| MARKS.contains(word)) {
                    find(format!("{mark}: finish it, or write down as an issue what is missing"));
                }
            }
            if is_prose_or_rust(&source.path) {
                if line.contains('\t') {
                    find("a tab: it has another width in every viewer".to_owned());
                }
                if line.ends_with(char::is_whitespace) {
                    find("white space at the end: it shows up as a change later".to_owned());
                }
            }
            if has_machine_path(line) {
                find(format!("`{MACHINE}` is a path of one machine: the product runs anywhere"));
            }
        }
    }
    findings
}

fn is_code(path: &str) -> bool {
    [".rs", ".toml", ".ts", ".tsx", ".js", ".css", ".html", ".sh", ".py", ".sql"]
        .iter()
        .any(|end| path.ends_with(end))
}

fn is_prose_or_rust(path: &str) -> bool {
    [".rs", ".md", ".toml"].iter().any(|end| path.ends_with(end))
}

/// As the beginning of an absolute path; a folder of that name in a relative path or an address is fine.
fn has_machine_path(line: &str) -> bool {
    line.match_indices(MACHINE).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.})>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::files::fixture::source, *};

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&[source(path, text)]).iter().map(|f| f.line).collect()
    }

    #[test]
    fn unfinished_work() {
        let [a, b, c] = MARKS;
        assert_eq!(
            lines("a.rs", &format!("// {a}: x\nlet {a}X = 1;\n// {b}\n// ({c})\n// {c}{c}\n// todo")),
            [1, 3, 4]
        );
        assert_eq!(lines("a.md", &format!("{a} list")), [0; 0]);
    }

    #[test]
    fn white_space() {
        assert_eq!(lines("a.rs", "a\n\tb\nc \n\n"), [2, 3]);
        assert_eq!(lines("a.toml", "a\r\nb"), [1]);
        assert_eq!(lines("Makefile", "a:\n\tb \n"), [0; 0]);
    }

    #[test]
    fn paths_of_one_machine() {
        for bad in ["cd {}main", "\"{}x\"", "file://{}x", "{}"] {
            assert_eq!(lines("run", &bad.replace("{}", MACHINE)), [1], "{bad}");
        }
        for good in ["crates/letters/src{}mod.rs", "https://example.com{}x", "${root}{}x"] {
            assert_eq!(lines("run", &good.replace("{}", MACHINE)), [0; 0], "{good}");
        }
    }
}
