//! Reads the labelled texts of `tests/golden`.

use std::{fs, path::Path};

use nlp::{Emotion, Sentiment};
use serde_json::Value;

/// A labelled text.
pub struct Text {
    pub id: String,
    pub lang: String,
    pub text: String,
    pub sentiment: Sentiment,
    pub emotions: Vec<Emotion>,
    pub keywords: Vec<String>,
}

/// A long text with the facts a summary should name.
pub struct Long {
    pub id: String,
    pub text: String,
    pub facts: Vec<Vec<String>>,
}

fn lines(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(string).collect()
}

pub fn texts(file: &str) -> Vec<Text> {
    lines(file)
        .iter()
        .map(|line| Text {
            id: string(&line["id"]),
            lang: string(&line["lang"]),
            text: string(&line["text"]),
            sentiment: Sentiment::parse(line["sentiment"].as_str().unwrap()).unwrap(),
            emotions: strings(&line["emotions"]).iter().map(|e| Emotion::parse(e).unwrap()).collect(),
            keywords: strings(&line["keywords"]),
        })
        .collect()
}

pub fn longs(file: &str) -> Vec<Long> {
    lines(file)
        .iter()
        .map(|line| Long {
            id: string(&line["id"]),
            text: string(&line["text"]),
            facts: line["facts"].as_array().unwrap().iter().map(strings).collect(),
        })
        .collect()
}

/// Entries (id, question, answer) and questions (question, id of the answer or 0).
pub type Kb = (Vec<(String, String, String)>, Vec<(String, String)>);

pub fn kb(file: &str) -> Kb {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let value: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let entries = value["kb"].as_array().unwrap();
    let queries = value["queries"].as_array().unwrap();
    (
        entries.iter().map(|e| (e["id"].to_string(), string(&e["q"]), string(&e["a"]))).collect(),
        queries.iter().map(|q| (string(&q["q"]), q["id"].to_string())).collect(),
    )
}
