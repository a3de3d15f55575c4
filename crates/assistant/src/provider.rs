//! Calls to a provider: in time, retried once, never for long in vain.
//!
//! Promises
//! - A call ends by its deadline, whatever the other side does.
//! - One retry, and only where it may help: 429 and 5xx (after `Retry-After`, if that is at most 5 s), no
//!   connection, an answer that is no answer.
//! - A stream that broke off is an error, however much of it came.
//! - No text of a request or an answer gets into an error or a log: the library's errors hold both and are
//!   never printed.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use genai::{
    ModelIden, ServiceTarget,
    adapter::AdapterKind,
    chat::{ChatOptions, ChatRequest, ChatResponse, ChatStreamEvent, JsonSpec, StopReason, Usage},
    resolver::{AuthData, Endpoint},
};
use kernel::Clock;
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    address::is_refused,
    breaker::Breaker,
    config::{Protocol, Provider},
    read,
};

/// A connection takes at most this long.
const CONNECT: Duration = Duration::from_secs(3);
/// So many calls at a time; more wait, as long as their deadline lets them.
const CONCURRENT: usize = 16;
/// A provider that wants to be left alone for longer is not asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// More of an answer is not read.
const MOST_BYTES: usize = 256 * 1024;

/// What a model is asked.
pub(crate) struct Prompt {
    pub(crate) system: String,
    pub(crate) user: String,
    /// The form of the answer, with a name; `None`: text.
    pub(crate) schema: Option<(&'static str, Value)>,
    /// So many tokens may be written.
    pub(crate) most_out: u32,
}

impl Prompt {
    /// About how many tokens it has: one for a Han character, one for four Latin letters.
    pub(crate) fn tokens(&self) -> i64 {
        let schema = self.schema.as_ref().map_or(0, |(_, schema)| estimate(&schema.to_string()));
        estimate(&self.system) + estimate(&self.user) + schema + 32
    }
}

/// About how many tokens a text has.
pub(crate) fn estimate(text: &str) -> i64 {
    let (ascii, other) =
        text.chars().fold((0_i64, 0_i64), |(a, o), c| if c.is_ascii() { (a + 1, o) } else { (a, o + 1) });
    other + (ascii + 3) / 4
}

/// What was read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tokens {
    pub(crate) input: i64,
    pub(crate) output: i64,
}

/// What a model wrote.
pub(crate) struct Completion {
    pub(crate) text: String,
    pub(crate) tokens: Tokens,
}

/// Why there is no answer. Holds nothing of the request or the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    #[error("status {code}")]
    Status { code: u16, retry_after: Option<Duration> },
    #[error("no connection")]
    Connect,
    #[error("no answer in time")]
    Timeout,
    #[error("not an answer")]
    Malformed,
    #[error("the answer broke off")]
    Cut,
    #[error("the provider declined")]
    Declined,
    #[error("too many calls at once")]
    Busy,
    #[error("resting after failures")]
    Open,
    #[error("the caller went away")]
    Abandoned,
}

impl CallError {
    /// How long to wait before the one retry; `None`: it would not help.
    fn wait(self) -> Option<Duration> {
        let (least, jitter) = match self {
            Self::Status { code: 408 | 429 | 500..=599, retry_after } => {
                let least = retry_after.unwrap_or(Duration::from_millis(250));
                (Some(least).filter(|wait| *wait <= LONGEST_WAIT)?, 250)
            }
            Self::Connect | Self::Malformed => (Duration::from_millis(100), 200),
            _ => return None,
        };
        let [random] = kernel::id::random().unwrap_or([128]);
        Some(least + Duration::from_millis(u64::from(random) * jitter / 255))
    }

    /// Whether the provider may have read (and charge for) what was sent.
    pub(crate) fn may_have_cost(self) -> bool {
        matches!(self, Self::Timeout | Self::Malformed | Self::Cut | Self::Declined | Self::Abandoned)
    }

    /// Whether the answer's form may be what was refused.
    fn refuses_schema(self) -> bool {
        matches!(self, Self::Status { code: 400 | 404 | 422 | 501, .. })
    }
}

/// A model at a provider.
pub(crate) struct Model {
    client: genai::Client,
    target: ServiceTarget,
    clock: Clock,
    breaker: Breaker,
    slots: Semaphore,
    /// It refused a schema before: the prompt's words must do.
    without_schema: AtomicBool,
    label: String,
}

impl Model {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub(crate) fn new(provider: &Provider, clock: Clock) -> Result<Self, std::io::Error> {
        let adapter = match provider.protocol {
            Protocol::OpenAi => AdapterKind::OpenAI,
            Protocol::Anthropic => AdapterKind::Anthropic,
            Protocol::Gemini => AdapterKind::Gemini,
        };
        let http = http_client().map_err(std::io::Error::other)?;
        let client = genai::Client::builder().with_reqwest(http).with_adapter_kind(adapter).build();
        let client = client.map_err(|_| std::io::Error::other("the provider's client cannot be made"))?;
        // A server that needs no key gets one that is none, since the library wants one.
        let key = Some(provider.api_key.0.as_str()).filter(|key| !key.is_empty()).unwrap_or("none");
        Ok(Self {
            client,
            target: ServiceTarget {
                endpoint: Endpoint::from_owned(provider.base_url.as_str()),
                // Never from the environment, which is the library's habit.
                auth: AuthData::from_single(key),
                model: ModelIden::new(adapter, provider.model.as_str()),
            },
            clock,
            breaker: Breaker::default(),
            slots: Semaphore::new(CONCURRENT),
            without_schema: AtomicBool::new(false),
            label: format!("{}:{}", provider.protocol.as_str(), provider.model),
        })
    }

    /// `openai:gpt-x`
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Whether it refused a schema and did without one.
    pub(crate) fn refuses_schemas(&self) -> bool {
        self.without_schema.load(Ordering::Relaxed)
    }

    /// A place among those who may call.
    pub(crate) async fn enter(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, CallError> {
        let slot = tokio::time::timeout_at(deadline.into(), self.slots.acquire());
        let slot = slot.await.map_err(|_| CallError::Busy)?.map_err(|_| CallError::Busy)?;
        if !self.breaker.allows(self.clock.now()) {
            return Err(CallError::Open);
        }
        Ok(slot)
    }

    /// The whole answer.
    pub(crate) async fn complete(&self, prompt: &Prompt, deadline: Instant) -> Result<Completion, CallError> {
        let mut schema = !self.without_schema.load(Ordering::Relaxed);
        let first = self.attempt(prompt, schema, deadline).await;
        let result = match first {
            Err(error) if prompt.schema.is_some() && schema && error.refuses_schema() => {
                schema = false;
                let second = self.attempt(prompt, schema, deadline).await;
                if second.is_ok() && !self.without_schema.swap(true, Ordering::Relaxed) {
                    tracing::warn!(engine = self.label, "the provider refuses schemas, the prompt must do");
                }
                second
            }
            Err(error) if self.waited(error, deadline).await => self.attempt(prompt, schema, deadline).await,
            result => result,
        };
        self.note(result.as_ref().err().copied());
        result
    }

    /// The whole answer, too; its pieces go to `piece` while they come, until it says that nobody listens.
    pub(crate) async fn stream(
        &self,
        prompt: &Prompt,
        deadline: Instant,
        mut piece: impl FnMut(&str) -> bool,
    ) -> Result<Completion, CallError> {
        let mut text = String::new();
        let mut result = self.attempt_stream(prompt, deadline, &mut text, &mut piece).await;
        // Once a piece is out there is no way to begin anew.
        if let Err(error) = result
            && text.is_empty()
            && self.waited(error, deadline).await
        {
            result = self.attempt_stream(prompt, deadline, &mut text, &mut piece).await;
        }
        self.note(result.as_ref().err().copied());
        let tokens = result?;
        Ok(Completion { text, tokens })
    }

    /// Whether a retry is worth it; returns when it may be made.
    async fn waited(&self, error: CallError, deadline: Instant) -> bool {
        let Some(wait) = error.wait() else { return false };
        let left = deadline.saturating_duration_since(Instant::now());
        if wait >= left {
            return false;
        }
        let waiting = tokio::time::timeout(left, self.clock.sleep(wait));
        waiting.await.is_ok()
    }

    fn note(&self, error: Option<CallError>) {
        let Some(error) = error.filter(|error| *error != CallError::Abandoned) else {
            return self.breaker.succeeded();
        };
        let opened = self.breaker.failed(self.clock.now());
        tracing::warn!(engine = self.label, %error, opened, "the provider did not answer");
    }

    async fn attempt(
        &self,
        prompt: &Prompt,
        schema: bool,
        deadline: Instant,
    ) -> Result<Completion, CallError> {
        let options = self.options(prompt, schema);
        let call = self.client.exec_chat(self.target.clone(), request(prompt), Some(&options));
        let response = tokio::time::timeout_at(deadline.into(), call).await;
        let response = response.map_err(|_| CallError::Timeout)?.map_err(|e| sorted(&e))?;
        if matches!(response.stop_reason, Some(StopReason::ContentFilter(_))) {
            return Err(CallError::Declined);
        }
        let tokens = counted(&response.usage);
        let text = text_of(response);
        let tokens = tokens.unwrap_or_else(|| guessed(prompt, &text));
        Ok(Completion { text, tokens })
    }

    async fn attempt_stream(
        &self,
        prompt: &Prompt,
        deadline: Instant,
        text: &mut String,
        piece: &mut impl FnMut(&str) -> bool,
    ) -> Result<Tokens, CallError> {
        let options = self.options(prompt, false).with_capture_usage(true);
        let call = self.client.exec_chat_stream(self.target.clone(), request(prompt), Some(&options));
        let mut stream = tokio::time::timeout_at(deadline.into(), call)
            .await
            .map_err(|_| CallError::Timeout)?
            .map_err(|e| sorted(&e))?
            .stream;
        loop {
            let next = tokio::time::timeout_at(deadline.into(), stream.next());
            let event = next.await.map_err(|_| CallError::Timeout)?.ok_or(CallError::Cut)?;
            match event.map_err(|e| sorted(&e))? {
                ChatStreamEvent::Chunk(chunk) if text.len() + chunk.content.len() > MOST_BYTES => {
                    return Err(CallError::Malformed);
                }
                ChatStreamEvent::Chunk(chunk) => {
                    text.push_str(&chunk.content);
                    if !piece(&chunk.content) {
                        return Err(CallError::Abandoned);
                    }
                }
                ChatStreamEvent::End(end) => {
                    let tokens = end.captured_usage.as_ref().and_then(counted);
                    return match end.captured_stop_reason {
                        Some(StopReason::Completed(_) | StopReason::StopSequence(_)) => {
                            Ok(tokens.unwrap_or_else(|| guessed(prompt, text)))
                        }
                        Some(StopReason::ContentFilter(_)) => Err(CallError::Declined),
                        // Some adapters end a stream that just stopped; only a reason makes it whole.
                        _ => Err(CallError::Cut),
                    };
                }
                _ => {}
            }
        }
    }

    fn options(&self, prompt: &Prompt, schema: bool) -> ChatOptions {
        // No temperature: several models refuse any but their own.
        let options =
            ChatOptions::default().with_max_tokens(prompt.most_out).with_normalize_reasoning_content(true);
        match &prompt.schema {
            Some((name, form)) if schema => options.with_response_format(JsonSpec::new(*name, form.clone())),
            _ => options,
        }
    }
}

fn request(prompt: &Prompt) -> ChatRequest {
    ChatRequest::from_user(prompt.user.as_str()).with_system(prompt.system.as_str())
}

/// What was written; where it all landed among the thoughts, these.
fn text_of(response: ChatResponse) -> String {
    let reasoning = response.reasoning_content;
    let text = response.content.into_texts().concat();
    let text = if text.trim().is_empty() { reasoning.unwrap_or_default() } else { text };
    read::beginning(&text, MOST_BYTES).to_owned()
}

/// What the provider counted, unless it counted nothing.
fn counted(usage: &Usage) -> Option<Tokens> {
    let (input, output) = (usage.prompt_tokens?, usage.completion_tokens?);
    (input > 0 && output >= 0).then(|| Tokens { input: input.into(), output: output.into() })
}

fn guessed(prompt: &Prompt, text: &str) -> Tokens {
    Tokens { input: prompt.tokens(), output: estimate(text) }
}

/// The library's error without what it holds.
fn sorted(error: &genai::Error) -> CallError {
    if let Some(status) = error.status() {
        let retry_after = error.headers().and_then(retry_after);
        return CallError::Status { code: status.as_u16(), retry_after };
    }
    let by_http = |error: &reqwest::Error| match error {
        e if e.is_timeout() => CallError::Timeout,
        e if e.is_connect() => CallError::Connect,
        _ => CallError::Cut,
    };
    match error {
        genai::Error::WebModelCall { webc_error: genai::webc::Error::Reqwest(e), .. } => by_http(e),
        genai::Error::WebStream { error, .. } => error.downcast_ref().map_or(CallError::Cut, by_http),
        _ => CallError::Malformed,
    }
}

/// Seconds; a date is not taken, since it would need the other side's clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// A client that follows no redirect, which would carry the key elsewhere, and connects to no address that
/// hands out credentials, whatever name leads there.
pub(crate) fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Guarded)
        .build()
}

struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| !is_refused(address.ip())).collect();
            if allowed.is_empty() {
                return Err(std::io::Error::other("no address that may be connected to").into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_where_it_may_help() {
        let status = |code, seconds| CallError::Status { code, retry_after: seconds };
        let second = Duration::from_secs(1);
        for (error, least) in [
            (status(429, Some(second)), Some(second)),
            (status(429, Some(6 * second)), None),
            (status(503, None), Some(Duration::from_millis(250))),
            (status(401, None), None),
            (status(400, Some(second)), None),
            (CallError::Connect, Some(Duration::from_millis(100))),
            (CallError::Timeout, None),
            (CallError::Cut, None),
        ] {
            let wait = error.wait();
            assert_eq!(wait.is_some(), least.is_some(), "{error}");
            if let (Some(wait), Some(least)) = (wait, least) {
                assert!(wait >= least && wait <= least + Duration::from_millis(250), "{error}: {wait:?}");
            }
        }
    }

    #[test]
    fn tokens_are_guessed_by_script() {
        assert_eq!(estimate("时间胶囊"), 4);
        assert_eq!(estimate("time capsule"), 3);
        assert_eq!(estimate(""), 0);
    }
}
