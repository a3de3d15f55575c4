//! Mails about the account itself: verification, password reset, and a Gmail account that must be connected again.
//!
//! The token is made when the mail is made and its hash stored then; what waits to be sent holds no secret.

use std::sync::Arc;

use db::Tx;
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use kernel::{Problem, Timestamp, time::days};

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

/// What the payload of a mail about a Gmail account begins with; its address follows.
const GRANT_ENDED: &str = "grant_ended ";

/// Schedules a mail that tells a user that Google has ended the access to their Gmail account.
///
/// # Errors
/// [`db::DbError`]
pub async fn tell_grant_ended(tx: &mut Tx, user: &str, address: &str, now: Timestamp) -> db::Result<()> {
    let new = NewDispatch {
        id: format!("{user}/grant_ended/{}", kernel::id::new("m", now)),
        kind: ACCOUNT_MAIL,
        subject: user.to_owned(),
        destination: String::new(),
        payload: Some(format!("{GRANT_ENDED}{address}")),
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
            if let Some(address) = d.payload.as_deref().and_then(|payload| payload.strip_prefix(GRANT_ENDED))
            {
                return self.grant_ended(d, address).await;
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
    async fn grant_ended(&self, d: &Dispatch, address: &str) -> Outcome {
        let user = match self.accounts.db().read().await {
            Ok(mut conn) => store::user(&mut conn, &d.subject).await,
            Err(error) => Err(error),
        };
        match user {
            Ok(Some(user)) => {
                let letterhead = grant_ended(&user, address, &self.accounts.config().public_url);
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

fn grant_ended(user: &UserRow, address: &str, url: &str) -> Letterhead {
    let name = &user.username;
    let text = format!(
        "{name}，您好！\n\nGoogle 已终止鸿雁对 Gmail 账户 {address} 的访问（授权被撤销、密码已更改或授权已过期）。\
         在您重新连接之前，该账户的邮件不再同步，也不再发送。\n请在鸿雁中重新连接该账户：\n\
         Google has ended Hongyan's access to the Gmail account {address} (it was revoked, the password was changed, or it \
         expired). Until you connect it again, its mails are neither read nor sent.\n\
         Please connect the account again in Hongyan:\n\n{url}\n"
    );
    let subject = "请重新连接您的 Gmail 账户 / Please connect your Gmail account again";
    Letterhead { to: user.email.clone(), to_name: name.clone(), ..Letterhead::plain(subject, text) }
}
