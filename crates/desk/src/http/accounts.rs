//! `GET` and `POST /desk/accounts`, `PATCH` and `DELETE /desk/accounts/{accountId}`

use std::collections::BTreeMap;

use axum::extract::State;
use httpkit::{Body, DeskEnvelope, DeskReply, PathId, Refusals, desk_ok, text};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    Desk,
    auth::Agent,
    channel::{AccountKind, check::AccountHealth, registry},
    model::ChannelType,
    sealed,
    store::{
        self,
        accounts::{self, AccountRow},
        health, tokens,
    },
};

/// The longest field, in characters.
const LONGEST: usize = 4096;

/// An account of a channel.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountInfo {
    /// `chan_…`
    account_id: String,
    kind: AccountKind,
    channel_type: ChannelType,
    name: String,
    /// Whether it is in use.
    enabled: bool,
    /// From the settings: not to be changed here.
    fixed: bool,
    /// What is no secret.
    fields: BTreeMap<String, String>,
    /// The secrets that are set; they are never shown.
    secrets: Vec<String>,
    /// Where the channel calls.
    callback_path: String,
    /// What the last look at it found: WeCom, every quarter of an hour; Douyin, whenever its token was renewed. Null
    /// where there was none yet.
    health: Option<AccountHealth>,
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<Timestamp>,
}

fn callback_path(id: &str, kind: AccountKind, channel_type: ChannelType) -> String {
    match kind {
        AccountKind::Wecom => format!("/wecom/callback?account={id}"),
        _ => format!("/channel/{}/callback?account={id}", channel_type.as_str()),
    }
}

fn info(row: &AccountRow, all: BTreeMap<String, String>) -> AccountInfo {
    let is_secret = |name: &str| row.kind.fields().iter().any(|field| field.name == name && field.secret);
    let (secrets, fields): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.into_iter().partition(|(name, _)| is_secret(name));
    AccountInfo {
        account_id: row.id.clone(),
        kind: row.kind,
        channel_type: row.channel_type,
        name: row.name.clone(),
        enabled: row.enabled,
        fixed: false,
        fields,
        secrets: secrets.into_keys().collect(),
        callback_path: callback_path(&row.id, row.kind, row.channel_type),
        health: None,
        updated_at: Some(row.updated_at),
    }
}

/// List the channels' accounts
///
/// For operators: those of the settings first. No secret is shown.
#[utoipa::path(get, path = "/desk/accounts", tag = "desk",
    responses((status = 200, body = DeskEnvelope<Vec<AccountInfo>>), Refusals))]
pub(super) async fn list_accounts(State(desk): State<Desk>, agent: Agent) -> DeskReply<Vec<AccountInfo>> {
    agent.operating()?;
    let fixed = desk.0.channels.registry.fixed().iter().map(|account| AccountInfo {
        account_id: account.id.clone(),
        kind: account.kind(),
        channel_type: account.channel_type,
        name: account.id.clone(),
        enabled: true,
        fixed: true,
        fields: BTreeMap::new(),
        secrets: Vec::new(),
        callback_path: callback_path(&account.id, account.kind(), account.channel_type),
        health: None,
        updated_at: None,
    });
    let mut all: Vec<AccountInfo> = fixed.collect();
    let mut conn = desk.db().read().await?;
    for row in accounts::all(&mut conn).await? {
        let fields =
            registry::fields(&row, desk.0.accounts.keyring()).map_err(|reason| unreadable(&row, &reason))?;
        all.push(info(&row, fields));
    }
    for row in health::all(&mut conn).await? {
        let account = all.iter_mut().find(|account| account.account_id == row.account_id);
        if let Some(account) = account.filter(|account| account.enabled) {
            account.health = Some(AccountHealth::from(&row));
        }
    }
    desk_ok(all)
}

fn unreadable(row: &AccountRow, reason: &str) -> Problem {
    tracing::error!(account = row.id, reason, "the secrets of an account cannot be read");
    Problem::internal()
}

/// A new account.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct AccountRequest {
    kind: AccountKind,
    /// For a bridge: which channel it is for.
    channel_type: Option<ChannelType>,
    #[schema(max_length = 100)]
    name: String,
    /// By kind. `wecom`: `corpId`, `token`, `encodingAesKey`, `secret`, `apiBase?`, `welcome?`; `douyin`: `clientKey`,
    /// `clientSecret`, `openIds?`, `accessToken?`, `refreshToken?`, `apiBase?`; `doudian`: `appKey`, `appSecret`; `jd`: `appKey`,
    /// `appSecret`, `token?`, `waiter?`, `apiBase?`; `bridge`: `secret`, `apiBase?`.
    #[schema(value_type = Object)]
    fields: Value,
}

/// Connect an account of a channel
///
/// For operators. Secrets are sealed at rest. Every field that is missing or cannot be right is named.
#[utoipa::path(post, path = "/desk/accounts", tag = "desk", request_body = AccountRequest,
    responses((status = 200, body = DeskEnvelope<AccountInfo>), Refusals))]
pub(super) async fn create_account(
    State(desk): State<Desk>,
    agent: Agent,
    Body(mut f): Body,
) -> DeskReply<AccountInfo> {
    agent.operating()?;
    let kind = f.required::<AccountKind>("kind");
    let named: Option<ChannelType> = f.optional("channelType");
    let text::Line(name) = f.required::<text::Line<100>>("name");
    let mut fields = BTreeMap::new();
    let given = f.object("fields", |f| {
        for field in kind.fields() {
            if let Some(text::Opaque(value)) = f.optional::<text::Opaque<LONGEST>>(field.name) {
                fields.insert(field.name.to_owned(), value);
            }
        }
    });
    if given.is_none() && !f.has("fields") {
        f.bad("fields", "is required");
    }
    let channel_type = kind.channel_type().or(named);
    if channel_type.is_none() {
        f.bad("channelType", "is required for a bridge");
    } else if named.is_some() && named != channel_type {
        f.rule("channelType", "is not this kind's");
    }
    for bad in kind.check(&fields) {
        f.rule(&format!("fields.{}", bad.name), bad.reason);
    }
    f.finish()?;
    let now = desk.clock().now();
    let mut row = AccountRow {
        id: kernel::id::new("chan", now),
        kind,
        channel_type: channel_type.unwrap_or_default(),
        name,
        fields: String::new(),
        secrets: Vec::new(),
        enabled: true,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    seal(&desk, &mut row, &fields)?;
    let mut tx = desk.db().begin().await?;
    accounts::insert(&mut tx, &row).await?;
    store::note(&mut tx, &agent.actor(None), "account.created", &row.id, None, now).await?;
    tx.commit().await?;
    desk.0.channels.registry.forget();
    desk_ok(info(&row, fields))
}

/// Puts fields into a row, the secrets sealed.
fn seal(desk: &Desk, row: &mut AccountRow, fields: &BTreeMap<String, String>) -> Result<(), Problem> {
    let of = |secret: bool| {
        let names = row.kind.fields().iter().filter(|field| field.secret == secret);
        let pairs = names.filter_map(|field| Some((field.name, fields.get(field.name)?)));
        serde_json::to_string(&pairs.collect::<BTreeMap<_, _>>()).map_err(|_| Problem::internal())
    };
    let (open, secret) = (of(false)?, of(true)?);
    row.fields = open;
    let sealed = desk.0.accounts.keyring().seal(&sealed::account_place(&row.id), secret.as_bytes());
    row.secrets = sealed.map_err(|_| Problem::internal())?;
    Ok(())
}

/// What is to be changed.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub(super) struct AccountChange {
    #[schema(max_length = 100)]
    name: Option<String>,
    enabled: Option<bool>,
    /// Those that are given; an empty text removes one.
    #[schema(value_type = Option<Object>)]
    fields: Option<Value>,
}

/// Change an account of a channel
///
/// For operators. What is not given stays, secrets too. 404 for an account of the settings.
#[utoipa::path(patch, path = "/desk/accounts/{accountId}", tag = "desk", request_body = AccountChange,
    params(("accountId" = String, Path, description = "`chan_…`")),
    responses((status = 200, body = DeskEnvelope<AccountInfo>), Refusals))]
pub(super) async fn update_account(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
    Body(mut f): Body,
) -> DeskReply<AccountInfo> {
    agent.operating()?;
    let now = desk.clock().now();
    let mut tx = desk.db().begin().await?;
    let row = accounts::lock(&mut tx, &id).await?;
    let mut row = row.ok_or_else(|| Problem::not_found("account"))?;
    if let Some(text::Line(name)) = f.optional::<text::Line<100>>("name") {
        row.name = name;
    }
    row.enabled = f.optional("enabled").unwrap_or(row.enabled);
    let keyring = desk.0.accounts.keyring();
    let mut fields = registry::fields(&row, keyring).map_err(|reason| unreadable(&row, &reason))?;
    f.object("fields", |f| {
        for field in row.kind.fields() {
            match f.optional::<text::Opaque<LONGEST>>(field.name) {
                Some(text::Opaque(value)) if value.is_empty() => drop(fields.remove(field.name)),
                Some(text::Opaque(value)) => drop(fields.insert(field.name.to_owned(), value)),
                None => {}
            }
        }
    });
    for bad in row.kind.check(&fields) {
        f.rule(&format!("fields.{}", bad.name), bad.reason);
    }
    f.finish()?;
    row.version = row.version.saturating_add(1);
    row.updated_at = now;
    seal(&desk, &mut row, &fields)?;
    accounts::update(&mut tx, &row).await?;
    // What was found of it may be true no longer.
    health::forget(&mut tx, &id).await?;
    store::note(&mut tx, &agent.actor(None), "account.changed", &id, None, now).await?;
    tx.commit().await?;
    desk.0.channels.registry.forget();
    desk_ok(info(&row, fields))
}

/// An account that is no more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Disconnected {
    account_id: String,
}

/// Disconnect an account of a channel
///
/// For operators. Its sessions and messages stay; nothing is taken in or sent any more.
#[utoipa::path(delete, path = "/desk/accounts/{accountId}", tag = "desk",
    params(("accountId" = String, Path, description = "`chan_…`")),
    responses((status = 200, body = DeskEnvelope<Disconnected>), Refusals))]
pub(super) async fn delete_account(
    State(desk): State<Desk>,
    agent: Agent,
    PathId(id): PathId,
) -> DeskReply<Disconnected> {
    agent.operating()?;
    let mut tx = desk.db().begin().await?;
    if !accounts::delete(&mut tx, &id).await? {
        return Err(Problem::not_found("account").into());
    }
    health::forget(&mut tx, &id).await?;
    tokens::forget(&mut tx, &id).await?;
    store::note(&mut tx, &agent.actor(None), "account.removed", &id, None, desk.clock().now()).await?;
    tx.commit().await?;
    desk.0.channels.registry.forget();
    desk_ok(Disconnected { account_id: id })
}
