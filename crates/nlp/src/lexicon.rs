//! Word lists of feelings: how they are written down, and how they are looked up.
//!
//! A line is `ROLE: word word …`; `_` stands for a space inside a phrase, `#` begins a comment. A role is one of
//! - `POLARITY [EMOTION[=WEIGHT]]…`: from -4 (worst) to +4 (best), as in VADER; 0 marks what only looks like a feeling.
//!   An emotion's weight is the polarity's size unless given, and 1 at the least;
//! - `negate FACTOR`: turns what follows round and weakens it to FACTOR;
//! - `degree FACTOR`: strengthens or weakens what follows;
//! - `damp FACTOR`: weakens the rest of its clause: a condition, a request, a question;
//! - `either POLARITY FACTOR`: a degree where a sense follows at once, otherwise a sense;
//! - `contrast`: begins a clause that weighs more than the one before.

use std::collections::HashMap;

use crate::feeling::Emotion;

/// What a word or phrase says about its writer's feeling.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sense {
    /// -4.0…4.0
    pub polarity: f64,
    /// At most two emotions, with their weights.
    pub emotions: [Option<(Emotion, f64)>; 2],
}

/// What a word or phrase does in its clause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Role {
    /// It says something.
    Sense(Sense),
    /// It turns the next sense round and weakens it to this.
    Negate(f64),
    /// It multiplies the next sense.
    Degree(f64),
    /// It multiplies the next sense where that follows at once (好贵), otherwise it is a sense of this polarity (质量好).
    Either(f64, f64),
    /// It multiplies the rest of its clause.
    Damp(f64),
    /// It begins a clause that matters more than what was said before.
    Contrast,
}

/// Words and phrases with their roles.
#[derive(Debug)]
pub(crate) struct Lexicon {
    roles: HashMap<String, Role>,
    /// The longest phrase that begins with a unit (a Han character, or an English word), in units.
    longest: HashMap<String, usize>,
    by_char: bool,
}

impl Lexicon {
    /// Reads lists. Units are characters if `by_char`, words otherwise. A word that stands in two lines has the later
    /// role. Lines that are not understood are left out; a test sees to it that there are none.
    pub fn parse(texts: &[&str], by_char: bool) -> Self {
        let mut lexicon = Self { roles: HashMap::new(), longest: HashMap::new(), by_char };
        for line in texts.iter().flat_map(|text| text.lines()) {
            if let Some((role, words)) = parse_line(line) {
                for word in words.split_whitespace() {
                    lexicon.insert(&word.replace('_', " "), role);
                }
            }
        }
        lexicon
    }

    fn insert(&mut self, word: &str, role: Role) {
        let (first, units) = if self.by_char {
            (word.chars().take(1).collect::<String>(), word.chars().count())
        } else {
            (word.split(' ').next().unwrap_or("").to_owned(), word.split(' ').count())
        };
        let longest = self.longest.entry(first).or_default();
        *longest = units.max(*longest);
        self.roles.insert(word.to_owned(), role);
    }

    /// The role of a word or phrase.
    pub fn get(&self, word: &str) -> Option<Role> {
        self.roles.get(word).copied()
    }

    /// How long a phrase that begins with this unit can be, in units; 0: there is none.
    pub fn longest(&self, first: &str) -> usize {
        self.longest.get(first).copied().unwrap_or(0)
    }
}

/// The role and the words of a line; `None` for comments, empty lines and what is not understood.
fn parse_line(line: &str) -> Option<(Role, &str)> {
    let line = line.split('#').next().unwrap_or("");
    let (head, words) = line.split_once(':')?;
    let mut parts = head.split_whitespace();
    let kind = parts.next()?;
    let mut factor = || parts.next()?.parse::<f64>().ok();
    let role = match kind {
        "contrast" => Role::Contrast,
        "negate" => Role::Negate(factor()?),
        "degree" => Role::Degree(factor()?),
        "either" => Role::Either(factor()?, factor()?),
        "damp" => Role::Damp(factor()?),
        polarity => {
            let polarity: f64 = polarity.parse().ok()?;
            let mut emotions = [None; 2];
            for (slot, part) in emotions.iter_mut().zip(parts) {
                let (name, weight) = part.split_once('=').unwrap_or((part, ""));
                let weight = weight.parse().unwrap_or_else(|_| polarity.abs().max(1.0));
                *slot = Some((Emotion::parse(name)?, weight));
            }
            Role::Sense(Sense { polarity, emotions })
        }
    };
    Some((role, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_lists_is_understood() {
        let mut count = 0;
        for text in [
            include_str!("../data/feeling_zh.txt"),
            include_str!("../data/feeling_en.txt"),
            include_str!("../data/roles_zh.txt"),
            include_str!("../data/roles_en.txt"),
        ] {
            for line in text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
                let parsed = parse_line(line);
                assert!(parsed.is_some(), "{line}");
                count += parsed.map_or(0, |(_, words)| words.split_whitespace().count());
            }
        }
        println!("{count} words and phrases");
        assert!(count > 700);
    }
}
