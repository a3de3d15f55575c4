//! What WeCom's server answers: its error codes by what is to be done about them, and the answers that matter.
//!
//! Promise: classes follow from `errcode`; `errmsg` is for people.

use std::time::Duration;

use serde_json::Value;

use crate::json;

/// An `errcode` other than 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("WeCom answers {code}: {message}")]
pub struct ApiError {
    /// `errcode`.
    pub code: i64,
    /// `errmsg`.
    pub message: String,
    /// What to do about it.
    pub class: Class,
}

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The access token is no longer good: get a new one and repeat, once.
    Token,
    /// The token of the callback is no longer good: pull again without one.
    CallbackToken,
    /// WeCom is busy: repeat, at most three times.
    Busy,
    /// Called too often: not before `wait` has passed. An hour's limit looks the same; if it is still there, wait
    /// longer.
    Limited {
        /// At least.
        wait: Duration,
    },
    /// Repeating helps nothing; somebody has to change a setting or the message.
    Final,
    /// 48 h have passed since the customer's last message: nothing can be sent before the next.
    WindowOver,
    /// Five messages were sent since the customer's last: nothing can be sent before the next.
    QuotaOver,
    /// The conversation is with a person in WeCom's own client, or ended: nothing can be sent by us.
    WrongState,
    /// A code that is not in this list.
    Unknown,
}

impl Class {
    /// By `errcode`.
    #[must_use]
    pub fn of(code: i64) -> Self {
        match code {
            40001 | 40014 | 41001 | 42001 => Self::Token,
            95007 => Self::CallbackToken,
            -1 => Self::Busy,
            45009 | 45011 => Self::Limited { wait: Duration::from_secs(60) },
            // Too many at once, not too many a minute.
            45033 => Self::Limited { wait: Duration::from_secs(1) },
            95001 => Self::QuotaOver,
            // 95024: a touched menu does not open the window.
            95002 | 95024 => Self::WindowOver,
            95018 => Self::WrongState,
            // Bad parameters, media, rights, addresses; accounts that are gone or served by somebody else.
            40000..=41999 | 43000..=45008 | 48002 | 60011 | 60020 | 95000..=95999 | 301_002 => Self::Final,
            _ => Self::Unknown,
        }
    }
}

/// Why an answer holds no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// WeCom says no.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It is not what WeCom answers: perhaps a proxy's page.
    #[error("WeCom's answer is not to be understood: {0}")]
    Unreadable(String),
}

/// An access token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// At most 512 bytes. A secret.
    pub access_token: String,
    /// So long it is good at most; it may end before.
    pub expires_in: Duration,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Where WeCom has a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// 0: nobody has answered yet. We may.
    New,
    /// 1: ours.
    Assistant,
    /// 2: waits in WeCom's own client.
    Pool,
    /// 3: with this person in WeCom's own client.
    Servicer(String),
    /// 4: ended, or not begun.
    Ended,
}

/// A customer-service account that an app may serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KfAccount {
    /// `open_kfid`
    pub open_kfid: String,
    /// What customers see.
    pub name: String,
    /// Whether it is under 通过API管理, for this app; without, it can be seen and not be served.
    pub managed: bool,
}

/// The object of an answer whose `errcode` is 0 or left out.
pub(super) fn answer(bytes: &[u8]) -> Result<Value, Failure> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|e| Failure::Unreadable(format!("no JSON: {e}")))?;
    if !value.is_object() {
        return Err(Failure::Unreadable("no object".to_owned()));
    }
    let code = match value.get("errcode") {
        None => 0,
        Some(_) => {
            json::integer(&value, "errcode").ok_or_else(|| Failure::Unreadable("errcode".to_owned()))?
        }
    };
    if code != 0 {
        let message = json::text_or_empty(&value, "errmsg");
        return Err(ApiError { code, message, class: Class::of(code) }.into());
    }
    Ok(value)
}

fn required(value: &Value, key: &'static str) -> Result<String, Failure> {
    json::text(value, key).ok_or_else(|| Failure::Unreadable(format!("{key} is missing")))
}

/// `gettoken`'s answer. A bad corpid or secret is [`Class::Final`] here: asking again blocks the address.
///
/// # Errors
/// WeCom refused, or there is no token in it.
pub fn parse_token(bytes: &[u8]) -> Result<Token, Failure> {
    let value = answer(bytes).map_err(|failure| match failure {
        Failure::Api(error) if error.class == Class::Token => {
            ApiError { class: Class::Final, ..error }.into()
        }
        other => other,
    })?;
    let seconds = json::integer(&value, "expires_in").and_then(|n| u64::try_from(n).ok());
    let expires_in = seconds.ok_or_else(|| Failure::Unreadable("expires_in is missing".to_owned()))?;
    Ok(Token { access_token: required(&value, "access_token")?, expires_in: Duration::from_secs(expires_in) })
}

/// The `msgid` of what `send_msg` or `send_msg_on_event` took.
///
/// # Errors
/// WeCom refused, or the answer is none of its.
pub fn parse_sent(bytes: &[u8]) -> Result<String, Failure> {
    required(&answer(bytes)?, "msgid")
}

/// `service_state/get`'s answer.
///
/// # Errors
/// WeCom refused, or it is a state that WeCom does not have.
pub fn parse_state(bytes: &[u8]) -> Result<State, Failure> {
    let value = answer(bytes)?;
    match json::integer(&value, "service_state") {
        Some(0) => Ok(State::New),
        Some(1) => Ok(State::Assistant),
        Some(2) => Ok(State::Pool),
        Some(3) => Ok(State::Servicer(json::text_or_empty(&value, "servicer_userid"))),
        Some(4) => Ok(State::Ended),
        _ => Err(Failure::Unreadable("service_state".to_owned())),
    }
}

/// `service_state/trans`' answer: a code for one message about the change, if WeCom gives one.
///
/// # Errors
/// WeCom refused.
pub fn parse_trans(bytes: &[u8]) -> Result<Option<String>, Failure> {
    Ok(json::text(&answer(bytes)?, "msg_code"))
}

/// `kf/account/list`'s answer: one page, see [`super::list_accounts`].
///
/// # Errors
/// WeCom refused, or there is no list in it.
pub fn parse_accounts(bytes: &[u8]) -> Result<Vec<KfAccount>, Failure> {
    let value = answer(bytes)?;
    let list = value.get("account_list").and_then(Value::as_array);
    let list = list.ok_or_else(|| Failure::Unreadable("account_list is missing".to_owned()))?;
    let account = |item: &Value| {
        Some(KfAccount {
            open_kfid: json::text(item, "open_kfid")?,
            name: json::text_or_empty(item, "name"),
            managed: item.get("manage_privilege").and_then(Value::as_bool).unwrap_or(true),
        })
    };
    Ok(list.iter().filter_map(account).collect())
}
