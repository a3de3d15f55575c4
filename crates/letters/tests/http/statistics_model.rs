//! Random histories: whatever is written, changed, scheduled, revoked, delivered, removed and asked for in
//! whichever order, the statistics are what a plain count of the letters gives.

use std::collections::{BTreeMap, HashMap};

use kernel::Timestamp;
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use testkit::app::{TestApp, User};

use crate::helpers::*;

const TEXTS: [&str; 5] = [
    "时间胶囊里装着梦想和希望",
    "the garden and the winter garden",
    "梦想 garden 梦想",
    "……",
    "冬天的咖啡，夏天的海边",
];
const RECIPIENTS: [Option<&str>; 5] = [
    None,
    Some("friend@example.com"),
    Some("stranger@example.com"),
    Some("zhangsan@example.com"),
    Some("PUBLIC"),
];

#[derive(Debug, Clone)]
enum Op {
    Write { text: usize, to: usize, encrypted: bool },
    Change { letter: prop::sample::Index, text: usize, to: usize, encrypted: bool },
    Schedule { letter: prop::sample::Index, hours: u32 },
    Revoke(prop::sample::Index),
    Delete(prop::sample::Index),
    Wait(u32),
    Ask,
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<prop::sample::Index>;
    let letter = || (0..TEXTS.len(), 0..RECIPIENTS.len(), prop::bool::weighted(0.2));
    prop_oneof![
        5 => letter().prop_map(|(text, to, encrypted)| Op::Write { text, to, encrypted }),
        2 => (index(), letter())
            .prop_map(|(letter, (text, to, encrypted))| Op::Change { letter, text, to, encrypted }),
        7 => (index(), prop_oneof![1..5u32, 500..20_000u32])
            .prop_map(|(letter, hours)| Op::Schedule { letter, hours }),
        3 => index().prop_map(Op::Revoke),
        1 => index().prop_map(Op::Delete),
        2 => prop_oneof![1..4u32, 600..10_000u32].prop_map(Op::Wait),
        4 => Just(Op::Ask),
    ]
}

#[derive(Debug)]
struct Letter {
    id: String,
    text: usize,
    to: usize,
    encrypted: bool,
    /// When it was scheduled, and for when.
    sent: Option<(Timestamp, Timestamp)>,
    delivered: Option<Timestamp>,
}

struct History {
    app: TestApp,
    user: User,
    letters: Vec<Letter>,
}

fn fields(text: usize, to: usize, encrypted: bool) -> Value {
    let mut fields = json!({"content": TEXTS[text], "isEncrypted": encrypted, "recipientType": "SELF"});
    match RECIPIENTS[to] {
        None => {}
        Some("PUBLIC") => fields["recipientType"] = json!("PUBLIC"),
        Some(address) => {
            fields["recipientType"] = json!("SPECIFIC");
            fields["recipientEmail"] = json!(address);
        }
    }
    fields
}

impl History {
    /// Does something; what may be refused is, and then changes nothing.
    async fn step(&mut self, op: Op) {
        let Self { app, user, letters } = self;
        let now = app.now();
        let pick = |letters: &Vec<Letter>, index: prop::sample::Index| {
            (!letters.is_empty()).then(|| index.index(letters.len()))
        };
        match op {
            Op::Write { text, to, encrypted } => {
                let id = app.draft(user, fields(text, to, encrypted)).await;
                letters.push(Letter { id, text, to, encrypted, sent: None, delivered: None });
            }
            Op::Change { letter, text, to, encrypted } => {
                let Some(n) = pick(letters, letter) else { return };
                let l = &mut letters[n];
                let answer = app.put(&format!("/mails/{}", l.id), user, fields(text, to, encrypted)).await;
                assert_eq!(answer.status == 200, l.sent.is_none(), "{}", answer.body);
                if l.sent.is_none() {
                    (l.text, l.to, l.encrypted) = (text, to, encrypted);
                }
            }
            Op::Schedule { letter, hours } => {
                let Some(n) = pick(letters, letter) else { return };
                let l = &mut letters[n];
                let answer = app.schedule(user, &l.id, now + hours * HOUR).await;
                assert_eq!(answer.status == 200, l.sent.is_none(), "{}", answer.body);
                l.sent = l.sent.or(Some((now, now + hours * HOUR)));
            }
            Op::Revoke(letter) => {
                let Some(n) = pick(letters, letter) else { return };
                let l = &mut letters[n];
                if app.post(&format!("/mails/{}/revoke", l.id), user, json!({})).await.status == 200 {
                    assert!(l.delivered.is_none());
                    l.sent = None;
                }
            }
            Op::Delete(letter) => {
                let Some(n) = pick(letters, letter) else { return };
                if app.delete(&format!("/mails/{}", letters[n].id), user).await.status == 200 {
                    assert!(letters[n].sent.is_none());
                    letters.remove(n);
                }
            }
            Op::Wait(hours) => {
                let now = now + hours * HOUR;
                app.advance_to(now).await;
                *user = app.login(user).await;
                for l in letters.iter_mut().filter(|l| l.delivered.is_none()) {
                    l.delivered = l.sent.filter(|(_, due)| *due <= now).map(|_| now);
                }
            }
            Op::Ask => self.check().await,
        }
    }

    /// Compares the answer with a plain count.
    async fn check(&self) {
        let sent: Vec<(&Letter, Timestamp, Timestamp)> =
            self.letters.iter().filter_map(|l| l.sent.map(|(from, to)| (l, from, to))).collect();
        let opens = |l: &&Letter| RECIPIENTS[l.to].is_none_or(|to| to == self.user.email);
        let received: Vec<Timestamp> =
            self.letters.iter().filter(opens).filter_map(|l| l.delivered).collect();
        let (mut years, mut people) = (BTreeMap::<i16, i64>::new(), HashMap::<&str, i64>::new());
        let (mut words, mut seconds) = (BTreeMap::<String, i64>::new(), 0);
        for (l, from, to) in &sent {
            *years.entry(to.year()).or_default() += 1;
            seconds += to.seconds() - from.seconds();
            match RECIPIENTS[l.to] {
                None | Some("zhangsan@example.com") => *people.entry("张三").or_default() += 1,
                Some("friend@example.com") => *people.entry("friend").or_default() += 1,
                Some("stranger@example.com") => *people.entry("s***@example.com").or_default() += 1,
                _ => {}
            }
            for word in if l.encrypted { Vec::new() } else { nlp::content_words(TEXTS[l.text]) } {
                *words.entry(word).or_default() += 1;
            }
        }
        let most = people.values().max().copied().unwrap_or_default();
        let ranked = ["friend", "s***@example.com", "张三"];
        let favourite = ranked.iter().find(|name| most > 0 && people.get(*name) == Some(&most));
        let busiest = years.values().max().copied().unwrap_or_default();
        let year = years.iter().find(|(_, n)| **n == busiest).map(|(year, _)| *year);

        let answer = self.app.get("/statistics?months=120", &self.user).await;
        let found = answer.data();
        assert_eq!(found["totalSent"], sent.len());
        assert_eq!(found["totalReceived"], received.len());
        assert_eq!(found["timeTravelDuration"], seconds / 86_400);
        assert_eq!(found["mostFrequentRecipient"], json!(favourite));
        assert_eq!(found["mostCommonYear"], json!(year));
        let cloud: BTreeMap<String, i64> = found["keywordCloud"]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| (w["word"].as_str().unwrap().to_owned(), w["count"].as_i64().unwrap()))
            .collect();
        assert_eq!(cloud, words);
        for month in found["monthlyStats"].as_array().unwrap() {
            let name = month["month"].as_str().unwrap();
            let count = sent.iter().filter(|(_, from, _)| from.month() == name).count();
            assert_eq!(month["sent"], count, "{name}");
            let count = received.iter().filter(|at| at.month() == name).count();
            assert_eq!(month["received"], count, "{name}");
        }
    }
}

testkit::both! {
    &[];

    /// Six hundred steps; the seed is printed.
    async fn the_same_as_a_plain_count(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        app.user("friend").await;
        let seed = kernel::id::random::<32>().unwrap();
        println!("seed {seed:?}");
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut history = History { app, user, letters: Vec::new() };
        let ops = prop::collection::vec(op(), 600).new_tree(&mut runner).unwrap().current();
        for op in ops {
            history.step(op).await;
        }
        history.check().await;
    }
}
