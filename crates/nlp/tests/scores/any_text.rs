//! What holds for any text: no panic, bounded time, answers within their bounds and quoted from the text.

use std::time::{Duration, Instant};

use nlp::{
    Cues, Turn,
    compose::{Correspondence, Kind, Length, Occasion, Tone, Writing, predict, reply, write},
    retrieval::{Entry, Index, Synonyms},
};
use proptest::prelude::*;

/// Any characters, and the words and marks that the rules know, in any order.
fn any_text() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "我不开心",
        "但是",
        "希望",
        "十年后",
        "退款",
        "。",
        "！",
        "？",
        "，",
        "\n",
        "> ",
        "-- \n",
        "not ",
        "happy",
        " but ",
        "can't wait",
        "Dr. ",
        "3.5",
        "2030年5月",
        "in two years",
        "I hope ",
        "born in 19",
        "年出生",
        "👍",
        "é",
        "ñ",
        "¥",
        "【",
        "{to}",
        "{",
        "}",
        "'s",
        "’",
        "的",
        "好",
        "吗",
    ]);
    prop::collection::vec(prop_oneof![known.prop_map(str::to_owned), any::<String>(), "\\PC{0,8}"], 0..30)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn analysis_keeps_its_bounds(text in any_text(), n in 0usize..8) {
        let feeling = nlp::feeling(&text);
        prop_assert!((0.0..=1.0).contains(&feeling.confidence));
        prop_assert!(feeling.emotions.iter().all(|(_, score)| (0.0..=1.0).contains(score)));
        prop_assert!(feeling.emotions.windows(2).all(|two| two[0].1 >= two[1].1));
        prop_assert_eq!(&feeling, &nlp::feeling(&text));
        let keywords = nlp::keywords(&text, n);
        prop_assert!(keywords.len() <= n);
        for word in nlp::content_words(&text) {
            prop_assert!(word.chars().any(char::is_alphabetic));
        }
        for cues in [Cues::None, Cues::Correspondence] {
            let summary = nlp::summary(&text, n, cues);
            let sentences: Vec<String> =
                nlp::sentences(&text).iter().map(|s| s.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            prop_assert!(summary.len() <= n.max(sentences.len().min(n)));
            // Verbatim, in their order.
            let mut rest = sentences.iter();
            prop_assert!(summary.iter().all(|quote| rest.any(|sentence| sentence == quote)));
            prop_assert_eq!(nlp::key_points(&text, n, cues).len(), summary.len());
        }
        let turns = ["a", "b"].map(|sender| Turn { sender, text: &text });
        prop_assert!(nlp::thread_summary(&turns, n).len() <= n);
    }

    #[test]
    fn texts_are_composed_for_any_input(prompt in any_text(), context in any_text(), now in any::<i32>(), span in any::<i32>()) {
        for (kind, tone, length) in [
            (Kind::Outline, Tone::Formal, Length::Long),
            (Kind::Draft, Tone::Casual, Length::Medium),
            (Kind::Complete, Tone::Emotional, Length::Short),
            (Kind::Complete, Tone::Inspirational, Length::Long),
        ] {
            let writing = Writing { prompt: &prompt, kind, tone, length, context: &context };
            let written = write(&writing);
            prop_assert!(!written.content.is_empty() && written.minutes > 0);
            prop_assert!(written.suggestions.len() <= 4);
            prop_assert_eq!(written, write(&writing));
        }
        let prediction = predict(&prompt, i64::from(now), i64::from(now) + i64::from(span), &context);
        prop_assert!((0.1..=0.3).contains(&prediction.confidence));
        let mut mail = Correspondence { occasion: Occasion::Answer, sender: "", last: &prompt, goal: &context, facts: &[&prompt], signature: "x" };
        prop_assert_eq!(reply(&mail).alternatives.len(), 3);
        for occasion in [Occasion::First, Occasion::FollowUp] {
            mail.occasion = occasion;
            prop_assert_eq!(reply(&mail).alternatives.len(), 2);
        }
    }

    #[test]
    fn searches_find_what_was_indexed(texts in prop::collection::vec(any_text(), 0..6), query in any_text(), k in 0usize..5) {
        let ids: Vec<String> = (0..texts.len()).map(|n| n.to_string()).collect();
        let entries = || texts.iter().zip(&ids).map(|(text, id)| Entry { id, question: text, answer: text, aliases: &texts });
        let mut synonyms = Synonyms::none();
        synonyms.add(texts.iter().map(String::as_str));
        let index = Index::build(entries(), &synonyms);
        let found = index.search(&query, k);
        prop_assert!(found.hits.len() <= k.min(texts.len()));
        prop_assert!((0.0..=1.0).contains(&found.confidence));
        prop_assert!(found.hits.windows(2).all(|two| two[0].score >= two[1].score));
        // The same answer from the same entries.
        prop_assert_eq!(found, Index::build(entries(), &synonyms).search(&query, k));
    }
}

#[test]
fn huge_texts_take_bounded_time() {
    nlp::warm();
    for piece in
        ["我今天很开心，但是有点累。", "a", "字", "not happy but ", "?!", "\n", "1.5 ", "e\u{301}", "> \n"]
    {
        let text = piece.repeat(600_000 / piece.len());
        let start = Instant::now();
        let everything = (
            nlp::feeling(&text),
            nlp::keywords(&text, 8),
            nlp::summary(&text, 5, Cues::Correspondence),
            nlp::content_words(&text),
            write(&Writing {
                prompt: &text,
                kind: Kind::Draft,
                tone: Tone::Formal,
                length: Length::Long,
                context: &text,
            }),
            predict(&text, 0, 1, &text),
            Index::build(
                [Entry { id: "1", question: &text, answer: &text, aliases: &[] }],
                &Synonyms::none(),
            )
            .search(&text, 3),
        );
        let took = start.elapsed();
        println!("{piece:?}: {took:?}");
        assert!(everything.0.confidence <= 1.0);
        assert!(took < Duration::from_secs(10), "{piece:?} took {took:?}");
    }
}
