//! What nodes tell each other: that streams have grown, and what only matters now (who types, who looks, who came).
//! Nothing of what customers wrote is in it.

use std::collections::BTreeSet;

use db::Notice;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sockets::Frame;

use crate::{Desk, store};

/// The topic of what only matters now.
const NOW: &str = "desk.now";

/// What only matters now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Now {
    /// Somebody writes an answer, or stops.
    Typing {
        session: String,
        agent: String,
        /// Who has the session.
        owner: Option<String>,
        on: bool,
    },
    /// Other agents than before look at a session.
    Viewers { session: String },
    /// An agent came, or is gone.
    Presence { agent: String, online: bool },
}

/// What a node has heard since it last looked.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(super) look: bool,
    viewed: BTreeSet<String>,
    rest: Vec<Now>,
}

impl Heard {
    pub(super) fn take(&mut self, notice: &Notice) {
        match &*notice.topic {
            store::TOPIC | "*" => self.look = true,
            NOW => match serde_json::from_str(&notice.payload) {
                Ok(Now::Viewers { session }) => {
                    self.viewed.insert(session);
                }
                Ok(now) => self.rest.push(now),
                // A node of another version.
                Err(error) => tracing::debug!(%error, "a notice that is not understood"),
            },
            _ => {}
        }
    }
}

impl Desk {
    /// Tells all nodes, this one too, once `tx` is committed.
    pub(crate) fn say_now(tx: &mut db::Tx, now: &Now) {
        if let Ok(payload) = serde_json::to_string(now) {
            tx.notify(NOW, &payload);
        }
    }

    /// To the sockets whom it concerns.
    pub(super) async fn pass_on(&self, heard: Heard) {
        let peers = self.live().peers();
        for now in heard.rest {
            match now {
                Now::Typing { session, agent, owner, on } => {
                    let text =
                        json!({"type": "typing", "sessionId": session, "data": {"csId": agent, "on": on}});
                    let frame = Frame::latest(&format!("typing {session} {agent}"), &text.to_string());
                    if peers.is_shown(&session) {
                        let viewers = self.viewers(&session).await;
                        peers.tell_viewers(&session, &viewers, Some(&agent), &frame);
                    }
                    if let Some(owner) = owner {
                        peers.tell_stream(&owner, &session, &agent, &frame);
                    }
                }
                Now::Presence { agent, online } => {
                    let text = json!({"type": "presence", "data": {"csId": agent, "online": online}});
                    let frame = Frame::latest(&format!("presence {agent}"), &text.to_string());
                    peers.tell_supervisors(&frame);
                }
                Now::Viewers { .. } => {}
            }
        }
        for session in heard.viewed.iter().filter(|session| peers.is_shown(session)) {
            let viewers = self.viewers(session).await;
            let text = json!({"type": "viewers", "sessionId": session, "data": {"agents": viewers}});
            let frame = Frame::latest(&format!("viewers {session}"), &text.to_string());
            peers.tell_viewers(session, &viewers, None, &frame);
        }
    }

    /// Who looks at a session and may see it.
    async fn viewers(&self, session: &str) -> Vec<String> {
        let viewers = async { store::viewers(&mut self.db().read().await?, session).await };
        viewers.await.unwrap_or_else(|error: db::DbError| {
            tracing::warn!(%error, "who looks at a session cannot be read");
            Vec::new()
        })
    }
}
