//! What is sent again under its sender's own id: it is the same message, or a mistake.

use db::Tx;
use kernel::{Problem, ProblemKind};
use serde_json::Value;

use crate::{
    contended::Stop,
    model::SenderType,
    store::{self, MessageRow, SessionRow},
};

/// Something that a person says under an id of their own. Ids are for one message each in a session, whoever says it
/// and whatever it is.
pub(crate) struct Repeated<'a> {
    /// `None`: every one is new.
    pub(crate) client_id: Option<&'a str>,
    /// `None` where nobody says who they are.
    pub(crate) sender: Option<&'a str>,
    pub(crate) msg_type: &'a str,
    pub(crate) content: &'a str,
    /// What else makes it what it is, as its payload has it; null: is not there.
    pub(crate) about: Value,
}

impl Repeated<'_> {
    /// What was said under this id in a locked session before.
    ///
    /// # Errors
    /// 409 if that is something else: whoever asks learns nothing of it.
    pub(crate) async fn find(&self, tx: &mut Tx, row: &SessionRow) -> Result<Option<MessageRow>, Stop> {
        let Some(client_id) = self.client_id else { return Ok(None) };
        let Some(before) = store::same_client(tx, &row.id, client_id).await? else { return Ok(None) };
        if self.is(&before) {
            return Ok(Some(before));
        }
        let reason = "another message was sent under this id: ids are for one message each";
        Err(Problem::new(ProblemKind::Conflict, reason).into())
    }

    fn is(&self, before: &MessageRow) -> bool {
        let payload: Value =
            before.payload.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let has = |(key, value): (&String, &Value)| payload.get(key).unwrap_or(&Value::Null) == value;
        before.sender_type == SenderType::Manual
            && self.sender.is_none_or(|sender| sender == before.sender_id)
            && before.msg_type == self.msg_type
            && before.content == self.content
            && self.about.as_object().is_none_or(|about| about.iter().all(has))
    }
}
