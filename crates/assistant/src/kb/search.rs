//! Asking a base.

use std::collections::HashMap;

use kernel::Problem;
use nlp::retrieval::Outcome;

use super::{
    model::Decision,
    ops::is_staff,
    store::{self, BaseRow},
};
use crate::Assistant;

/// So many shared bases does the desk look into.
const SHARED: i64 = 20;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What it is good for.
    pub decision: Decision,
    /// How sure it is that the first hit answers the question, 0 to 1.
    pub confidence: f64,
    /// The best first: the sources.
    pub hits: Vec<Hit>,
}

/// An entry that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// `kbe_…`
    pub entry_id: String,
    /// `kb_…`
    pub kb_id: String,
    /// Word for word.
    pub question: String,
    /// Word for word.
    pub answer: String,
    /// Comparable within one search only.
    pub score: f64,
}

impl Assistant {
    /// Asks a base that `reader` may read, their own or one that is shared with them: the `k` best entries.
    ///
    /// # Errors
    /// 404 if they may not read it; 503 if the database is away.
    pub async fn search_kb(
        &self,
        reader: &str,
        kb_id: &str,
        query: &str,
        k: usize,
    ) -> Result<Found, Problem> {
        let mut conn = self.db().read().await?;
        let base = store::base(&mut conn, kb_id).await?;
        let base = match base {
            Some(base) if base.shared && base.owner_id != reader => {
                let roles = accounts::store::roles(&mut conn, vec![reader]).await?;
                roles.iter().any(|(_, role)| is_staff(*role)).then_some(base)
            }
            base => base.filter(|base| base.owner_id == reader),
        };
        drop(conn);
        self.kb_search(&base.ok_or_else(|| Problem::not_found("knowledge base"))?, query, k).await
    }

    /// Asks the bases that are shared with the desk (the 20 oldest): what the surest of them says.
    ///
    /// # Errors
    /// 503 if the database is away.
    pub async fn search_desk(&self, query: &str, k: usize) -> Result<Found, Problem> {
        let mut best = Found { decision: Decision::None, confidence: 0.0, hits: Vec::new() };
        let mut conn = self.db().read().await?;
        let ids = store::shared_bases(&mut conn, SHARED).await?;
        drop(conn);
        for id in ids {
            let Some(base) = store::base(&mut self.db().read().await?, &id).await? else { continue };
            let found = self.kb_search(&base, query, k).await?;
            if found.confidence > best.confidence {
                best = found;
            }
        }
        Ok(best)
    }

    pub(super) async fn kb_search(&self, base: &BaseRow, query: &str, k: usize) -> Result<Found, Problem> {
        let index = self.kb_index(base).await?;
        let found = index.search(query, k);
        let mut decision = match found.outcome() {
            Outcome::Answer(_) => Decision::Answer,
            Outcome::Clarify(_) => Decision::Clarify,
            Outcome::None => Decision::None,
        };
        let ids: Vec<&str> = found.hits.iter().map(|hit| hit.id.as_str()).collect();
        let first = ids.first().map(|id| (*id).to_owned());
        let rows = store::entries_of(&mut self.db().read().await?, ids).await?;
        let mut rows: HashMap<String, _> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        // An entry may have gone since.
        let hits: Vec<Hit> = found
            .hits
            .into_iter()
            .filter_map(|hit| {
                let row = rows.remove(&hit.id).filter(|row| row.content.enabled)?;
                Some(Hit {
                    entry_id: hit.id,
                    kb_id: row.base_id,
                    question: row.content.question,
                    answer: row.content.answer,
                    score: hit.score,
                })
            })
            .collect();
        let stands = first.is_some() && first.as_deref() == hits.first().map(|hit| hit.entry_id.as_str());
        if decision == Decision::Answer && !stands {
            decision = if hits.is_empty() { Decision::None } else { Decision::Clarify };
        }
        Ok(Found { decision, confidence: found.confidence, hits })
    }
}
