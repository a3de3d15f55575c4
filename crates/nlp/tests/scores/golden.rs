//! The scores, each with its goal. Run with `--no-capture` to read them.

use std::time::Instant;

use nlp::{
    Cues,
    evaluate::{Hits, Sentiments, Times},
    retrieval::{Entry, Index, Outcome, Synonyms},
};

use crate::data::{Text, kb, longs, texts};

fn sentiments(texts: &[Text]) -> (Sentiments, Hits) {
    nlp::warm();
    let (mut scores, mut emotions, mut times) = (Sentiments::default(), Hits::default(), Times::default());
    for text in texts {
        let start = Instant::now();
        let feeling = nlp::feeling(&text.text);
        times.add(start.elapsed());
        scores.add(text.sentiment, feeling.sentiment);
        for emotion in &text.emotions {
            emotions.add(feeling.emotions.iter().any(|(e, _)| e == emotion));
        }
        if feeling.sentiment != text.sentiment {
            println!("{}: {:?}, not {:?}: {:?}", text.id, feeling.sentiment, text.sentiment, feeling);
        }
    }
    println!("{scores}emotions {emotions}, {times}");
    (scores, emotions)
}

fn check_sentiments(file: &str) {
    let all = texts(file);
    for lang in ["zh", "en"] {
        println!("{file} {lang}");
        let part: Vec<Text> = texts(file).into_iter().filter(|text| text.lang == lang).collect();
        let (scores, _) = sentiments(&part);
        assert!(f64::from(scores.correct()) >= 0.875 * f64::from(scores.total()), "{file} {lang}");
    }
    let mut keywords = Hits::default();
    for text in &all {
        let found = nlp::keywords(&text.text, 5);
        let before = keywords;
        keywords.add_keywords(&text.keywords, &found);
        if keywords.of - before.of != keywords.right - before.right {
            println!("{}: {:?} of {:?}", text.id, found, text.keywords);
        }
    }
    println!("{file} keywords {keywords}");
    assert!(keywords.share() >= Some(0.75));
}

#[test]
fn sentiment_and_keywords() {
    check_sentiments("sentiment.jsonl");
}

#[test]
fn own_sentiment_and_keywords() {
    check_sentiments("own_sentiment.jsonl");
}

#[test]
fn second_sentiment_and_keywords() {
    check_sentiments("second_sentiment.jsonl");
}

#[test]
fn summaries_cover_facts() {
    check_summaries("summaries.jsonl");
}

#[test]
fn own_summaries_cover_facts() {
    check_summaries("own_summaries.jsonl");
}

fn check_summaries(file: &str) {
    let mut facts = Hits::default();
    for text in longs(file) {
        let cues = if text.id.contains("letter") { Cues::None } else { Cues::Correspondence };
        let n = nlp::sentences(&text.text).len();
        let summary = nlp::summary(&text.text, 3.max(n.div_ceil(4)), cues);
        let before = facts;
        facts.add_facts(&text.facts, &summary);
        println!("{} {}/{}: {summary:#?}", text.id, facts.right - before.right, facts.of - before.of);
    }
    println!("{file}: facts {facts}");
    assert!(facts.share() >= Some(0.6));
}

#[test]
fn retrieval_answers_and_refuses() {
    check_retrieval("kb.json");
}

#[test]
fn own_retrieval_answers_and_refuses() {
    check_retrieval("own_kb.json");
}

fn check_retrieval(file: &str) {
    nlp::warm();
    let (entries, queries) = kb(file);
    let entries = entries.iter().map(|(id, question, answer)| Entry { id, question, answer, aliases: &[] });
    let index = Index::build(entries, &Synonyms::general());
    let (mut top, mut refused, mut wrong, mut times) =
        (Hits::default(), Hits::default(), Hits::default(), Times::default());
    let mut answered = Hits::default();
    for (query, expected) in &queries {
        let start = Instant::now();
        let found = index.search(query, 3);
        times.add(start.elapsed());
        let best = found.hits.first().map_or("0", |hit| hit.id.as_str());
        let answers = matches!(found.outcome(), Outcome::Answer(_));
        if expected == "0" {
            refused.add(!answers);
        } else {
            top.add(best == expected);
            answered.add(answers && best == expected);
        }
        wrong.add(!(answers && best != expected));
        let right = if expected == "0" { !answers } else { answers && best == expected };
        if !right {
            println!("{query}: {best} for {expected}, {:.2} {:?}", found.confidence, found.hits);
        }
    }
    println!(
        "{file}: top-1 {top}, answered {answered}, refused {refused}, not wrongly answered {wrong}; {times}"
    );
    assert!(top.share() >= Some(0.85) && refused.share() >= Some(0.9));
}
