//! What the API shows of a session beside its own row: its place in the queue, its labels, what its customer said of it.

use std::collections::BTreeMap;

use db::{Conn, Result};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    channel::out::Window,
    model::Status,
    store::{self, SessionRow},
    view::SessionInfo,
};

/// A session with what is known about it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionDetails {
    #[serde(flatten)]
    session: SessionInfo,
    /// Its place in the queue, from 1; null when nobody waits.
    queue_position: Option<i64>,
    labels: Vec<String>,
    /// From 1 to 5, by the customer.
    rating: Option<i64>,
}

impl SessionDetails {
    /// With what may still be said to the customer.
    pub(crate) fn with_window(self, window: Option<Window>) -> Self {
        Self { session: self.session.with_window(window), ..self }
    }
}

/// With what is known about them, in the same order.
pub(crate) async fn details(conn: &mut Conn, rows: &[SessionRow]) -> Result<Vec<SessionDetails>> {
    let of =
        |status: fn(Status) -> bool| rows.iter().filter(move |row| status(row.status)).map(|r| r.id.as_str());
    let positions = store::positions(conn, of(|s| s == Status::Pending).collect()).await?;
    let positions: BTreeMap<String, i64> = positions.into_iter().collect();
    let ratings = store::ratings_of(conn, of(|s| s == Status::Closed).collect()).await?;
    let ratings: BTreeMap<String, i64> = ratings.into_iter().collect();
    let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (session, label) in store::labels_of(conn, of(|_| true).collect()).await? {
        labels.entry(session).or_default().push(label);
    }
    let with = |row: &SessionRow| SessionDetails {
        session: SessionInfo::from(row),
        queue_position: positions.get(&row.id).copied(),
        labels: labels.remove(&row.id).unwrap_or_default(),
        rating: ratings.get(&row.id).copied(),
    };
    Ok(rows.iter().map(with).collect())
}
