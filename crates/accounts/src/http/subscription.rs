//! `GET /user/subscription`

use axum::extract::State;
use httpkit::{OkEnvelope, Refusals, Reply, ok};
use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Accounts, Caller, Plan, Resource,
    ops::existing,
    store::{self, quota_used},
};

/// The plan and what is left of it this month.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionData {
    plan: Plan,
    /// Letters that may still be created this UTC calendar month; `null`: no limit.
    #[schema(example = 10)]
    remaining_mails: Option<i64>,
    /// In bytes.
    #[schema(example = 10_485_760)]
    max_attachment_size: u64,
    features: Features,
    /// When the plan ends; `null`: it does not.
    #[schema(value_type = Option<String>, format = DateTime)]
    expire_date: Option<Timestamp>,
}

/// What the plan opens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Features {
    /// LOCATION and EVENT triggers.
    advanced_triggers: bool,
    /// Capsule styles of one's own.
    custom_capsules: bool,
    /// The writing assistant.
    ai_assistant: bool,
}

/// Get the subscription
#[utoipa::path(get, path = "/user/subscription", tag = "accounts",
    responses((status = 200, body = OkEnvelope<SubscriptionData>), Refusals))]
pub(super) async fn subscription(
    State(accounts): State<Accounts>,
    caller: Caller,
) -> Reply<SubscriptionData> {
    let mut conn = accounts.db().read().await?;
    let month = accounts.clock().now().month();
    let used = quota_used(&mut conn, caller.id(), &month, Resource::Created).await?;
    let user = existing(store::user(&mut conn, caller.id()).await?)?;
    let premium = caller.plan == Plan::Premium;
    ok(SubscriptionData {
        plan: caller.plan,
        remaining_mails: Resource::Created.limit(caller.plan).map(|limit| (limit - used).max(0)),
        max_attachment_size: caller.plan.max_attachment(),
        features: Features { advanced_triggers: premium, custom_capsules: premium, ai_assistant: true },
        expire_date: user.plan_until.filter(|_| premium),
    })
}
