//! Letters, reckonings and replies, as a user would judge them.

use nlp::compose::{Correspondence, Kind, Length, Occasion, Tone, Writing, predict, reply, write};

const ZH: &str = "写一封给十年后的自己的信，关于创业和家人，希望那时公司已经稳定";
const EN: &str = "A birthday letter to my daughter about painting and the lake, to be read in ten years. I hope she still paints.";
const KINDS: [Kind; 3] = [Kind::Outline, Kind::Draft, Kind::Complete];
const TONES: [Tone; 4] = [Tone::Formal, Tone::Casual, Tone::Emotional, Tone::Inspirational];
const LENGTHS: [Length; 3] = [Length::Short, Length::Medium, Length::Long];

fn text(prompt: &str, kind: Kind, tone: Tone, length: Length) -> String {
    write(&Writing { prompt, kind, tone, length, context: "" }).content
}

#[test]
fn every_kind_tone_and_length_differs() {
    for prompt in [ZH, EN] {
        let mut all = Vec::new();
        for kind in KINDS {
            for tone in TONES {
                let texts = LENGTHS.map(|length| text(prompt, kind, tone, length));
                assert!(texts.windows(2).all(|two| two[0].len() < two[1].len()), "{kind:?} {tone:?}");
                assert!(texts.iter().all(|t| !t.contains('{') && !t.contains('}')), "{kind:?} {tone:?}");
                all.extend(texts);
            }
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

#[test]
fn drafts_have_gaps_and_finished_letters_none() {
    for prompt in [ZH, EN, "", "x"] {
        for tone in TONES {
            for length in LENGTHS {
                assert!(text(prompt, Kind::Draft, tone, length).contains('【'));
                assert!(!text(prompt, Kind::Complete, tone, length).contains('【'));
                assert!(!text(prompt, Kind::Outline, tone, length).contains('【'));
            }
        }
    }
}

#[test]
fn a_letter_speaks_of_what_was_asked_for() {
    let letter = text(ZH, Kind::Complete, Tone::Emotional, Length::Long);
    for part in ["未来的我", "十年后", "创业", "家人", "希望那时公司已经稳定"] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    let letter = text(EN, Kind::Complete, Tone::Casual, Length::Long);
    for part in ["Hi daughter,", "painting", "Happy birthday", "I hope she still paints"] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    let other = text("写给妈妈的感谢信", Kind::Complete, Tone::Formal, Length::Short);
    assert!(other.starts_with("尊敬的妈妈：") && other.contains("谢谢"), "{other}");
}

#[test]
fn lengths_are_near_their_targets() {
    for tone in TONES {
        let han =
            |length| text(ZH, Kind::Complete, tone, length).chars().filter(|c| !c.is_whitespace()).count();
        let words = |length| text(EN, Kind::Complete, tone, length).split_whitespace().count();
        let near = |got: usize, target: usize| {
            assert!(got * 10 >= target * 6 && got * 10 <= target * 15, "{tone:?}: {got} for {target}")
        };
        for (length, characters, count) in
            [(Length::Short, 120, 80), (Length::Medium, 300, 200), (Length::Long, 700, 450)]
        {
            near(han(length), characters);
            near(words(length), count);
        }
    }
}

#[test]
fn a_reckoning_says_what_it_is() {
    let now = 1_763_683_200;
    let due = now + 10 * 365 * 86_400;
    let zh =
        predict("我出生于1990年，我1990年出生。希望在2030年之前开一家书店，也希望爸妈健康。", now, due, "");
    assert!(zh.prediction.starts_with("基于规则的推算，不是预测"), "{}", zh.prediction);
    assert!(zh.prediction.contains("2029-12-31") && zh.prediction.contains("45 岁"), "{}", zh.prediction);
    assert!((zh.confidence - 0.15).abs() < 1e-9);
    let en = predict("I hope to run a marathon within two years. I plan to learn Italian.", now, due, "");
    assert!(en.prediction.starts_with("Rule-based estimate, not a forecast"), "{}", en.prediction);
    assert!(en.prediction.contains("2027-11-21") && en.factors.len() == 3, "{en:?}");
    assert!(!en.suggestions.is_empty());
    let none = predict("", now, now - 5, "");
    assert!(none.prediction.contains("0 days from now"), "{}", none.prediction);
}

#[test]
fn a_reply_quotes_facts_and_offers_three_stances() {
    let answer = reply(&Correspondence {
        occasion: Occasion::Answer,
        sender: "林珊",
        last: "您好，我们想邀请您参与新品推广，报价一万二千元，您是否方便下周三之前确认？\n> 旧的内容",
        goal: "把报价谈到一万五千元",
        facts: &["单条视频的合作价为一万八千元。"],
        signature: "阿清",
    });
    for part in ["林珊，您好：", "单条视频的合作价为一万八千元。", "把报价谈到一万五千元", "阿清"]
    {
        assert!(answer.recommended.contains(part), "{part}: {}", answer.recommended);
    }
    assert!(!answer.recommended.contains("旧的内容"));
    assert_eq!(answer.alternatives.len(), 3);
    assert!(answer.alternatives.iter().all(|text| text != &answer.recommended));
    let english = reply(&Correspondence {
        occasion: Occasion::Answer,
        sender: "",
        last: "Can you ship on Friday?",
        goal: "",
        facts: &[],
        signature: "",
    });
    assert!(
        english.recommended.starts_with("Hello,") && english.recommended.contains("Can you ship on Friday?"),
        "{}",
        english.recommended
    );
}

#[test]
fn first_mails_and_reminders_are_no_answers_and_name_no_goal() {
    let of = |occasion, last, goal| {
        let facts = &["A video is 900 USD."];
        let made = reply(&Correspondence { occasion, sender: "Mia", last, goal, facts, signature: "Max" });
        let all: Vec<String> = std::iter::once(made.recommended).chain(made.alternatives).collect();
        assert_eq!(all.len(), 3);
        for text in &all {
            let says = |part: &str| text.contains(part);
            assert!(says("Mia") && says("Max") && says("【") && !says("【】"), "{text}");
            let wrong = ["500", "900", "Thank you for", "谢谢您的来信", "You asked", "您问到", "{"];
            assert!(!wrong.iter().any(|part| says(part)), "{text}");
        }
        assert!(all[0] != all[1] && all[1] != all[2]);
        all
    };
    let first = of(Occasion::First, "", "Agree on a video for 500 USD");
    assert!(first[0].starts_with("Hello Mia,") && first[0].contains("My name is Max"), "{first:?}");
    let first = of(Occasion::First, "", "谈成 500 美元的合作");
    assert!(first[0].starts_with("Mia，您好：") && first[0].contains("我是Max"), "{first:?}");
    let mail = "Dear Mia, we would love a video about our ceramic lamps. Do ceramic lamps fit your channel?";
    let again = of(Occasion::FollowUp, mail, "Agree on a video for 500 USD");
    assert!(again[0].contains("come back to my message") && again[0].contains("lamps"), "{again:?}");
    let again = of(Occasion::FollowUp, "您好，想邀请您拍一条陶瓷灯的视频，您方便吗？", "谈到 500 美元");
    assert!(again[0].contains("之前关于") && again[0].contains("陶瓷"), "{again:?}");
}
