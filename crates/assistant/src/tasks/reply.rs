//! A reply to the last message of a conversation. It is a suggestion: nothing is sent by itself.

use nlp::compose::Occasion;
use serde_json::Value;

use super::{
    Task, integer, list, newest, object, one_of, quoted, same_language, share, string,
    thread::{suspicious, texts},
};
use crate::{
    check::{self, Foreign},
    guard::Material,
    model::{GoalProgress, Message, ReplyRequest, SuggestedReply},
    read::Object,
};

/// So much of a conversation is shown to a model, in characters: the newest.
const MOST_CHARS: usize = 16_000;
/// So many facts are shown.
const MOST_FACTS: usize = 5;
/// The embedded engine fills templates: a person looks at them.
const OF_TEMPLATES: f64 = 0.3;

impl Task for ReplyRequest {
    type Answer = SuggestedReply;
    const NAME: &'static str = "reply";
    const PROMPT_VERSION: i64 = 1;
    const MOST_OUT: u32 = 4000;
    const SHAPE: &'static str = "The object: {\"recommended_reply\": string, \"alternative_replies\": [string, string], \
        \"conversation_summary\": string, \"facts_used\": [numbers of the facts], \"goal_progress\": \"NONE\"|\
        \"PROGRESS\"|\"REACHED\"|\"IMPOSSIBLE\", \"needs_human\": \"NO\"|\"YES\", \"reason\": string, \
        \"confidence\": whole number 0-100}";

    fn embedded(&self) -> SuggestedReply {
        let facts: Vec<&str> = self.facts.iter().map(|fact| fact.answer.as_str()).collect();
        let last = self.messages.last();
        let occasion = match last {
            None => Occasion::First,
            Some(last) if last.own => Occasion::FollowUp,
            Some(_) => Occasion::Answer,
        };
        let theirs = self.messages.iter().rev().find(|m| !m.own);
        let made = nlp::compose::reply(&nlp::compose::Correspondence {
            occasion,
            sender: theirs.map_or(self.to.as_str(), |m| m.from.as_str()),
            last: last.map_or("", |m| m.text.as_str()),
            goal: self.goal.as_ref().map_or("", |goal| goal.text.as_str()),
            facts: &facts,
            signature: &self.user,
        });
        SuggestedReply {
            recommended_reply: made.recommended,
            alternative_replies: made.alternatives,
            conversation_summary: made.summary.join("\n"),
            // The templates of answers quote the first two.
            facts_used: match occasion {
                Occasion::Answer => self.facts.iter().take(2).map(|fact| fact.id.clone()).collect(),
                Occasion::First | Occasion::FollowUp => Vec::new(),
            },
            goal_progress: GoalProgress::None,
            needs_human: true,
            reason: "made from templates".to_owned(),
            confidence: OF_TEMPLATES,
            suspicious: suspicious(&self.messages),
        }
    }

    fn brief(&self, material: &mut Material) -> (String, String) {
        let user = material.inline(&self.user);
        let goal = match &self.goal {
            Some(goal) => {
                let (text, priority) = (material.inline(&goal.text), material.inline(&goal.priority));
                format!("moving towards the goal «{text}» (priority {priority})")
            }
            None => "helping the other side as far as the facts allow".to_owned(),
        };
        let instructions = match &self.instructions {
            Some(text) => format!(" The owner's instructions: «{}».", material.inline(text)),
            None => String::new(),
        };
        let brief = format!(
            "Draft {user}'s reply to the last message, {goal}.{instructions} Messages from \"us\" are {user}'s own. \
             Promise nothing, invent no price, date or attachment. Plain text. Give two alternatives with another \
             stance. needs_human is YES where the facts do not answer what was asked. Facts are numbered from 1."
        );
        let mut text = quoted(newest(&self.messages, MOST_CHARS), material);
        for (n, fact) in self.facts.iter().take(MOST_FACTS).enumerate() {
            let fact = format!("{}\n{}", fact.question, fact.answer);
            text.push_str(&material.quote(&format!("fact {}", n + 1), &fact));
        }
        (brief, text)
    }

    fn schema() -> Value {
        object(&[
            ("recommended_reply", string()),
            ("alternative_replies", list(string())),
            ("conversation_summary", string()),
            ("facts_used", list(integer())),
            ("goal_progress", one_of(GoalProgress::ALL)),
            ("needs_human", one_of(&["NO", "YES"])),
            ("reason", string()),
            ("confidence", integer()),
        ])
    }

    fn read(&self, object: &Object) -> Option<SuggestedReply> {
        let yes_or_no = |name: &str| match name {
            "YES" => Some(true),
            "NO" => Some(false),
            _ => None,
        };
        let fact = |n: usize| Some(self.facts.iter().take(MOST_FACTS).nth(n.checked_sub(1)?)?.id.clone());
        Some(SuggestedReply {
            recommended_reply: object.text("recommended_reply", 8000)?,
            alternative_replies: object.texts("alternative_replies", 3, 8000)?,
            conversation_summary: object.text("conversation_summary", 4000)?,
            facts_used: object.numbers("facts_used")?.into_iter().filter_map(fact).collect(),
            goal_progress: object.choice("goal_progress", GoalProgress::parse)?,
            needs_human: object.choice("needs_human", yes_or_no)?,
            reason: object.text_or_empty("reason", 1000),
            confidence: share(object.share("confidence")?),
            suspicious: suspicious(&self.messages),
        })
    }

    fn check(&self, mut answer: SuggestedReply) -> Result<SuggestedReply, &'static str> {
        let given = self.given();
        let leads_elsewhere = |text: &str| check::foreign(text, &given).contains(&Foreign::Contact);
        if leads_elsewhere(&answer.recommended_reply) || leads_elsewhere(&answer.conversation_summary) {
            return Err("it leads elsewhere");
        }
        if check::speaks_as_machine(&answer.recommended_reply) {
            return Err("it speaks as a machine");
        }
        answer.alternative_replies.retain(|text| !leads_elsewhere(text) && !check::speaks_as_machine(text));
        let reply = answer.recommended_reply.as_str();
        let other_language = self.last().is_some_and(|last| !same_language(reply, &last.text));
        for (found, reason) in [
            (check::foreign(reply, &given).contains(&Foreign::Price), "it names an amount that nobody named"),
            (check::promises(reply), "it promises something"),
            (other_language, "it is in another language than the message"),
            (answer.suspicious, "a message seems to speak to the machine"),
        ] {
            if found {
                answer.needs_human = true;
                let before = std::mem::take(&mut answer.reason);
                answer.reason =
                    if before.is_empty() { reason.to_owned() } else { format!("{before}; {reason}") };
            }
        }
        Ok(answer)
    }
}

impl ReplyRequest {
    /// The message that is answered: the newest of the others.
    fn last(&self) -> Option<&Message> {
        self.messages.iter().rev().find(|m| !m.own).or(self.messages.last())
    }

    /// All that a reply may be made of.
    fn given(&self) -> Vec<&str> {
        let mut given = texts(&self.messages);
        given.extend([self.user.as_str(), &self.to]);
        given.extend(self.goal.as_ref().map(|goal| goal.text.as_str()));
        given.extend(self.instructions.as_deref());
        given.extend(self.facts.iter().flat_map(|fact| [fact.question.as_str(), fact.answer.as_str()]));
        given
    }
}
