//! What the owner of an account is told by mail, for they may not look here for days.

use accounts::Notice;
use db::{Result, Tx};
use kernel::Timestamp;

/// So long after a failure the account's next ones are not told again, seconds.
const AN_HOUR: i64 = 3600;

/// What happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum News<'a> {
    /// Google ended the access to an account of this address.
    GrantEnded { account: &'a str },
    /// A proposal waits for a person, which none did in the conversation before.
    Waits { conversation: i64, with: &'a str, why: &'a str },
    /// A goal is reached, by this reply.
    Reached { goal: i64, reply: i64, with: &'a str, description: &'a str },
    /// A mail will not leave.
    Failed { credential: &'a str, outbox: &'a str, to: &'a str, subject: &'a str, why: &'a str },
}

impl News<'_> {
    /// What is told once.
    fn about(&self, now: Timestamp) -> String {
        match self {
            Self::GrantEnded { .. } => format!("grant_ended/{}", kernel::id::new("m", now)),
            Self::Waits { conversation, .. } => format!("outreach/waits/{conversation}"),
            // It may be opened again, and reached again.
            Self::Reached { goal, reply, .. } => format!("outreach/reached/{goal}/{reply}"),
            Self::Failed { credential, .. } => {
                format!("outreach/failed/{credential}/{}", now.seconds().div_euclid(AN_HOUR))
            }
        }
    }

    fn notice(&self) -> Notice {
        let (subject, text) = match self {
            Self::GrantEnded { account } => (
                "请重新连接您的 Gmail 账户 / Please connect your Gmail account again",
                format!(
                    "Google 已终止鸿雁对 Gmail 账户 {account} 的访问（授权被撤销、密码已更改或授权已过期）。\
                     在您重新连接之前，该账户的邮件不再同步，也不再发送。\n请在鸿雁中重新连接该账户：\n\
                     Google has ended Hongyan's access to the Gmail account {account} (it was revoked, the password was \
                     changed, or it expired). Until you connect it again, its mails are neither read nor sent.\n\
                     Please connect the account again in Hongyan:"
                ),
            ),
            Self::Waits { with, why, .. } => (
                "有一封回复等待您确认 / A reply waits for your approval",
                format!(
                    "与 {with} 的往来中有一封回复等待您确认，原因：{why}。同一会话中之后的待确认回复不再另行通知。\n\
                     In the conversation with {with} a reply waits for your approval: {why}. You are not told of later ones in \
                     this conversation."
                ),
            ),
            Self::Reached { with, description, .. } => (
                "目标已达成 / A goal is reached",
                format!(
                    "与 {with} 的往来已达成目标：{description}。此后不再自动回复。\n\
                     The conversation with {with} has reached its goal: {description}. Nothing more is sent by itself."
                ),
            ),
            Self::Failed { outbox, to, subject, why, .. } => (
                "有一封邮件未能发出 / A mail was not sent",
                format!(
                    "发往 {to} 的邮件“{subject}”（{outbox}）未能发出：{why}。一小时内的其他失败不再另行通知，请查看发件箱。\n\
                     The mail “{subject}” to {to} ({outbox}) was not sent: {why}. Other failures within the hour are not told \
                     again: see the outbox."
                ),
            ),
        };
        Notice { subject: subject.to_owned(), text }
    }
}

/// Tells a user, in the transaction in which it happened.
pub(crate) async fn tell(tx: &mut Tx, user: &str, news: News<'_>, now: Timestamp) -> Result<()> {
    accounts::tell(tx, user, &news.about(now), &news.notice(), now).await
}
