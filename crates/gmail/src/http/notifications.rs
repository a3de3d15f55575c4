//! `POST /notifications/setup/`, `POST /notifications/stop/`: whether Google rings when a mailbox changes.

use accounts::Caller;
use axum::extract::State;
use httpkit::{BareReply, Body, StatusRefusals, bare, text};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Gmail, sync::Ringing};

/// For which account.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct NotificationsRequest {
    /// One's own, connected.
    #[schema(example = "brand@example.com")]
    email: String,
    /// `projects/{project}/topics/{name}` of the OAuth client's project, or the name alone. The server's without.
    #[schema(example = "projects/test/topics/gmail")]
    topic_name: Option<String>,
}

/// Google rings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsData {
    /// Always `success`.
    status: &'static str,
    topic: String,
    /// When it ends unless it is renewed, which the server does each day.
    #[schema(value_type = String, format = DateTime)]
    expiration: Timestamp,
    message: String,
}

/// Be told of an account's new mails
///
/// Has Gmail publish to a Pub/Sub topic whenever a mail comes or is sent, and renews that each day. Another topic than
/// before replaces it. 422 names `topic_name` where there is none, where it is not of the OAuth client's project, or where
/// Google refuses it; 409 if the account must be connected again.
#[utoipa::path(post, path = "/notifications/setup/", tag = "gmail", request_body = NotificationsRequest,
    responses((status = 200, body = NotificationsData), StatusRefusals))]
pub(super) async fn set_up_notifications(
    State(gmail): State<Gmail>,
    caller: Caller,
    Body(mut f): Body,
) -> BareReply<NotificationsData> {
    let text::Line(email) = f.required::<text::Line<320>>("email");
    let topic = f.optional::<text::Line<400>>("topic_name").map(|topic| topic.0);
    f.finish()?;
    let Ringing { email, topic, expires_at } = gmail.ring(caller.id(), &email, topic.as_deref()).await?;
    let message = format!("{email} rings {topic}");
    bare(NotificationsData { status: "success", topic, expiration: expires_at, message })
}

/// Which account.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct StopNotificationsRequest {
    /// One's own, connected.
    #[schema(example = "brand@example.com")]
    email: String,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsStopped {
    /// Always `success`.
    status: &'static str,
    message: String,
}

/// Be told no more of an account's new mails
///
/// They are still found, by looking from time to time.
#[utoipa::path(post, path = "/notifications/stop/", tag = "gmail", request_body = StopNotificationsRequest,
    responses((status = 200, body = NotificationsStopped), StatusRefusals))]
pub(super) async fn stop_notifications(
    State(gmail): State<Gmail>,
    caller: Caller,
    Body(mut f): Body,
) -> BareReply<NotificationsStopped> {
    let text::Line(email) = f.required::<text::Line<320>>("email");
    f.finish()?;
    let email = gmail.fall_silent(caller.id(), &email).await?;
    bare(NotificationsStopped { status: "success", message: format!("{email} rings no more") })
}
