//! Prints what this crate makes of texts, for comparison with other tools and for reading.
//!
//! - `score FOLDER`: a JSON line per labelled text of `FOLDER/*sentiment.jsonl`, `*summaries.jsonl` and `*kb.json` with the
//!   answers and the time in microseconds; `bench/assistant/compare.py` reads them.
//! - `score --write PROMPT`: every kind, tone and length of a letter.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a measurement")]

use std::{fs, path::Path, time::Instant};

use nlp::{
    Cues,
    compose::{Kind, Length, Tone, Writing, write},
    retrieval::{Entry, Index, Outcome, Synonyms},
};
use serde_json::{Value, json};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let start = Instant::now();
    nlp::warm();
    println!("{}", json!({ "task": "load", "ms": start.elapsed().as_millis() }));
    match arguments.next().unwrap().as_str() {
        "--write" => letters(&arguments.next().unwrap()),
        folder => score(Path::new(folder)),
    }
}

fn letters(prompt: &str) {
    for kind in [Kind::Outline, Kind::Draft, Kind::Complete] {
        for tone in [Tone::Formal, Tone::Casual, Tone::Emotional, Tone::Inspirational] {
            for length in [Length::Short, Length::Medium, Length::Long] {
                let written = write(&Writing { prompt, kind, tone, length, context: "" });
                let (characters, words) =
                    (written.content.chars().count(), written.content.split_whitespace().count());
                println!(
                    "=== {kind:?} {tone:?} {length:?}: {characters} characters, {words} words, {} minutes",
                    written.minutes
                );
                println!("{}\n{:?}\n", written.content, written.suggestions);
            }
        }
    }
}

/// The result and the best time of five, in microseconds.
fn timed<T>(mut f: impl FnMut() -> T) -> (T, f64) {
    let mut best = f64::MAX;
    for _ in 0..4 {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    let start = Instant::now();
    let result = f();
    (result, best.min(start.elapsed().as_secs_f64() * 1e6))
}

fn score(folder: &Path) {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        match name.as_str() {
            name if name.ends_with("sentiment.jsonl") => text.lines().for_each(|l| sentiment(name, &line(l))),
            name if name.ends_with("summaries.jsonl") => text.lines().for_each(|l| summary(name, &line(l))),
            name if name.ends_with("kb.json") => kb(name, &line(&text)),
            _ => {}
        }
    }
}

fn sentiment(file: &str, line: &Value) {
    let text = line["text"].as_str().unwrap();
    let (feeling, us) = timed(|| nlp::feeling(text));
    println!(
        "{}",
        json!({ "task": "sentiment", "file": file, "id": line["id"], "answer": feeling.sentiment.as_str(),
            "confidence": feeling.confidence, "emotions": feeling.emotions.iter().map(|(e, _)| e.as_str()).collect::<Vec<_>>(),
            "us": us })
    );
    let (keywords, us) = timed(|| nlp::keywords(text, 5));
    println!(
        "{}",
        json!({ "task": "keywords", "file": file, "id": line["id"], "answer": keywords, "us": us })
    );
}

fn summary(file: &str, line: &Value) {
    let text = line["text"].as_str().unwrap();
    let cues =
        if line["id"].as_str().unwrap().contains("letter") { Cues::None } else { Cues::Correspondence };
    for n in [3, 4] {
        let (summary, us) = timed(|| nlp::summary(text, n, cues));
        println!(
            "{}",
            json!({ "task": "summary", "file": file, "id": line["id"], "n": n, "answer": summary, "us": us })
        );
    }
}

fn kb(file: &str, value: &Value) {
    let entries: Vec<(String, &str, &str)> = value["kb"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["id"].to_string(), e["q"].as_str().unwrap(), e["a"].as_str().unwrap()))
        .collect();
    let borrowed = entries.iter().map(|(id, question, answer)| Entry { id, question, answer, aliases: &[] });
    let index = Index::build(borrowed.clone(), &Synonyms::general());
    for query in value["queries"].as_array().unwrap() {
        let (found, us) = timed(|| index.search(query["q"].as_str().unwrap(), 3));
        let outcome = match found.outcome() {
            Outcome::Answer(_) => "ANSWER",
            Outcome::Clarify(_) => "CLARIFY",
            Outcome::None => "NONE",
        };
        println!(
            "{}",
            json!({ "task": "retrieval", "file": file, "q": query["q"], "expected": query["id"],
                "answer": found.hits.iter().map(|h| h.id.clone()).collect::<Vec<_>>(), "outcome": outcome,
                "confidence": found.confidence, "us": us })
        );
    }
    // A knowledge base of ten thousand entries, of these with numbers in them.
    let many: Vec<(String, String, &str)> = (0..10_000)
        .zip(entries.iter().cycle())
        .map(|(n, (_, question, answer))| (n.to_string(), format!("{question} {n}号"), *answer))
        .collect();
    let start = Instant::now();
    let big = Index::build(
        many.iter().map(|(id, question, answer)| Entry { id, question, answer, aliases: &[] }),
        &Synonyms::general(),
    );
    let build = start.elapsed();
    let mut times: Vec<f64> = value["queries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|q| timed(|| big.search(q["q"].as_str().unwrap(), 3)).1)
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{}",
        json!({ "task": "index", "file": file, "entries": many.len(), "build_ms": build.as_millis(),
            "p50_us": times[times.len() / 2], "max_us": times.last() })
    );
}
