//! What a provider may be used for at most, exactly, whoever asks at once.

use std::time::Duration;

use assistant::Caps;
use futures_util::future::join_all;
use testkit::app::TestApp;

use crate::provider::{FREE, Stub, config, provider, records};

const GOOD: &str = r#"{"sentiment":"POSITIVE","confidence":90,"emotions":[],"keywords":[],"summary":"x"}"#;

/// A server with these caps; a call reads 120 tokens and writes 45.
async fn capped(t: testkit::TestDb, caps: Caps) -> (Stub, TestApp) {
    let stub = Stub::saying(GOOD).await;
    let app = TestApp::with(t, |settings| {
        settings.assistant = config(provider(&stub.url));
        settings.assistant.caps = caps;
    })
    .await;
    (stub, app)
}

/// So many at once by each of these; how many the provider answered.
async fn at_once(app: &TestApp, owners: &[&str], each: usize, salt: &str) -> usize {
    let asks = owners.iter().flat_map(|owner| {
        (0..each).map(move |n| {
            let assistant = app.system.assistant.clone();
            async move { !assistant.analyse(owner, &format!("很高兴 {salt} {n}")).await.degraded }
        })
    });
    join_all(asks).await.into_iter().filter(|by_model| *by_model).count()
}

testkit::both! {
    &[];

    async fn requests_per_minute_of_each(t) {
        let (stub, app) = capped(t, Caps { requests_per_minute: 7, ..FREE }).await;
        assert_eq!(at_once(&app, &["user_1", "user_2"], 12, "a").await, 14);
        assert_eq!(stub.count(), 14, "over the cap nobody is called");
        assert_eq!(at_once(&app, &["user_1"], 3, "b").await, 0);
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(at_once(&app, &["user_1"], 3, "b").await, 3);
        let reasons = records(&app).await.into_iter().filter_map(|r| r.reason);
        assert!(reasons.into_iter().all(|reason| reason == "cap: requests per minute"));
    }

    async fn tokens_per_day_of_each(t) {
        // A call may use up to 1,500 written tokens and some 600 read ones, and uses 165.
        let (stub, app) = capped(t, Caps { tokens_per_day: 2600, ..FREE }).await;
        let mut answered = 0;
        for n in 0..12 {
            answered += at_once(&app, &["user_1"], 1, &n.to_string()).await;
        }
        assert!((3..=6).contains(&answered), "{answered}: what was not used was given back");
        assert_eq!(stub.count(), answered);
        assert_eq!(at_once(&app, &["user_2"], 1, "x").await, 1, "each has a day of their own");
        app.clock.advance(Duration::from_secs(86_400));
        assert_eq!(at_once(&app, &["user_1"], 1, "y").await, 1);
    }

    async fn spend_per_month_of_all(t) {
        // 1,000 billionths a token read, 2,000 a token written: a call costs 210,000 and may cost some 3,600,000.
        let caps = Caps { spend_per_month: 10_000_000, price_input: 1000, price_output: 2000, ..FREE };
        let (stub, app) = capped(t, caps).await;
        let owners: Vec<String> = (0..40).map(|n| format!("user_{n}")).collect();
        let owners: Vec<&str> = owners.iter().map(String::as_str).collect();
        let answered = at_once(&app, &owners, 1, "a").await;
        assert_eq!(stub.count(), answered);
        assert!(answered >= 2, "{answered}");
        let mut more = answered;
        for n in 0..40 {
            more += at_once(&app, &owners[..1], 1, &format!("b{n}")).await;
        }
        let spent = i64::try_from(more).unwrap() * 210_000;
        assert!(spent <= 10_000_000 && spent > 5_000_000, "{spent} of 10,000,000");
        app.clock.advance(Duration::from_secs(31 * 86_400));
        for owner in &owners[..3] {
            assert_eq!(at_once(&app, &[owner], 1, "c").await, 1);
        }
    }

    /// Records and kept answers go when they have had their time.
    async fn what_had_its_time_goes(t) {
        let (_stub, app) = capped(t, FREE).await;
        at_once(&app, &["user_1"], 3, "a").await;
        assert_eq!(records(&app).await.len(), 3);
        app.clock.advance(Duration::from_secs(86_400 * 31));
        at_once(&app, &["user_1"], 1, "b").await;
        assert_eq!(records(&app).await.len(), 1);
        let mut conn = app.system.db.read().await.unwrap();
        let (kept,): (i64,) =
            conn.one(db::sql!("SELECT COUNT(*) FROM assistant_cache"), db::args![]).await.unwrap();
        assert_eq!(kept, 1);
    }
}
