//! What a text says about its writer's feeling, and what it is about.

use serde::Serialize;
use serde_json::Value;

use super::{Task, integer, list, object, one_of, share, string};
use crate::{
    check,
    guard::Material,
    model::{Analysis, Emotion, EmotionScore, Sentiment},
    read::Object,
};

/// So many keywords are enough.
const KEYWORDS: usize = 8;

#[derive(Serialize)]
pub(crate) struct Analyse {
    pub(crate) text: String,
}

impl Task for Analyse {
    type Answer = Analysis;
    const NAME: &'static str = "sentiment";
    const PROMPT_VERSION: i64 = 1;
    const MOST_OUT: u32 = 1500;
    const SHAPE: &'static str = "The object: {\"sentiment\": \"POSITIVE\"|\"NEUTRAL\"|\"NEGATIVE\"|\"MIXED\", \
        \"confidence\": whole number 0-100, \"emotions\": [{\"type\": \"HAPPY\"|\"SAD\"|\"HOPEFUL\"|\"NOSTALGIC\"|\
        \"EXCITED\", \"score\": whole number 0-100}], \"keywords\": [string], \"summary\": string}";

    fn embedded(&self) -> Analysis {
        let feeling = nlp::feeling(&self.text);
        let emotion = |(emotion, score): &(nlp::Emotion, f64)| {
            let kind = Emotion::parse(emotion.as_str())?;
            Some(EmotionScore { kind, score: share(*score) })
        };
        Analysis {
            sentiment: sentiment(feeling.sentiment),
            confidence: share(feeling.confidence),
            emotions: feeling.emotions.iter().filter_map(emotion).collect(),
            keywords: nlp::keywords(&self.text, KEYWORDS),
            summary: nlp::summary(&self.text, 1, nlp::Cues::None).join(" "),
        }
    }

    fn brief(&self, material: &mut Material) -> (String, String) {
        let brief = "Judge the writer's feeling. MIXED only if clearly both; NEUTRAL for facts and questions. \
            Emotions only if evident. Keywords: 3-8 words taken from the text. Summary: one sentence.";
        (brief.to_owned(), material.quote("writer", &self.text))
    }

    fn schema() -> Value {
        object(&[
            ("sentiment", one_of(Sentiment::ALL)),
            ("confidence", integer()),
            ("emotions", list(object(&[("type", one_of(Emotion::ALL)), ("score", integer())]))),
            ("keywords", list(string())),
            ("summary", string()),
        ])
    }

    fn read(&self, object: &Object) -> Option<Analysis> {
        let emotion = |o: &Object| {
            Some(EmotionScore { kind: o.choice("type", Emotion::parse)?, score: o.share("score")? })
        };
        let mut emotions: Vec<EmotionScore> = Vec::new();
        for found in object.objects("emotions")?.iter().filter_map(emotion).filter(|e| e.score > 0.0) {
            if emotions.iter().all(|e| e.kind != found.kind) {
                emotions.push(found);
            }
        }
        emotions.sort_by(|a, b| b.score.total_cmp(&a.score));
        Some(Analysis {
            sentiment: object.choice("sentiment", Sentiment::parse)?,
            confidence: object.share("confidence")?,
            emotions,
            keywords: object.texts("keywords", 2 * KEYWORDS, 60)?,
            summary: object.text("summary", 1000)?,
        })
    }

    fn check(&self, mut answer: Analysis) -> Result<Analysis, &'static str> {
        if !check::foreign(&answer.summary, &[&self.text]).is_empty() {
            return Err("the summary names what the text does not");
        }
        let text = self.text.to_lowercase();
        answer.keywords.retain(|word| text.contains(&word.to_lowercase()));
        answer.keywords.truncate(KEYWORDS);
        Ok(answer)
    }
}

/// The embedded engine's as the interface has it.
pub(super) fn sentiment(of: nlp::Sentiment) -> Sentiment {
    Sentiment::parse(of.as_str()).unwrap_or_default()
}
