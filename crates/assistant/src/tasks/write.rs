//! Help with writing a letter.

use nlp::compose;
use serde_json::Value;

use super::{Task, list, object, string};
use crate::{
    check,
    guard::Material,
    model::{Length, Tone, WriteRequest, WritingKind, Written},
    read::Object,
};

impl Task for WriteRequest {
    type Answer = Written;
    const NAME: &'static str = "write";
    const PROMPT_VERSION: i64 = 1;
    const MOST_OUT: u32 = 4000;
    const SHAPE: &'static str = "The object: {\"content\": string, \"suggestions\": [string], at most 4}";

    fn embedded(&self) -> Written {
        let made = compose::write(&compose::Writing {
            prompt: &self.prompt,
            kind: match self.kind {
                WritingKind::Outline => compose::Kind::Outline,
                WritingKind::Draft => compose::Kind::Draft,
                WritingKind::Complete => compose::Kind::Complete,
            },
            tone: match self.tone {
                Tone::Formal => compose::Tone::Formal,
                Tone::Casual => compose::Tone::Casual,
                Tone::Emotional => compose::Tone::Emotional,
                Tone::Inspirational => compose::Tone::Inspirational,
            },
            length: match self.length {
                Length::Short => compose::Length::Short,
                Length::Medium => compose::Length::Medium,
                Length::Long => compose::Length::Long,
            },
            context: self.context.as_deref().unwrap_or_default(),
        });
        Written { content: made.content, suggestions: made.suggestions, estimated_time: made.minutes }
    }

    fn brief(&self, material: &mut Material) -> (String, String) {
        let (han, words) = match self.length {
            Length::Short => (120, 80),
            Length::Medium => (300, 200),
            Length::Long => (700, 450),
        };
        let brief = format!(
            "You help write a letter to be opened in the future. Type {}, tone {}, about {han} characters in Chinese or \
             {words} words in other languages. OUTLINE = numbered points; DRAFT = rough paragraphs with 【gaps】; \
             COMPLETE = finished letter, no gaps, no signature. No links, no addresses. What the writer wishes to \
             write is in the text from \"writer\".",
            self.kind.as_str(),
            self.tone.as_str()
        );
        let mut user = material.quote("writer", &self.prompt);
        if let Some(context) = &self.context {
            user.push_str(&material.quote("context", context));
        }
        (brief, user)
    }

    fn schema() -> Value {
        object(&[("content", string()), ("suggestions", list(string()))])
    }

    fn read(&self, object: &Object) -> Option<Written> {
        let content = object.text("content", 20_000)?;
        Some(self.written(content, object.texts("suggestions", 4, 300)?))
    }

    fn text(answer: &Written) -> Option<&str> {
        Some(&answer.content)
    }

    fn of_text(&self, text: String) -> Option<Written> {
        Some(self.written(text.chars().take(20_000).collect(), Vec::new()))
    }

    fn check(&self, answer: Written) -> Result<Written, &'static str> {
        let said = format!("{}\n{}", answer.content, answer.suggestions.join("\n"));
        let given = [self.prompt.as_str(), self.context.as_deref().unwrap_or_default()];
        if check::foreign(&said, &given).contains(&check::Foreign::Contact) {
            return Err("it leads elsewhere");
        }
        if check::speaks_as_machine(&said) {
            return Err("it speaks as a machine");
        }
        Ok(answer)
    }
}

impl WriteRequest {
    /// A text with what we know to say about it, where a model wrote nothing but the text.
    fn written(&self, content: String, suggestions: Vec<String>) -> Written {
        let own = self.embedded();
        let suggestions = if suggestions.is_empty() { own.suggestions } else { suggestions };
        Written { content, suggestions, estimated_time: own.estimated_time }
    }
}
