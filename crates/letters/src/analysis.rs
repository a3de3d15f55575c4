//! What delivered letters feel like: the dispatch kind `letter.analysis`.
//!
//! Promises
//! - Every letter that is delivered and not encrypted is analysed once, whoever it goes to; an encrypted one never.
//! - Delivery does not wait for it: what follows a delivery ([`crate::arrival`]) schedules it, for a little later.
//! - A repetition goes on where the attempt before it was lost.

use assistant::Assistant;
use db::Tx;
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use kernel::{Problem, Timestamp};

use crate::{
    Letters,
    store::{self, Arrived, EmotionRow},
};

/// Analyses delivered letters.
pub const ANALYSIS: &str = "letter.analysis";

/// So much later than it is scheduled: the deliveries go first where many letters are due at once.
const LATER: std::time::Duration = std::time::Duration::from_secs(10);
/// So many letters are in one dispatch.
const CHUNK: usize = 100;
/// So many are read, and recorded, at once.
const STEP: usize = 20;

/// Schedules the analysis of what has arrived.
pub(crate) async fn enqueue(tx: &mut Tx, arrived: &[Arrived], now: Timestamp) -> db::Result<()> {
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
    /// Who is asked.
    pub assistant: Assistant,
}

impl Single for Analysis {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.analyse(d.payload.as_deref().unwrap_or_default()).await {
                Ok(n) => Outcome::Done(format!("{n} letters analysed")),
                Err(problem) => Outcome::Retry { reason: problem.message, after: None, in_doubt: false },
            }
        })
    }
}

impl Analysis {
    /// Analyses those of the letters (ids with spaces between) that are not yet; how many that were.
    async fn analyse(&self, letters: &str) -> Result<usize, Problem> {
        let ids: Vec<&str> = letters.split(' ').collect();
        let mut analysed = 0;
        for step in ids.chunks(STEP) {
            let todo = store::unanalysed(&mut self.letters.db().read().await?, step.to_vec()).await?;
            let mut found = Vec::with_capacity(todo.len());
            for letter in todo {
                let answered = self.assistant.analyse(&letter.owner_id, &letter.content).await;
                found.push(EmotionRow {
                    letter_id: letter.letter_id,
                    sentiment: answered.value.sentiment.as_str(),
                    emotion: answered.value.emotions.first().map(|e| e.kind.as_str()),
                    engine: answered.engine,
                });
            }
            if found.is_empty() {
                continue;
            }
            let mut tx = self.letters.db().begin().await?;
            store::keep_emotions(&mut tx, &found, self.letters.clock().now()).await?;
            tx.commit().await?;
            analysed += found.len();
        }
        Ok(analysed)
    }
}
