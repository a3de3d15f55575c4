//! Scores of an engine, any engine, on labelled texts: accumulators that are fed pair by pair, so that engines that answer
//! later can be scored too. `Display` prints what a report needs.
//!
//! Hand-written sets are small. A report names their size and claims nothing beyond them.

use std::{fmt, time::Duration};

use crate::{Sentiment, language::is_han};

/// Sentiment: expected against answered.
#[derive(Debug, Clone, Default)]
pub struct Sentiments {
    /// Rows are what was expected, columns what was answered, both in the order of [`Sentiment::ALL`].
    confusion: [[u32; 4]; 4],
}

impl Sentiments {
    /// Adds a text.
    pub fn add(&mut self, expected: Sentiment, answered: Sentiment) {
        let at = |sentiment| Sentiment::ALL.iter().position(|s| *s == sentiment).unwrap_or(0);
        if let Some(cell) = self.confusion.get_mut(at(expected)).and_then(|row| row.get_mut(at(answered))) {
            *cell += 1;
        }
    }

    /// How often a text of the first was taken for the second.
    #[must_use]
    pub fn count(&self, expected: Sentiment, answered: Sentiment) -> u32 {
        let at = |sentiment| Sentiment::ALL.iter().position(|s| *s == sentiment).unwrap_or(0);
        self.confusion.get(at(expected)).and_then(|row| row.get(at(answered))).copied().unwrap_or(0)
    }

    /// How many texts there were.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.confusion.iter().flatten().sum()
    }

    /// How many were answered as expected.
    #[must_use]
    pub fn correct(&self) -> u32 {
        Sentiment::ALL.iter().map(|s| self.count(*s, *s)).sum()
    }

    /// Of the texts answered so, the share that was so; `None` if none was.
    #[must_use]
    pub fn precision(&self, sentiment: Sentiment) -> Option<f64> {
        share(
            self.count(sentiment, sentiment),
            Sentiment::ALL.iter().map(|s| self.count(*s, sentiment)).sum(),
        )
    }

    /// Of the texts that are so, the share that was answered so; `None` if none is.
    #[must_use]
    pub fn recall(&self, sentiment: Sentiment) -> Option<f64> {
        share(
            self.count(sentiment, sentiment),
            Sentiment::ALL.iter().map(|s| self.count(sentiment, *s)).sum(),
        )
    }
}

impl fmt::Display for Sentiments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sentiment: {}", Share(self.correct(), self.total()))?;
        writeln!(
            f,
            "  {:<10} precision  recall  answered as {}",
            "",
            Sentiment::ALL.map(Sentiment::as_str).join(" ")
        )?;
        for expected in Sentiment::ALL {
            let answers = Sentiment::ALL.map(|answered| {
                format!("{:>w$}", self.count(expected, answered), w = answered.as_str().len())
            });
            let percent = |share: Option<f64>| share.map_or("–".to_owned(), |s| format!("{s:.2}"));
            writeln!(
                f,
                "  {:<10} {:>9} {:>7}              {}",
                expected.as_str(),
                percent(self.precision(expected)),
                percent(self.recall(expected)),
                answers.join(" ")
            )?;
        }
        Ok(())
    }
}

/// Hits among tries: keywords found, facts covered, questions answered, questions refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// How many were right.
    pub right: u32,
    /// Of how many.
    pub of: u32,
}

impl Hits {
    /// Adds a try.
    pub fn add(&mut self, right: bool) {
        self.right += u32::from(right);
        self.of += 1;
    }

    /// Adds the labelled keywords of a text: each is found if one of the first five answered ones matches it.
    pub fn add_keywords<E: AsRef<str>, A: AsRef<str>>(&mut self, expected: &[E], answered: &[A]) {
        for keyword in expected {
            self.add(
                answered.iter().take(5).any(|answer| keyword_matches(keyword.as_ref(), answer.as_ref())),
            );
        }
    }

    /// Adds the labelled facts of a text: each is covered if the summary has one of its wordings.
    pub fn add_facts<W: AsRef<str>, S: AsRef<str>>(&mut self, facts: &[Vec<W>], summary: &[S]) {
        let summary = summary.iter().map(|s| s.as_ref().to_lowercase()).collect::<Vec<_>>().join("\n");
        for wordings in facts {
            self.add(wordings.iter().any(|wording| summary.contains(&wording.as_ref().to_lowercase())));
        }
    }

    /// The share that was right; `None` without tries.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        share(self.right, self.of)
    }
}

impl fmt::Display for Hits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Share(self.right, self.of).fmt(f)
    }
}

/// Whether an answered keyword is the expected one, or holds it and little else: at most three Chinese characters or one word
/// more. Without that limit whole sentences would find every keyword.
#[must_use]
pub fn keyword_matches(expected: &str, answered: &str) -> bool {
    let (expected, answered) = (expected.to_lowercase(), answered.to_lowercase());
    if expected.chars().any(is_han) {
        return answered.contains(&expected) && answered.chars().count() <= expected.chars().count() + 3;
    }
    let stems = |text: &str| {
        text.split_whitespace().map(|word| crate::words::stem(word).into_owned()).collect::<Vec<_>>()
    };
    let (expected, answered) = (stems(&expected), stems(&answered));
    answered.len() <= expected.len() + 1
        && answered.windows(expected.len().max(1)).any(|part| part == expected)
}

/// Times of single texts.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds a text's time.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The time that this share (0.0…1.0) of the texts took at most; zero without texts.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into as many times as were added"
        )]
        let at = (share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64).round() as usize;
        sorted.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |share| self.quantile(share).as_micros();
        write!(f, "p50 {} µs, p99 {} µs (n = {})", micros(0.5), micros(0.99), self.0.len())
    }
}

fn share(part: u32, of: u32) -> Option<f64> {
    (of > 0).then(|| f64::from(part) / f64::from(of))
}

/// `28/32 (0.88)`
struct Share(u32, u32);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match share(self.0, self.1) {
            Some(share) => write!(f, "{}/{} ({share:.2})", self.0, self.1),
            None => write!(f, "0/0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_matches_itself_and_little_more() {
        for (expected, answered, matches) in [
            ("退款", "退款申请", true),
            ("退款", "我今天想要申请退款", false),
            ("dreams", "dream", true),
            ("boat", "boat building", true),
            ("boat", "the boat building course", false),
            ("", "", false),
        ] {
            assert_eq!(keyword_matches(expected, answered), matches, "{expected} {answered}");
        }
    }

    #[test]
    fn scores() {
        let mut sentiments = Sentiments::default();
        sentiments.add(Sentiment::Positive, Sentiment::Positive);
        sentiments.add(Sentiment::Negative, Sentiment::Positive);
        assert_eq!((sentiments.correct(), sentiments.total()), (1, 2));
        assert_eq!(sentiments.precision(Sentiment::Positive), Some(0.5));
        assert_eq!(sentiments.recall(Sentiment::Negative), Some(0.0));
        assert_eq!(sentiments.recall(Sentiment::Mixed), None);
        let mut hits = Hits::default();
        hits.add_keywords(&["a1", "b1"], &["b1"]);
        hits.add_facts(&[vec!["Friday", "18 Oct"], vec!["refund"]], &["It comes on friday."]);
        assert_eq!(hits.to_string(), "2/4 (0.50)");
        let mut times = Times::default();
        (1..=100).for_each(|ms| times.add(Duration::from_micros(ms)));
        assert_eq!(times.to_string(), "p50 51 µs, p99 99 µs (n = 100)");
    }
}
