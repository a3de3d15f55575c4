//! Mails about the account itself: verification, password reset, and what else its owner is told.
//!
//! The token is made when the mail is made and its hash stored then; what waits to be sent holds no secret.

use std::sync::Arc;

use db::Tx;
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use kernel::{Problem, Timestamp, time::days};
use serde::{Deserialize, Serialize};

use crate::{
    Accounts,
    post::{Letterhead, Post},
    store::{self, UserRow},
    tokens,
};

/// The kind of these dispatches.
pub const ACCOUNT_MAIL: &str = "account.mail";

/// What a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Verify,
    Reset,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }

    const fn good_for(self) -> std::time::Duration {
        match self {
            Self::Verify => days(7),
            Self::Reset => std::time::Duration::from_secs(3600),
        }
    }
}

/// Schedules a mail for now.
pub(crate) async fn schedule(tx: &mut Tx, user: &str, purpose: Purpose, now: Timestamp) -> db::Result<()> {
    let new = NewDispatch {
        id: format!("{user}/{}/{}", purpose.as_str(), kernel::id::new("m", now)),
        kind: ACCOUNT_MAIL,
        subject: user.to_owned(),
        destination: String::new(),
        payload: Some(purpose.as_str().to_owned()),
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[new]).await.map(drop)
}

/// What the payload of a notice begins with; the notice follows, as JSON.
const NOTICE: &str = "notice ";

/// What a user is told by mail. A greeting comes before it, and the server's address after it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notice {
    /// The mail's subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// Schedules a mail that tells a user something, once for each `about`. Whoever has not proved that the address is theirs,
/// where that is asked for, gets none: what it says is in part their own words, which would go to a stranger.
///
/// # Errors
/// [`db::DbError`]
pub async fn tell(tx: &mut Tx, user: &str, about: &str, notice: &Notice, now: Timestamp) -> db::Result<()> {
    let new = NewDispatch {
        id: format!("{user}/notice/{about}"),
        kind: ACCOUNT_MAIL,
        subject: user.to_owned(),
        destination: String::new(),
        payload: serde_json::to_string(notice).ok().map(|notice| format!("{NOTICE}{notice}")),
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[new]).await.map(drop)
}

/// Sends them.
pub struct AccountMail {
    /// The slice.
    pub accounts: Accounts,
    /// The way out.
    pub post: Arc<Post>,
}

impl Single for AccountMail {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if let Some(notice) = d.payload.as_deref().and_then(|payload| payload.strip_prefix(NOTICE)) {
                return match serde_json::from_str(notice) {
                    Ok(notice) => self.notice(d, notice).await,
                    Err(error) => Outcome::Dead(format!("the notice cannot be read: {error}")),
                };
            }
            let purpose = match d.payload.as_deref() {
                Some("verify") => Purpose::Verify,
                Some("reset") => Purpose::Reset,
                _ => return Outcome::Dead("unknown purpose".to_owned()),
            };
            match self.prepare(&d.subject, purpose).await {
                Ok(Some((user, token))) => {
                    let link =
                        format!("{}/{}#token={token}", self.accounts.config().public_url, page(purpose));
                    self.post.deliver(d, letterhead(&user, purpose, &link)).await
                }
                Ok(None) => Outcome::Done("nothing to do any more".to_owned()),
                Err(problem) => Outcome::Retry { reason: problem.message, after: None, in_doubt: false },
            }
        })
    }
}

impl AccountMail {
    async fn notice(&self, d: &Dispatch, notice: Notice) -> Outcome {
        let user = match self.accounts.db().read().await {
            Ok(mut conn) => store::user(&mut conn, &d.subject).await,
            Err(error) => Err(error),
        };
        match user {
            Ok(Some(user)) if !self.accounts.opens_address(user.email_verified) => {
                Outcome::Done("the address is not verified".to_owned())
            }
            Ok(Some(user)) => {
                let (name, url) = (&user.username, &self.accounts.config().public_url);
                let text = format!("{name}，您好！\n\n{}\n\n{url}\n", notice.text);
                let letterhead = Letterhead::plain(&notice.subject, text);
                let letterhead = Letterhead { to: user.email.clone(), to_name: name.clone(), ..letterhead };
                self.post.deliver(d, letterhead).await
            }
            Ok(None) => Outcome::Done("nothing to do any more".to_owned()),
            Err(error) => Outcome::Retry { reason: error.to_string(), after: None, in_doubt: false },
        }
    }

    async fn prepare(&self, user: &str, purpose: Purpose) -> Result<Option<(UserRow, String)>, Problem> {
        let mut tx = self.accounts.db().begin().await?;
        let Some(user) = store::user(&mut tx, user).await? else { return Ok(None) };
        if purpose == Purpose::Verify && user.email_verified {
            return Ok(None);
        }
        let token = tokens::random()?;
        let expires = self.accounts.clock().now() + purpose.good_for();
        store::insert_mail_token(&mut tx, &tokens::hash(&token), &user, purpose.as_str(), expires).await?;
        tx.commit().await?;
        Ok(Some((user, token)))
    }
}

const fn page(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Verify => "verify-email",
        Purpose::Reset => "reset-password",
    }
}

fn letterhead(user: &UserRow, purpose: Purpose, link: &str) -> Letterhead {
    let name = &user.username;
    let (subject, text) = match purpose {
        Purpose::Verify => (
            "请确认您的邮箱 / Please confirm your e-mail address",
            format!(
                "{name}，您好！\n\n请打开下面的链接，确认这是您的邮箱（7 天内有效）：\n\
                 Please open this link to confirm your address (good for 7 days):\n\n{link}\n\n\
                 如果您没有在鸿雁注册，请忽略此信。\n\
                 If you did not register with Hongyan, ignore this mail.\n"
            ),
        ),
        Purpose::Reset => (
            "重置您的密码 / Reset your password",
            format!(
                "{name}，您好！\n\n请打开下面的链接，设置新密码（1 小时内有效）：\n\
                 Please open this link to set a new password (good for one hour):\n\n{link}\n\n\
                 如果您没有请求重置密码，请忽略此信。\n\
                 If you did not ask for this, ignore this mail.\n"
            ),
        ),
    };
    Letterhead { to: user.email.clone(), to_name: name.clone(), ..Letterhead::plain(subject, text) }
}
