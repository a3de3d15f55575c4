//! Who is there. An agent is there from their first socket until [`GRACE`] after the last one, on whichever node, so
//! that a line that blinks changes nothing. A node that dies is a line that broke.

use std::time::Duration;

use super::heard::Now;
use crate::{Desk, agents, store};

/// How long an agent without a socket still counts as there.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

impl Desk {
    /// These agents have sockets here.
    pub(crate) async fn here(&self, ids: &[String]) -> db::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut tx = self.db().begin().await?;
        let now = self.clock().now();
        for agent in store::seen(&mut tx, ids, now).await? {
            agents::seen(&mut tx, &agent, now).await?;
            Self::say_now(&mut tx, &Now::Presence { agent, online: true });
        }
        tx.commit().await
    }

    /// Forgets who is gone, on any node: of several nodes that look one finds each.
    pub(super) async fn miss(&self) -> db::Result<()> {
        let now = self.clock().now();
        let before = now.minus(GRACE);
        let mut tx = self.db().begin().await?;
        store::still_viewing(&mut tx, &self.live().all_shown(), now).await?;
        for session in store::forget_viewers(&mut tx, before).await? {
            Self::say_now(&mut tx, &Now::Viewers { session });
        }
        for agent in store::gone(&mut tx, before).await? {
            // Their last sign of life was then: the desk's own patience counts from it.
            agents::gone(&mut tx, &agent, before).await?;
            Self::say_now(&mut tx, &Now::Presence { agent, online: false });
        }
        tx.commit().await
    }

    /// Who is there, in the order of their ids.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn online(&self) -> db::Result<Vec<String>> {
        store::present(&mut self.db().read().await?).await
    }
}
