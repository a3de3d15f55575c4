//! What the owner of an account is told by mail, for they may not look here for days.
//!
//! Promise: the words are ours. Others' words are at most a line without links; reasons that the assistant gave, and what
//! mails said, are looked up with the decisions.

use accounts::Notice;
use db::{Result, Tx};
use kernel::Timestamp;

use crate::store::{self, ConversationRow};

/// Of what happens to an account within so long, the first of its kind is told, seconds.
const AN_HOUR: i64 = 3600;
/// So much is told of a text that somebody wrote, in characters.
const A_LINE: usize = 100;

/// What happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum News<'a> {
    /// Google ended the access to an account of this address.
    GrantEnded { account: &'a str },
    /// A proposal waits for a person, which none did in the conversation before.
    Waits { credential: &'a str, with: &'a str, rule: &'static str },
    /// Nothing more goes out by itself in a conversation, because it went in circles.
    Held { credential: &'a str, with: &'a str },
    /// A goal is reached, by this reply.
    Reached { goal: i64, reply: i64, with: &'a str, description: &'a str },
    /// A mail will not leave.
    Failed { credential: &'a str, outbox: &'a str, to: &'a str, subject: &'a str, why: &'a str },
}

impl News<'_> {
    /// What is told once.
    fn about(&self, now: Timestamp) -> String {
        let hour = now.seconds().div_euclid(AN_HOUR);
        match self {
            Self::GrantEnded { .. } => format!("grant_ended/{}", kernel::id::new("m", now)),
            Self::Waits { credential, .. } => format!("outreach/waits/{credential}/{hour}"),
            Self::Held { credential, .. } => format!("outreach/held/{credential}/{hour}"),
            // It may be opened again, and reached again.
            Self::Reached { goal, reply, .. } => format!("outreach/reached/{goal}/{reply}"),
            Self::Failed { credential, .. } => format!("outreach/failed/{credential}/{hour}"),
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
            Self::Waits { with, rule, .. } => {
                let ((zh, en), with) = (why(rule), line(with));
                (
                    "有一封回复等待您确认 / A reply waits for your approval",
                    format!(
                        "与 {with} 的往来中有一封回复等待您确认，原因：{zh}。同一会话中之后的待确认回复、一小时内其他会话的待确认回复\
                         不再另行通知，请查看审批队列。\n\
                         In the conversation with {with} a reply waits for your approval: {en}. You are not told of later \
                         ones in this conversation, nor of other conversations within the hour: see the approval queue."
                    ),
                )
            }
            Self::Held { with, .. } => {
                let with = line(with);
                (
                    "有一个会话等待您处理 / A conversation waits for you",
                    format!(
                        "与 {with} 的往来中，自动回复与上一封几乎相同，因此没有发出。在您将此会话交还之前，其中不再自动回复。\
                         一小时内其他此类会话不再另行通知。\n\
                         In the conversation with {with} the automatic reply said nearly the same as the one before, and was \
                         not sent. Nothing more is sent there by itself until you release the conversation. You are not told \
                         of other such conversations within the hour."
                    ),
                )
            }
            Self::Reached { with, description, .. } => {
                let (with, description) = (line(with), plain(description));
                (
                    "目标已达成 / A goal is reached",
                    format!(
                        "与 {with} 的往来已达成目标：{description}。此后不再自动回复。\n\
                         The conversation with {with} has reached its goal: {description}. Nothing more is sent by itself."
                    ),
                )
            }
            Self::Failed { outbox, to, subject, why, .. } => {
                let (to, subject, why) = (line(to), plain(subject), plain(why));
                (
                    "有一封邮件未能发出 / A mail was not sent",
                    format!(
                        "发往 {to} 的邮件“{subject}”（{outbox}）未能发出：{why}。一小时内的其他失败不再另行通知，请查看发件箱。\n\
                         The mail “{subject}” to {to} ({outbox}) was not sent: {why}. Other failures within the hour are \
                         not told again: see the outbox."
                    ),
                )
            }
        };
        Notice { subject: subject.to_owned(), text }
    }
}

/// Tells a user, in the transaction in which it happened.
pub(crate) async fn tell(tx: &mut Tx, user: &str, news: News<'_>, now: Timestamp) -> Result<()> {
    accounts::tell(tx, user, &news.about(now), &news.notice(), now).await
}

/// Tells a conversation's owner that a proposal waits for them in it, the first time that one does.
pub(crate) async fn tell_waits(
    tx: &mut Tx,
    conversation: &ConversationRow,
    rule: &'static str,
    now: Timestamp,
) -> Result<()> {
    if store::has_waited(tx, conversation.id).await? {
        return Ok(());
    }
    let news =
        News::Waits { credential: &conversation.credential_key, with: &conversation.counterpart, rule };
    tell(tx, &conversation.user_id, news, now).await
}

/// Why a proposal waits, by the rule that says so: in Chinese and in English. What else there is to say is with the decisions.
fn why(rule: &str) -> (&'static str, &'static str) {
    match rule {
        "approval" => ("该目标要求由您确认", "its goal asks for your approval"),
        "switched_off" => ("自动回复已关闭", "automatic replies are switched off"),
        "goal_over" => ("目标已结束", "its goal is reached, or cannot be reached any more"),
        "overdue" => ("跟进的时间已过", "the time of this follow-up is long past"),
        "too_old" => ("未能及时发出", "it could not leave in time"),
        "other_reply_to" => ("回复将发往另一个地址", "the answer would go to another address"),
        "thread_cap" | "contact_cap" | "account_hour_cap" | "account_day_cap" | "global_cap" => {
            ("自动发送的邮件已达上限", "as many mails went out by themselves as may")
        }
        "suspicious" => ("来信似乎在对自动程序说话", "a mail seems to speak to the machine"),
        "degraded" => {
            ("助手未能作答，草稿来自模板", "the assistant did not answer, and a template took its place")
        }
        "needs_human" => ("助手认为应由您处理", "the assistant asks for a person"),
        "unsure" => ("助手没有把握", "the assistant is not sure enough"),
        "goal_impossible" => ("目标可能无法达成", "the goal seems out of reach"),
        "negative" => ("对方似乎不满", "the counterpart sounds unhappy"),
        "empty" => ("助手没有写出内容", "the assistant wrote nothing"),
        "links" => ("其中有一个无人提供过的链接，已删去", "a link that nobody had given was taken out"),
        "money" => ("涉及您未提供的金额", "it is about an amount that you did not give"),
        "personal_data" => ("涉及联系方式、付款或个人信息", "it speaks of personal data, contact or payment"),
        "reveals_goal" => ("可能透露您的目标", "it may reveal your goal"),
        "legal" => ("可能构成承诺", "it may bind somebody"),
        "refused" => ("无法照原样发出", "it cannot be sent as it is"),
        _ => ("请在鸿雁中查看", "see there"),
    }
}

/// The beginning of a text, on one line.
fn line(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let words: Vec<&str> = text.split(is_odd).filter(|word| !word.is_empty()).collect();
    let whole = words.join(" ");
    let cut: String = whole.chars().take(A_LINE).collect();
    if cut.len() < whole.len() { format!("{}…", cut.trim_end()) } else { cut }
}

/// The same without links.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in assistant::links(text) {
        // An address may begin like a link.
        if text.get(range.end..).is_some_and(|after| after.starts_with('@')) {
            continue;
        }
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str("[…]");
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    line(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote() {
        for (text, expected) in [
            ("Re: Rates", "Re: Rates"),
            ("Re:\r\nWin\u{7}ner \u{202E}now", "Re: Win ner now"),
            ("See https://evil.example/a?b=c now", "See […] now"),
            ("见 evil.com/a，谢谢", "见 […]，谢谢"),
            ("li.me@example.cn wants no more mail", "li.me@example.cn wants no more mail"),
        ] {
            assert_eq!(plain(text), expected);
        }
        let long = plain(&"好".repeat(500));
        assert!(long.chars().count() == A_LINE + 1 && long.ends_with('…'), "{long}");
    }
}
