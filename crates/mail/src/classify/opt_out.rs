//! [`is_opt_out`]: does somebody want no more mail?
//!
//! Careful in both directions: only the words written for this mail are read, only wishes about mail in general count
//! (not "stop sending me the big files"), and a new address given in the same breath is no farewell.

use std::sync::LazyLock;

use regex::RegexSet;

/// So much of a text is looked at, in characters. Whoever writes more has something else to say, too, but says this first.
const LOOKED_AT: usize = 2000;

/// The whole text is one of these.
const WHOLE: [&str; 25] = [
    "unsubscribe",
    "please unsubscribe",
    "unsubscribe please",
    "unsubscribe me",
    "unsubscribe me please",
    "please unsubscribe me",
    "remove",
    "remove me",
    "please remove me",
    "remove me please",
    "stop",
    "please stop",
    "opt out",
    "opt-out",
    "optout",
    "td",
    "退订",
    "请退订",
    "我要退订",
    "申请退订",
    "退订邮件",
    "取消订阅",
    "拒收",
    "不需要，退订",
    "退订谢谢",
];

/// A sentence that matches one of these is a wish.
const WISHES: [&str; 22] = [
    r"^(hi |hello |hey |dear \S+ )?(please |kindly |pls )?(can|could|would|will)? ?(you )?(please |kindly )?unsubscribe (me|my|this|us)\b",
    r"^(please |kindly |pls )?unsubscribe( (me|us|my \S+( address)?|this \S+( address)?))?( from .{0,60})?( immediately| now| thanks| thank you)*$",
    r"\b(remove|delete) (me|us|my (e-?mail|name|address|contact|details|info)\S*( address| details| information)?) (from|off) (your|the|this|that|any|all)\b.{0,30}\b(list|lists|database|mailing|mailings|distribution|emails?|records|system|crm|campaign|campaigns|sequence)\b",
    r"\btake (me|us) off (your|the|this|that|any|all)\b.{0,30}\b(list|lists|database|mailing|emails?|sequence)\b",
    r"\b(stop|quit|cease) (e-?mailing|mailing|contacting|spamming|messaging|harassing|bothering|writing to|writing) (me|us|here|this)\b",
    r"\bstop (sending|sendin) (me|us)( any| all| more| these| this| your| such| those| further| unsolicited| marketing| promotional| sales)* ?(e-?mails?|mails?|messages?|spam|stuff|anything|newsletters?|crap|junk|things)?$",
    r"\bstop sending (these|this|your|all|any|unsolicited|marketing|promotional)( unsolicited| marketing| promotional| sales)* ?(e-?mails?|mails?|messages?|spam|newsletters?)\b",
    r"\b(do not|don't|dont|never) (ever )?(e-?mail|contact|mail|write to|write|message|spam|bother) (me|us)( again| any ?more| any longer| in the future| in future)?( please| thanks| thank you)*$",
    r"\b(do not|don't|dont|never) (ever )?(e-?mail|contact|mail|write to|write|message) (me|us|this address) (ever )?(again|any ?more|any longer)\b",
    r"\b(do not|don't|dont) send (me|us)( any| any more| more| further| these| such)* (e-?mails?|mails?|messages?|newsletters?)( again| any ?more| like this)?",
    r"\bno longer (wish|want|like|would like|care) to (receive|get|be contacted|hear from you|be e-?mailed)\b",
    r"\b(do not|don't|dont) (wish|want) to (receive|get)( any| any more| more| further| these| your| such| this)* (e-?mails?|mails?|messages?|newsletters?|communications?|correspondence|marketing|offers)\b",
    r"\b(do not|don't|dont) (wish|want) to (be (contacted|e-?mailed)|hear from you)( again| any ?more| any longer| by you)?",
    r"\b(i|we)( would|'d)? (like|want|wish|need) to (unsubscribe|opt[ -]out|be (removed|unsubscribed|taken off))\b",
    r"\bopt (me|us) out\b",
    r"\bhow (do|can) (i|we) (unsubscribe|opt[ -]out|stop (these|your|this) (e-?mails?|mails?|messages))\b",
    r"(不要|别|勿|停止|不用|不必)(再|继续)*(给|向|跟)(我|我们|本人|我司|我公司|这个邮箱|本邮箱)(再)?(发|发送|寄|寄送|写)(了|啦|吧|信|邮件|电邮|消息|广告|垃圾|任何|此类|这类|这种|这些|推广|东西|$)",
    r"(不要|别|勿)再(发|发送|寄|寄送)(了|啦|$|任何|此类|这类|这种|这些)?(信|邮件|电邮|广告|消息|垃圾邮件|推广|推销)*(了|啦|过来)?(，?(谢谢|多谢))?$",
    r"(不要|别|勿)(再|继续)?(联系|骚扰|打扰|来信烦|发信骚扰)(我|我们|本人|我司)",
    r"(不想|不愿|不希望|不愿意|拒绝|不需要)(再|继续)*(收到|接收|接受)(你|您|你们|您们|贵司|贵公司|任何|此类|这类|这种|这些|的|推广|营销|广告)*(邮件|来信|信件|消息|信息|广告|推广)",
    r"(把|将)(我|我们|本人|我的邮箱|我的地址|我的邮件|我的邮件地址|我的邮箱地址|此邮箱|这个邮箱|本邮箱).{0,6}(从|在|由).{0,12}(列表|名单|数据库|通讯录|系统|邮件组).{0,4}(删除|移除|去掉|移出|剔除|删掉)",
    r"(请|麻烦|帮我|帮忙|我要|我想|我希望|希望|申请|要求|直接|立即)(您|你|你们|给我|帮我|把我)?(退订|取消订阅|取消(我的)?订阅)|^(退订|取消订阅)(吧|了|谢谢|此类?邮件|这个|这类邮件|邮件|所有邮件)?$",
];

/// A sentence with one of these is not, or not surely: negated, conditional, or about another address or subject.
const UNLESS: [&str; 10] = [
    r"\b(do not|don't|dont|didn't|did not|never|not) (\w+ )?(unsubscribe|remove|delete|take (me|us) off|opt (me|us) out)\b",
    r"\b(i|we)('ll| will| would|'d) (have to |just )?(unsubscribe|opt[ -]out)\b",
    r"\b(unless|instead|new (e-?mail )?address|use my|until (next|monday|tuesday|wednesday|thursday|friday|after|the|january|february|march|april|may|june|july|august|september|october|november|december))\b",
    r"\b(after hours|at night|on weekends|on the weekend|by phone|on my (cell|mobile|phone)|on whatsapp|on wechat)\b",
    r"(不要|别|不用|不|没有|没|未)(给我|把我)?(退订|取消订阅)",
    r"(如果|若|要是|除非|否则|不然)",
    // What tools write below the mails of their customers.
    r"\b(if|should) you('d| would)? (no longer|do not|don't|dont|like|wish|want|prefer|rather)\b.{0,40}\b(receiv\w+|hear|get|be contacted|unsubscribe|opt|stop|mails?|e-?mails?)\b|^to (unsubscribe|opt[ -]out|stop receiving|be removed|manage)\b",
    r"\bclick\b|\b(use|follow|visit) (this|the) link\b|(点击|点此|请按|链接|按钮)",
    r"(改发|改用|换成|新邮箱|新地址|另一个邮箱|别的邮箱|直接发|发到|微信联系|打电话|晚上|周末)",
    r"(客户|用户|他们|顾客|订阅者|users?|customers?|subscribers?|recipients?|people) (can|may|to|could|will)? ?(unsubscribe|opt|退订)",
];

static WISH: LazyLock<RegexSet> = LazyLock::new(|| set(&WISHES));
static NOT: LazyLock<RegexSet> = LazyLock::new(|| set(&UNLESS));

fn set(patterns: &[&str]) -> RegexSet {
    // That they compile is tested.
    RegexSet::new(patterns).unwrap_or_else(|_| RegexSet::empty())
}

/// Whether the new text of a mail asks for no more mail. `subject` counts only if it says nothing else.
#[must_use]
pub fn is_opt_out(subject: &str, new_text: &str) -> bool {
    let text = plain(new_text);
    let whole = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if whole.is_empty() || whole.chars().count() < 80 {
        let bare = strip(&whole);
        if WHOLE.contains(&bare) || (bare.is_empty() || is_greeting(bare)) && is_button(subject) {
            return true;
        }
    }
    let sentences: Vec<&str> =
        text.split(['.', '!', '?', '。', '！', '？', '\n', ';', '；', '…']).map(strip).collect();
    sentences.iter().enumerate().any(|(n, sentence)| {
        let beside = sentences.get(n + 1).copied().unwrap_or_default();
        WISH.is_match(sentence) && !NOT.is_match(sentence) && !is_elsewhere(beside)
    })
}

/// A subject that asks for it and says nothing else: what mail programs send when their button is pressed.
pub(super) fn is_button(subject: &str) -> bool {
    let lower = plain(subject);
    let bare = lower.trim_start_matches("re:").trim();
    matches!(
        strip(bare),
        "unsubscribe" | "opt out" | "opt-out" | "退订" | "取消订阅" | "remove" | "unsubscribe me"
    )
}

fn is_elsewhere(sentence: &str) -> bool {
    [
        "click",
        "点击",
        "use ",
        "please use",
        "write to",
        "email me at",
        "contact me at",
        "my new",
        "instead",
        "请发到",
        "改发",
        "新邮箱",
        "请用",
    ]
    .iter()
    .any(|s| sentence.starts_with(s) || (sentence.contains('@') && sentence.contains(s)))
}

fn is_greeting(text: &str) -> bool {
    matches!(text, "hi" | "hello" | "thanks" | "thank you" | "你好" | "您好" | "谢谢")
        || text.starts_with("this message was automatically generated by gmail")
}

fn plain(text: &str) -> String {
    let lower: String = text.chars().take(LOOKED_AT).collect::<String>().to_lowercase();
    // One line of thought may be wrapped; an empty line ends it.
    let joined: Vec<String> =
        lower.split("\n\n").map(|p| p.lines().map(str::trim).collect::<Vec<_>>().join("\n")).collect();
    let unwrapped: Vec<String> = joined.iter().map(|p| unwrap_lines(p)).collect();
    unwrapped
        .join("\n")
        .replace(['\u{2019}', '\u{2018}', '`'], "'")
        .replace(['\u{3000}', '\u{a0}', '\t'], " ")
}

/// Joins lines that were wrapped: long ones that end within a sentence.
fn unwrap_lines(paragraph: &str) -> String {
    let mut out = String::new();
    for line in paragraph.lines() {
        out.push_str(line);
        out.push(if line.len() > 55 { ' ' } else { '\n' });
    }
    out
}

fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '.' | '!'
                    | '?'
                    | '。'
                    | '！'
                    | '？'
                    | ','
                    | '，'
                    | '、'
                    | '"'
                    | '“'
                    | '”'
                    | '*'
                    | '-'
                    | '~'
                    | '～'
                    | ':'
                    | '：'
            )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_are_patterns() {
        assert!(RegexSet::new(WISHES).is_ok() && RegexSet::new(UNLESS).is_ok());
    }

    #[test]
    fn wishes() {
        for text in [
            "unsubscribe",
            "Unsubscribe.",
            "STOP",
            "Please remove me from your mailing list.",
            "Could you please unsubscribe me?",
            "Hi,\nplease stop emailing me.\nThanks",
            "Don’t contact me again",
            "Do not email me again, please.",
            "I no longer wish to receive these emails. Regards, Ann",
            "I'd like to opt out.",
            "Take me off this list!!",
            "stop sending me these emails",
            "How do I unsubscribe?",
            "Not interested. Please take my name off... and remove my email from your database.",
            "I do not want to receive any more marketing emails from\nyour company.",
            "退订",
            "TD",
            "请退订，谢谢",
            "请不要再给我发邮件",
            "您好，请不要再给我发邮件了，谢谢。",
            "别再发了",
            "请勿再联系我",
            "不想再收到你们的邮件",
            "麻烦把我从你们的邮件列表中删除",
            "请停止给我发送此类邮件！",
            "帮我退订",
            "不要再骚扰我们了",
            "I would be grateful if you could remove me from your list.",
            "I would like to unsubscribe.",
            "If you don't quit emailing me I will report you as spam.",
            "Please remove me from your list, if you don't mind.",
        ] {
            assert!(is_opt_out("Re: offer", text), "{text}");
        }
        assert!(is_opt_out("unsubscribe", "") && is_opt_out("退订", "你好"));
        assert!(is_opt_out("Unsubscribe", "This message was automatically generated by Gmail."));
    }

    #[test]
    fn no_wishes() {
        for text in [
            "",
            "Sounds great, let's talk on Monday.",
            "Does your tool let users unsubscribe from campaigns?",
            "Please don't remove me from the list, I like your mails.",
            "Please do not unsubscribe me.",
            "Stop emailing me at this address. Use my new one: ann@example.org",
            "Please stop sending me the big files, a link is enough.",
            "Don't contact me on WhatsApp, mail is fine.",
            "We had to stop the project. Can you remove the first line from the contract?",
            "If you raise the price I will unsubscribe.",
            "I can't stop reading your emails!",
            "Please remove item 3 from the list of products.",
            "Do not email me until next week.",
            "It is not that I want to opt for another supplier.",
            "我们的用户可以退订吗？",
            "不要退订，我还想继续收到。",
            "如果价格不合适请不要再给我发邮件",
            "请不要再发附件了，直接发链接。",
            "不要再给我发大附件，改发链接。",
            "请给我发邮件",
            "别担心，我会再联系你",
            "请把第三项从列表中删除",
            "退订率是多少？",
            "Yes, interested!\n\nIf you no longer wish to receive these emails, click here to unsubscribe.",
            "March works.\n\nIf you don't want to receive these emails, follow this link.",
            "March works.\n\nDon't want to receive these emails? Click here to unsubscribe.",
            "三月可以。\n\n若您不想再收到此类邮件，请点击退订。",
        ] {
            assert!(!is_opt_out("Re: offer", text), "{text}");
        }
        assert!(!is_opt_out("Re: unsubscribe button does not work", "See subject."));
    }
}
