//! The words of a turn, pure: what a customer means by a few of them, and what the desk says itself, in Chinese and
//! in English.

use nlp::Language;

use crate::model::HandoverReason;

/// The menu entry that asks for a person.
pub(super) const MENU_PERSON: &str = "person";

/// What is said when nobody asked anything yet.
const GREETINGS: &[&str] = &[
    "你好",
    "您好",
    "你好啊",
    "您好啊",
    "哈喽",
    "嗨",
    "在吗",
    "在么",
    "在不在",
    "您好在吗",
    "你好在吗",
    "有人吗",
    "亲",
    "亲在吗",
    "早",
    "早上好",
    "上午好",
    "中午好",
    "下午好",
    "晚上好",
    "hi",
    "hello",
    "hey",
    "hithere",
    "hellothere",
    "goodmorning",
    "goodafternoon",
    "goodevening",
    "anyonethere",
    "isanyonethere",
];

/// What is said when nothing is left to ask.
const THANKS: &[&str] = &[
    "谢谢",
    "谢谢你",
    "谢谢您",
    "多谢",
    "谢了",
    "感谢",
    "好的谢谢",
    "好谢谢",
    "知道了谢谢",
    "明白了谢谢",
    "thanks",
    "thankyou",
    "thankyouverymuch",
    "thanksalot",
    "thx",
    "okthanks",
    "okthankyou",
    "greatthanks",
    "gotitthanks",
];

/// Small talk that needs no knowledge base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SmallTalk {
    Greeting,
    Thanks,
}

/// Letters and digits alone, in lower case, full-width forms as plain ones.
fn plain(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c),
        c => c,
    };
    text.chars().map(narrow).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether these words, and nothing else, are small talk. Several lines are, if each is.
pub(super) fn small_talk(text: &str) -> Option<SmallTalk> {
    let mut found = None;
    for line in text.lines().map(plain).filter(|line| !line.is_empty()) {
        found = Some(match line.as_str() {
            line if GREETINGS.contains(&line) => SmallTalk::Greeting,
            line if THANKS.contains(&line) => SmallTalk::Thanks,
            _ => return None,
        });
    }
    found
}

/// Which of `most` numbered choices is meant, from 0: `2`, `２。`, `第二个`, `②`, `the second one`, `option 2`.
pub(super) fn choice(text: &str, most: usize) -> Option<usize> {
    const HAN: [&str; 5] = ["一", "二", "三", "四", "五"];
    const CIRCLED: [&str; 5] = ["①", "②", "③", "④", "⑤"];
    const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
    let text = plain(text);
    let mut rest = text.as_str();
    for before in ["我选", "选", "第", "是", "the", "option", "number", "no"] {
        rest = rest.strip_prefix(before).unwrap_or(rest);
    }
    for after in ["吧", "个", "项", "条", "号", "one", "please"] {
        // `one` alone is a number, not what follows one.
        rest = rest.strip_suffix(after).filter(|rest| !rest.is_empty()).unwrap_or(rest);
    }
    let named = |names: &[&str; 5]| names.iter().position(|name| *name == rest);
    let digit = (rest.len() == 1).then(|| rest.parse::<usize>().ok()?.checked_sub(1)).flatten();
    let word = ["one", "two", "three", "four", "five"].iter().position(|name| *name == rest);
    digit
        .or_else(|| named(&HAN))
        .or_else(|| named(&CIRCLED))
        .or_else(|| named(&ORDINALS))
        .or(word)
        .filter(|n| *n < most)
}

/// Texts in the customer's language; Chinese where it cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speech(Language);

impl Speech {
    /// The language of what a customer wrote, the newest first; what says nothing of it is passed over.
    pub(crate) fn of<'a>(mut newest_first: impl Iterator<Item = &'a str>) -> Self {
        let told = newest_first.find_map(|text| match nlp::language(text) {
            Language::Other => None,
            language => Some(language),
        });
        Self(told.unwrap_or(Language::Chinese))
    }

    const fn say(self, chinese: &'static str, english: &'static str) -> &'static str {
        match self.0 {
            Language::English => english,
            Language::Chinese | Language::Other => chinese,
        }
    }

    /// To the customer: a person takes over; and when, if people answer `later`.
    pub(crate) fn handed_over(self, reason: HandoverReason, later: Option<&str>) -> String {
        let handed_over = self.takes_over(reason);
        match later {
            None => {
                let hold_on = self.say("，请稍候。", ", please hold on a moment.");
                format!("{handed_over}{hold_on}")
            }
            Some(later) => format!("{handed_over}{}\n{later}", self.say("。", ".")),
        }
    }

    const fn takes_over(self, reason: HandoverReason) -> &'static str {
        match reason {
            HandoverReason::Requested | HandoverReason::Transferred => {
                self.say("好的，正在为您转接人工客服", "Of course. I am handing you over to a colleague")
            }
            HandoverReason::Risk => self.say(
                "您反映的情况需要由我们的同事亲自处理，正在为您转接人工客服",
                "This is something that a colleague should look into personally. I am handing you over",
            ),
            HandoverReason::Anger => self.say(
                "非常抱歉给您带来了不好的体验。正在为您转接人工客服",
                "I am very sorry about this. I am handing you over to a colleague",
            ),
            HandoverReason::Unsure => self.say(
                "这个问题我没有十足的把握，正在为您转接人工客服",
                "I am not sure about this one. I am handing you over to a colleague",
            ),
            HandoverReason::Failure => self.say(
                "抱歉，我现在无法回答。正在为您转接人工客服",
                "I am sorry, I cannot answer right now. I am handing you over to a colleague",
            ),
            HandoverReason::Policy | HandoverReason::Released | HandoverReason::Abandoned => {
                self.say("您好，人工客服将为您服务", "Hello, a colleague will be with you")
            }
        }
    }

    /// To the agents: why.
    pub(crate) const fn why(self, reason: HandoverReason) -> &'static str {
        match reason {
            HandoverReason::Requested => self.say("客户要求人工客服。", "The customer asked for a person."),
            HandoverReason::Risk => {
                self.say("涉及投诉、安全或法律。", "Complaint, danger or law: nothing for the assistant.")
            }
            HandoverReason::Anger => self.say("客户情绪激动。", "The customer is angry."),
            HandoverReason::Unsure => self.say("助手没有把握。", "The assistant does not know."),
            HandoverReason::Failure => {
                self.say("助手出错或超时。", "The assistant failed, or took too long.")
            }
            HandoverReason::Policy => self.say("助手已停用。", "The assistant does not answer here."),
            HandoverReason::Released => self.say("客服已释放会话。", "An agent released it."),
            HandoverReason::Abandoned => self.say("客服没有回复。", "The agent did not answer."),
            HandoverReason::Transferred => self.say("会话已转交。", "It was handed to the queue."),
        }
    }

    /// Before what was said so far.
    pub(crate) const fn so_far(self) -> &'static str {
        self.say("对话要点：", "So far:")
    }

    pub(super) const fn small_talk(self, kind: SmallTalk) -> &'static str {
        match kind {
            SmallTalk::Greeting => self.say("您好！请问有什么可以帮您？", "Hello! How can I help you?"),
            SmallTalk::Thanks => self.say(
                "不客气，还有问题随时告诉我。",
                "You are welcome. Just write if there is anything else.",
            ),
        }
    }

    /// To a customer who sent what the assistant cannot read.
    pub(super) const fn unreadable(self) -> &'static str {
        self.say(
            "抱歉，我暂时看不懂图片、语音和文件。请用文字描述您的问题；需要人工客服请回复“人工”。",
            "I am sorry, I cannot read pictures, voice or files. Please describe it in words, or reply \"agent\" for a \
             person.",
        )
    }

    /// After numbered questions.
    pub(super) const fn choose(self) -> &'static str {
        self.say(
            "请回复数字；都不是请回复“人工”。",
            "Please reply with the number, or \"agent\" for a person.",
        )
    }

    /// On the button for a person, where the channel has buttons.
    pub(super) const fn person(self) -> &'static str {
        self.say("人工客服", "A person")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        for (text, n) in [
            ("1", 0),
            ("２。", 1),
            ("第二个", 1),
            ("③", 2),
            ("选1", 0),
            (" 3) ", 2),
            ("一", 0),
            ("the second one", 1),
            ("option 2", 1),
            ("one", 0),
            ("First, please!", 0),
            ("我选第三个吧", 2),
        ] {
            assert_eq!(choice(text, 3), Some(n), "{text}");
        }
        for text in
            ["4", "0", "12", "1号店在哪里", "", "二手的可以吗", "one more question", "-", "第", "退款"]
        {
            assert_eq!(choice(text, 3), None, "{text}");
        }
    }

    #[test]
    fn small_talk_is_nothing_else() {
        for text in ["你好", "您好！", "Hi", "在吗？\n你好", "Hello there!"] {
            assert_eq!(small_talk(text), Some(SmallTalk::Greeting), "{text}");
        }
        assert_eq!(small_talk("好的，谢谢"), Some(SmallTalk::Thanks));
        for text in ["你好，怎么退款", "你好\n怎么退款", "", "？", "谢谢你个头"] {
            assert_eq!(small_talk(text), None, "{text}");
        }
    }

    #[test]
    fn the_customers_language() {
        let of = |texts: &[&str]| Speech::of(texts.iter().copied());
        assert_eq!(of(&["123", "how much?", "多少钱"]).0, Language::English);
        assert_eq!(of(&["1", ""]).0, Language::Chinese);
        assert!(of(&["多少钱"]).handed_over(HandoverReason::Anger, None).contains("抱歉"));
        let english = of(&["how much?"]);
        let held = english.handed_over(HandoverReason::Requested, None);
        assert!(held.ends_with("a colleague, please hold on a moment."), "{held}");
        let told = english.handed_over(HandoverReason::Requested, Some("We are back on Monday."));
        assert!(told.ends_with("a colleague.\nWe are back on Monday."), "{told}");
    }
}
