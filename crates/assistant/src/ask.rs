//! One way for every task: the provider within its limits, and the embedded engine where that does not lead to
//! an answer.
//!
//! Promises
//! - There is always an answer, within the provider's time limit; who gave it, it says itself.
//! - No call is made over a cap, past an open breaker, or with personal data that must not leave.
//! - What was begun is settled and recorded, whether or not the caller is still there.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::{
    Assistant,
    caps::{self, Cap},
    config::{Privacy, Provider},
    guard::Material,
    model::{Answered, WriteRequest, Written},
    pieces::Pieces,
    provider::{CallError, Completion, Model, Prompt, Tokens},
    read,
    redact::Redactor,
    sealed::answer_place,
    store::{self, Call},
    tasks::{self, Task},
};

/// The name of the engine that is always here.
pub(crate) const EMBEDDED: &str = "embedded";
/// What has had its time is looked for this often.
const SWEEP: Duration = Duration::from_secs(3600);

/// Why the embedded engine answers where a provider was to.
#[derive(Debug, Clone, Copy)]
enum Degraded {
    Call(CallError),
    Cap(Cap),
    Personal,
    Unreadable,
    Checked(&'static str),
    Internal,
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Cap(cap) => f.write_str(cap.as_str()),
            Self::Personal => f.write_str("personal data"),
            Self::Unreadable => f.write_str("unreadable answer"),
            Self::Checked(reason) => f.write_str(reason),
            Self::Internal => f.write_str("our own database or random source"),
        }
    }
}

impl From<CallError> for Degraded {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// A request on its way.
struct Asking<'a, T> {
    assistant: &'a Assistant,
    model: &'a Model,
    provider: &'a Provider,
    owner: &'a str,
    task: &'a T,
    material: Material,
    began: Instant,
    deadline: Instant,
    tokens: Tokens,
    outcome: &'static str,
}

impl Assistant {
    /// Asks the engine in use.
    pub(crate) async fn ask<T: Task>(&self, owner: &str, task: T) -> Answered<T::Answer> {
        if let Some(value) = task.decided() {
            return Answered { value, engine: EMBEDDED.to_owned(), degraded: false };
        }
        let task = Arc::new(task);
        if self.0.provider.is_none() {
            return embedded(task, false).await;
        }
        // In a task of its own: a caller who goes away must not leave a call unsettled.
        let (me, owner, asked) = (self.clone(), owner.to_owned(), Arc::clone(&task));
        let asking = tokio::spawn(async move { me.ask_provider(&owner, asked.as_ref(), None).await });
        match asking.await {
            Ok(Some((value, engine))) => Answered { value, engine, degraded: false },
            Ok(None) => embedded(task, true).await,
            Err(error) => {
                tracing::error!(panicked = error.is_panic(), task = T::NAME, "asking the provider failed");
                embedded(task, true).await
            }
        }
    }

    /// Asks for a text whose pieces are wanted while they come. They are a preview: the answer counts.
    pub(crate) async fn ask_in_pieces(
        &self,
        owner: &str,
        task: WriteRequest,
        pieces: mpsc::UnboundedSender<String>,
    ) -> Answered<Written> {
        let task = Arc::new(task);
        if self.0.provider.is_none() {
            let answered = embedded(task, false).await;
            in_paragraphs(&answered.value.content, &pieces);
            return answered;
        }
        let (me, owner, asked) = (self.clone(), owner.to_owned(), Arc::clone(&task));
        let asking = tokio::spawn(async move { me.ask_provider(&owner, asked.as_ref(), Some(pieces)).await });
        match asking.await {
            Ok(Some((value, engine))) => Answered { value, engine, degraded: false },
            _ => embedded(task, true).await,
        }
    }

    /// The provider's answer and its name, or `None`; recorded either way.
    async fn ask_provider<T: Task>(
        &self,
        owner: &str,
        task: &T,
        pieces: Option<mpsc::UnboundedSender<String>>,
    ) -> Option<(T::Answer, String)> {
        let (model, provider) = (self.0.model.as_ref()?, self.0.provider.as_ref()?);
        let began = Instant::now();
        let patience = T::PATIENCE.map_or(provider.timeout, |p| p.min(provider.timeout));
        let (mark, known) = match kernel::id::random() {
            Ok(mark) => (mark, true),
            Err(_) => ([0; 6], false),
        };
        let mut asking = Asking {
            assistant: self,
            model,
            provider,
            owner,
            task,
            material: Material::new(mark, provider.privacy != Privacy::Allow),
            began,
            deadline: began + patience,
            tokens: Tokens::default(),
            outcome: "answered",
        };
        let hash = self.hash(provider, owner, task)?;
        let found = match known {
            true => asking.answer(&hash, pieces.as_ref()).await,
            false => Err(Degraded::Internal),
        };
        asking.record(&hash, &found).await;
        found.ok().map(|value| (value, model.label().to_owned()))
    }

    /// What makes two requests the same, as a keyed hash: nobody who reads the table can try texts against it.
    fn hash<T: Task>(&self, provider: &Provider, owner: &str, task: &T) -> Option<String> {
        let input = serde_json::to_vec(task).ok()?;
        let version = T::PROMPT_VERSION.to_string();
        let privacy = if provider.privacy == Privacy::Allow { "allow" } else { "redact" };
        let mut hasher = Sha256::new();
        hasher.update(self.0.hash_key);
        for part in [
            owner,
            T::NAME,
            &version,
            provider.protocol.as_str(),
            &provider.base_url,
            &provider.model,
            privacy,
        ] {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
        hasher.update(&input);
        Some(data_encoding::HEXLOWER.encode(&hasher.finalize()))
    }
}

/// The embedded engine's answer, made where it keeps nobody waiting.
async fn embedded<T: Task>(task: Arc<T>, degraded: bool) -> Answered<T::Answer> {
    let working = Arc::clone(&task);
    let value = match tokio::task::spawn_blocking(move || working.embedded()).await {
        Ok(value) => value,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The process is about to end.
        Err(_) => task.embedded(),
    };
    Answered { value, engine: EMBEDDED.to_owned(), degraded }
}

/// A text that is there at once, a paragraph at a time. That nobody listens any more is nobody's error.
fn in_paragraphs(text: &str, pieces: &mpsc::UnboundedSender<String>) {
    for paragraph in text.split_inclusive("\n\n") {
        let _ = pieces.send(paragraph.to_owned());
    }
}

impl<T: Task> Asking<'_, T> {
    async fn answer(
        &mut self,
        hash: &str,
        pieces: Option<&mpsc::UnboundedSender<String>>,
    ) -> Result<T::Answer, Degraded> {
        let prompt = match pieces {
            Some(_) => tasks::text_prompt(self.task, &mut self.material),
            None => tasks::prompt(self.task, &mut self.material),
        };
        let personal = self.material.redactor().map_or(0, Redactor::found);
        if self.provider.privacy == Privacy::Block && personal > 0 {
            return Err(Degraded::Personal);
        }
        if let Some(answer) = self.cached(hash).await {
            self.outcome = "cached";
            if let (Some(pieces), Some(text)) = (pieces, T::text(&answer)) {
                in_paragraphs(text, pieces);
            }
            return Ok(answer);
        }
        let model = self.model;
        let _slot = model.enter(self.deadline).await?;
        let answer = match pieces {
            Some(pieces) => self.streamed(&prompt, pieces).await?,
            None => self.whole(&prompt).await?,
        };
        self.task.check(answer).map_err(Degraded::Checked)
    }

    async fn whole(&mut self, prompt: &Prompt) -> Result<T::Answer, Degraded> {
        let (model, deadline) = (self.model, self.deadline);
        let first = self.paid(prompt, model.complete(prompt, deadline)).await?;
        if let Some(answer) = self.read(&first) {
            return Ok(answer);
        }
        self.outcome = "repaired";
        let repair = tasks::repair_prompt::<T>(&first, &mut self.material);
        let second = self.paid(&repair, model.complete(&repair, deadline)).await?;
        self.read(&second).ok_or(Degraded::Unreadable)
    }

    async fn streamed(
        &mut self,
        prompt: &Prompt,
        pieces: &mpsc::UnboundedSender<String>,
    ) -> Result<T::Answer, Degraded> {
        let mut preview = Pieces::default();
        let restore = self.material.redactor().cloned();
        let restored = |text: String| restore.as_ref().map_or_else(|| text.clone(), |r| r.restore(&text));
        let piece = |chunk: &str| match preview.push(chunk) {
            Some(text) => pieces.send(restored(text)).is_ok(),
            None => !pieces.is_closed(),
        };
        let (model, deadline) = (self.model, self.deadline);
        let text = self.paid(prompt, model.stream(prompt, deadline, piece)).await?;
        if let Some(rest) = preview.rest() {
            let _ = pieces.send(restored(rest));
        }
        let text = restored(read::without_thoughts(&text));
        let text = text.trim();
        if text.is_empty() {
            return Err(Degraded::Unreadable);
        }
        self.task.of_text(text.to_owned()).ok_or(Degraded::Unreadable)
    }

    /// A call with its reservation before and its settlement after.
    async fn paid(
        &mut self,
        prompt: &Prompt,
        call: impl Future<Output = Result<Completion, CallError>>,
    ) -> Result<String, Degraded> {
        let (db, caps) = (self.assistant.db(), &self.assistant.0.caps);
        let now = self.assistant.clock().now();
        let most = Tokens { input: prompt.tokens(), output: prompt.most_out.into() };
        let internal = |error: db::DbError| {
            tracing::error!(%error, "the assistant's caps cannot be counted");
            Degraded::Internal
        };
        let reserved = caps::reserve(db, caps, self.owner, most, now).await.map_err(internal)?;
        let reserved = reserved.map_err(Degraded::Cap)?;
        let result = call.await;
        let used = match &result {
            Ok(completion) => completion.tokens,
            Err(error) if error.may_have_cost() => Tokens { input: most.input, output: 0 },
            Err(_) => Tokens::default(),
        };
        self.tokens.input += used.input;
        self.tokens.output += used.output;
        reserved.settle(db, caps, used).await.map_err(internal)?;
        Ok(result?.text)
    }

    fn read(&self, text: &str) -> Option<T::Answer> {
        let mut object = read::first_object(text)?;
        if let Some(redactor) = self.material.redactor() {
            object.0.values_mut().for_each(|value| restore(value, redactor));
        }
        self.task.read(&object)
    }

    async fn cached(&self, hash: &str) -> Option<T::Answer> {
        if self.assistant.0.cache_ttl.is_zero() {
            return None;
        }
        let now = self.assistant.clock().now();
        let found = async {
            let mut conn = self.assistant.db().read().await?;
            store::cached(&mut conn, hash, self.owner, now).await
        };
        let sealed = match found.await {
            Ok(sealed) => sealed?,
            Err(error) => {
                tracing::warn!(%error, "the assistant's cache cannot be read");
                return None;
            }
        };
        // Sealed with a key that is gone, or of an older form: no answer, then.
        let plain = self.assistant.0.accounts.keyring().open(&answer_place(hash), &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    async fn record(&self, hash: &str, found: &Result<T::Answer, Degraded>) {
        if let Err(error) = self.try_record(hash, found).await {
            tracing::error!(%error, task = T::NAME, "the record of an assistant's call cannot be written");
        }
    }

    async fn try_record(&self, hash: &str, found: &Result<T::Answer, Degraded>) -> db::Result<()> {
        let assistant = &self.assistant.0;
        let now = self.assistant.clock().now();
        let micros = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        let redactions = self.material.redactor().map_or(0, Redactor::found);
        let reason = found.as_ref().err().map(ToString::to_string);
        if let Some(reason) = &reason {
            tracing::info!(task = T::NAME, reason, "the embedded engine answers instead");
        }
        let mut tx = self.assistant.db().begin().await?;
        if let Ok(answer) = found
            && self.outcome != "cached"
            && !assistant.cache_ttl.is_zero()
            && let Ok(plain) = serde_json::to_vec(answer)
            && let Ok(sealed) = assistant.accounts.keyring().seal(&answer_place(hash), &plain)
        {
            store::keep(&mut tx, hash, self.owner, &sealed, now + assistant.cache_ttl).await?;
        }
        let call = Call {
            id: &kernel::id::new("call", now),
            owner: self.owner,
            task: T::NAME,
            prompt_version: T::PROMPT_VERSION,
            engine: if found.is_ok() { self.model.label() } else { EMBEDDED },
            input_hash: hash,
            redactions: i64::try_from(redactions).unwrap_or(i64::MAX),
            tokens_in: self.tokens.input,
            tokens_out: self.tokens.output,
            cost: caps::cost(&assistant.caps, self.tokens),
            micros,
            outcome: if found.is_ok() { self.outcome } else { "degraded" },
            reason: reason.as_deref(),
            created_at: now,
        };
        store::insert_call(&mut tx, &call).await?;
        let swept = assistant.swept.load(Ordering::Relaxed);
        if now.micros().saturating_sub(swept) >= i64::try_from(SWEEP.as_micros()).unwrap_or(i64::MAX) {
            store::sweep(&mut tx, now, now - assistant.records_keep).await?;
            assistant.swept.store(now.micros(), Ordering::Relaxed);
        }
        tx.commit().await
    }
}

/// Puts the values back into every text of an answer.
fn restore(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.restore(text),
        Value::Array(values) => values.iter_mut().for_each(|value| restore(value, redactor)),
        Value::Object(fields) => fields.values_mut().for_each(|value| restore(value, redactor)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
