//! How the assistant behaves here: which engine, and what it may cost.

use std::{fmt, time::Duration};

/// The longest time that a provider may be given for one answer.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(120);

/// All of it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The provider that is asked first; `None`: the embedded engine alone.
    pub provider: Option<Provider>,
    /// What the provider may be used for at most.
    pub caps: Caps,
    /// How long a provider's answer is kept for the same question of the same user; zero: not at all.
    pub cache_ttl: Duration,
    /// How long the records of calls are kept.
    pub records_keep: Duration,
}

/// Whose protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's chat completions, and all who speak them: Ollama, llama.cpp, vLLM, LM Studio at `…/v1/`.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
}

impl Protocol {
    /// As in the settings, answers and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// Where its own service is.
    #[must_use]
    pub const fn default_url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1/",
            Self::Anthropic => "https://api.anthropic.com/v1/",
            Self::Gemini => "https://generativelanguage.googleapis.com/v1beta/",
        }
    }
}

/// What happens to personal data (addresses, phone numbers, card and identity numbers, keys) in a text that
/// is about to go to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// It goes as it is.
    Allow,
    /// Placeholders go in its stead, and are replaced in the answer.
    Redact,
    /// The text does not go at all: the embedded engine answers.
    Block,
}

/// A service with a language model.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its protocol.
    pub protocol: Protocol,
    /// Where it is, with a slash at the end.
    pub base_url: String,
    /// Empty where none is needed.
    pub api_key: Secret,
    /// The model's name there.
    pub model: String,
    /// The longest time for one answer, all attempts together.
    pub timeout: Duration,
    /// About personal data.
    pub privacy: Privacy,
}

/// What the provider may be used for at most; 0: without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Calls of one user in a minute.
    pub requests_per_minute: i64,
    /// Tokens, read and written, of one user on a UTC day.
    pub tokens_per_day: i64,
    /// Tokens of all in a UTC month.
    pub tokens_per_month: i64,
    /// What all may cost in a UTC month, in billionths of the prices' currency.
    pub spend_per_month: i64,
    /// What a token that is read costs, in billionths.
    pub price_input: i64,
    /// What a token that is written costs, in billionths.
    pub price_output: i64,
}

/// A text that nothing prints.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
