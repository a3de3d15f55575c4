//! English words without their inflection: `graduate`, `graduates`, `graduated` and `graduating` are one, while
//! `graduation` is another word. The first steps of Porter's stemmer; the later ones, which remove derivations
//! too, would let `universe` release a letter that waits for `university`.

/// Words that look like a form of something else.
const WHOLE: [&str; 13] = [
    "anything",
    "building",
    "ceiling",
    "darling",
    "during",
    "evening",
    "everything",
    "morning",
    "news",
    "nothing",
    "sibling",
    "something",
    "wedding",
];

/// What all forms of an English word have in common. `word` is in lower case; others than English come back
/// nearly as they are.
pub(super) fn stem(word: &str) -> String {
    let word = word.strip_suffix("'s").unwrap_or(word);
    if word.len() < 3 || !word.is_ascii() {
        return word.to_owned();
    }
    let singular = if WHOLE.contains(&word) { word.to_owned() } else { without_plural(word) };
    if WHOLE.contains(&singular.as_str()) {
        return singular;
    }
    let mut stem = without_participle(singular);
    if stem.len() > 2 && stem.ends_with('e') {
        stem.pop();
    } else if stem.len() > 2 && stem.ends_with('y') && ends_in_consonant(stem.trim_end_matches('y')) {
        stem.pop();
        stem.push('i');
    }
    stem
}

fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

fn ends_in_consonant(text: &str) -> bool {
    text.chars().next_back().is_some_and(|c| !is_vowel(c))
}

fn without_plural(word: &str) -> String {
    if let Some(rest) = word.strip_suffix("sses") {
        return format!("{rest}ss");
    }
    if let Some(rest) = word.strip_suffix("ies") {
        return if rest.len() > 1 { format!("{rest}y") } else { format!("{rest}ie") };
    }
    // Not `this`, `bus`, `class`, and not `gas`: what goes before has a vowel that is not its last letter.
    let rest = word.strip_suffix('s').filter(|rest| !rest.ends_with(['s', 'u', 'i']));
    let plural = rest.filter(|rest| rest.char_indices().any(|(n, c)| is_vowel(c) && n + 1 < rest.len()));
    plural.unwrap_or(word).to_owned()
}

fn without_participle(word: String) -> String {
    if word.ends_with("eed") {
        // `agreed`, not `speed`.
        let had = word.strip_suffix("eed").is_some_and(|rest| rest.contains(is_vowel));
        return if had { word.trim_end_matches('d').to_owned() } else { word };
    }
    if let Some(rest) = word.strip_suffix("ied") {
        return if rest.len() > 1 { format!("{rest}y") } else { format!("{rest}ie") };
    }
    let rest = word.strip_suffix("ing").or_else(|| word.strip_suffix("ed"));
    let Some(rest) = rest.filter(|rest| rest.contains(is_vowel)) else { return word };
    let doubled = ["bb", "dd", "gg", "mm", "nn", "pp", "rr", "tt"].iter().any(|pair| rest.ends_with(pair));
    let mut stem = rest.to_owned();
    if doubled {
        stem.pop();
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn all_forms_of_a_word_are_one() {
        for forms in [
            "graduate graduates graduated graduating",
            "promote promotes promoted promoting",
            "baby babies baby's",
            "marry marries married marrying",
            "move moves moved moving",
            "hope hopes hoped hoping",
            "stop stops stopped stopping",
            "call calls called calling",
            "agree agrees agreed agreeing",
            "box boxes boxed boxing",
            "house houses housed housing",
            "wish wishes wished wishing",
            "class classes",
            "bus buses",
            "wedding weddings wedding's",
            "evening evenings",
            "birthday birthdays",
            "finance finances financed financing",
            "experiment experiments experimented",
            "mention mentioned",
            "signal signals signaling",
            "party parties",
            "die dies died",
            "tie ties tied",
            "see sees",
            "sea seas",
            "day days",
            "job jobs",
            "gas",
            "news",
            "café",
        ] {
            let stems: Vec<String> = forms.split(' ').map(stem).collect();
            assert!(stems.iter().all(|s| *s == stems[0]), "{forms}: {stems:?}");
        }
    }

    #[test]
    fn other_words_are_others() {
        for (a, b) in [
            ("promote", "promotional"),
            ("graduate", "graduation"),
            ("university", "universe"),
            ("even", "evening"),
            ("wed", "wedding"),
            ("general", "generous"),
            ("king", "kin"),
            ("spring", "spr"),
            ("speed", "spe"),
            ("this", "thi"),
            ("red", "r"),
            ("teach", "teacher"),
            ("new", "news"),
        ] {
            assert_ne!(stem(a), stem(b), "{a} {b}");
        }
    }

    #[test]
    fn whatever_comes_it_does_not_panic() {
        for word in ["", "s", "'s", "ing", "ed", "ies", "eed", "sses", "e", "yyy", "ééés", "字s", "''"] {
            let _ = stem(word);
        }
    }
}
