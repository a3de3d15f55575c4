//! The tasks: each with its prompt, its form, its reader, its checks, and what the embedded engine does instead.

mod desk;
mod predict;
mod reply;
mod sentiment;
mod thread;
mod write;

use std::time::Duration;

use nlp::Language;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{guard::Material, model::Message, provider::Prompt, read::Object};

pub(crate) use predict::Predict;
pub(crate) use sentiment::Analyse;

/// What every model is told of every task.
const TAIL: &str =
    "Answer in the language of the text. Use only facts given. If something is missing, leave it open.";

/// A task with all that it is given. Its serialised form is what makes two requests the same.
pub(crate) trait Task: Serialize + Send + Sync + 'static {
    /// What comes of it.
    type Answer: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The tag of its prompts, its schema's name, its name in records.
    const NAME: &'static str;
    /// Counted up whenever the prompt, the form or the reader changes, so that no cached answer outlives it.
    const PROMPT_VERSION: i64;
    /// So many tokens may be written, thoughts included.
    const MOST_OUT: u32;
    /// Somebody waits who does not wait longer than this.
    const PATIENCE: Option<Duration> = None;
    /// The form in words.
    const SHAPE: &'static str;

    /// The answer where no engine is needed.
    fn decided(&self) -> Option<Self::Answer> {
        None
    }

    /// What the embedded engine answers.
    fn embedded(&self) -> Self::Answer;

    /// What a model is told to do, and with what.
    fn brief(&self, material: &mut Material) -> (String, String);

    /// The form as a JSON schema.
    fn schema() -> Value;

    /// Reads a model's object; `None` if it is not one of this form.
    fn read(&self, object: &Object) -> Option<Self::Answer>;

    /// The text of an answer that can be streamed.
    fn text(_answer: &Self::Answer) -> Option<&str> {
        None
    }

    /// The answer made of a whole text, where a model was asked for that alone.
    fn of_text(&self, _text: String) -> Option<Self::Answer> {
        None
    }

    /// Holds an answer against what was given; an error says why it is not taken.
    fn check(&self, answer: Self::Answer) -> Result<Self::Answer, &'static str>;
}

/// The prompt of a task that answers with an object.
pub(crate) fn prompt<T: Task>(task: &T, material: &mut Material) -> Prompt {
    let (brief, user) = task.brief(material);
    let (rule, shape) = (material.rule(), T::SHAPE);
    let system =
        format!("[task:{}]\n{brief}\n{rule} {TAIL} Return one JSON object, nothing else.\n{shape}", T::NAME);
    Prompt { system, user, schema: Some((T::NAME, T::schema())), most_out: T::MOST_OUT }
}

/// The prompt of a task that answers with text alone.
pub(crate) fn text_prompt<T: Task>(task: &T, material: &mut Material) -> Prompt {
    let (brief, user) = task.brief(material);
    let rule = material.rule();
    let system =
        format!("[task:{}]\n{brief}\n{rule} {TAIL}\nReturn the text alone, nothing around it.", T::NAME);
    Prompt { system, user, schema: None, most_out: T::MOST_OUT }
}

/// Asks once more for the object that `text` was meant to be.
pub(crate) fn repair_prompt<T: Task>(text: &str, material: &mut Material) -> Prompt {
    let (rule, shape) = (material.rule(), T::SHAPE);
    let system = format!(
        "[task:repair]\nReturn only the JSON object that the following text was meant to be. {rule}\n{shape}"
    );
    let user = material.quote_as_is("model", text);
    Prompt { system, user, schema: Some((T::NAME, T::schema())), most_out: T::MOST_OUT }
}

/// An object of which all fields are required and no others allowed: the subset that every provider takes.
fn object(fields: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = fields.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

fn string() -> Value {
    json!({"type": "string"})
}

fn integer() -> Value {
    json!({"type": "integer"})
}

fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

fn one_of(names: &[&str]) -> Value {
    json!({"type": "string", "enum": names})
}

/// The newest messages whose texts have so many characters together, the oldest of them first.
fn newest(messages: &[Message], most_chars: usize) -> &[Message] {
    let mut left = most_chars;
    let fits = messages.iter().rev().take_while(|message| {
        let chars = message.text.chars().count();
        let fits = chars <= left || left == most_chars;
        left = left.saturating_sub(chars);
        fits
    });
    let count = fits.count();
    messages.get(messages.len() - count..).unwrap_or(messages)
}

/// Messages as a prompt has them.
fn quoted(messages: &[Message], material: &mut Material) -> String {
    let quote = |message: &Message| {
        let from = if message.own { "us" } else { message.from.as_str() };
        material.quote(from, &message.text)
    };
    messages.iter().map(quote).collect()
}

/// Whether two texts are written in the same language, as far as it can be told.
fn same_language(one: &str, other: &str) -> bool {
    match (nlp::language(one), nlp::language(other)) {
        (Language::Other, _) | (_, Language::Other) => true,
        (one, other) => one == other,
    }
}

/// Rounded to hundredths.
fn share(number: f64) -> f64 {
    (number.clamp(0.0, 1.0) * 100.0).round() / 100.0
}
