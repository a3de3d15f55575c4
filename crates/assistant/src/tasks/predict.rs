//! What may have changed by the time a letter arrives: imagined, never foretold.

use kernel::Timestamp;
use nlp::Language;
use serde::Serialize;
use serde_json::Value;

use super::{Task, integer, list, object, share, string};
use crate::{
    check,
    guard::Material,
    model::{PredictRequest, Prediction},
    read::Object,
};

/// No engine is surer than this.
const SUREST: f64 = 0.6;

#[derive(Serialize)]
pub(crate) struct Predict {
    content: String,
    context: String,
    /// Days until it arrives: what the answer depends on, rather than the instant of asking.
    days: u64,
    delivery: Timestamp,
    #[serde(skip)]
    now: Timestamp,
}

impl Predict {
    pub(crate) fn new(request: PredictRequest, now: Timestamp) -> Self {
        Self {
            days: request.delivery.since(now).as_secs().div_ceil(86_400),
            content: request.content,
            context: request.context.unwrap_or_default(),
            delivery: request.delivery,
            now,
        }
    }
}

impl Task for Predict {
    type Answer = Prediction;
    const NAME: &'static str = "predict";
    const PROMPT_VERSION: i64 = 1;
    const MOST_OUT: u32 = 2500;
    const SHAPE: &'static str = "The object: {\"prediction\": string, \"confidence\": whole number 0-100, \
        \"factors\": [string], \"suggestions\": [string]}";

    fn embedded(&self) -> Prediction {
        let (now, due) = (self.now.seconds(), self.delivery.seconds());
        let made = nlp::compose::predict(&self.content, now, due, &self.context);
        Prediction {
            prediction: made.prediction,
            confidence: share(made.confidence.min(0.3)),
            factors: made.factors,
            suggestions: made.suggestions,
        }
    }

    fn brief(&self, material: &mut Material) -> (String, String) {
        let days = self.days;
        let brief = format!(
            "Imagine, do not foretell. From this letter and the {days} days until delivery, say what may have changed, \
             on which factors it depends and what the writer could do now. No health, death, money or relationship \
             verdicts. At most 5 factors and 5 suggestions."
        );
        let mut user = material.quote("letter", &self.content);
        if !self.context.is_empty() {
            user.push_str(&material.quote("context", &self.context));
        }
        (brief, user)
    }

    fn schema() -> Value {
        object(&[
            ("prediction", string()),
            ("confidence", integer()),
            ("factors", list(string())),
            ("suggestions", list(string())),
        ])
    }

    fn read(&self, object: &Object) -> Option<Prediction> {
        Some(Prediction {
            prediction: object.text("prediction", 4000)?,
            confidence: object.share("confidence")?.min(SUREST),
            factors: object.texts("factors", 8, 300)?,
            suggestions: object.texts("suggestions", 8, 300)?,
        })
    }

    fn check(&self, mut answer: Prediction) -> Result<Prediction, &'static str> {
        let said = [&answer.prediction, &answer.factors.join("\n"), &answer.suggestions.join("\n")]
            .map(String::as_str)
            .join("\n");
        if check::foreign(&said, &[&self.content, &self.context]).contains(&check::Foreign::Contact) {
            return Err("it leads elsewhere");
        }
        if check::speaks_as_machine(&said) {
            return Err("it speaks as a machine");
        }
        let note = match nlp::language(&answer.prediction) {
            Language::Chinese => "（以下是想象，不是预言。）",
            Language::English | Language::Other => "(Imagined, not foretold.) ",
        };
        answer.prediction.insert_str(0, note);
        Ok(answer)
    }
}
