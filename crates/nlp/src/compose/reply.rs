//! Answers to a mail: thanks, what the knowledge base says, what the user wants, one open question; and the same with another
//! stance; and first mails and reminders. Drafts for a human to read, never more.

use std::sync::LazyLock;

use super::{
    in_chinese, seed,
    templates::{Slots, Templates},
};
use crate::{
    Cues, key_points, keywords,
    language::is_han,
    split::{one_line, sentences},
    without_quotes,
};

static ZH: LazyLock<Templates> =
    LazyLock::new(|| Templates::parse(include_str!("../../data/replies_zh.txt")));
static EN: LazyLock<Templates> =
    LazyLock::new(|| Templates::parse(include_str!("../../data/replies_en.txt")));

/// What a draft is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Occasion {
    /// An answer to the other side's mail.
    #[default]
    Answer,
    /// The first mail, to somebody who has none yet.
    First,
    /// A reminder of a mail of the user's that nobody answered.
    FollowUp,
}

/// A mail to be answered, or what else is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Correspondence<'a> {
    /// What is to be written.
    pub occasion: Occasion,
    /// The other side, as a greeting names them; may be empty.
    pub sender: &'a str,
    /// The mail that is answered, or that was not; quoted text is left out.
    pub last: &'a str,
    /// What the user wants to reach, in their words; may be empty. First mails and reminders do not name it.
    pub goal: &'a str,
    /// What the knowledge base says to it, verbatim, the best first; the first two are used.
    pub facts: &'a [&'a str],
    /// The user's name below the answer; may be empty.
    pub signature: &'a str,
}

/// Answers to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The answer that moves towards the goal; the plainest first mail or reminder.
    pub recommended: String,
    /// The same answer accepting, asking back, and declining, in this order; first mails and reminders of two other kinds.
    pub alternatives: Vec<String>,
    /// What the mail says, quoted: at most three points.
    pub summary: Vec<String>,
}

/// Drafts an answer in the language of the mail; a first mail in that of the goal.
#[must_use]
pub fn reply(mail: &Correspondence<'_>) -> Reply {
    let last = without_quotes(crate::bounded(mail.last));
    let chinese = in_chinese(&[&last, mail.goal]);
    let templates: &Templates = if chinese { &ZH } else { &EN };
    let topic = keywords(&last, 2).join(if chinese { "和" } else { " and " });
    let goal = one_line(mail.goal).trim_end_matches(['。', '.', '！', '!']).to_owned();
    let facts = mail.facts.iter().take(2).map(|fact| one_line(fact)).collect::<Vec<_>>().join(if chinese {
        ""
    } else {
        " "
    });
    let question = open_question(&last);
    let slots: [(&'static str, &str); 6] = [
        ("sender", mail.sender.trim()),
        ("topic", &topic),
        ("goal", &goal),
        ("facts", &facts),
        ("question", &question),
        ("signature", mail.signature.trim()),
    ];
    let (parts, stances): (&[&str], &[&str]) = match mail.occasion {
        Occasion::Answer if goal.is_empty() => (&ANSWER, &["neutral", "accept", "ask", "decline"]),
        Occasion::Answer => (&ANSWER, &["goal", "accept", "ask", "decline"]),
        Occasion::First => (&["greeting", "first", "closing"], &["plain", "question", "meeting"]),
        Occasion::FollowUp => (&["greeting", "again", "closing"], &["plain", "question", "close"]),
    };
    let draft = Draft { templates, slots: &slots, seed: seed(&last), parts };
    let mut texts = stances.iter().map(|stance| draft.text(stance));
    Reply {
        recommended: texts.next().unwrap_or_default(),
        alternatives: texts.collect(),
        summary: key_points(&last, 3, Cues::Correspondence),
    }
}

/// The parts of an answer, in order.
const ANSWER: [&str; 6] = ["greeting", "thanks", "facts", "stance", "open", "closing"];

/// The last question of a mail, short enough to be quoted.
fn open_question(text: &str) -> String {
    let question =
        |sentence: &&&str| sentence.ends_with(['?', '？']) && sentence.chars().count() <= limit(sentence);
    sentences(text).iter().rev().find(question).map(|s| one_line(s)).unwrap_or_default()
}

fn limit(sentence: &str) -> usize {
    if sentence.chars().any(is_han) { 60 } else { 160 }
}

struct Draft<'a> {
    templates: &'static Templates,
    slots: &'a Slots<'a>,
    seed: u64,
    parts: &'a [&'a str],
}

impl Draft<'_> {
    fn text(&self, stance: &str) -> String {
        let stanced = |part: &str| [format!("{part}.{stance}"), part.to_owned()];
        self.parts
            .iter()
            .filter_map(|part| {
                stanced(part)
                    .iter()
                    .find_map(|key| self.templates.pick(key, self.seed ^ seed(key), self.slots, true))
            })
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}
