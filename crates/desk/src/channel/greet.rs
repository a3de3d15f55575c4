//! `desk.welcome`: one message to a customer who opens the chat; `desk.profile`: what they are called.

use channels::wecom::{Message, parse_sent, send_msg_on_event};
use db::{Result, Tx};
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use kernel::Timestamp;
use serde_json::{Value, json};

use super::{
    send::Sent,
    wecom::{Body, CallError},
};
use crate::{
    Desk, frames,
    store::{self, SessionRow, windows},
    work,
};

/// Answers a `welcome_code`, which is the payload; the subject is the account.
pub const WELCOME: &str = "desk.welcome";
/// Asks WeCom who a session's customer is; the subject is the session.
pub const PROFILE: &str = "desk.profile";

/// A code is good for 20 s.
const GOOD: std::time::Duration = std::time::Duration::from_secs(20);

pub(crate) async fn schedule_welcome(
    tx: &mut Tx,
    account: &str,
    event: &str,
    code: &str,
    now: Timestamp,
) -> Result<()> {
    let welcome = NewDispatch {
        id: format!("{account}/welcome/{event}"),
        kind: WELCOME,
        subject: account.to_owned(),
        destination: account.to_owned(),
        payload: Some(code.to_owned()),
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[welcome]).await.map(drop)
}

pub(crate) async fn schedule_profile(tx: &mut Tx, session: &SessionRow, now: Timestamp) -> Result<()> {
    let profile = NewDispatch {
        id: format!("{}/profile", session.id),
        kind: PROFILE,
        subject: session.id.clone(),
        destination: session.account_id.clone(),
        payload: None,
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[profile]).await.map(drop)
}

/// The handler of [`WELCOME`].
pub struct Welcome {
    /// The desk.
    pub desk: Desk,
}

/// The handler of [`PROFILE`].
pub struct Profile {
    /// The desk.
    pub desk: Desk,
}

fn ended(error: CallError) -> Outcome {
    match Sent::from(error) {
        Sent::Took(answer) => Outcome::Done(answer),
        Sent::Never(reason) => Outcome::Dead(reason),
        Sent::Later(outcome) => outcome,
    }
}

impl Single for Welcome {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let account = match self.desk.account(&dispatch.subject).await {
                Ok(account) => account,
                Err(error) => return work::again(error),
            };
            let wecom = account.as_ref().and_then(|account| account.wecom());
            let Some((wecom, text)) = wecom.and_then(|wecom| Some((wecom, wecom.welcome.as_ref()?))) else {
                return Outcome::Done("no welcome is configured".to_owned());
            };
            let clock = self.desk.clock();
            if clock.now().since(dispatch.due_at) >= GOOD {
                return Outcome::Dead("the code is older than 20 seconds".to_owned());
            }
            let code = dispatch.payload.as_deref().unwrap_or_default();
            let body = match send_msg_on_event(code, &dispatch.id, &Message::Text(text)) {
                Ok(body) => body,
                Err(unsendable) => return Outcome::Dead(unsendable.to_string()),
            };
            let web = &self.desk.0.channels.api;
            match wecom.call(web, clock, "kf/send_msg_on_event", Body::Json(&body)).await {
                Ok(answer) => match parse_sent(answer.body()) {
                    Ok(msgid) => Outcome::Done(format!("msgid {msgid}")),
                    Err(failure) => ended(failure.into()),
                },
                Err(error) => ended(error),
            }
        })
    }
}

impl Single for Profile {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { self.fetch(&dispatch.subject).await.unwrap_or_else(work::again) })
    }
}

impl Profile {
    async fn fetch(&self, session: &str) -> Result<Outcome> {
        let mut conn = self.desk.db().read().await?;
        let Some(session) = store::session(&mut conn, session).await? else {
            return Ok(Outcome::Dead("the session is gone".to_owned()));
        };
        let known = windows::customer(&mut conn, &session).await?;
        drop(conn);
        let account = self.desk.account(&session.account_id).await?;
        let Some(wecom) = account.as_ref().and_then(|account| account.wecom()) else {
            return Ok(Outcome::Done("the channel tells no names".to_owned()));
        };
        let (name, avatar) = match known {
            Some(known) => known,
            None => {
                let body = json!({"external_userid_list": [session.customer_id]});
                let (web, clock) = (&self.desk.0.channels.api, self.desk.clock());
                match wecom.call(web, clock, "kf/customer/batchget", Body::Json(&body)).await {
                    Ok(answer) => customer(answer.body()),
                    Err(error) => return Ok(ended(error)),
                }
            }
        };
        let now = self.desk.clock().now();
        let who = (session.account_id.as_str(), session.customer_id.as_str());
        let mut tx = self.desk.db().begin().await?;
        let row = store::lock(&mut tx, &session.id).await?;
        windows::set_customer(&mut tx, who, (name.as_deref(), avatar.as_deref()), now).await?;
        if let (Some(mut row), Some(name)) = (row, name) {
            store::name_customer(&mut tx, &row.id, &name).await?;
            row.customer_name = row.customer_name.or(Some(name));
            store::tell(&mut tx, &[frames::session_updated(&row)], now).await?;
        }
        tx.commit().await?;
        Ok(Outcome::Done("known".to_owned()))
    }
}

/// The name and the picture's address in an answer of `customer/batchget`.
fn customer(answer: &[u8]) -> (Option<String>, Option<String>) {
    let value: Value = serde_json::from_slice(answer).unwrap_or_default();
    let first = value.get("customer_list").and_then(|list| list.get(0));
    let text = |key: &str| {
        let text = first?.get(key)?.as_str()?;
        let text: String = text.chars().filter(|c| !c.is_control()).take(256).collect();
        Some(text).filter(|text| !text.is_empty())
    };
    (text("nickname"), text("avatar").filter(|url| url.starts_with("https://") || url.starts_with("http://")))
}
