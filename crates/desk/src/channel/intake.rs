//! Callbacks: whose it is, kept as it came in one commit together with what it says, then acknowledged.
//!
//! Promises: nothing is believed before its signature is checked; a callback is acknowledged only when it is stored; the
//! same one is taken once; one that is signed and not to be understood is kept with the reason and can be
//! replayed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::http::HeaderMap;
use channels::{Content, Inbound, Once, Refusal, bridge, douyin, jd, wecom};
use data_encoding::HEXLOWER;
use db::Tx;
use kernel::{Problem, ProblemKind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    account::{Account, AccountKind, Adapter},
    pull, registry,
    upkeep::KNOWN,
};
use crate::{
    Desk,
    contended::{Stop, persist},
    model::ChannelType,
    store::{
        self,
        callbacks::{CallbackRow, NewCallback},
    },
};

/// The headers that a signature may be in, or that say what a message is.
const HEADERS: [&str; 8] = [
    "x-signature",
    "x-timestamp",
    "x-nonce",
    "x-douyin-signature",
    "msg-id",
    "app-id",
    "event-sign",
    "content-type",
];

/// A callback's token for `sync_msg` is good for ten minutes.
const TOKEN: Duration = Duration::from_secs(9 * 60);

/// A callback as it came: what its signature covers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    headers: BTreeMap<String, String>,
    query: String,
    body: String,
}

impl Request {
    /// # Errors
    /// 400: the body is no UTF-8, which no channel sends.
    pub(crate) fn new(headers: &HeaderMap, query: &str, body: &[u8]) -> Result<Self, Problem> {
        let body = std::str::from_utf8(body).map_err(|_| Problem::bad_request("body", "is no UTF-8"))?;
        let header = |name: &&str| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        };
        let headers = HEADERS.iter().filter_map(header).collect();
        Ok(Self { headers, query: query.to_owned(), body: body.to_owned() })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// A parameter of the query.
    fn param(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Which protocol it is in, if that can be told from what signs it.
    fn kind(&self, channel_type: ChannelType) -> Option<AccountKind> {
        let general =
            ["x-signature", "x-timestamp", "x-nonce"].iter().any(|name| self.header(name).is_some())
                || ["signature", "timestamp", "nonce"].iter().any(|name| self.param(name).is_some());
        // Some clients call everything a form.
        let by_bridge = self.header("x-signature").is_some()
            || self.param("signature").is_some()
            || self.body.trim_start().starts_with(['{', '[']);
        match channel_type {
            ChannelType::Wechat if self.param("msg_signature").is_some() => Some(AccountKind::Wecom),
            ChannelType::Douyin if self.header("x-douyin-signature").is_some() => Some(AccountKind::Douyin),
            ChannelType::Douyin if self.header("event-sign").is_some() => Some(AccountKind::Doudian),
            ChannelType::Jd if self.is_form() && !by_bridge => Some(AccountKind::Jd),
            _ => (general || self.body.contains("\"rawPayload\"")).then_some(AccountKind::Bridge),
        }
    }

    fn is_form(&self) -> bool {
        self.header("content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"))
    }
}

/// What a callback says.
enum Said {
    /// The check of the URL: goes back as it is.
    Challenge(Value),
    /// There is something to pull, with the callback's token.
    Pull { kf_id: String, token: String },
    /// Accounts that may be served from now on.
    Serve(Vec<String>),
    /// Messages.
    Messages(Vec<Inbound>),
}

/// A callback whose signature is right.
struct Opened {
    said: Said,
    /// The same one is taken once.
    once: String,
}

/// The answer that a channel wants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// As text.
    Text(&'static str),
    /// As JSON.
    Json(Value),
}

fn answer(kind: AccountKind) -> Answer {
    match kind {
        AccountKind::Wecom => Answer::Text("success"),
        AccountKind::Jd => Answer::Json(jd::accepted()),
        // 抖店 reads `msg`.
        AccountKind::Doudian => Answer::Json(json!({"code": 0, "message": "success", "msg": "success"})),
        AccountKind::Douyin | AccountKind::Bridge => Answer::Json(json!({"code": 0, "message": "success"})),
    }
}

pub(crate) fn hash(body: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(body.as_bytes()))
}

impl Opened {
    fn signed(said: Said, once: Once) -> Self {
        Self { said, once: once.key }
    }
}

fn open(account: &Account, request: &Request, now: Timestamp) -> Result<Opened, Refusal> {
    let body = request.body.as_bytes();
    match &account.adapter {
        Adapter::Wecom(wecom) => {
            let wecom::Opened { callback, once, .. } = wecom.keys.open(&request.query, body, now)?;
            let said = match callback {
                wecom::Callback::KfMsgOrEvent { open_kfid, token, .. } => {
                    Said::Pull { kf_id: open_kfid, token }
                }
                wecom::Callback::KfAccountAuthChange { added, .. } => Said::Serve(added),
                wecom::Callback::Other { .. } => Said::Messages(Vec::new()),
            };
            Ok(Opened::signed(said, once))
        }
        Adapter::Douyin(douyin) => {
            let (signature, id) = (request.header("x-douyin-signature"), request.header("msg-id"));
            let said = match douyin.app.open(signature, id, body, now)? {
                douyin::Callback::Challenge(challenge) => Said::Challenge(challenge),
                // The signature knows no time: what is not known any more must not come again.
                douyin::Callback::Event(inbound) if inbound.sent_at + KNOWN <= now => {
                    return Err(Refusal::Stale("create_time is more than 30 days ago"));
                }
                douyin::Callback::Event(inbound) => Said::Messages(vec![*inbound]),
            };
            Ok(Opened { said, once: hash(&request.body) })
        }
        Adapter::Doudian(app) => {
            let (id, sign) = (request.header("app-id"), request.header("event-sign"));
            Ok(Opened { said: Said::Messages(app.open(id, sign, body, now)?), once: hash(&request.body) })
        }
        Adapter::Jd(jd) => {
            let jd::Opened { inbound, once } = jd.app.open(body, now)?;
            Ok(Opened::signed(Said::Messages(vec![inbound]), once))
        }
        Adapter::Bridge(bridge) => {
            let headers = bridge::Headers {
                signature: request.header("x-signature"),
                timestamp: request.header("x-timestamp"),
                nonce: request.header("x-nonce"),
            };
            let bridge::Opened { messages, once } = bridge.secret.open(headers, &request.query, body, now)?;
            for message in &messages {
                if let Content::Media { reference, .. } = &message.content {
                    let reason = bridge.check_file(reference).err();
                    reason.map_or(Ok(()), |reason| Err(Refusal::Malformed { field: "mediaUrl", reason }))?;
                }
            }
            Ok(Opened::signed(Said::Messages(messages), once))
        }
    }
}

/// Whether a refusal is of what the channel itself signed: its sender can do nothing about it.
fn is_authentic(kind: AccountKind, refusal: &Refusal) -> bool {
    let Refusal::Malformed { field, .. } = refusal else { return false };
    match kind {
        AccountKind::Wecom => matches!(*field, "OpenKfId" | "CreateTime"),
        AccountKind::Douyin | AccountKind::Doudian => true,
        AccountKind::Jd => matches!(*field, "jd_param_json"),
        // A bridge is told what is wrong: it is somebody's own.
        AccountKind::Bridge => false,
    }
}

/// A refusal as the sender sees it.
pub(crate) fn problem(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Signature(reason) | Refusal::Stale(reason) => Problem::unauthorized(*reason),
        Refusal::Malformed { field, reason } => Problem::bad_request(*field, reason.as_str()),
    }
}

/// 503: this route takes nothing.
pub(crate) fn not_configured(what: &str) -> Problem {
    Problem::new(ProblemKind::Unavailable, format!("no account of {what} is configured"))
}

impl Desk {
    /// All accounts in use.
    pub(crate) async fn accounts(&self) -> db::Result<registry::Accounts> {
        let registry = &self.0.channels.registry;
        registry.all(self.db(), self.clock(), self.0.accounts.keyring()).await
    }

    /// The account, if it is in use.
    pub(crate) async fn account(&self, id: &str) -> db::Result<Option<Arc<Account>>> {
        Ok(self.accounts().await?.iter().find(|account| account.id == id).cloned())
    }

    /// Answers WeCom's check of the URL.
    ///
    /// # Errors
    /// 503 without an account; 400 or 401 if none of them signed it.
    pub(crate) async fn verify_url(&self, query: &str) -> Result<String, Problem> {
        let request = Request { headers: BTreeMap::new(), query: query.to_owned(), body: String::new() };
        let all = self.accounts().await?;
        let named = request.param("account");
        let accounts = registry::of(&all, AccountKind::Wecom, ChannelType::Wechat, None);
        let accounts = chosen(accounts, named.as_deref(), "wecom")?;
        let now = self.clock().now();
        first(&accounts, "wecom", |account| match account.wecom() {
            Some(wecom) => wecom.keys.verify_url(query, now),
            None => Err(Refusal::Signature("is no account of WeCom")),
        })
        .map(|(_, echo)| echo)
        .map_err(Refused::into_problem)
    }

    /// Takes a callback in; `kind` where its route is for one kind of account alone.
    ///
    /// # Errors
    /// 503 without an account that it could be for; 401 if it is not signed, too old, or seen before; 400 if it is not
    /// to be understood.
    pub(crate) async fn take_callback(
        &self,
        channel_type: ChannelType,
        kind: Option<AccountKind>,
        request: &Request,
    ) -> Result<Answer, Problem> {
        let all = self.accounts().await?;
        let named = request.param("account");
        let of = |kind, named| registry::of(&all, kind, channel_type, named);
        let told = kind.or_else(|| request.kind(channel_type));
        // What nothing signs is refused by whoever would have to sign it.
        let guess = |named| AccountKind::EVERY.into_iter().find(|kind| !of(*kind, named).is_empty());
        let kind = told.or_else(|| guess(named.as_deref())).or_else(|| guess(None));
        let kind = kind.unwrap_or(AccountKind::Bridge);
        let what = if told.is_some() { kind.as_str() } else { channel_type.as_str() };
        let accounts = chosen(of(kind, None), named.as_deref(), what)?;
        let now = self.clock().now();
        match first(&accounts, what, |account| open(account, request, now)) {
            Ok((_, Opened { said: Said::Challenge(challenge), .. })) => Ok(Answer::Json(challenge)),
            Ok((account, opened)) => persist(|| self.keep(account, request, &opened, now)).await,
            Err(Refused::By(account, refusal)) if is_authentic(kind, &refusal) => {
                self.keep_unread(account, request, &refusal.to_string(), now).await
            }
            Err(refused) => Err(refused.into_problem()),
        }
    }

    async fn keep(
        &self,
        account: &Account,
        request: &Request,
        opened: &Opened,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        let kind = account.kind();
        let json = serde_json::to_string(request).map_err(|_| Problem::internal())?;
        let new =
            NewCallback { account_id: &account.id, once_key: &opened.once, request: &json, error: None };
        let mut tx = self.db().begin().await?;
        if !store::callbacks::keep(&mut tx, &new, now).await? {
            // The channels repeat what was not answered in time, as it was; a bridge signs anew.
            return match kind {
                AccountKind::Bridge => Err(Problem::unauthorized("the nonce was used before").into()),
                _ => Ok(answer(kind)),
            };
        }
        self.act(&mut tx, account, &opened.said, now).await?;
        tx.commit().await?;
        Ok(answer(kind))
    }

    async fn act(&self, tx: &mut Tx, account: &Account, said: &Said, now: Timestamp) -> db::Result<()> {
        match said {
            Said::Challenge(_) => Ok(()),
            Said::Pull { kf_id, token } => {
                let token = Some((token.as_str(), now + TOKEN)).filter(|(token, _)| !token.is_empty());
                pull::want(tx, (&account.id, kf_id), token, now).await
            }
            Said::Serve(added) => {
                for kf_id in added {
                    pull::want(tx, (&account.id, kf_id), None, now).await?;
                }
                Ok(())
            }
            Said::Messages(messages) => self.receive(tx, &account.source(), messages, now).await.map(drop),
        }
    }

    /// Keeps what is signed and not to be understood, and acknowledges it: to send it again would change nothing.
    async fn keep_unread(
        &self,
        account: &Account,
        request: &Request,
        error: &str,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        tracing::warn!(account = account.id, error, "a callback is not to be understood; it can be replayed");
        let json = serde_json::to_string(request).map_err(|_| Problem::internal())?;
        let once = hash(&format!("{}{}", request.query, request.body));
        let new =
            NewCallback { account_id: &account.id, once_key: &once, request: &json, error: Some(error) };
        let mut tx = self.db().begin().await?;
        store::callbacks::keep(&mut tx, &new, now).await?;
        tx.commit().await?;
        Ok(answer(account.kind()))
    }

    /// Reads a kept callback once more, as of when it came. What it said before is not said again.
    ///
    /// # Errors
    /// 404; 422 with the reason if it is still not to be understood, or its account is gone.
    pub(crate) async fn replay(&self, id: &str) -> Result<CallbackRow, Problem> {
        let now = self.clock().now();
        let accounts = self.accounts().await?;
        let mut tx = self.db().begin().await?;
        let row = store::callbacks::lock(&mut tx, id).await?.ok_or_else(|| Problem::not_found("callback"))?;
        let account = accounts.iter().find(|account| account.id == row.account_id);
        let account = account.ok_or_else(|| Problem::rule("accountId", "is not in use"))?;
        let reread = match serde_json::from_str::<Request>(&row.request) {
            Ok(request) => open(account, &request, row.received_at).map_err(|refusal| refusal.to_string()),
            Err(_) => Err("is an item without an identity".to_owned()),
        };
        match reread {
            Ok(opened) => {
                store::callbacks::set_error(&mut tx, id, None).await?;
                self.act(&mut tx, account, &opened.said, now).await?;
                tx.commit().await?;
                Ok(CallbackRow { error: None, ..row })
            }
            Err(reason) => {
                store::callbacks::set_error(&mut tx, id, Some(&reason)).await?;
                tx.commit().await?;
                Err(Problem::rule("callback", reason))
            }
        }
    }
}

/// Those that a request may be for: all, or the one that it names.
///
/// # Errors
/// 503 if there is none at all; 400 if none is the named one.
fn chosen<'a>(
    accounts: Vec<&'a Arc<Account>>,
    named: Option<&str>,
    what: &str,
) -> Result<Vec<&'a Arc<Account>>, Problem> {
    if accounts.is_empty() {
        return Err(not_configured(what));
    }
    let Some(named) = named else { return Ok(accounts) };
    let one: Vec<_> = accounts.into_iter().filter(|account| account.id == named).collect();
    if one.is_empty() { Err(Problem::bad_request("account", "is none that is in use here")) } else { Ok(one) }
}

/// Why no account took a request.
enum Refused<'a> {
    By(&'a Account, Refusal),
    NotConfigured(String),
}

impl Refused<'_> {
    fn into_problem(self) -> Problem {
        match self {
            Self::By(_, refusal) => problem(&refusal),
            Self::NotConfigured(what) => not_configured(&what),
        }
    }
}

/// The account that takes a request. All are asked whoever answers, so that the time tells nobody which; if none takes
/// it, one that found its own signature right says why.
fn first<'a, T>(
    accounts: &[&'a Arc<Account>],
    what: &str,
    take: impl Fn(&Account) -> Result<T, Refusal>,
) -> Result<(&'a Account, T), Refused<'a>> {
    let mut refused = Refused::NotConfigured(what.to_owned());
    let mut taken = None;
    for account in accounts {
        match take(account) {
            Ok(value) => taken = taken.or(Some((&***account, value))),
            Err(refusal) => {
                let by_signature = matches!(refusal, Refusal::Signature(_));
                if !by_signature || matches!(refused, Refused::NotConfigured(_)) {
                    refused = Refused::By(account, refusal);
                }
            }
        }
    }
    taken.ok_or(refused)
}
