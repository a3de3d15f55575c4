//! A model's text while it comes: without thoughts, and never with half a placeholder.

/// What may still become a placeholder is held back up to this many bytes.
const LONGEST_PLACEHOLDER: usize = 24;
const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Takes chunks as they come, gives pieces that can be shown.
#[derive(Default)]
pub(crate) struct Pieces {
    held: String,
    /// Something was given: no thought begins any more.
    begun: bool,
}

impl Pieces {
    /// Takes a chunk; what can be shown now.
    pub(crate) fn push(&mut self, chunk: &str) -> Option<String> {
        self.held.push_str(chunk);
        if !self.begun && !self.past_thoughts() {
            return None;
        }
        // From the last bracket that is not closed yet.
        let open = self.held.rfind(['[', '【']);
        let end = match open.and_then(|at| Some((at, self.held.get(at..)?))) {
            Some((at, tail)) if tail.len() <= LONGEST_PLACEHOLDER && !tail.contains([']', '】']) => at,
            _ => self.held.len(),
        };
        let rest = self.held.split_off(end);
        self.give(rest)
    }

    /// What was held back, when nothing comes any more.
    pub(crate) fn rest(&mut self) -> Option<String> {
        if !self.begun && !self.past_thoughts() {
            return None;
        }
        self.give(String::new())
    }

    fn give(&mut self, rest: String) -> Option<String> {
        let piece = std::mem::replace(&mut self.held, rest);
        self.begun |= !piece.is_empty();
        (!piece.is_empty()).then_some(piece)
    }

    /// Drops white space and a whole thought at the beginning; false while it cannot be told what comes.
    fn past_thoughts(&mut self) -> bool {
        let text = self.held.trim_start();
        let text = match text.strip_prefix(OPEN) {
            Some(thought) => match thought.split_once(CLOSE) {
                Some((_, after)) => after.trim_start(),
                None => return false,
            },
            None if OPEN.starts_with(text) => return false,
            None => text,
        };
        self.held = text.to_owned();
        !self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(chunks: &[&str]) -> Vec<String> {
        let mut pieces = Pieces::default();
        let mut out: Vec<String> = chunks.iter().filter_map(|chunk| pieces.push(chunk)).collect();
        out.extend(pieces.rest());
        out
    }

    #[test]
    fn thoughts_and_halves_are_held_back() {
        assert_eq!(shown(&["  <thi", "nk>a {", "}</think>\n", "亲爱的", "你"]), ["亲爱的", "你"]);
        assert_eq!(shown(&["call [PHO", "NE_1] now"]), ["call ", "[PHONE_1] now"]);
        assert_eq!(shown(&["gap 【", "某", "】", "end ["]), ["gap ", "【某】", "end ", "["]);
        assert_eq!(shown(&["<think>never closed"]), Vec::<String>::new());
        assert_eq!(shown(&["<", "b>"]), ["<b>"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "\\PC{0,80}", cuts in prop::collection::vec(0_usize..80, 0..9)) {
            prop_assume!(!text.trim_start().starts_with('<'));
            let chars: Vec<char> = text.chars().collect();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= chars.len()).collect();
            cuts.extend([0, chars.len()]);
            cuts.sort_unstable();
            let chunks: Vec<String> = cuts.windows(2).map(|w| chars[w[0]..w[1]].iter().collect()).collect();
            let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
            prop_assert_eq!(shown(&chunks).concat(), text.trim_start());
        }
    }
}
