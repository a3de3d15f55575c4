//! Ten thousand entries.

use std::time::Duration;

use kernel::Clock;

use crate::helpers::Kb;

const ENTRIES: usize = 10_000;
const ASKED: usize = 300;

fn word(n: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "ko", "ri", "mu", "te", "sa", "lo", "vi", "nu", "pe", "do", "ga", "hi", "ju", "fe", "za"];
    (0..4).map(|at| SYLLABLES[(n * 7919 + 13) / 16_usize.pow(at) % 16]).collect()
}

testkit::both! {
    &[];

    async fn ten_thousand_entries(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let mut file = "question,answer,aliases\n".to_owned();
        for n in 0..ENTRIES {
            let (a, b) = (word(n), word(n * 31 + 7));
            file.push_str(&format!(
                "How do I set up the {a} with the {b} number {n}?,\"Open the settings of {a}, choose {b}, and save.\",{a} {b} setup\n"
            ));
        }
        let clock = Clock::system();
        let start = clock.now();
        assert_eq!(kb.csv(&user, &base, "", file).await.data()["created"], ENTRIES);
        let imported = clock.now().since(start);

        let start = clock.now();
        kb.ask(&user, &base, "how do I set up").await;
        let first = clock.now().since(start);
        let (mut times, mut right) = (Vec::new(), 0);
        for n in 0..ASKED {
            let n = n * 33;
            let start = clock.now();
            let found = kb.ask(&user, &base, &format!("set up {} with {} number {n}", word(n), word(n * 31 + 7))).await;
            times.push(clock.now().since(start));
            let question = found["hits"][0]["question"].as_str().unwrap();
            right += usize::from(question.contains(&format!("{} with the {} ", word(n), word(n * 31 + 7))));
        }
        times.sort();
        let (p50, p99) = (times[ASKED / 2], times[ASKED * 99 / 100]);
        eprintln!(
            "{}: import of {ENTRIES} {imported:?}, first question {first:?}, then p50 {p50:?}, p99 {p99:?}, {right} of {ASKED} right",
            kb.0.system.db.engine()
        );
        assert!(right * 100 >= ASKED * 99, "{right} of {ASKED}");
        // Loose, for slow machines: an index that were built for each question would take longer.
        assert!(p50 < Duration::from_millis(50), "{p50:?}");
    }
}
