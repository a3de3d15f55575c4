//! Finding the entry of a knowledge base that answers a question: BM25 over words, with stop words and synonyms, in memory.
//!
//! What decides is less the formula than the stop words ("how do I", 怎么) and the synonyms, which the operator can add to.
//! A search says how sure it is; two fixed thresholds make three outcomes of that: answer, ask back, or hand over.

mod synonyms;
mod terms;

use std::collections::HashMap;

pub use synonyms::Synonyms;
pub(crate) use synonyms::warm;

/// From this confidence on the best entry is the answer.
pub const ANSWER_FROM: f64 = 0.58;
/// From this confidence on it is worth asking "did you mean …?"; below it nothing was found.
pub const CLARIFY_FROM: f64 = 0.42;
/// How many entries a "did you mean …?" offers.
pub const CLARIFY_CHOICES: usize = 3;

/// What a question is worth against an answer of the same words.
const QUESTION_WEIGHT: f64 = 2.0;
/// Answers name much that they don't answer.
const ANSWER_WEIGHT: f64 = 0.7;
/// Terms of a question that are looked up.
const MAX_TERMS: usize = 128;
/// BM25: how fast repeated words stop counting.
const K1: f64 = 1.2;
/// BM25: how much long texts are discounted.
const B: f64 = 0.6;

/// An entry as it is indexed.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What a hit is named by.
    pub id: &'a str,
    /// The question it answers.
    pub question: &'a str,
    /// The answer.
    pub answer: &'a str,
    /// Other ways of asking, keywords, tags.
    pub aliases: &'a [String],
}

/// An entry that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The entry's id.
    pub id: String,
    /// BM25, 0.0 and above; comparable within one search only.
    pub score: f64,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best first.
    pub hits: Vec<Hit>,
    /// How sure it is that the first hit answers the question, 0.0…1.0.
    pub confidence: f64,
}

/// What to do with the result of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome<'a> {
    /// The entry answers the question.
    Answer(&'a Hit),
    /// One of these, at most [`CLARIFY_CHOICES`], may answer it: ask which.
    Clarify(&'a [Hit]),
    /// The knowledge base has no answer.
    None,
}

impl Found {
    /// What to do with it, by [`ANSWER_FROM`] and [`CLARIFY_FROM`].
    #[must_use]
    pub fn outcome(&self) -> Outcome<'_> {
        match self.hits.as_slice() {
            [best, ..] if self.confidence >= ANSWER_FROM => Outcome::Answer(best),
            hits @ [_, ..] if self.confidence >= CLARIFY_FROM => {
                Outcome::Clarify(hits.get(..CLARIFY_CHOICES).unwrap_or(hits))
            }
            _ => Outcome::None,
        }
    }
}

/// Where a term stands.
#[derive(Debug, Clone, Copy)]
struct Posting {
    /// Index of a phrasing, or of an entry for its answer.
    text: u32,
    /// BM25's saturated frequency, without the term's rarity.
    weight: f32,
}

/// A term of the knowledge base.
#[derive(Debug, Default)]
struct Term {
    phrasings: Vec<Posting>,
    answers: Vec<Posting>,
    /// In how many entries it stands.
    entries: u32,
    /// The last entry counted, while building.
    last: Option<u32>,
}

/// An index of a knowledge base. Building it takes some 40 µs of a processor an entry (so off the threads that answer
/// requests), a search some ten microseconds, and up to a hundred in 10,000 entries.
#[derive(Debug, Default)]
pub struct Index {
    ids: Vec<String>,
    /// The entry of each phrasing: of its question and of each alias.
    phrasing_entry: Vec<u32>,
    terms: HashMap<String, Term>,
    synonyms: Synonyms,
}

/// A text's terms while the average length is not known yet.
struct Draft {
    text: u32,
    entry: u32,
    counts: HashMap<String, f64>,
    length: f64,
}

impl Index {
    /// Indexes entries. Synonyms hold for the entries and for every later question.
    #[must_use]
    pub fn build<'a>(entries: impl IntoIterator<Item = Entry<'a>>, synonyms: &Synonyms) -> Self {
        let mut index = Self { synonyms: synonyms.clone(), ..Self::default() };
        let (mut phrasings, mut answers) = (Vec::new(), Vec::new());
        for (number, entry) in (0u32..).zip(entries) {
            index.ids.push(entry.id.to_owned());
            for phrasing in std::iter::once(entry.question).chain(entry.aliases.iter().map(String::as_str)) {
                let text = u32::try_from(index.phrasing_entry.len()).unwrap_or(u32::MAX);
                index.phrasing_entry.push(number);
                phrasings.push(index.draft(text, number, phrasing));
            }
            answers.push(index.draft(number, number, entry.answer));
        }
        index.post(phrasings, |term| &mut term.phrasings);
        index.post(answers, |term| &mut term.answers);
        index
    }

    fn draft(&self, text: u32, entry: u32, content: &str) -> Draft {
        let mut counts: HashMap<String, f64> = HashMap::new();
        let mut length = 0.0;
        for term in terms::terms(content, &self.synonyms) {
            *counts.entry(term.key).or_default() += 1.0;
            length += term.weight;
        }
        Draft { text, entry, counts, length }
    }

    fn post(&mut self, drafts: Vec<Draft>, field: fn(&mut Term) -> &mut Vec<Posting>) {
        #[expect(clippy::cast_precision_loss, reason = "a count of entries")]
        let average = drafts.iter().map(|draft| draft.length).sum::<f64>() / (drafts.len().max(1) as f64);
        for draft in drafts {
            let norm = K1 * (1.0 - B + B * draft.length / average.max(1.0));
            for (name, count) in draft.counts {
                let term = self.terms.entry(name).or_default();
                if term.last != Some(draft.entry) {
                    term.last = Some(draft.entry);
                    term.entries += 1;
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "a weight between 0 and 3 needs no more digits"
                )]
                let weight = (count * (K1 + 1.0) / (count + norm)) as f32;
                field(term).push(Posting { text: draft.text, weight });
            }
        }
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How much a term tells: rare ones more; one that stands nowhere the most.
    fn rarity(&self, term: Option<&Term>) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of entries")]
        let all = self.ids.len() as f64;
        let with = term.map_or(0.0, |term| f64::from(term.entries)).min(all);
        (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
    }

    /// The `k` best entries for a question, and how sure it is that the first answers it. Looks at the first 128 terms of
    /// the question.
    #[must_use]
    pub fn search(&self, query: &str, k: usize) -> Found {
        let mut wanted = terms::terms(query, &self.synonyms);
        wanted.truncate(MAX_TERMS);
        wanted.sort_unstable_by(|a, b| a.key.cmp(&b.key).then(b.weight.total_cmp(&a.weight)));
        wanted.dedup_by(|a, b| a.key == b.key);
        let wanted: Vec<(Option<&Term>, f64)> = wanted
            .iter()
            .map(|token| (self.terms.get(&token.key), token.weight))
            .map(|(term, weight)| (term, weight * self.rarity(term)))
            .collect();
        let scores = self.scores(&wanted);
        let mut ranked: Vec<(usize, f64)> =
            scores.into_iter().enumerate().filter(|(_, score)| *score > 0.0).collect();
        // The best k + 1 in order: one more than asked for, since confidence needs the second.
        let keep = k.max(2);
        if ranked.len() > keep {
            ranked.select_nth_unstable_by(keep, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            ranked.truncate(keep);
        }
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let confidence = self.confidence(&wanted, &ranked);
        ranked.truncate(k);
        let hits = ranked
            .into_iter()
            .filter_map(|(entry, score)| Some(Hit { id: self.ids.get(entry)?.clone(), score }))
            .collect();
        Found { hits, confidence }
    }

    /// The score of every entry: its best phrasing's and its answer's.
    fn scores(&self, wanted: &[(Option<&Term>, f64)]) -> Vec<f64> {
        let mut phrasings = vec![0.0; self.phrasing_entry.len()];
        let mut answers = vec![0.0; self.ids.len()];
        for (term, rarity) in wanted {
            let Some(term) = term else { continue };
            add(&mut phrasings, &term.phrasings, rarity * QUESTION_WEIGHT);
            add(&mut answers, &term.answers, rarity * ANSWER_WEIGHT);
        }
        let mut best: Vec<f64> = vec![0.0; self.ids.len()];
        for (score, entry) in phrasings.iter().zip(&self.phrasing_entry) {
            if let Some(best) = best.get_mut(*entry as usize) {
                *best = best.max(*score);
            }
        }
        best.iter().zip(answers).map(|(phrasing, answer)| phrasing + answer).collect()
    }

    /// How sure a ranking is: most of the question is covered, the second is far behind, and the score is not tiny.
    fn confidence(&self, wanted: &[(Option<&Term>, f64)], ranked: &[(usize, f64)]) -> f64 {
        let Some((entry, first)) = ranked.first() else { return 0.0 };
        let second = ranked.get(1).map_or(0.0, |(_, score)| *score);
        let all: f64 = wanted.iter().map(|(_, rarity)| rarity).sum();
        let covered: f64 =
            wanted.iter().filter_map(|(term, rarity)| Some(rarity * self.coverage((*term)?, *entry))).sum();
        let margin = (first - second) / first;
        0.45 * covered / all.max(1e-9) + 0.20 * margin + 0.35 * (1.0 - (-first / 6.0).exp())
    }

    /// Whether an entry has a term: in a question fully, in the answer in part.
    fn coverage(&self, term: &Term, entry: usize) -> f64 {
        let asked = term
            .phrasings
            .iter()
            .any(|p| self.phrasing_entry.get(p.text as usize).is_some_and(|e| *e as usize == entry));
        if asked {
            return 1.0;
        }
        if term.answers.iter().any(|p| p.text as usize == entry) { 0.8 } else { 0.0 }
    }
}

fn add(scores: &mut [f64], postings: &[Posting], weight: f64) {
    for posting in postings {
        if let Some(score) = scores.get_mut(posting.text as usize) {
            *score += weight * f64::from(posting.weight);
        }
    }
}
