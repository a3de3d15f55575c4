//! `GET` and `PUT /notification/settings`

use axum::extract::State;
use httpkit::{Body, OkEnvelope, Refusals, Reply, ok};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Accounts, Caller,
    store::{self, Notifications},
};

/// What the caller wants to be told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettingsData {
    /// By e-mail.
    email_notification: bool,
    /// By push.
    push_notification: bool,
    /// When a letter of theirs arrives.
    delivery_reminder: bool,
    /// When a letter to them arrives.
    received_notification: bool,
}

impl From<Notifications> for SettingsData {
    fn from(n: Notifications) -> Self {
        Self {
            email_notification: n.email,
            push_notification: n.push,
            delivery_reminder: n.delivery,
            received_notification: n.received,
        }
    }
}

impl Accounts {
    pub(super) async fn settings(&self, caller: &Caller) -> Result<SettingsData, Problem> {
        Ok(store::notifications(&mut self.db().read().await?, caller.id()).await?.into())
    }
}

/// Get the notification settings
#[utoipa::path(get, path = "/notification/settings", tag = "accounts",
    responses((status = 200, body = OkEnvelope<SettingsData>), Refusals))]
pub(super) async fn get_settings(State(accounts): State<Accounts>, caller: Caller) -> Reply<SettingsData> {
    ok(accounts.settings(&caller).await?)
}

/// What to change; absent fields stay.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct NotificationSettingsRequest {
    email_notification: Option<bool>,
    push_notification: Option<bool>,
    delivery_reminder: Option<bool>,
    received_notification: Option<bool>,
}

/// The settings after the change.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdatedSettings {
    #[serde(flatten)]
    settings: SettingsData,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Update the notification settings
#[utoipa::path(put, path = "/notification/settings", tag = "accounts", request_body = NotificationSettingsRequest,
    responses((status = 200, body = OkEnvelope<UpdatedSettings>), Refusals))]
pub(super) async fn update_settings(
    State(accounts): State<Accounts>,
    caller: Caller,
    Body(mut f): Body,
) -> Reply<UpdatedSettings> {
    let (email, push) = (f.optional("emailNotification"), f.optional("pushNotification"));
    let (delivery, received) = (f.optional("deliveryReminder"), f.optional("receivedNotification"));
    f.finish()?;
    let now = accounts.clock().now();
    let mut tx = accounts.db().begin().await?;
    let old = store::notifications(&mut tx, caller.id()).await?;
    let new = Notifications {
        email: email.unwrap_or(old.email),
        push: push.unwrap_or(old.push),
        delivery: delivery.unwrap_or(old.delivery),
        received: received.unwrap_or(old.received),
    };
    store::set_notifications(&mut tx, caller.id(), new, now).await?;
    tx.commit().await?;
    ok(UpdatedSettings { settings: new.into(), updated_at: now })
}
