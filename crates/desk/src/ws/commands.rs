//! What clients say: each frame is a JSON object with a `type`.

use std::collections::VecDeque;

use httpkit::{Fields, text};
use kernel::{Problem, ProblemKind};
use serde_json::{Value, json};
use sockets::Frame;

use super::{Connection, From, refusal};
use crate::{
    Desk, http,
    model::Command,
    store::{self, Viewer},
    stream::Now,
    view::{MessageInfo, SessionInfo},
};

/// Close code: too many frames, or too many that mean nothing.
const TOO_MANY: u16 = 4029;
/// So many sessions one socket may show.
const SHOWN: usize = 100;

/// The last answers to commands with a `cid`.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<(String, String)>);

impl Answers {
    const MOST: usize = 64;

    fn of(&self, cid: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == cid).map(|(_, answer)| answer.as_str())
    }

    fn keep(&mut self, cid: String, answer: String) {
        if self.0.len() >= Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back((cid, answer));
    }
}

fn read(text: &str) -> Result<Fields, Problem> {
    let bad = |message: String| Problem::new(ProblemKind::BadRequest, message);
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(Fields::new(map)),
        Ok(_) => Err(bad("a frame must be a JSON object".to_owned())),
        Err(e) => Err(bad(format!("the frame is not JSON: line {}, column {}", e.line(), e.column()))),
    }
}

/// Whether a frame says where to go on.
pub(super) fn is_resume(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|frame| frame.get("type") == Some(&json!("resume")))
}

/// What a command comes to.
enum Answer {
    /// This frame.
    Say(Value),
    /// `ack` with this data.
    Done(Value),
    Silence,
}

impl Connection<'_> {
    /// Takes a frame and answers it.
    pub(super) async fn hear(&mut self, text: &str) {
        let now = self.desk.clock().now();
        let read = self.pace.step(now).and_then(|()| read(text));
        let mut f = match read {
            Ok(fields) => fields,
            Err(problem) => {
                if problem.kind == ProblemKind::BadRequest {
                    self.pace.stumble();
                }
                return self.refuse(&problem, None);
            }
        };
        let cid = match cid(&mut f) {
            Ok(cid) => cid,
            Err(problem) => return self.refuse(&problem, None),
        };
        if let Some(answer) = cid.as_deref().and_then(|cid| self.answers.of(cid)) {
            self.handle.send(&Frame::text(answer));
            return;
        }
        let answer = match Box::pin(self.obey(f, cid.as_deref())).await {
            Ok(Answer::Say(frame)) => frame,
            Ok(Answer::Done(data)) => json!({"type": "ack", "cid": cid, "data": data}),
            Ok(Answer::Silence) => return,
            Err(problem) => {
                let again = matches!(problem.kind, ProblemKind::Internal | ProblemKind::Unavailable);
                if again || cid.is_none() {
                    return self.refuse(&problem, cid.as_deref());
                }
                refusal(&problem, cid.as_deref())
            }
        };
        let answer = answer.to_string();
        self.handle.send(&Frame::text(&answer));
        if let Some(cid) = cid {
            self.answers.keep(cid, answer);
        }
    }

    fn refuse(&self, problem: &Problem, cid: Option<&str>) {
        self.say(&refusal(problem, cid));
        if self.pace.is_over() {
            self.handle.close(TOO_MANY, "too many frames");
        }
    }

    async fn obey(&mut self, mut f: Fields, cid: Option<&str>) -> Result<Answer, Problem> {
        let kind = f.required::<text::Line<64>>("type").0;
        match kind.as_str() {
            "resume" => self.command_resume(f).await,
            "ack" => {
                let seq = f.required::<i64>("seq");
                f.finish()?;
                self.desk.live().peers().ack(self.membership.id, seq);
                Ok(Answer::Silence)
            }
            "ping" => {
                f.finish()?;
                Ok(Answer::Say(json!({"type": "pong", "data": {"time": self.desk.clock().now()}})))
            }
            "bind_session" => self.bind(session(f)?).await,
            "unbind_session" => {
                let id = session(f)?;
                self.hide(std::slice::from_ref(&id), true).await?;
                Ok(Answer::Say(json!({"type": "unbound", "sessionId": id})))
            }
            "typing" => self.typing(f).await,
            "send_message" => self.send_message(f, cid).await,
            "accept" => {
                let cs_id = f.optional::<text::Line<64>>("csId").map(|id| id.0);
                named(&mut f, cid);
                let id = session(f)?;
                let cs_id = cs_id.unwrap_or_else(|| self.own_id().to_owned());
                let row = self.desk.accept(&self.agent, &id, &cs_id).await?;
                Ok(Answer::Done(json!(SessionInfo::from(&row))))
            }
            "close" => {
                named(&mut f, cid);
                let id = session(f)?;
                let actor = self.agent.actor(None);
                let row = self.desk.command(&self.agent, &actor, &id, &Command::Close).await?;
                Ok(Answer::Done(json!(SessionInfo::from(&row))))
            }
            _ => {
                self.pace.stumble();
                f.bad("type", "is not known");
                f.finish().map(|()| Answer::Silence)
            }
        }
    }

    async fn command_resume(&mut self, mut f: Fields) -> Result<Answer, Problem> {
        let epoch = f.optional::<text::Line<64>>("epoch").map(|epoch| epoch.0);
        let last_seq = f.optional::<i64>("lastSeq").unwrap_or(0);
        if last_seq < 0 {
            f.bad("lastSeq", "must be a whole number from 0");
        }
        f.finish()?;
        self.resume(&From { epoch, last_seq }).await;
        Ok(Answer::Silence)
    }

    /// Shows a session: its messages come while the agent may see it, and the others who look at it are known.
    async fn bind(&mut self, id: String) -> Result<Answer, Problem> {
        if self.own_id() != self.stream_of {
            // What one watches comes on one's own stream.
            let text = "this is the stream of another: bind sessions on a connection of your own csId";
            return Err(Problem::forbidden(text));
        }
        let peers = self.desk.live().peers();
        if !peers.show(self.membership.id, &id, SHOWN) {
            let text = format!("a connection shows at most {SHOWN} sessions at once");
            return Err(Problem::new(ProblemKind::Rule, text).field("sessionId", "is one too many"));
        }
        match self.watch(&id).await {
            Ok(row) => {
                let mut data = json!(SessionInfo::from(&row));
                if let Some(data) = data.as_object_mut() {
                    data.insert("lastSeqNo".to_owned(), json!(row.last_seq));
                }
                Ok(Answer::Say(json!({"type": "bound", "sessionId": id, "data": data})))
            }
            Err(problem) => {
                peers.hide(self.membership.id, &id);
                Err(problem)
            }
        }
    }

    async fn watch(&self, id: &str) -> Result<store::SessionRow, Problem> {
        let (now, agent) = (self.desk.clock().now(), self.own_id());
        let missing = || Problem::not_found("session");
        let mut tx = self.desk.db().begin().await?;
        // Under the session's lock: every message is either in the answer's `lastSeqNo` or pushed.
        let row = store::lock(&mut tx, id).await?.ok_or_else(missing)?;
        if !crate::ops::may_see(&self.agent, &row) {
            return Err(missing());
        }
        let viewer = Viewer { session_id: id, socket_id: &self.socket_id, agent_id: agent };
        store::view(&mut tx, &viewer, now).await?;
        store::watch(&mut tx, id, agent, now).await?;
        Desk::say_now(&mut tx, &Now::Viewers { session: id.to_owned() });
        tx.commit().await?;
        Ok(row)
    }

    /// Shows these sessions no more. `unwatch`: their messages are not wanted any more, either; a socket that breaks
    /// off says nothing of the kind, and what it watched is in its stream when it resumes.
    pub(super) async fn hide(&self, sessions: &[String], unwatch: bool) -> db::Result<()> {
        if sessions.is_empty() {
            return Ok(());
        }
        let mut tx = self.desk.db().begin().await?;
        store::leave(&mut tx, &self.socket_id, sessions).await?;
        for session in sessions {
            if unwatch {
                store::unwatch(&mut tx, session, self.own_id()).await?;
            }
            Desk::say_now(&mut tx, &Now::Viewers { session: session.clone() });
        }
        tx.commit().await?;
        // If that failed it is still shown, and may be hidden again.
        for session in sessions {
            self.desk.live().peers().hide(self.membership.id, session);
        }
        Ok(())
    }

    async fn typing(&self, mut f: Fields) -> Result<Answer, Problem> {
        let on = f.required::<bool>("on");
        let id = session(f)?;
        let row = self.desk.visible(&self.agent, &id).await?;
        let mut tx = self.desk.db().begin().await?;
        let agent = self.own_id().to_owned();
        Desk::say_now(&mut tx, &Now::Typing { session: id, agent, owner: row.manual_cs_id, on });
        tx.commit().await?;
        Ok(Answer::Silence)
    }

    async fn send_message(&self, mut f: Fields, cid: Option<&str>) -> Result<Answer, Problem> {
        named(&mut f, cid);
        let text::Line(id) = f.required::<text::Line<64>>("sessionId");
        let draft = http::draft(self.desk, &self.agent, f, cid.map(str::to_owned)).await?;
        let message = self.desk.answer(&self.agent, &id, &draft).await?;
        Ok(Answer::Done(json!(MessageInfo::from(&message))))
    }
}

/// `cid`: the client's own name for the command, 1 to 128 visible ASCII characters.
fn cid(f: &mut Fields) -> Result<Option<String>, Problem> {
    let cid = f.optional::<text::Opaque<128>>("cid").map(|cid| cid.0);
    if f.has("cid")
        && !cid.as_ref().is_some_and(|cid| !cid.is_empty() && cid.bytes().all(|b| b.is_ascii_graphic()))
    {
        return Err(Problem::bad_request("cid", "must be 1 to 128 visible ASCII characters"));
    }
    Ok(cid)
}

/// What changes something is named, so that it can be repeated.
fn named(f: &mut Fields, cid: Option<&str>) {
    if cid.is_none() {
        f.bad("cid", "is required");
    }
}

/// The last field that is read.
fn session(mut f: Fields) -> Result<String, Problem> {
    let id = f.required::<text::Line<64>>("sessionId").0;
    f.finish()?;
    Ok(id)
}
