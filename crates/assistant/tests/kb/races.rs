//! Several at once.

use std::collections::BTreeSet;

use serde_json::json;

use crate::helpers::{Kb, questions};

testkit::both! {
    &[];

    async fn two_imports_at_once_are_one_after_the_other(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let file = |answer: &str, from: usize| -> String {
            let rows = (from..from + 300).map(|n| format!("question {n},{answer}\n"));
            std::iter::once("question,answer\n".to_owned()).chain(rows).collect()
        };
        let (one, two, three) = (file("one", 0), file("two", 150), file("one", 0));
        let (a, b, c) = tokio::join!(
            kb.csv(&user, &base, "", one),
            kb.csv(&user, &base, "", two),
            kb.csv(&user, &base, "", three)
        );
        let sum = |field: &str| [&a, &b, &c].iter().map(|x| x.data()[field].as_u64().unwrap()).sum::<u64>();
        assert_eq!(sum("created"), 450, "no question twice");
        assert_eq!(sum("created") + sum("updated") + sum("unchanged"), 900);
        assert_eq!(kb.get(&format!("/bases/{base}"), &user).await.data()["entries"], 450);
        // Each file's rows were written together: where both wrote, one of them did last.
        let answers: BTreeSet<String> = {
            let mut seen = BTreeSet::new();
            for page in 1..=5 {
                for entry in kb.list(&user, &base, &format!("size=100&page={page}")).await {
                    let n: usize = entry["question"].as_str().unwrap().get(9..).unwrap().parse().unwrap();
                    if (150..300).contains(&n) {
                        seen.insert(entry["answer"].as_str().unwrap().to_owned());
                    }
                }
            }
            seen
        };
        assert_eq!(answers.len(), 1, "{answers:?}");
    }

    async fn one_of_many_equal_questions_is_taken(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let path = format!("/bases/{base}/entries");
        let calls = (0..8).map(|n| kb.post(&path, &user, json!({"question": "Same?", "answer": format!("{n}")})));
        let answers = futures_util::future::join_all(calls).await;
        assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
        assert_eq!(answers.iter().filter(|a| a.status == 409).count(), 7);
        assert_eq!(questions(&kb.list(&user, &base, "").await), ["Same?"]);
    }

    async fn writing_asking_and_deleting_at_once(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let write = async {
            for n in 0..20 {
                kb.entry(&user, &base, &format!("Where is number {n}?"), "Here.").await;
            }
        };
        let ask = async {
            for _ in 0..40 {
                let found = kb.ask(&user, &base, "where is number 7").await;
                assert!(found["hits"].as_array().unwrap().len() <= 3);
            }
        };
        tokio::join!(write, ask);
        assert_eq!(kb.ask(&user, &base, "number 19").await["hits"][0]["question"], "Where is number 19?");
        let (path, entries) = (format!("/bases/{base}"), format!("/bases/{base}/entries"));
        let calls = (0..6).map(async |n| match n {
            3 => kb.delete(&path, &user).await,
            n => kb.post(&entries, &user, json!({"question": format!("late {n}"), "answer": "a"})).await,
        });
        for answer in futures_util::future::join_all(calls).await {
            assert!(answer.status == 200 || answer.status == 404, "{}", answer.body);
        }
        kb.get(&path, &user).await.refused(404, &[]);
    }
}
