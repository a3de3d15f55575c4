//! What delivered letters feel like: the dispatch kind `letter.analysis`.
//!
//! Promises
//! - Every letter that is delivered and not encrypted is analysed once, whoever it goes to; an encrypted one never.
//! - Delivery does not wait for it: a batch of deliveries schedules it with one statement, for a little later.
//! - A repetition goes on where the attempt before it was lost.

use db::Tx;
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use kernel::{Problem, Timestamp};

use crate::{
    Letters,
    store::{self, Arrival, EmotionRow},
};

/// Analyses delivered letters.
pub const ANALYSIS: &str = "letter.analysis";

/// So much later than the delivery, which goes first where many letters are due at once.
const LATER: std::time::Duration = std::time::Duration::from_secs(10);
/// So many letters are in one dispatch.
const CHUNK: usize = 100;
/// So many are read, and recorded, at once.
const STEP: usize = 20;

/// Schedules the analysis of what has arrived, in the transaction of the delivery.
pub(crate) async fn enqueue(tx: &mut Tx, arrived: &[Arrival], now: Timestamp) -> db::Result<()> {
    let open: Vec<&str> = arrived.iter().filter(|a| !a.is_encrypted).map(|a| a.letter_id.as_str()).collect();
    let mut all = Vec::new();
    for chunk in open.chunks(CHUNK) {
        let Some(first) = chunk.first() else { continue };
        all.push(NewDispatch {
            // Not below the letter: it is no delivery of it.
            id: format!("analysis/{first}"),
            kind: ANALYSIS,
            subject: (*first).to_owned(),
            destination: String::new(),
            payload: Some(chunk.join(" ")),
            due_at: now + LATER,
        });
    }
    dispatch::enqueue(tx, now, &all).await.map(drop)
}

/// Finds the emotions of delivered letters.
pub struct Analysis {
    /// The slice.
    pub letters: Letters,
}

impl Single for Analysis {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.letters.analyse(d.payload.as_deref().unwrap_or_default()).await {
                Ok(n) => Outcome::Done(format!("{n} letters analysed")),
                Err(problem) => Outcome::Retry { reason: problem.message, after: None, in_doubt: false },
            }
        })
    }
}

impl Letters {
    /// Analyses those of the letters (ids with spaces between) that are not yet; how many that were.
    async fn analyse(&self, letters: &str) -> Result<usize, Problem> {
        let ids: Vec<&str> = letters.split(' ').collect();
        let mut analysed = 0;
        for step in ids.chunks(STEP) {
            let todo = store::unanalysed(&mut self.db().read().await?, step.to_vec()).await?;
            let mut found = Vec::with_capacity(todo.len());
            for letter in todo {
                found.push(self.emotion(letter).await?);
            }
            if found.is_empty() {
                continue;
            }
            let mut tx = self.db().begin().await?;
            store::keep_emotions(&mut tx, &found, self.clock().now()).await?;
            tx.commit().await?;
            analysed += found.len();
        }
        Ok(analysed)
    }

    async fn emotion(&self, letter: store::Unanalysed) -> Result<EmotionRow, Problem> {
        let feel = move || {
            let feeling = nlp::feeling(&letter.content);
            EmotionRow {
                letter_id: letter.letter_id,
                sentiment: feeling.sentiment.as_str(),
                emotion: feeling.emotions.first().map(|(emotion, _)| emotion.as_str()),
                engine: "embedded".to_owned(),
            }
        };
        tokio::task::spawn_blocking(feel).await.map_err(|error| {
            tracing::error!(%error, "a letter cannot be analysed");
            Problem::internal()
        })
    }
}
