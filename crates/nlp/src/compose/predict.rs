//! What can be reckoned about the time until a letter is opened. Not a forecast, and it says so.

use super::{
    brief::goals,
    dates::{DAY, Day, named_day},
    in_chinese,
};

/// A reckoning about the time until delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The text. It begins by saying that it is a rule-based estimate and not a forecast.
    pub prediction: String,
    /// 0.1…0.3: it grows with the goals that carry a date.
    pub confidence: f64,
    /// What it rests on.
    pub factors: Vec<String>,
    /// What the writer can do now.
    pub suggestions: Vec<String>,
}

const SEASONS_ZH: [&str; 4] = ["冬天", "春天", "夏天", "秋天"];
const SEASONS_EN: [&str; 4] = ["winter", "spring", "summer", "autumn"];
const DAYS_ZH: [&str; 7] = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"];
const DAYS_EN: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Reckons about a letter that is opened at `due`. Both times are seconds since 1970; days are those of UTC, seasons those of
/// the northern half of the earth. A `due` before `now` is taken as `now`.
#[must_use]
pub fn predict(text: &str, now: i64, due: i64, context: &str) -> Prediction {
    let both = format!("{text}\n{context}");
    let chinese = in_chinese(&[text, context]);
    let facts = Facts::new(&both, now, due.max(now));
    if chinese { facts.chinese() } else { facts.english() }
}

struct Facts {
    due: Day,
    days: i64,
    /// Wishes and plans with the day the text names for them.
    goals: Vec<(String, Option<Day>)>,
    /// How old somebody will be whose year of birth the text tells.
    age: Option<i64>,
}

impl Facts {
    fn new(text: &str, now: i64, due: i64) -> Self {
        let today = Day::of(now);
        let due_day = Day::of(due);
        let goals: Vec<(String, Option<Day>)> =
            goals(text).into_iter().map(|goal| (goal.clone(), named_day(&goal, today))).collect();
        Self {
            due: due_day,
            days: (due - now) / DAY,
            goals,
            age: born(text, today).map(|year| due_day.year - year),
        }
    }

    fn dated(&self) -> impl Iterator<Item = (&str, Day)> {
        self.goals.iter().filter_map(|(goal, day)| Some((goal.as_str(), (*day)?)))
    }

    fn season(&self) -> usize {
        usize::try_from((self.due.month % 12) / 3).unwrap_or(0)
    }

    fn weekday<'a>(&self, names: &[&'a str; 7]) -> &'a str {
        usize::try_from(self.due.weekday()).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
    }

    fn confidence(&self) -> f64 {
        let steps = u32::try_from(self.dated().count().min(4)).unwrap_or(4);
        (0.1 + 0.05 * f64::from(steps)).min(0.3)
    }

    fn chinese(&self) -> Prediction {
        let season = SEASONS_ZH.get(self.season()).copied().unwrap_or_default();
        let mut text = format!(
            "基于规则的推算，不是预测：这封信将在{}（{}，{season}）打开，距今{}。",
            self.due.iso(),
            self.weekday(&DAYS_ZH),
            span_zh(self.days)
        );
        let mut factors = vec![format!("距离投递：{} 天", self.days)];
        if let Some(age) = self.age {
            text.push_str(&format!("按信里写的出生年份，那时大约 {age} 岁。"));
            factors.push(format!("信里写到出生年份，打开时约 {age} 岁"));
        }
        for (goal, day) in self.dated() {
            let order = if day <= self.due {
                "打开信之前就会见分晓"
            } else {
                "打开信时还没有到期限"
            };
            text.push_str(&format!("“{goal}”的期限约在{}，{order}。", day.iso()));
            factors.push(format!("有期限的目标：{goal}"));
        }
        for (goal, _) in self.goals.iter().filter(|(_, day)| day.is_none()) {
            factors.push(format!("没有期限的目标：{goal}"));
        }
        let open = self.goals.iter().filter(|(_, day)| day.is_none()).count();
        if open > 0 {
            text.push_str(&format!("另有 {open} 个愿望没有写明期限，到时只能由你自己判断是否实现。"));
        }
        if self.goals.is_empty() {
            text.push_str("信里没有找到明确的目标，能推算的只有时间本身。");
        }
        text.push_str(horizon_zh(self.days));
        Prediction {
            prediction: text,
            confidence: self.confidence(),
            factors,
            suggestions: self.advice_zh(open),
        }
    }

    fn advice_zh(&self, open: usize) -> Vec<String> {
        let mut out = Vec::new();
        if self.goals.is_empty() {
            out.push("写下一两个具体的目标，打开信时才有东西可以对照。".to_owned());
        }
        if open > 0 {
            out.push("给每个愿望加上期限和可以衡量的标准，例如“在某年之前存下某个数目”。".to_owned());
        }
        if self.days > 400 {
            let check = Day::of((self.due.number() - self.days / 2) * DAY);
            out.push(format!(
                "在半程（约 {} 年 {} 月）安排一次回顾，看看哪些还在路上。",
                check.year, check.month
            ));
        }
        out.push("写上今天的处境、住处和身边的人，变化要有参照才看得见。".to_owned());
        out
    }

    fn english(&self) -> Prediction {
        let season = SEASONS_EN.get(self.season()).copied().unwrap_or_default();
        let mut text = format!(
            "Rule-based estimate, not a forecast: this letter opens on {} (a {}, in {season}), {} from now.",
            self.due.iso(),
            self.weekday(&DAYS_EN),
            span_en(self.days)
        );
        let mut factors = vec![format!("Days until delivery: {}", self.days)];
        if let Some(age) = self.age {
            text.push_str(&format!(
                " Going by the year of birth in the letter, its subject will be about {age}."
            ));
            factors.push(format!("A year of birth is named: about {age} at opening"));
        }
        for (goal, day) in self.dated() {
            let order = if day <= self.due {
                "that will be decided before you open it"
            } else {
                "still ahead of you when you open it"
            };
            text.push_str(&format!(" \"{goal}\" is set for about {}: {order}.", day.iso()));
            factors.push(format!("A goal with a date: {goal}"));
        }
        let open = self.goals.iter().filter(|(_, day)| day.is_none()).count();
        for (goal, _) in self.goals.iter().filter(|(_, day)| day.is_none()) {
            factors.push(format!("A goal without a date: {goal}"));
        }
        if open > 0 {
            let wishes = if open == 1 { "One wish has".to_owned() } else { format!("{open} wishes have") };
            text.push_str(&format!(" {wishes} no date; only you can judge then whether it came true."));
        }
        if self.goals.is_empty() {
            text.push_str(" The letter names no goal, so time itself is all there is to reckon with.");
        }
        text.push_str(horizon_en(self.days));
        Prediction {
            prediction: text,
            confidence: self.confidence(),
            factors,
            suggestions: self.advice_en(open),
        }
    }

    fn advice_en(&self, open: usize) -> Vec<String> {
        let mut out = Vec::new();
        if self.goals.is_empty() {
            out.push("Name one or two concrete goals, so that there is something to compare with when you open it.".to_owned());
        }
        if open > 0 {
            out.push(
                "Give every wish a date and a measure, such as an amount to have saved by a certain year."
                    .to_owned(),
            );
        }
        if self.days > 400 {
            let check = Day::of((self.due.number() - self.days / 2) * DAY);
            out.push(format!("Plan a look back at half time, around {:04}-{:02}.", check.year, check.month));
        }
        out.push("Write down where you live, what you do and who is around you: change needs something to be measured by.".to_owned());
        out
    }
}

fn span_zh(days: i64) -> String {
    match days {
        0..=60 => format!(" {days} 天"),
        61..=700 => format!("约 {} 个月", (days + 15) / 30),
        _ => format!("约 {} 年", (days + 182) / 365),
    }
}

fn span_en(days: i64) -> String {
    match days {
        1 => "1 day".to_owned(),
        0..=60 => format!("{days} days"),
        61..=700 => format!("about {} months", (days + 15) / 30),
        _ => format!("about {} years", (days + 182) / 365),
    }
}

/// What such a span usually changes.
fn horizon_zh(days: i64) -> &'static str {
    match days {
        0..=60 => "这么短的时间里，处境多半还是熟悉的，变的是心情和进度。",
        61..=700 => "这样长的时间足够养成一个习惯、换一份工作或走完一段学业，但多数关系和住处往往还在。",
        701..=2600 => "几年的时间里，工作、住处和身边的人常会变掉其中一两样，今天的烦恼大多已有结果。",
        _ => "这么久之后，今天的日常多半已成回忆；留得下来的通常是习惯、少数几个人和写下来的东西。",
    }
}

fn horizon_en(days: i64) -> &'static str {
    match days {
        0..=60 => " In so short a time the circumstances mostly stay; moods and progress change.",
        61..=700 => {
            " That is long enough for a habit, a new job or a course of study, while most homes and friendships stay."
        }
        701..=2600 => {
            " Over a few years one or two of work, home and company usually change, and today's worries are mostly settled."
        }
        _ => {
            " After so long, today's routine is mostly memory; what tends to last are habits, a few people, and what was written down."
        }
    }
}

/// A year of birth that the text tells: 1990年出生, "born in 1990".
fn born(text: &str, now: Day) -> Option<i64> {
    let year =
        |digits: &str| digits.parse::<i64>().ok().filter(|year| (now.year - 110..=now.year).contains(year));
    for cue in ["年出生", "年生"] {
        if let Some((before, _)) = text.split_once(cue) {
            let digits: Vec<char> = before.chars().rev().take(4).collect();
            if let Some(year) = year(&digits.into_iter().rev().collect::<String>()) {
                return Some(year);
            }
        }
    }
    let lower = text.to_lowercase();
    let (_, after) = lower.split_once("born in ")?;
    year(&after.chars().take(4).collect::<String>())
}
