//! The rules of a clause, and the verdict.

use super::{Emotion, Feeling, Sentiment, items::Item};
use crate::lexicon::{Role, Sense};

/// How far back a negator or a degree is looked for, in words of the same clause.
const WINDOW: usize = 5;
/// What a negated bad word is worth as a good one: "not bad" is faint praise.
const NOT_BAD: f64 = 0.6;
/// A question keeps only what is this strong: "are you open?" says nothing, "are you out of your mind?" does.
const STRONG: f64 = 3.0;
/// Of what was said before a "but".
const BEFORE_CONTRAST: f64 = 0.85;
/// Of what was said after it.
const AFTER_CONTRAST: f64 = 1.15;
/// Below this much evidence a text is neutral.
const EVIDENCE: f64 = 1.1;
/// A side of a mixed text has at least this much evidence…
const MIXED_SIDE: f64 = 1.0;
/// …and this share of all of it.
const MIXED_SHARE: f64 = 0.27;

/// The evidence of a text.
#[derive(Debug, Default)]
pub(super) struct Tally {
    good: f64,
    bad: f64,
    emotions: [f64; 5],
}

/// Adds up the clauses.
pub(super) fn tally(items: &[Item]) -> Tally {
    let mut tally = Tally::default();
    let mut clause: Vec<Slot> = Vec::new();
    let mut after_contrast = false;
    let mut sentence = Tally::default();
    for item in items {
        match *item {
            Item::Role(Role::Contrast) => {
                sentence.add_clause(&clause, if after_contrast { AFTER_CONTRAST } else { 1.0 }, false);
                clause.clear();
                sentence.scale(BEFORE_CONTRAST);
                after_contrast = true;
            }
            Item::Role(role) => clause.push(Some(role)),
            Item::Plain => clause.push(None),
            Item::Pause => {
                sentence.add_clause(&clause, if after_contrast { AFTER_CONTRAST } else { 1.0 }, false);
                clause.clear();
            }
            Item::End { question, exclaims } => {
                let factor = if after_contrast { AFTER_CONTRAST } else { 1.0 };
                sentence.add_clause(&clause, factor, question);
                clause.clear();
                if exclaims {
                    sentence.scale(1.1);
                }
                tally.add(&sentence);
                sentence = Tally::default();
                after_contrast = false;
            }
        }
    }
    tally.add(&sentence);
    tally
}

/// A word of a clause: its role, if the lists know one.
type Slot = Option<Role>;

impl Tally {
    fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.bad += other.bad;
        for (mine, theirs) in self.emotions.iter_mut().zip(other.emotions) {
            *mine += theirs;
        }
    }

    fn scale(&mut self, factor: f64) {
        self.good *= factor;
        self.bad *= factor;
    }

    fn add_clause(&mut self, clause: &[Slot], factor: f64, question: bool) {
        let mut damp = factor;
        for (at, role) in clause.iter().enumerate() {
            match role {
                Some(Role::Damp(by)) => damp *= by,
                Some(Role::Sense(sense)) => {
                    let before = clause.get(at.saturating_sub(WINDOW)..at).unwrap_or(&[]);
                    self.add_sense(*sense, before, damp, question);
                }
                _ => {}
            }
        }
    }

    fn add_sense(&mut self, sense: Sense, before: &[Slot], damp: f64, question: bool) {
        let (mut polarity, mut negated) = (sense.polarity, false);
        let mut degree = 1.0;
        for (back, role) in before.iter().rev().enumerate() {
            match role {
                // A negator belongs to the first sense after it.
                Some(Role::Sense(other)) if other.polarity != 0.0 => break,
                Some(Role::Negate(by)) => {
                    negated = !negated;
                    polarity *= -by;
                }
                Some(Role::Degree(by)) if back < 3 => degree *= by,
                _ => {}
            }
        }
        if negated && sense.polarity < 0.0 {
            polarity *= NOT_BAD;
        }
        polarity = (polarity * degree).clamp(-6.0, 6.0);
        let asked = question && polarity.abs() < STRONG;
        if !asked {
            *(if polarity > 0.0 { &mut self.good } else { &mut self.bad }) += polarity.abs() * damp;
        }
        let weight = if asked { 0.5 } else { 1.0 } * degree.clamp(0.5, 1.5);
        for (emotion, size) in sense.emotions.into_iter().flatten() {
            match (negated, emotion) {
                (false, emotion) => self.feel(emotion, size * weight * damp.max(0.5)),
                // Not happy is a little sad; not sad is nothing.
                (true, Emotion::Happy) => self.feel(Emotion::Sad, size * weight * 0.7),
                (true, _) => {}
            }
        }
    }

    fn feel(&mut self, emotion: Emotion, weight: f64) {
        for (slot, other) in self.emotions.iter_mut().zip(Emotion::ALL) {
            if other == emotion {
                *slot += weight;
            }
        }
    }
}

/// The verdict on the evidence.
pub(super) fn judge(tally: &Tally) -> Feeling {
    let (good, bad) = (tally.good, tally.bad);
    let sum = good + bad;
    let weaker = good.min(bad);
    let balance = if sum > 0.0 { (good - bad).abs() / sum } else { 0.0 };
    // More evidence is more sure, and never quite sure.
    let evidence = 1.0 - (-sum / 3.0).exp();
    let (sentiment, confidence) = if sum < EVIDENCE {
        (Sentiment::Neutral, 0.8 - 0.3 * sum / EVIDENCE)
    } else if weaker >= MIXED_SIDE && weaker / sum >= MIXED_SHARE {
        (Sentiment::Mixed, 0.45 + 0.45 * (1.0 - balance) * evidence)
    } else {
        let sentiment = if good > bad { Sentiment::Positive } else { Sentiment::Negative };
        (sentiment, 0.5 + 0.48 * balance * evidence)
    };
    Feeling { sentiment, confidence: confidence.clamp(0.0, 1.0), emotions: emotions(tally, sentiment) }
}

/// Emotions with enough evidence, the strongest first.
fn emotions(tally: &Tally, sentiment: Sentiment) -> Vec<(Emotion, f64)> {
    let strongest = tally.emotions.iter().copied().fold(0.0, f64::max);
    let mut out: Vec<(Emotion, f64)> = Emotion::ALL
        .into_iter()
        .zip(tally.emotions)
        .filter(|&(emotion, weight)| {
            let against =
                matches!((sentiment, emotion), (Sentiment::Negative, Emotion::Happy | Emotion::Excited));
            weight >= if against { 3.0 } else { 1.5 } && weight >= strongest * 0.25
        })
        .map(|(emotion, weight)| (emotion, ((1.0 - (-weight / 4.0).exp()) * 100.0).round() / 100.0))
        .collect();
    out.sort_by(|a, b| b.1.total_cmp(&a.1));
    out
}
