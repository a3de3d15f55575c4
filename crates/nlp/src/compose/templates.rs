//! Paragraphs with slots, and the choice among them.
//!
//! A file has sections `[key other-key]`; each line below is a variant. `{name}` is a slot; a variant is taken only if all
//! of its slots can be filled. `\n` is a line break. `【…】` is a gap for the writer: drafts prefer variants with gaps, finished letters never have them.

use std::collections::HashMap;

/// What fills the slots, by name. Empty values count as missing.
pub(super) type Slots<'a> = [(&'static str, &'a str)];

/// The sections of a file.
#[derive(Debug)]
pub(super) struct Templates(HashMap<&'static str, Vec<&'static str>>);

impl Templates {
    /// Reads a file.
    pub fn parse(text: &'static str) -> Self {
        let mut sections: HashMap<&'static str, Vec<&'static str>> = HashMap::new();
        let mut keys: Vec<&'static str> = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                keys = header.split_whitespace().collect();
            } else {
                for key in &keys {
                    sections.entry(key).or_default().push(line);
                }
            }
        }
        Self(sections)
    }

    /// A variant of a section with its slots filled; `gaps` prefers those with gaps, otherwise there are none. Those that
    /// use most of what is known come first; the seed chooses among equals.
    pub fn pick(&self, key: &str, seed: u64, slots: &Slots<'_>, gaps: bool) -> Option<String> {
        let filled: Vec<(usize, String)> = self
            .0
            .get(key)?
            .iter()
            .filter_map(|variant| Some((variant.matches('{').count(), fill(variant, slots)?)))
            .collect();
        let (with, without): (Vec<_>, Vec<_>) = filled.into_iter().partition(|(_, text)| text.contains('【'));
        let mut pool = if gaps && !with.is_empty() { with } else { without };
        let most = pool.iter().map(|(used, _)| *used).max()?;
        pool.retain(|(used, _)| *used == most);
        let count = u64::try_from(pool.len()).ok()?;
        pool.into_iter().nth(usize::try_from(seed % count).ok()?).map(|(_, text)| text)
    }
}

/// A variant with its slots filled; `None` if a value is missing.
fn fill(variant: &str, slots: &Slots<'_>) -> Option<String> {
    let mut out = String::with_capacity(variant.len() * 2);
    let mut rest = variant;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        let value = slots.iter().find(|(slot, value)| *slot == name && !value.is_empty())?.1;
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    Some(out.replace("\\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_need_their_slots_and_gaps_are_for_drafts() {
        let templates = Templates::parse("# c\n[a b]\nplain\nwith {x}\ngap 【what?】\n");
        assert_eq!(templates.pick("a", 1, &[("x", "")], false).as_deref(), Some("plain"));
        assert_eq!(templates.pick("b", 1, &[("x", "slot")], false).as_deref(), Some("with slot"));
        assert_eq!(templates.pick("b", 1, &[], true).as_deref(), Some("gap 【what?】"));
        assert_eq!(templates.pick("c", 1, &[], true), None);
    }
}
