//! What customer-service channels speak, without any I/O: whose request this is, and what it says.
//!
//! Promises
//! - Whatever bytes come in, nothing panics, and nothing is believed before its signature is checked.
//! - Signatures are compared in constant time, over the raw bytes as they came.
//! - No text of an [`Inbound`] holds a NUL, which PostgreSQL takes in no text: whoever sends one keeps nobody else's from coming.
//! - A message that is not understood is kept as it came, as `unsupported`; it is never dropped.

pub mod bridge;
pub mod doudian;
pub mod douyin;
pub mod jd;
mod json;
mod proof;
mod query;
pub mod wecom;
pub mod words;

use kernel::Timestamp;
use serde_json::Value;

/// Who a message on a channel is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The customer.
    Customer,
    /// A person of ours who answered in the channel's own client: not for the assistant.
    Colleague,
    /// The channel: something happened, nobody said anything.
    System,
}

/// One message or event that a channel told us, the same shape for all channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    /// The channel's id for it: the same message has the same id however often it comes.
    pub external_id: String,
    /// Our account on the channel: WeCom's `open_kfid`, a shop's open id, a vendor's id.
    pub kf_id: String,
    /// The customer, as the channel names them.
    pub customer_id: String,
    /// What the customer is called, if the channel says.
    pub customer_name: Option<String>,
    /// Where an answer goes, if that is more than `customer_id`: Douyin's `conversation_short_id`, a `sid`.
    pub conversation: Option<String>,
    /// Who wrote it. [`Origin::Colleague`]: `colleague` says who, if the channel does.
    pub origin: Origin,
    /// The channel's name for our person.
    pub colleague: Option<String>,
    /// When it was sent, by the channel's clock.
    pub sent_at: Timestamp,
    /// What it is.
    pub content: Content,
    /// As it came, for the record.
    pub raw: Value,
}

impl Inbound {
    /// The same without NUL characters.
    #[must_use]
    fn clean(mut self) -> Self {
        let Self { external_id, kf_id, customer_id, customer_name, conversation, colleague, content, .. } =
            &mut self;
        let mut texts = vec![external_id, kf_id, customer_id];
        texts.extend([customer_name, conversation, colleague].into_iter().flatten());
        match content {
            Content::Text { text, menu } => {
                texts.push(text);
                texts.extend(menu);
            }
            Content::Media { reference, .. } => texts.push(reference),
            Content::Other { kind, text } => texts.extend([kind, text]),
            Content::Entered { welcome_code } => texts.extend(welcome_code),
            Content::SendFailed { external_id, reason } => texts.extend([external_id, reason]),
            Content::Recalled { external_id } => texts.push(external_id),
            Content::Ended | Content::Ignored => {}
        }
        for text in texts {
            text.retain(|c| c != '\0');
        }
        self
    }
}

/// What a message holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Words. `menu` is the id of the menu entry that was touched instead of typing.
    Text {
        /// The words.
        text: String,
        /// WeCom's `menu_id`.
        menu: Option<String>,
    },
    /// A file that lies with the channel.
    Media {
        /// `image`, `voice`, `video` or `file`.
        kind: MediaKind,
        /// How to fetch it: WeCom's `media_id`, or a URL.
        reference: String,
    },
    /// Something else that a person can read: its type (`location`, `link`, …) and one line of words.
    Other {
        /// The channel's type.
        kind: String,
        /// What to show.
        text: String,
    },
    /// The customer opened the chat. `welcome_code` can be answered once, within 20 s.
    Entered {
        /// WeCom's `welcome_code`.
        welcome_code: Option<String>,
    },
    /// A message of ours did not arrive.
    SendFailed {
        /// Our id of it.
        external_id: String,
        /// Why, as the channel has it.
        reason: String,
    },
    /// A message was taken back.
    Recalled {
        /// The channel's id of it.
        external_id: String,
    },
    /// The channel ended the conversation.
    Ended,
    /// Nothing that the desk acts on; on record only.
    Ignored,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// Spoken.
    Voice,
    /// Moving.
    Video,
    /// Any file.
    File,
}

impl MediaKind {
    /// `image`, `voice`, `video` or `file`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::File => "file",
        }
    }

    /// By its [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Image, Self::Voice, Self::Video, Self::File].into_iter().find(|kind| kind.name() == name)
    }
}

/// Why a callback is refused. The words are for the sender; they never repeat a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No signature, or not that of this account: 401.
    #[error("{0}")]
    Signature(&'static str),
    /// Its time is more than five minutes off: 401.
    #[error("{0}")]
    Stale(&'static str),
    /// Well signed, and not to be understood: 400. Names the field.
    #[error("{field}: {reason}")]
    Malformed {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Refusal {
    pub(crate) fn malformed(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { field, reason: reason.into() }
    }
}

/// What makes a signed request one of its kind. Whoever takes requests writes `key` down together with the
/// request and refuses another with the same key; after `until` the request is refused by its time alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// At most 64 bytes, unique within the account.
    pub key: String,
    /// From then on the key may be forgotten.
    pub until: Timestamp,
}

/// A setting of an account that cannot be right. Never repeats the value: it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct BadKey {
    /// The setting, as the channel's console names it.
    pub field: &'static str,
    /// What it has to be.
    pub reason: &'static str,
}

/// A message that the channel would not take as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Unsendable {
    /// The field of the channel's request.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Unsendable {
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }

    /// A text that must be there and take at most so many bytes.
    pub(crate) fn check(field: &'static str, text: &str, bytes: usize) -> Result<(), Self> {
        if text.is_empty() {
            return Err(Self::new(field, "is empty"));
        }
        Self::fits(field, text, bytes)
    }

    /// A text that may be empty and takes at most so many bytes.
    pub(crate) fn fits(field: &'static str, text: &str, bytes: usize) -> Result<(), Self> {
        if text.len() > bytes {
            return Err(Self::new(field, format!("takes {} bytes of at most {bytes}", text.len())));
        }
        Ok(())
    }
}
