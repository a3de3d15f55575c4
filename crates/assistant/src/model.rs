//! What the assistant is asked and what it answers, the same for every engine.

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

httpkit::text_enum! {
    /// What kind of help with writing.
    WritingKind {
        /// Numbered points, each with a question that leads on.
        Outline = "OUTLINE",
        /// Rough paragraphs with gaps.
        Draft = "DRAFT",
        /// A finished letter.
        Complete = "COMPLETE",
    }
}

httpkit::text_enum! {
    /// How it is to sound.
    Tone {
        /// Courteous.
        Formal = "FORMAL",
        /// As among friends.
        Casual = "CASUAL",
        /// From the heart.
        Emotional = "EMOTIONAL",
        /// Encouraging.
        Inspirational = "INSPIRATIONAL",
    }
}

httpkit::text_enum! {
    /// How long it is to be.
    Length {
        /// About 120 Chinese characters or 80 words.
        Short = "SHORT",
        /// About 300 or 200.
        Medium = "MEDIUM",
        /// About 700 or 450.
        Long = "LONG",
    }
}

httpkit::text_enum! {
    /// Which way a text leans.
    Sentiment {
        /// Facts, questions, requests.
        Neutral = "NEUTRAL",
        /// Mostly good.
        Positive = "POSITIVE",
        /// Mostly bad.
        Negative = "NEGATIVE",
        /// Clearly both.
        Mixed = "MIXED",
    }
}

httpkit::text_enum! {
    /// What a text feels like.
    Emotion {
        /// Joy, pride, gratitude, love.
        Happy = "HAPPY",
        /// Grief, loneliness, disappointment.
        Sad = "SAD",
        /// Wishes and confidence.
        Hopeful = "HOPEFUL",
        /// Longing for what was.
        Nostalgic = "NOSTALGIC",
        /// Impatient joy.
        Excited = "EXCITED",
    }
}

httpkit::text_enum! {
    /// How far a reply brings its goal.
    GoalProgress {
        /// Not at all, or there is no goal.
        None = "NONE",
        /// Nearer.
        Progress = "PROGRESS",
        /// There.
        Reached = "REACHED",
        /// It cannot be reached any more.
        Impossible = "IMPOSSIBLE",
    }
}

httpkit::text_enum! {
    /// What the desk does with a customer's message.
    DeskAction {
        /// A person takes over.
        Handoff = "HANDOFF",
        /// The customer gets the answer.
        Answer = "ANSWER",
        /// The customer is asked which of a few questions is theirs.
        Clarify = "CLARIFY",
    }
}

httpkit::text_enum! {
    /// Why a person takes over.
    HandoffReason {
        /// Nobody does.
        None = "NONE",
        /// The customer asked for one.
        Requested = "REQUESTED",
        /// The knowledge base does not say.
        NotInKb = "NOT_IN_KB",
        /// The customer is angry.
        Angry = "ANGRY",
        /// Law, injury, complaint: nothing for a machine.
        Risk = "RISK",
        /// Something else.
        Other = "OTHER",
    }
}

/// An answer, and who gave it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Answered<T> {
    /// The answer.
    #[serde(flatten)]
    pub value: T,
    /// Who gave it: `embedded`, or the provider and its model.
    #[schema(example = "embedded")]
    pub engine: String,
    /// True where the provider was to answer and did not, so that the embedded engine did; else absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}

/// A text with help asked for.
#[derive(Debug, Clone, Serialize)]
pub struct WriteRequest {
    /// What it is to be about, in the writer's words.
    pub prompt: String,
    /// What kind of help.
    pub kind: WritingKind,
    /// How it is to sound.
    pub tone: Tone,
    /// How long it is to be.
    pub length: Length,
    /// What else is to be known.
    pub context: Option<String>,
}

/// A text that was helped with.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// The outline, draft or letter.
    pub content: String,
    /// What would make it better.
    pub suggestions: Vec<String>,
    /// How long it takes to write that by oneself, in minutes.
    #[schema(example = 5)]
    pub estimated_time: u32,
}

/// What a text says about its writer's feeling, and what it is about.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Analysis {
    /// Which way it leans.
    pub sentiment: Sentiment,
    /// How sure that is, from 0 to 1.
    #[schema(example = 0.85)]
    pub confidence: f64,
    /// The strongest first; often none.
    pub emotions: Vec<EmotionScore>,
    /// Words of the text, at most eight.
    pub keywords: Vec<String>,
    /// What it says, in a sentence or two.
    pub summary: String,
}

/// An emotion and its strength.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EmotionScore {
    /// Which.
    #[serde(rename = "type")]
    pub kind: Emotion,
    /// From 0 to 1.
    #[schema(example = 0.7)]
    pub score: f64,
}

/// A letter whose future is to be imagined.
#[derive(Debug, Clone)]
pub struct PredictRequest {
    /// The letter.
    pub content: String,
    /// When it arrives.
    pub delivery: Timestamp,
    /// What else is to be known.
    pub context: Option<String>,
}

/// What may have changed by the time a letter arrives. Nobody knows, and it says so.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Prediction {
    /// What may be.
    pub prediction: String,
    /// Never more than 0.6, of the embedded engine never more than 0.3.
    #[schema(example = 0.3)]
    pub confidence: f64,
    /// What it depends on.
    pub factors: Vec<String>,
    /// What can be done now.
    pub suggestions: Vec<String>,
}

/// A message of a conversation.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// Who wrote it, as it is shown.
    pub from: String,
    /// Whether it is the user's (in the desk: the shop's) own.
    pub own: bool,
    /// When.
    pub sent_at: Timestamp,
    /// What it says; of mail the text without what it quotes, where that is known.
    pub text: String,
}

/// A conversation to be summed up.
#[derive(Debug, Clone, Serialize)]
pub struct ThreadRequest {
    /// For whom, as they are called in it.
    pub user: String,
    /// The oldest first.
    pub messages: Vec<Message>,
    /// The summary of what came before these messages.
    pub earlier: Option<String>,
}

/// Where a conversation stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ThreadSummary {
    /// In a few sentences.
    pub summary: String,
    /// The agreed, the asked, numbers and dates.
    pub key_points: Vec<String>,
    /// How the others feel.
    pub sentiment: Sentiment,
    /// What the user has not answered yet.
    pub open_questions: Vec<String>,
    /// Whether a message seems to speak to the machine: nothing may be sent by itself.
    pub suspicious: bool,
}

/// What a knowledge base says.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// `kbe_…`
    pub id: String,
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
}

/// A message to be answered.
#[derive(Debug, Clone, Serialize)]
pub struct ReplyRequest {
    /// Who answers, as they are called.
    pub user: String,
    /// Whom they write to, as a greeting names them, where no message of theirs does; may be empty.
    pub to: String,
    /// What they want to reach.
    pub goal: Option<Goal>,
    /// How they want to be spoken for.
    pub instructions: Option<String>,
    /// The oldest first; the last one is answered. If that is the user's own it is followed up; without any the first one is
    /// written.
    pub messages: Vec<Message>,
    /// What the knowledge base says, the best first.
    pub facts: Vec<Fact>,
}

/// What somebody wants to reach in a conversation.
#[derive(Debug, Clone, Serialize)]
pub struct Goal {
    /// In their words.
    pub text: String,
    /// How much, in their words (`HIGH`, `2`).
    pub priority: String,
}

/// A reply to choose, change or leave. Nothing in it is sent by itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SuggestedReply {
    /// The best.
    pub recommended_reply: String,
    /// Others, with another stance.
    pub alternative_replies: Vec<String>,
    /// What the conversation is about.
    pub conversation_summary: String,
    /// The ids of the facts in it.
    pub facts_used: Vec<String>,
    /// How far it brings the goal.
    pub goal_progress: GoalProgress,
    /// Whether a person must look before it goes out.
    pub needs_human: bool,
    /// Why.
    pub reason: String,
    /// From 0 to 1.
    pub confidence: f64,
    /// Whether a message seems to speak to the machine: nothing may be sent by itself.
    pub suspicious: bool,
}

/// How sure the search in the knowledge base is of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Found {
    /// The first fact answers the question.
    Answer,
    /// One of the facts may.
    Clarify,
    /// None does.
    Nothing,
}

/// A customer's message to be answered.
#[derive(Debug, Clone, Serialize)]
pub struct DeskRequest {
    /// As the customers know it.
    pub shop: String,
    /// The last ones of this session, the oldest first; the last is the customer's.
    pub messages: Vec<Message>,
    /// What the knowledge base says to the last message, the best first.
    pub facts: Vec<Fact>,
    /// How sure the search is of that.
    pub found: Found,
    /// The same as a number from 0 to 1.
    pub confidence: f64,
}

/// What the customer gets, and what happens next.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeskAnswer {
    /// What to do.
    pub action: DeskAction,
    /// For the customer, in every case.
    pub answer: String,
    /// The ids of the facts that it rests on; never empty for an answer.
    pub citations: Vec<String>,
    /// Why a person takes over.
    pub handoff_reason: HandoffReason,
    /// From 0 to 1.
    pub confidence: f64,
}
