//! "Test connection": what a configured provider can do, tried one by one.

use std::time::{Duration, Instant};

use kernel::Clock;
use serde_json::Value;

use crate::{
    config::{Protocol, Provider},
    guard::Material,
    provider::{Model, Prompt, http_client},
    read,
    tasks::{self, Analyse, Task as _},
};

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What.
    pub what: &'static str,
    /// What came of it; an error holds nothing of the key or the answer.
    pub result: Result<String, String>,
    /// How long it took.
    pub took: Duration,
    /// Without it nothing works.
    pub needed: bool,
}

/// Tries a provider: its list of models, a small call, a call with a schema, a stream. Costs a few hundred
/// tokens, which no cap counts.
///
/// # Errors
/// The HTTP client cannot be made.
pub async fn trial(provider: &Provider, clock: Clock) -> Result<Vec<Trial>, std::io::Error> {
    let model = Model::new(provider, clock)?;
    let deadline = || Instant::now() + provider.timeout;
    let mut trials = Vec::new();
    let mut note = |what, needed, began: Instant, result| {
        trials.push(Trial { what, result, took: began.elapsed(), needed });
    };
    let began = Instant::now();
    note("list of models", false, began, models(provider).await);

    let hello = || Prompt {
        system: "[task:test]\nReply with the single word OK.".to_owned(),
        user: "OK?".to_owned(),
        schema: None,
        // Enough for a model that thinks first.
        most_out: 1000,
    };
    let began = Instant::now();
    let small = model.complete(&hello(), deadline()).await;
    let counted = small.map(|c| format!("{} tokens read, {} written", c.tokens.input, c.tokens.output));
    note("small call", true, began, counted.map_err(|e| e.to_string()));

    let began = Instant::now();
    let task = Analyse { text: "收到你的信我真高兴，希望明年一起去看海！".to_owned() };
    let mut material = Material::new([0; 6], false);
    let formed = model.complete(&tasks::prompt(&task, &mut material), deadline()).await;
    let read = match formed {
        Err(error) => Err(error.to_string()),
        Ok(completion) => match read::first_object(&completion.text).and_then(|object| task.read(&object)) {
            Some(answer) => Ok(format!("read as {}", answer.sentiment.as_str())),
            None => {
                Err("the answer has another form: every call will be repaired or answered here".to_owned())
            }
        },
    };
    let plain = if model.refuses_schemas() { ", without the schema, which it refuses" } else { "" };
    note("call with a schema", true, began, read.map(|text| format!("{text}{plain}")));

    let began = Instant::now();
    let mut count = 0_u32;
    let prompt = hello();
    let streamed = model.stream(&prompt, deadline(), |_| {
        count += 1;
        true
    });
    let streamed = streamed.await.map(drop).map_err(|e| e.to_string());
    note("stream", false, began, streamed.map(|()| format!("{count} pieces, whole")));
    Ok(trials)
}

async fn models(provider: &Provider) -> Result<String, String> {
    let client = http_client().map_err(|_| "no HTTP client".to_owned())?;
    let request = client.get(format!("{}models", provider.base_url)).timeout(provider.timeout);
    let key = provider.api_key.0.as_str();
    let request = match provider.protocol {
        Protocol::OpenAi => request.bearer_auth(key),
        Protocol::Anthropic => request.header("x-api-key", key).header("anthropic-version", "2023-06-01"),
        Protocol::Gemini => request.header("x-goog-api-key", key),
    };
    // The library's errors name the URL, which holds no key.
    let response = request.send().await.map_err(without_url)?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("status {}", status.as_u16()));
    }
    let body: Value = response.json().await.map_err(without_url)?;
    let list = body.get("data").or(body.get("models")).and_then(Value::as_array);
    let list = list.ok_or("not a list of models")?;
    let name = |model: &Value| {
        let name = model.get("id").or(model.get("name"))?.as_str()?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    let known = list.iter().filter_map(name).any(|name| name == provider.model);
    let ours = if known { "ours is among them" } else { "ours is NOT among them" };
    Ok(format!("{}, {ours}", list.len()))
}

fn without_url(error: reqwest::Error) -> String {
    error.without_url().to_string()
}
