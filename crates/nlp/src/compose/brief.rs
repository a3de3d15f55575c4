//! What a writer asked for: to whom, on which occasion, about what, with which wishes.

use crate::{
    keywords,
    split::{clauses, sentences},
};

/// What a prompt and its context say.
#[derive(Debug, Default)]
pub(super) struct Brief {
    /// Whom the letter addresses, as a greeting names them: 未来的我, 妈妈, "future me".
    pub to: String,
    /// Whether the writer named the addressee.
    pub addressed: bool,
    /// The occasion: a key of the templates.
    pub theme: &'static str,
    /// What it is about, the most telling first.
    pub topics: Vec<String>,
    /// Wishes and plans, in the writer's words.
    pub goals: Vec<String>,
    /// When it will be read, in the writer's words: 十年后, "in ten years".
    pub when: String,
}

/// Words that name an addressee, and how a greeting names them. The first that is found wins.
const TO_ZH: [(&str, &str); 37] = [
    ("未来的自己", "未来的我"),
    ("未来的我", "未来的我"),
    ("将来的自己", "未来的我"),
    ("后的自己", "未来的我"),
    ("后的我", "未来的我"),
    ("给自己", "未来的我"),
    ("写给我自己", "未来的我"),
    ("女儿", "女儿"),
    ("儿子", "儿子"),
    ("孩子", "孩子"),
    ("宝宝", "宝宝"),
    ("爸妈", "爸爸妈妈"),
    ("父母", "爸爸妈妈"),
    ("妈妈", "妈妈"),
    ("母亲", "妈妈"),
    ("爸爸", "爸爸"),
    ("父亲", "爸爸"),
    ("外婆", "外婆"),
    ("外公", "外公"),
    ("奶奶", "奶奶"),
    ("爷爷", "爷爷"),
    ("姥姥", "姥姥"),
    ("姥爷", "姥爷"),
    ("哥哥", "哥哥"),
    ("姐姐", "姐姐"),
    ("弟弟", "弟弟"),
    ("妹妹", "妹妹"),
    ("妻子", "老婆"),
    ("老婆", "老婆"),
    ("丈夫", "老公"),
    ("老公", "老公"),
    ("女朋友", "亲爱的你"),
    ("男朋友", "亲爱的你"),
    ("老师", "老师"),
    ("同学", "同学们"),
    ("朋友", "朋友"),
    ("客户", "客户"),
];
const TO_EN: [(&str, &str); 31] = [
    ("future self", "future me"),
    ("future me", "future me"),
    ("myself", "future me"),
    ("my own self", "future me"),
    ("my daughter", "daughter"),
    ("my son", "son"),
    ("my children", "children"),
    ("my kids", "kids"),
    ("my child", "child"),
    ("my parents", "Mum and Dad"),
    ("my mom", "Mom"),
    ("my mum", "Mum"),
    ("my mother", "Mother"),
    ("my dad", "Dad"),
    ("my father", "Father"),
    ("my grandmother", "Grandma"),
    ("grandma", "Grandma"),
    ("my grandfather", "Grandpa"),
    ("grandpa", "Grandpa"),
    ("my brother", "brother"),
    ("my sister", "sister"),
    ("my wife", "love"),
    ("my husband", "love"),
    ("my girlfriend", "love"),
    ("my boyfriend", "love"),
    ("my partner", "love"),
    ("my teacher", "teacher"),
    ("my best friend", "friend"),
    ("my friends", "friends"),
    ("my friend", "friend"),
    ("customer", "customer"),
];

/// Occasions by the words that name them. The first that is found wins, so the special ones stand first.
const THEMES: [(&str, &[&str]); 12] = [
    (
        "farewell",
        &[
            "去世",
            "离世",
            "告别",
            "遗言",
            "怀念",
            "纪念",
            "过世",
            "passed away",
            "farewell",
            "goodbye",
            "in memory",
            "grief",
            "funeral",
        ],
    ),
    ("apology", &["道歉", "对不起", "抱歉", "原谅", "apolog", "sorry", "forgive"]),
    ("birthday", &["生日", "周岁", "满月", "birthday", "turning "]),
    ("wedding", &["结婚", "婚礼", "周年", "纪念日", "wedding", "marri", "anniversary"]),
    ("baby", &["出生", "怀孕", "宝宝", "新生", "newborn", "pregnan", "baby", "unborn"]),
    (
        "graduation",
        &[
            "毕业",
            "高考",
            "考研",
            "大学",
            "学业",
            "考试",
            "录取",
            "graduat",
            "college",
            "university",
            "exam",
            "degree",
            "school",
        ],
    ),
    (
        "work",
        &[
            "工作",
            "创业",
            "公司",
            "职业",
            "事业",
            "升职",
            "辞职",
            "转行",
            "入职",
            "项目",
            "退休",
            "job",
            "career",
            "startup",
            "business",
            "promotion",
            "retire",
            "work",
        ],
    ),
    (
        "journey",
        &[
            "旅行",
            "旅游",
            "搬家",
            "移民",
            "留学",
            "远方",
            "travel",
            "trip",
            "journey",
            "moving to",
            "abroad",
            "emigrat",
        ],
    ),
    (
        "health",
        &[
            "健康",
            "生病",
            "手术",
            "减肥",
            "健身",
            "跑步",
            "戒烟",
            "康复",
            "health",
            "illness",
            "surgery",
            "fitness",
            "marathon",
            "quit smoking",
            "recover",
        ],
    ),
    ("thanks", &["感谢", "感恩", "谢谢", "致谢", "thank", "grateful", "gratitude"]),
    ("love", &["爱你", "爱情", "恋人", "表白", "喜欢你", "想念", "love", "miss you"]),
    (
        "goals",
        &[
            "目标",
            "梦想",
            "愿望",
            "计划",
            "理想",
            "新年",
            "坚持",
            "goal",
            "dream",
            "resolution",
            "plan",
            "wish",
            "ambition",
        ],
    ),
];

/// Words that ask for a letter and are not what it is about.
const ASKING: [&str; 40] = [
    "写一封信",
    "写封信",
    "一封信",
    "写信",
    "信件",
    "书信",
    "邮件",
    "大纲",
    "草稿",
    "帮我",
    "帮忙",
    "写给",
    "自己",
    "未来",
    "内容",
    "语气",
    "主题",
    "信",
    "给",
    "letter",
    "letters",
    "write",
    "writing",
    "written",
    "draft",
    "outline",
    "email",
    "mail",
    "help",
    "future",
    "self",
    "future self",
    "message",
    "note",
    "tone",
    "compose",
    "about",
    "dear",
    "words",
    "text",
];

impl Brief {
    /// Reads a prompt and its context.
    pub fn read(prompt: &str, context: &str, chinese: bool) -> Self {
        let both = format!("{prompt}\n{context}");
        let lower = both.to_lowercase();
        let names: &[(&str, &str)] = if chinese { &TO_ZH } else { &TO_EN };
        // The earliest name in the text is the addressee: "to my son, about my father".
        let named = names
            .iter()
            .filter_map(|(word, name)| Some((lower.find(word)?, *name)))
            .min_by_key(|(at, _)| *at)
            .map(|(_, name)| name);
        let theme = THEMES
            .iter()
            .find(|(_, words)| words.iter().any(|word| lower.contains(word)))
            .map_or("life", |(key, _)| key);
        Self {
            to: named.unwrap_or(if chinese { "未来的我" } else { "future me" }).to_owned(),
            addressed: named.is_some(),
            theme,
            topics: topics(&both),
            goals: goals(&both),
            when: when(&both, chinese),
        }
    }

    /// A topic, or nothing.
    pub fn topic(&self, at: usize) -> &str {
        self.topics.get(at).map_or("", String::as_str)
    }
}

/// Whether the addressee is the writer.
pub(super) fn is_self(to: &str) -> bool {
    to == "未来的我" || to == "future me"
}

fn topics(text: &str) -> Vec<String> {
    let mut out = keywords(text, 10);
    out.retain(|word| {
        let lower = word.to_lowercase();
        !ASKING.contains(&lower.as_str())
            && !TO_ZH.iter().any(|(name, _)| *name == lower)
            && !TO_EN.iter().any(|(name, _)| name.strip_prefix("my ").unwrap_or(name) == lower)
            && !lower
                .split(' ')
                .any(|part| matches!(part, "letter" | "write" | "draft" | "outline" | "myself" | "self"))
    });
    out.truncate(6);
    out
}

/// What begins a wish or a plan.
const GOALS_ZH: [&str; 14] = [
    "希望",
    "打算",
    "计划",
    "想要",
    "梦想是",
    "目标是",
    "一定要",
    "决定",
    "准备",
    "我要",
    "我想",
    "争取",
    "期待",
    "立志",
];
const GOALS_EN: [&str; 16] = [
    "i hope",
    "i plan",
    "i want to",
    "i will",
    "i'm going to",
    "my goal",
    "my dream",
    "my plan",
    "i intend",
    "i'd like to",
    "i wish",
    "i promise",
    "we hope",
    "we plan",
    "we want",
    "hoping to",
];

/// Clauses that state a wish or a plan, at most five, in the writer's words.
pub(super) fn goals(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for sentence in sentences(crate::bounded(text)) {
        for clause in clauses(sentence) {
            let lower = clause.to_lowercase().replace('’', "'");
            let chinese = GOALS_ZH.iter().filter_map(|cue| clause.find(cue)).min();
            let stated = match chinese {
                Some(at) => clause.get(at..),
                None => GOALS_EN.iter().any(|cue| lower.contains(cue)).then_some(clause),
            };
            let Some(stated) = stated else { continue };
            let stated = stated.trim_end_matches(['.', ' ', '、']);
            let long = stated.chars().count();
            if (6..=120).contains(&long) && out.len() < 5 {
                out.push(crate::split::one_line(stated));
            }
        }
    }
    out
}

/// When the letter will be read, in the writer's words.
fn when(text: &str, chinese: bool) -> String {
    if chinese {
        for unit in ["年后", "个月后", "年以后"] {
            if let Some((before, _)) = text.split_once(unit) {
                let number: String = before
                    .chars()
                    .rev()
                    .take_while(|c| "一二三四五六七八九十两百0123456789".contains(*c))
                    .collect();
                if !number.is_empty() {
                    return format!("{}{unit}", number.chars().rev().collect::<String>());
                }
            }
        }
        return String::new();
    }
    let words: Vec<&str> =
        text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())).collect();
    words
        .windows(3)
        .find(|three| {
            matches!(three, [lead, count, unit] if lead.eq_ignore_ascii_case("in")
                && super::dates::english_number(count).is_some()
                && matches!(unit.to_lowercase().as_str(), "year" | "years" | "months" | "month"))
        })
        .map(|three| three.join(" ").to_lowercase())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_asked_for() {
        let brief = Brief::read("写一封给十年后的自己的信，关于创业和家人，希望那时公司已经稳定", "", true);
        assert_eq!((brief.to.as_str(), brief.theme, brief.when.as_str()), ("未来的我", "work", "十年后"));
        assert!(brief.topics.contains(&"创业".to_owned()), "{:?}", brief.topics);
        assert_eq!(brief.goals, ["希望那时公司已经稳定"]);
        let brief = Brief::read(
            "A birthday letter to my daughter, to be read in ten years. I hope she still paints.",
            "",
            false,
        );
        assert_eq!(
            (brief.to.as_str(), brief.theme, brief.when.as_str()),
            ("daughter", "birthday", "in ten years")
        );
        assert_eq!(brief.goals, ["I hope she still paints"]);
    }
}
