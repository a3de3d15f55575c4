//! `POST /mails/send-to-future`

use accounts::Caller;
use axum::extract::State;
use httpkit::{Body, OkEnvelope, Refusals, Reply, ok, text};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::read;
use crate::{
    Letters,
    model::{Status, TriggerCondition, TriggerType, capsule_id},
    ops::Scheduling,
    view::countdown,
};

/// When a draft is to arrive.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct SendToFutureRequest {
    #[schema(example = "mail_1234567890")]
    mail_id: String,
    /// At least one hour from now (a setting of the server).
    #[schema(value_type = String, format = DateTime, example = "2035-12-31T23:59:59Z")]
    send_time: Timestamp,
    /// Default: the draft's own, or TIME.
    trigger_type: Option<TriggerType>,
    trigger_condition: Option<TriggerCondition>,
}

/// The letter on its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SentToFuture {
    mail_id: String,
    capsule_id: String,
    status: Status,
    #[schema(value_type = Option<String>, format = DateTime)]
    send_time: Option<Timestamp>,
    /// Whole seconds to `sendTime`.
    countdown: Option<u64>,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Send a draft to the future
///
/// The free plan has five different letters a month. LOCATION and EVENT letters, for premium accounts,
/// arrive when their condition is met, and at `sendTime` at the latest.
#[utoipa::path(post, path = "/mails/send-to-future", tag = "letters", request_body = SendToFutureRequest,
    responses((status = 200, body = OkEnvelope<SentToFuture>), Refusals))]
pub(super) async fn send_to_future(
    State(letters): State<Letters>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<SentToFuture> {
    let scheduling = Scheduling {
        mail_id: f.required::<text::Opaque<64>>("mailId").0,
        send_time: f.required("sendTime"),
        trigger_type: f.optional("triggerType"),
        trigger_condition: read::condition(&mut f),
    };
    f.finish()?;
    let letter = letters.schedule(&caller, scheduling).await?;
    let status = letter.status(letter.updated_at, letters.0.config.delivering_lead);
    ok(SentToFuture {
        capsule_id: capsule_id(&letter.id),
        mail_id: letter.id,
        status,
        send_time: letter.send_time,
        countdown: countdown(status, letter.send_time, letter.updated_at),
        updated_at: letter.updated_at,
    })
}
