//! Answers to a mail: thanks, what the knowledge base says, what the user wants, one open question; and the same with another
//! stance. Drafts for a human to read, never more.

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

/// A mail to be answered.
#[derive(Debug, Clone, Copy)]
pub struct Correspondence<'a> {
    /// Who wrote it, as a greeting names them; may be empty.
    pub sender: &'a str,
    /// The mail; quoted text is left out.
    pub last: &'a str,
    /// What the user wants to reach, in their words; may be empty.
    pub goal: &'a str,
    /// What the knowledge base says to it, verbatim, the best first; the first two are used.
    pub facts: &'a [&'a str],
    /// The user's name below the answer; may be empty.
    pub signature: &'a str,
}

/// Answers to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The answer that moves towards the goal.
    pub recommended: String,
    /// The same answer accepting, asking back, and declining, in this order.
    pub alternatives: Vec<String>,
    /// What the mail says, quoted: at most three points.
    pub summary: Vec<String>,
}

/// Drafts an answer in the language of the mail.
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
    let draft = Draft { templates, slots: &slots, seed: seed(&last) };
    Reply {
        recommended: draft.text(if goal.is_empty() { "neutral" } else { "goal" }),
        alternatives: ["accept", "ask", "decline"].iter().map(|stance| draft.text(stance)).collect(),
        summary: key_points(&last, 3, Cues::Correspondence),
    }
}

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
}

impl Draft<'_> {
    fn text(&self, stance: &str) -> String {
        let stanced = |part: &str| [format!("{part}.{stance}"), part.to_owned()];
        ["greeting", "thanks", "facts", "stance", "open", "closing"]
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
