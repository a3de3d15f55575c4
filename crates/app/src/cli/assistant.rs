//! `hongyan assistant …`: what the engine in use can do, measured and tried.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context as _, bail};
use assistant::{Assistant, Caps, Message, ThreadRequest};
use clap::{Subcommand, ValueEnum};
use kernel::{Clock, Timestamp};
use nlp::{
    Sentiment,
    evaluate::{Hits, Sentiments, Times},
    retrieval,
};
use serde::Deserialize;

use super::say;
use crate::{settings::Settings, system::System};

/// Whose records the calls are under.
const OWNER: &str = "eval";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Score the engine in use on labelled texts
    ///
    /// FILE holds JSON lines with `text` and `sentiment` (perhaps `keywords`), or with `text` and `facts`, or a JSON object
    /// with `kb` and `queries`. A provider is really asked, text by text, without caps and without kept answers.
    Eval {
        /// The labelled texts
        file: PathBuf,
        /// Another engine than the configured one
        #[arg(long)]
        engine: Option<Engine>,
    },
    /// Try the configured provider: its models, a small call, a call with a schema, a stream
    Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    Embedded,
    Provider,
}

impl Command {
    /// Whether all is well.
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<bool> {
        match self {
            Self::Eval { file, engine } => evaluate(settings, &file, engine).await.map(|()| true),
            Self::Test => test(settings).await,
        }
    }
}

async fn test(settings: &Settings) -> anyhow::Result<bool> {
    let Some(provider) = &settings.assistant.provider else {
        say("assistant.provider is embedded: there is nothing to connect to");
        return Ok(true);
    };
    say(&format!("{}:{} at {}", provider.protocol.as_str(), provider.model, provider.base_url));
    let mut well = true;
    for trial in assistant::trial(provider, Clock::system()).await? {
        let (mark, text) = match &trial.result {
            Ok(text) => ("ok  ", text),
            Err(text) if trial.needed => ("FAIL", text),
            Err(text) => ("warn", text),
        };
        well &= trial.result.is_ok() || !trial.needed;
        say(&format!("{mark} {}: {text} ({} ms)", trial.what, trial.took.as_millis()));
    }
    Ok(well)
}

/// A labelled text.
#[derive(Deserialize)]
struct Labelled {
    text: String,
    sentiment: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
    /// Each with its wordings.
    #[serde(default)]
    facts: Vec<Vec<String>>,
}

/// Questions with their entries.
#[derive(Deserialize)]
struct Questions {
    kb: Vec<Entry>,
    queries: Vec<Query>,
}

#[derive(Deserialize)]
struct Entry {
    id: i64,
    q: String,
    a: String,
}

#[derive(Deserialize)]
struct Query {
    q: String,
    /// Of the entry that answers it; none, or one that is not there: out of scope.
    id: Option<i64>,
}

async fn evaluate(settings: &Settings, file: &PathBuf, engine: Option<Engine>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut settings = settings.clone();
    match engine {
        Some(Engine::Embedded) => settings.assistant.provider = None,
        Some(Engine::Provider) if settings.assistant.provider.is_none() => {
            bail!("--engine provider: assistant.provider (HONGYAN_ASSISTANT__PROVIDER) is embedded");
        }
        Some(Engine::Provider) | None => {}
    }
    settings.assistant.caps = Caps {
        requests_per_minute: 0,
        tokens_per_day: 0,
        tokens_per_month: 0,
        spend_per_month: 0,
        ..settings.assistant.caps
    };
    settings.assistant.cache_ttl = std::time::Duration::ZERO;
    if let Ok(questions) = serde_json::from_str::<Questions>(&text) {
        score_retrieval(&questions);
    } else {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(n, line): (usize, &str)| {
            serde_json::from_str::<Labelled>(line)
                .with_context(|| format!("{}: line {}", file.display(), n + 1))
        };
        let texts = lines.map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let system = System::build(&settings, Clock::system(), "").await?;
        tokio::task::spawn_blocking(nlp::warm).await?;
        say(&format!("engine: {}", system.assistant.engine()));
        score_sentiment(&system.assistant, &texts).await?;
        score_facts(&system.assistant, &texts).await;
    }
    say("These are scores on one hand-written set of the size above; nothing is claimed beyond it.");
    Ok(())
}

async fn score_sentiment(assistant: &Assistant, texts: &[Labelled]) -> anyhow::Result<()> {
    let (mut sentiments, mut keywords, mut times) =
        (Sentiments::default(), Hits::default(), Times::default());
    let mut degraded = Hits::default();
    if assistant.engine() == "embedded" {
        // What loads once is no text's time.
        drop(assistant.analyse(OWNER, "热身。 Warming up.").await);
    }
    for labelled in texts {
        let Some(expected) = &labelled.sentiment else { continue };
        let expected = Sentiment::parse(expected)
            .with_context(|| format!("{expected:?} is none of POSITIVE, NEUTRAL, NEGATIVE, MIXED"))?;
        let began = Instant::now();
        let answered = assistant.analyse(OWNER, &labelled.text).await;
        times.add(began.elapsed());
        degraded.add(answered.degraded);
        let answer = Sentiment::parse(answered.value.sentiment.as_str()).unwrap_or(Sentiment::Neutral);
        sentiments.add(expected, answer);
        keywords.add_keywords(&labelled.keywords, &answered.value.keywords);
    }
    if sentiments.total() > 0 {
        say(sentiments.to_string().trim_end());
        say(&format!("keyword recall@5: {keywords}"));
        say(&format!("time of a text: {times}"));
        say_degraded(degraded);
    }
    Ok(())
}

async fn score_facts(assistant: &Assistant, texts: &[Labelled]) {
    let (mut facts, mut times, mut degraded) = (Hits::default(), Times::default(), Hits::default());
    for labelled in texts.iter().filter(|labelled| !labelled.facts.is_empty()) {
        let message = Message {
            from: String::new(),
            own: false,
            sent_at: Timestamp::EPOCH,
            text: labelled.text.clone(),
        };
        let request = ThreadRequest { user: "me".to_owned(), messages: vec![message], earlier: None };
        let began = Instant::now();
        let answered = assistant.summarise_thread(OWNER, request).await;
        times.add(began.elapsed());
        degraded.add(answered.degraded);
        let mut said = answered.value.key_points;
        said.push(answered.value.summary);
        facts.add_facts(&labelled.facts, &said);
    }
    if facts.of > 0 {
        say(&format!("facts in the summary: {facts} of {} texts", degraded.of));
        say(&format!("time of a text: {times}"));
        say_degraded(degraded);
    }
}

fn say_degraded(degraded: Hits) {
    if degraded.right > 0 {
        say(&format!("answered by the embedded engine instead, and scored so: {degraded}"));
    }
}

/// Finding entries is the embedded engine's work whichever engine answers.
fn score_retrieval(questions: &Questions) {
    let ids: Vec<String> = questions.kb.iter().map(|entry| entry.id.to_string()).collect();
    let entries = questions.kb.iter().zip(&ids).map(|(entry, id)| retrieval::Entry {
        id,
        question: &entry.q,
        answer: &entry.a,
        aliases: &[],
    });
    let index = retrieval::Index::build(entries, &retrieval::Synonyms::general());
    nlp::warm();
    let (mut first, mut answered, mut refused) = (Hits::default(), Hits::default(), Hits::default());
    let mut times = Times::default();
    for query in &questions.queries {
        let began = Instant::now();
        let found = index.search(&query.q, 5);
        times.add(began.elapsed());
        let answer = match found.outcome() {
            retrieval::Outcome::Answer(hit) => Some(hit.id.as_str()),
            retrieval::Outcome::Clarify(_) | retrieval::Outcome::None => None,
        };
        let expected = query.id.map(|id| id.to_string()).filter(|id| ids.contains(id));
        match expected {
            Some(id) => {
                first.add(found.hits.first().is_some_and(|hit| hit.id == id));
                answered.add(answer == Some(id.as_str()));
            }
            None => refused.add(answer.is_none()),
        }
    }
    say(&format!("engine: embedded (retrieval), {} entries", ids.len()));
    say(&format!("right entry first: {first}"));
    say(&format!("answered with the right entry, without asking back: {answered}"));
    say(&format!("out of scope and not answered: {refused}"));
    say(&format!("time of a question: {times}"));
}
