//! Words and phrases that mean the same to a customer.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use super::terms::words;
use crate::words::stem;

static GENERAL: LazyLock<Synonyms> = LazyLock::new(|| {
    let mut synonyms = Synonyms::none();
    for line in include_str!("../../data/synonyms.txt").lines() {
        let line = line.split('#').next().unwrap_or("");
        synonyms.add(line.split('|').map(str::trim));
    }
    synonyms
});

/// Loads the general table.
pub(crate) fn warm() {
    LazyLock::force(&GENERAL);
}

/// Groups of words and phrases that stand for each other. A word may be in several groups.
#[derive(Debug, Clone, Default)]
pub struct Synonyms {
    inner: Arc<Table>,
}

#[derive(Debug, Clone, Default)]
struct Table {
    /// Phrases by their first word.
    phrases: HashMap<String, Vec<Phrase>>,
    groups: u32,
}

#[derive(Debug, Clone)]
struct Phrase {
    /// The words after the first, by their stems.
    rest: Vec<String>,
    groups: Vec<u32>,
}

impl Synonyms {
    /// No synonyms at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The ordinary vocabulary of shops and services in Chinese and English.
    #[must_use]
    pub fn general() -> Self {
        GENERAL.clone()
    }

    /// Adds a group, in any language and case. Fewer than two words or phrases are no group.
    pub fn add<'a>(&mut self, group: impl IntoIterator<Item = &'a str>) {
        let members: Vec<Vec<String>> = group
            .into_iter()
            .map(|member| {
                words(member).into_iter().map(|word| stem(&word.text).into_owned()).collect::<Vec<_>>()
            })
            .filter(|member| !member.is_empty())
            .collect();
        if members.len() < 2 {
            return;
        }
        let table = Arc::make_mut(&mut self.inner);
        let number = table.groups;
        table.groups += 1;
        for mut member in members {
            let first = member.remove(0);
            let phrases = table.phrases.entry(first).or_default();
            match phrases.iter_mut().find(|phrase| phrase.rest == member) {
                Some(phrase) if phrase.groups.contains(&number) => {}
                Some(phrase) => phrase.groups.push(number),
                None => phrases.push(Phrase { rest: member, groups: vec![number] }),
            }
            // The longest phrase first: it is the most specific.
            phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.rest.len()));
        }
    }

    /// The groups of the longest phrase that the words begin with, and its length in words.
    pub(super) fn find(&self, words: &[&str]) -> Option<(&[u32], usize)> {
        let (first, rest) = words.split_first()?;
        let phrases = self.inner.phrases.get(stem(first).as_ref())?;
        phrases.iter().find_map(|phrase| {
            let fits = phrase.rest.len() <= rest.len()
                && phrase.rest.iter().zip(rest).all(|(want, have)| *want == stem(have));
            fits.then_some((phrase.groups.as_slice(), phrase.rest.len() + 1))
        })
    }
}
