//! What the assistant proposes for a conversation.

use assistant::{Answered, Fact, Goal, Message, ReplyRequest, SuggestedReply, kb::Decision};
use kernel::{Problem, ProblemKind, Timestamp};
use mail::normal_form;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::gate::{Proposal, strip_links};
use crate::{
    Gmail,
    model::{Direction, MailKind, ReplyState, addresses},
    store::{self, ConversationRow, CredentialRow, GoalRow, MessageRow, ReplyRow},
};

/// So many of a conversation's newest mails are shown to the assistant.
const MOST_MAILS: i64 = 20;
/// So much of each, in characters.
const MOST_CHARS: usize = 8000;
/// So much of a mail is looked for in the knowledge base, in characters.
const MOST_QUERY: usize = 500;
/// So many facts.
const FACTS: usize = 5;

/// A fact that a proposal rests on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = OutreachFact)]
pub(crate) struct FactUsed {
    /// The knowledge base's entry, `kbe_…`.
    pub(crate) id: String,
    /// Its question.
    pub(crate) question: String,
}

/// What is to be written.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) credential: CredentialRow,
    pub(crate) conversation: ConversationRow,
    pub(crate) goal: Option<GoalRow>,
    /// The mail that is answered; our own for a follow-up; `None`: the first mail of a conversation.
    pub(crate) message: Option<MessageRow>,
    /// Which follow-up it is, from 1.
    pub(crate) step: Option<i64>,
    /// What its reader asked for beside the goal.
    pub(crate) instructions: Option<String>,
}

impl Gmail {
    /// Asks the assistant. No transaction is open meanwhile.
    pub(super) async fn propose(&self, wanted: &Wanted) -> Result<Proposal, Problem> {
        let Wanted { credential, conversation, goal, message, .. } = wanted;
        let mut conn = self.db().read().await?;
        let mails = store::newest_messages(&mut conn, conversation.id, MOST_MAILS).await?;
        let people = accounts::store::people(&mut conn, vec![&conversation.user_id]).await?;
        drop(conn);
        let facts = self.facts(wanted).await?;
        let user = people.into_iter().next().map_or_else(|| credential.email.clone(), |p| p.username);
        let instructions = wanted.all_instructions();
        let mut ground: Vec<String> = vec![credential.email.clone(), user.clone()];
        ground.extend(wanted.private());
        let known: Vec<String> =
            facts.iter().flat_map(|fact| [fact.question.clone(), fact.answer.clone()]).collect();
        ground.extend(known.iter().cloned());
        let private = wanted.private();
        let messages = shown(mails, message.as_ref(), &conversation.address);
        let said = known.into_iter().chain(messages.iter().map(|m| m.text.clone())).collect();
        let theirs = messages.iter().filter(|m| !m.own).map(|m| m.text.clone()).collect();
        let request = ReplyRequest {
            user,
            to: conversation.name.clone().unwrap_or_default(),
            goal: goal.as_ref().map(|goal| Goal {
                text: goal.goal_description.clone(),
                priority: goal.priority.to_string(),
            }),
            instructions,
            messages,
            facts: facts.clone(),
        };
        let answered = self.0.assistant.reply(&conversation.user_id, request).await;
        Ok(made(answered, &facts, Texts { ground, private, said, theirs }))
    }

    /// What the conversation's knowledge base says to what is answered. A base that has gone says nothing.
    async fn facts(&self, wanted: &Wanted) -> Result<Vec<Fact>, Problem> {
        let Some(base) = &wanted.conversation.kb_id else { return Ok(Vec::new()) };
        let about = wanted.message.as_ref().filter(|m| m.direction == Direction::In);
        let query = about.map(|m| m.new_text.as_str()).filter(|text| !text.trim().is_empty());
        let query = query.or(wanted.goal.as_ref().map(|goal| goal.goal_description.as_str()));
        let Some(query) = query else { return Ok(Vec::new()) };
        let query: String = query.chars().take(MOST_QUERY).collect();
        let owner = &wanted.conversation.user_id;
        let found = match self.0.assistant.search_kb(owner, base, &query, FACTS).await {
            Ok(found) if found.decision != Decision::None => found,
            Ok(_) => return Ok(Vec::new()),
            Err(problem) if problem.kind == ProblemKind::NotFound => return Ok(Vec::new()),
            Err(problem) => return Err(problem),
        };
        let fact =
            |hit: assistant::kb::Hit| Fact { id: hit.entry_id, question: hit.question, answer: hit.answer };
        Ok(found.hits.into_iter().map(fact).collect())
    }
}

impl Wanted {
    /// What people asked for.
    fn owners_instructions(&self) -> Vec<String> {
        let goals = self.goal.as_ref().and_then(|goal| goal.instructions.clone());
        goals.into_iter().chain(self.instructions.clone()).collect()
    }

    /// What they told the assistant alone.
    fn private(&self) -> Vec<String> {
        let goal = self.goal.as_ref().map(|goal| goal.goal_description.clone());
        goal.into_iter().chain(self.owners_instructions()).collect()
    }

    /// Their instructions, and what kind of mail it is.
    fn all_instructions(&self) -> Option<String> {
        let mut all = self.owners_instructions();
        let name = self.conversation.name.as_deref().unwrap_or(&self.conversation.counterpart);
        match (&self.message, self.step) {
            (None, _) => all.push(format!("There is no mail yet: write the first mail to {name}, short and to the point.")),
            (Some(_), Some(step)) => all.push(format!(
                "{name} has not answered the last mail, which is ours. Write follow-up number {step}: short, friendly, \
                 without reproach, not repeating the last mail, and easy to answer."
            )),
            (Some(_), None) => {}
        }
        (!all.is_empty()).then(|| all.join("\n"))
    }

    /// The proposal as a row in this state; its id is given later.
    pub(super) fn row(&self, p: Proposal, state: ReplyState, now: Timestamp) -> ReplyRow {
        let s = p.suggested;
        let facts: Vec<FactUsed> =
            p.facts.into_iter().map(|(id, question)| FactUsed { id, question }).collect();
        ReplyRow {
            id: 0,
            user_id: self.conversation.user_id.clone(),
            conversation_id: self.conversation.id,
            credential_key: self.credential.key.clone(),
            address: self.conversation.address.clone(),
            thread_id: self.message.as_ref().map(|m| m.thread_id.clone()),
            goal_id: self.goal.as_ref().map(|goal| goal.id),
            based_on: self.message.as_ref().map(|m| m.key.clone()),
            step: self.step,
            state,
            text: s.recommended_reply,
            alternatives: json(&s.alternative_replies),
            summary: s.conversation_summary,
            reason: s.reason,
            confidence: s.confidence,
            needs_human: s.needs_human,
            suspicious: s.suspicious,
            progress: s.goal_progress.as_str().to_owned(),
            engine: p.engine,
            degraded: p.degraded,
            facts: json(&facts),
            removed_links: json(&p.removed_links),
            outbox_id: None,
            decided_at: None,
            created_at: now,
        }
    }
}

fn json(list: &impl Serialize) -> String {
    serde_json::to_string(list).unwrap_or_else(|_| "[]".to_owned())
}

/// A conversation as the assistant sees it, the oldest first: up to the mail that is answered, without machines' reports, and
/// without what the counterpart never saw, such as a mail forwarded to a colleague, for an answer may repeat what it says.
fn shown(newest_first: Vec<MessageRow>, answered: Option<&MessageRow>, counterpart: &str) -> Vec<Message> {
    let is_shown = |m: &MessageRow| {
        let asked = answered.is_some_and(|a| a.key == m.key);
        let words = m.direction == Direction::Out || matches!(m.kind, MailKind::Reply | MailKind::OptOut);
        let later = answered.is_some_and(|a| (m.received_at, &m.key) > (a.received_at, &a.key));
        (words && saw(m, counterpart) || asked) && !later
    };
    let mut kept: Vec<MessageRow> = newest_first.into_iter().filter(is_shown).collect();
    if let Some(a) = answered
        && !kept.iter().any(|m| m.key == a.key)
    {
        kept.insert(0, a.clone());
    }
    let message = |m: MessageRow| Message {
        from: m.from_name.unwrap_or(m.from_address),
        own: m.direction == Direction::Out,
        sent_at: m.received_at,
        text: m.new_text.chars().take(MOST_CHARS).collect(),
    };
    kept.into_iter().rev().map(message).collect()
}

/// Whether a mail is from or to the counterpart, in normal form. Of what a website's form sent in our name only Reply-To says
/// whose it is.
fn saw(m: &MessageRow, counterpart: &str) -> bool {
    let those = addresses(&m.to_list).into_iter().chain(addresses(&m.cc_list)).chain(addresses(&m.reply_to));
    those.chain([m.from_address.clone()]).any(|address| normal_form(&address) == counterpart)
}

/// What a proposal is held against, as [`Proposal`] has it.
struct Texts {
    ground: Vec<String>,
    private: Vec<String>,
    said: Vec<String>,
    theirs: Vec<String>,
}

/// The assistant's answer as it may be shown: without what no reader sees, and without links that nobody gave.
fn made(answered: Answered<SuggestedReply>, facts: &[Fact], texts: Texts) -> Proposal {
    let Texts { ground, private, said, theirs } = texts;
    let Answered { value: mut suggested, engine, degraded } = answered;
    let mut removed_links = Vec::new();
    let mut clean = |text: &str, counts: bool| {
        let (text, removed) = strip_links(&assistant::sanitize(text), &ground);
        if counts {
            removed_links.extend(removed);
        }
        text
    };
    suggested.recommended_reply = clean(&suggested.recommended_reply, true);
    for text in &mut suggested.alternative_replies {
        *text = clean(text, false);
    }
    suggested.alternative_replies.retain(|text| !text.trim().is_empty());
    let used = facts.iter().filter(|fact| suggested.facts_used.contains(&fact.id));
    let facts = used.map(|fact| (fact.id.clone(), fact.question.clone())).collect();
    Proposal { suggested, engine, degraded, facts, removed_links, ground, private, said, theirs }
}
