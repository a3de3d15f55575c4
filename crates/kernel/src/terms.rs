//! The terms under which messages are found, the same for every database: words of letters and digits in lower case, and
//! of Chinese (and other scripts without spaces) each two characters that stand together. Pure.

use std::collections::BTreeSet;

/// So many different terms of one message are kept.
const MOST: usize = 2000;
/// The longest word, in characters; of a longer one its beginning counts.
const LONGEST: usize = 32;

/// Whether a script is written without spaces between its words.
fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// One run of characters of one kind.
struct Run {
    dense: bool,
    text: Vec<char>,
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut joined = false;
    for c in text.chars().flat_map(char::to_lowercase) {
        if !c.is_alphanumeric() {
            joined = false;
            continue;
        }
        let dense = is_dense(c);
        match runs.last_mut().filter(|run| joined && run.dense == dense) {
            Some(run) => run.text.push(c),
            None => runs.push(Run { dense, text: vec![c] }),
        }
        joined = true;
    }
    runs
}

/// What a message is found by, in the order in which it stands there: of a long one the beginning counts.
#[must_use]
pub fn of_message(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut terms = Vec::new();
    let mut add = |term: String| {
        if terms.len() < MOST && seen.insert(term.clone()) {
            terms.push(term);
        }
    };
    for run in runs(text) {
        if run.dense {
            run.text.windows(2).for_each(|pair| add(pair.iter().collect()));
            // So that the last character is found by itself, as each other is by its pair.
            run.text.last().into_iter().for_each(|last| add(last.to_string()));
        } else {
            add(run.text.iter().take(LONGEST).collect());
        }
    }
    terms
}

/// What is looked for: terms that must be there, and the beginnings of others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Whole ones.
    pub terms: Vec<String>,
    /// At most one: of a word that may go on, or of a single character.
    pub beginning: Option<String>,
}

/// Reads what somebody looks for. The last word may be unfinished.
#[must_use]
pub fn sought(text: &str) -> Sought {
    let runs = runs(text);
    let last = runs.len().saturating_sub(1);
    let mut terms = BTreeSet::new();
    let mut beginnings: Vec<String> = Vec::new();
    for (n, run) in runs.iter().enumerate() {
        match run {
            Run { dense: true, text } if text.len() > 1 => {
                terms.extend(text.windows(2).map(|pair| pair.iter().collect::<String>()));
            }
            Run { dense: false, text } if n < last => {
                terms.insert(text.iter().take(LONGEST).collect());
            }
            Run { text, .. } => beginnings.push(text.iter().take(LONGEST).collect()),
        }
    }
    Sought { terms: terms.into_iter().collect(), beginning: beginnings.pop() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        assert_eq!(of_message("退货, Please!"), ["退货", "货", "please"]);
        assert_eq!(of_message("iPhone15手机壳"), ["iphone15", "手机", "机壳", "壳"]);
        assert_eq!(of_message("…!?"), [""; 0]);
        let long = "字词".repeat(4000);
        assert!(of_message(&long).len() < 5);
        let words: Vec<String> = (0..3000).map(|n| format!("w{n}")).collect();
        assert_eq!(of_message(&words.join(" ")), words[..2000], "the beginning of a long one");
    }

    #[test]
    fn questions() {
        let s = sought("退货 Pleas");
        assert_eq!((s.terms, s.beginning.as_deref()), (vec!["退货".to_owned()], Some("pleas")));
        assert_eq!(sought("货").beginning.as_deref(), Some("货"));
        assert_eq!(sought("order 退货单").terms, ["order", "货单", "退货"]);
        assert_eq!(sought(" ?"), Sought::default());
    }
}
