//! The part of a text in which it says what was looked for. Pure.

use kernel::terms::Sought;

/// So many characters before the first word that was found.
const BEFORE: usize = 60;
/// So many in all.
const LONGEST: usize = 240;

/// The text around the first of what is sought, on one line; the beginning where none of it stands there.
pub(crate) fn excerpt(text: &str, sought: &Sought) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: Vec<char> = words.join(" ").chars().collect();
    // A character becomes one character here, so that places stay what they are.
    let lower: Vec<char> = line.iter().map(|c| c.to_lowercase().next().unwrap_or(*c)).collect();
    let found = sought.terms.iter().chain(&sought.beginning).filter_map(|term| {
        let term: Vec<char> = term.chars().collect();
        lower.windows(term.len().max(1)).position(|window| window == term)
    });
    let from = found.min().map_or(0, |at| at.saturating_sub(BEFORE));
    let cut: String = line.iter().skip(from).take(LONGEST).collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if from + LONGEST < line.len() { "…" } else { "" };
    format!("{before}{cut}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::terms::sought;

    #[test]
    fn around_what_was_found() {
        assert_eq!(excerpt("Our\n  rate is 500.", &sought("rate")), "Our rate is 500.");
        assert_eq!(excerpt("", &sought("rate")), "");
        let long = format!("{} The Rate is 500. {}", "a ".repeat(100), "b ".repeat(300));
        let shown = excerpt(&long, &sought("rate"));
        assert!(
            shown.starts_with('…') && shown.ends_with('…') && shown.contains("The Rate is 500."),
            "{shown}"
        );
        assert_eq!(shown.chars().count(), LONGEST + 2);
        let chinese = format!("{}报价是五百元。", "你好。".repeat(100));
        assert!(excerpt(&chinese, &sought("报价")).contains("报价是五百元"));
        assert!(excerpt(&long, &sought("nothing")).starts_with("a a a"));
    }
}
