//! What an answer itself may say without a person having read it. Pure.

use std::collections::HashSet;

use assistant::{
    Foreign, GoalProgress, Sentiment, SuggestedReply, asks_for_new_amount, foreign, links, names_new_amount,
};

use super::private::reveals;

/// An answer that the assistant made.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub(crate) suggested: SuggestedReply,
    pub(crate) engine: String,
    pub(crate) degraded: bool,
    /// The facts that it rests on: `(id, question)`.
    pub(crate) facts: Vec<(String, String)>,
    /// Links that nobody had given; they are not in the texts any more.
    pub(crate) removed_links: Vec<String>,
    /// What its owner gave: goal, instructions, facts. Whatever else it promises is its own.
    pub(crate) ground: Vec<String>,
    /// Goal and instructions: what its owner tells the assistant, and nobody else.
    pub(crate) private: Vec<String>,
    /// Facts, and the mails that both sides have.
    pub(crate) said: Vec<String>,
    /// Of these mails the other side's.
    pub(crate) theirs: Vec<String>,
}

/// Words that bind somebody.
const LEGAL: [&str; 34] = [
    "contract",
    "agreement",
    "sign here",
    "signature",
    "legally",
    "liability",
    "liable",
    "lawsuit",
    "lawyer",
    "attorney",
    "court",
    "exclusiv",
    "non-disclosure",
    "nda",
    "indemn",
    "warranty",
    "guarantee",
    "copyright",
    "licence",
    "license",
    "refund",
    "合同",
    "协议",
    "签约",
    "签署",
    "违约",
    "赔偿",
    "法律",
    "律师",
    "起诉",
    "授权",
    "独家",
    "版权",
    "保证金",
];

/// Words for data about people and for ways to pay.
const PERSONAL: [&str; 24] = [
    "bank account",
    "account number",
    "credit card",
    "iban",
    "swift",
    "passport",
    "social security",
    "tax id",
    "date of birth",
    "home address",
    "password",
    "verification code",
    "paypal",
    "wire transfer",
    "银行卡",
    "银行账",
    "账号",
    "密码",
    "验证码",
    "身份证",
    "护照",
    "家庭住址",
    "收款",
    "转账",
];

/// Why a person must look at a proposal before it leaves: the rule's code, and the reason. `feeling` is that of the mail
/// that it answers.
pub(crate) fn gate(
    p: &Proposal,
    feeling: Option<Sentiment>,
    confidence: f64,
) -> Option<(&'static str, String)> {
    let s = &p.suggested;
    let text = s.recommended_reply.as_str();
    if s.suspicious {
        return Some(("suspicious", "a mail seems to speak to the machine".to_owned()));
    }
    if p.degraded {
        return Some(("degraded", "the assistant's provider did not answer".to_owned()));
    }
    if s.needs_human {
        return Some(("needs_human", reason(&s.reason, "the assistant asks for a person")));
    }
    if s.confidence < confidence {
        let sure = (s.confidence * 100.0).round();
        return Some(("unsure", format!("the assistant is sure to {sure} % only")));
    }
    if s.goal_progress == GoalProgress::Impossible {
        return Some(("goal_impossible", reason(&s.reason, "the goal seems out of reach")));
    }
    if feeling == Some(Sentiment::Negative) {
        return Some(("negative", "the counterpart's mail sounds unhappy".to_owned()));
    }
    if text.trim().is_empty() {
        return Some(("empty", "the assistant wrote nothing".to_owned()));
    }
    if let Some(link) = p.removed_links.first() {
        return Some(("links", format!("a link that nobody had given was taken out: {link}")));
    }
    let ground: Vec<&str> = p.ground.iter().map(String::as_str).collect();
    let strange = foreign(text, &ground);
    if strange.contains(&Foreign::Price) || names_new_amount(text, &ground) {
        return Some(("money", "it names an amount that neither the goal nor the facts do".to_owned()));
    }
    if strange.contains(&Foreign::Contact) {
        return Some((
            "personal_data",
            "it names a way to reach or pay somebody that was not given".to_owned(),
        ));
    }
    if let Some(reason) = reveals(text, &p.private, &p.said) {
        return Some(("reveals_goal", reason));
    }
    let given = p.ground.join("\n").to_lowercase();
    let said = text.to_lowercase();
    let binds = |words: &[&'static str]| {
        words.iter().copied().find(|word| has_word(&said, word) && !has_word(&given, word))
    };
    if let Some(word) = binds(&PERSONAL) {
        return Some(("personal_data", format!("it speaks of personal data or payment («{word}»)")));
    }
    binds(&LEGAL).map(|word| ("legal", format!("it may bind somebody («{word}»)")))
}

/// Words of consent.
const CONSENT: [&str; 34] = [
    "deal",
    "agree",
    "accept",
    "confirm",
    "sounds good",
    "works for",
    "that works",
    "fine with",
    "happy with",
    "no problem",
    "we can do",
    "yes",
    "ok",
    "sure",
    "成交",
    "没问题",
    "同意",
    "接受",
    "可以",
    "好的",
    "确认",
    "就这样",
    "let's do",
    "let us do",
    "go ahead",
    "we'll take",
    "we will take",
    "perfect",
    "looks good",
    "approved",
    "happy to",
    "行",
    "成。",
    "就按",
];

/// Why a person must look at a proposal that consents to what the other side asks for: an amount that neither the owner nor
/// a mail of ours named. It may stand in an earlier mail than the one that is answered.
pub(crate) fn consents(p: &Proposal) -> Option<(&'static str, String)> {
    let reply = p.suggested.recommended_reply.to_lowercase();
    let word = CONSENT.iter().find(|word| has_word(&reply, word)).copied();
    let word = word.or((p.suggested.goal_progress == GoalProgress::Reached).then_some("goal reached"))?;
    let ours = p.said.iter().filter(|text| !p.theirs.contains(text));
    let given: Vec<&str> = p.ground.iter().chain(ours).map(String::as_str).collect();
    let theirs = p.theirs.join("\n");
    (names_new_amount(&theirs, &given) || asks_for_new_amount(&theirs, &given))
        .then(|| ("money", format!("it may agree («{word}») to an amount that the other side named")))
}

fn reason(given: &str, otherwise: &str) -> String {
    if given.trim().is_empty() { otherwise.to_owned() } else { given.to_owned() }
}

/// Whether a word, or the beginning of one, is in a text in lower case; Chinese words stand anywhere.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        !word.is_ascii()
            || !text.get(..at).and_then(|t| t.chars().next_back()).is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

/// A text without the links that are in none of `ground`; and those.
pub(crate) fn strip_links(text: &str, ground: &[String]) -> (String, Vec<String>) {
    let given = ground.join("\n").to_lowercase();
    let mut out = String::with_capacity(text.len());
    let (mut removed, mut at) = (Vec::new(), 0);
    for range in links(text) {
        let Some(link) = text.get(range.clone()) else { continue };
        let bare = link.trim_end_matches(['.', ',', '!', '?', ';', ':', '/']).to_lowercase();
        if is_given(&given, &bare) {
            continue;
        }
        out.push_str(text.get(at..range.start).unwrap_or_default());
        // A link at the end of a sentence takes its full stop along.
        let stop = link.chars().next_back().filter(|c| ".!?".contains(*c));
        out.extend(stop);
        removed.push(link.to_owned());
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    if removed.is_empty() {
        return (out, removed);
    }
    for (mess, tidy) in [("()", ""), ("<>", ""), ("[]", ""), ("  ", " "), (" .", "."), (" ,", ",")] {
        out = out.replace(mess, tidy);
    }
    (out.trim().to_owned(), removed)
}

/// Whether a link was given as a whole: `shop.example/a` does not give `shop.example/a/b`, nor `shop.example`
/// `shop.example.evil.com`.
fn is_given(given: &str, link: &str) -> bool {
    given.match_indices(link).any(|(at, _)| {
        let before = given.get(..at).and_then(|t| t.chars().next_back());
        let mut after = given.get(at + link.len()..).unwrap_or_default().chars();
        let continues = match after.next() {
            Some('.') => after.next().is_some_and(|c| c.is_ascii_alphanumeric()),
            Some(c) => {
                c.is_ascii_alphanumeric() || "-_%&=?#~+@/".contains(c) && after.next().is_some_and(is_url)
            }
            None => false,
        };
        !continues && !before.is_some_and(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
    })
}

fn is_url(c: char) -> bool {
    c.is_ascii_graphic()
}

/// Whether two texts say the same in nearly the same words.
pub(crate) fn is_near_identical(one: &str, other: &str) -> bool {
    let grams = |text: &str| -> HashSet<[char; 3]> {
        let letters: Vec<char> =
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        letters.windows(3).filter_map(|w| w.try_into().ok()).collect()
    };
    let (a, b) = (grams(one), grams(other));
    if a.is_empty() || b.is_empty() {
        return one.trim() == other.trim();
    }
    let common = a.intersection(&b).count();
    let all = a.len() + b.len() - common;
    // Nine tenths in common.
    common * 10 >= all * 9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(text: &str) -> Proposal {
        Proposal {
            suggested: SuggestedReply {
                recommended_reply: text.to_owned(),
                alternative_replies: Vec::new(),
                conversation_summary: String::new(),
                facts_used: Vec::new(),
                goal_progress: GoalProgress::Progress,
                needs_human: false,
                reason: String::new(),
                confidence: 0.9,
                suspicious: false,
            },
            engine: "model".to_owned(),
            degraded: false,
            facts: Vec::new(),
            removed_links: Vec::new(),
            ground: vec!["Agree on a collab for 500 USD; see https://shop.example/a".to_owned()],
            private: vec!["Agree on a collab for 500 USD; see https://shop.example/a".to_owned()],
            said: Vec::new(),
            theirs: Vec::new(),
        }
    }

    fn rule(p: &Proposal, feeling: Option<Sentiment>) -> Option<&'static str> {
        gate(p, feeling, 0.7).map(|(rule, _)| rule)
    }

    #[test]
    fn what_an_answer_may_say() {
        for (text, expected) in [
            ("Thank you! Would Tuesday suit you?", None),
            ("We can pay 500 USD.", None),
            ("We can pay 900 USD.", Some("money")),
            ("We can pay up to 500 USD.", Some("reveals_goal")),
            ("We hope to agree on a collab for 500 USD with you.", Some("reveals_goal")),
            ("好的，我们可以给 3000 元。", Some("money")),
            ("Please send your IBAN.", Some("personal_data")),
            ("Call me at +49 170 1234567.", Some("personal_data")),
            ("请提供银行卡号。", Some("personal_data")),
            ("The contract is attached.", Some("legal")),
            ("我们可以签署独家协议。", Some("legal")),
            ("Subcontracting is fun.", None),
            ("  ", Some("empty")),
        ] {
            assert_eq!(rule(&proposal(text), None), expected, "{text}");
        }
        let good = "Thank you, that sounds good.";
        let with = |change: fn(&mut Proposal)| {
            let mut p = proposal(good);
            change(&mut p);
            rule(&p, Some(Sentiment::Mixed))
        };
        assert_eq!(with(|_| {}), None);
        assert_eq!(with(|p| p.suggested.suspicious = true), Some("suspicious"));
        assert_eq!(with(|p| p.suggested.needs_human = true), Some("needs_human"));
        assert_eq!(with(|p| p.suggested.confidence = 0.69), Some("unsure"));
        assert_eq!(with(|p| p.suggested.goal_progress = GoalProgress::Impossible), Some("goal_impossible"));
        assert_eq!(with(|p| p.degraded = true), Some("degraded"));
        assert_eq!(with(|p| p.removed_links = vec!["http://x.example".to_owned()]), Some("links"));
        assert_eq!(rule(&proposal(good), Some(Sentiment::Negative)), Some("negative"));
    }

    #[test]
    fn nobody_agrees_to_a_price_unseen() {
        let rule = |text: &str, heard: &str| {
            let theirs = vec![heard.to_owned(), "So, are we on?".to_owned()];
            consents(&Proposal { theirs, ..proposal(text) }).map(|(rule, _)| rule)
        };
        assert_eq!(rule("Let's do it!", "I charge 900$."), Some("money"));
        assert_eq!(rule("Deal! Shall we start in March?", "I charge 900 USD."), Some("money"));
        assert_eq!(rule("没问题，三月见。", "我的报价是2万元。"), Some("money"));
        assert_eq!(rule("Sounds good!", "My rate is 2000 per video."), Some("money"));
        assert_eq!(rule("Deal! Shall we start in March?", "I charge 500 USD."), None);
        assert_eq!(rule("Let me ask my team.", "I charge 900 USD."), None);
        for text in ["We pay USD 900.", "We pay $500k.", "500欧元", "five hundred dollars"] {
            assert_eq!(
                super::gate(&proposal(text), None, 0.7).map(|(rule, _)| rule),
                Some("money"),
                "{text}"
            );
        }
    }

    #[test]
    fn links_that_nobody_gave_are_taken_out() {
        let ground = ["Our shop: https://shop.example/a, write to team@shop.example".to_owned()];
        for (text, kept, removed) in [
            ("See https://shop.example/a.", "See https://shop.example/a.", vec![]),
            ("See https://evil.example/x for more.", "See for more.", vec!["https://evil.example/x"]),
            ("See https://shop.example/a/b now", "See now", vec!["https://shop.example/a/b"]),
            ("Pay (www.evil.com) now.", "Pay now.", vec!["www.evil.com"]),
            ("Go to shop.example.evil.com today", "Go to today", vec!["shop.example.evil.com"]),
            ("Write to team@shop.example.", "Write to team@shop.example.", vec![]),
            ("nothing", "nothing", vec![]),
        ] {
            assert_eq!(
                strip_links(text, &ground),
                (kept.to_owned(), removed.iter().map(|r| (*r).to_owned()).collect())
            );
        }
    }

    #[test]
    fn the_same_again_is_noticed() {
        let one = "Thank you for your mail! We would love to work with you, would Tuesday suit you?";
        for (other, same) in [
            (one, true),
            ("Thank you for your mail!  We would love to work with you. Would Tuesday suit you??", true),
            ("We would be glad to see your rates before Friday.", false),
            ("", false),
        ] {
            assert_eq!(is_near_identical(one, other), same, "{other}");
        }
        assert!(is_near_identical("好", "好") && !is_near_identical("好", "不"));
    }
}
