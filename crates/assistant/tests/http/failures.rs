//! A provider that fails, in every way that providers do: there is an answer all the same, in time, and it says
//! who gave it.

use std::time::{Duration, Instant};

use assistant::Protocol;
use serde_json::{Value, json};
use testkit::{aimock::in_real_time, app::TestApp};

use crate::provider::{Act, Stub, another, config, provider, records, server};

const GOOD: &str =
    r#"{"sentiment":"POSITIVE","confidence":90,"emotions":[],"keywords":["高兴"],"summary":"很高兴。"}"#;
const TEXT: &str = "收到你的信我真高兴！";

/// Asks a server whose provider acts so; the answer and how often the provider was called.
async fn asked(
    t: testkit::TestDb,
    script: impl Fn(usize) -> Act + Send + Sync + 'static,
) -> (Value, usize, TestApp) {
    let stub = Stub::start(move |n, _| script(n)).await;
    let app = server(t, provider(&stub.url)).await;
    let began = Instant::now();
    let answered = in_real_time(&app.clock, app.system.assistant.analyse("user_1", TEXT)).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    (serde_json::to_value(answered).unwrap(), stub.count(), app)
}

fn say(text: &str) -> Act {
    Act::Say(text.to_owned())
}

#[track_caller]
fn is_degraded(answer: &Value) {
    assert_eq!((&answer["engine"], &answer["degraded"]), (&json!("embedded"), &json!(true)), "{answer}");
    assert_eq!(answer["sentiment"], "POSITIVE");
}

#[track_caller]
fn is_by_model(answer: &Value) {
    assert_eq!((&answer["engine"], &answer["degraded"]), (&json!("openai:m-1"), &Value::Null), "{answer}");
    assert_eq!(answer["confidence"], 0.9);
}

testkit::both! {
    &[];

    async fn too_many_requests_then_good(t) {
        let began = Instant::now();
        let (answer, calls, _app) = asked(t, |n| if n == 0 { Act::Fail(429, Some("1")) } else { say(GOOD) }).await;
        is_by_model(&answer);
        assert_eq!(calls, 2);
        assert!(began.elapsed() >= Duration::from_secs(1), "Retry-After was kept");
    }

    async fn too_many_requests_for_ever(t) {
        let (answer, calls, app) = asked(t, |_| Act::Fail(429, Some("0"))).await;
        is_degraded(&answer);
        assert_eq!(calls, 2, "one retry and no more");
        let records = records(&app).await;
        assert_eq!(records[0].reason.as_deref(), Some("status 429"));
        assert_eq!((records[0].outcome.as_str(), records[0].tokens), ("degraded", 0));
    }

    async fn a_long_wait_is_not_waited_for(t) {
        let (answer, calls, _app) = asked(t, |_| Act::Fail(429, Some("6"))).await;
        is_degraded(&answer);
        assert_eq!(calls, 1);
    }

    async fn server_errors(t) {
        let (answer, calls, _app) = asked(t, |_| Act::Fail(500, None)).await;
        is_degraded(&answer);
        assert_eq!(calls, 2);
    }

    async fn a_wrong_key_is_not_tried_again(t) {
        let (answer, calls, _app) = asked(t, |_| Act::Fail(401, None)).await;
        is_degraded(&answer);
        assert_eq!(calls, 1);
    }

    async fn an_answer_that_is_no_json(t) {
        let (answer, calls, _app) = asked(t, |_| Act::Broken).await;
        is_degraded(&answer);
        assert_eq!(calls, 2);
    }

    async fn an_unknown_name_is_repaired_once(t) {
        const BAD: &str = "Sure! Here it is:\n```json\n{\"sentiment\":\"VERY_GOOD\"}\n```";
        let (answer, calls, app) = asked(t, |n| say(if n == 0 { BAD } else { GOOD })).await;
        is_by_model(&answer);
        assert_eq!((calls, records(&app).await[0].outcome.as_str()), (2, "repaired"));
    }

    async fn what_cannot_be_repaired(t) {
        let (answer, calls, app) = asked(t, |_| say("I feel great about this!")).await;
        is_degraded(&answer);
        let record = &records(&app).await[0];
        assert_eq!((calls, record.reason.as_deref(), record.tokens), (2, Some("unreadable answer"), 330));
    }

    async fn thoughts_and_fences_are_passed_over(t) {
        let wrapped = format!("<think>{{\"sentiment\":\"NEGATIVE\"}}?</think>\n```json\n{GOOD}\n```\nDone.");
        let (answer, calls, _app) = asked(t, move |_| say(&wrapped)).await;
        is_by_model(&answer);
        assert_eq!(calls, 1);
    }

    async fn a_server_without_schemas_gets_none(t) {
        let stub = Stub::start(|_, seen| match seen.body.get("response_format") {
            Some(_) => Act::Fail(400, None),
            None => say(GOOD),
        })
        .await;
        let app = server(t, provider(&stub.url)).await;
        let ask = async |text: &str| app.system.assistant.analyse("user_1", text).await;
        assert_eq!(ask(TEXT).await.engine, "openai:m-1");
        assert_eq!(stub.count(), 2);
        assert_eq!(ask("我很高兴。").await.engine, "openai:m-1");
        assert_eq!(stub.count(), 3, "it is not tried again");
    }

    /// Each protocol's own error is one that falls back.
    async fn nobody_is_there(t) {
        let app = TestApp::new(t).await;
        for protocol in [Protocol::OpenAi, Protocol::Anthropic, Protocol::Gemini] {
            let mut nobody = provider("http://127.0.0.1:9/v1/");
            nobody.protocol = protocol;
            let answered = in_real_time(&app.clock, another(&app, config(nobody)).analyse("user_1", TEXT)).await;
            assert!(answered.degraded, "{protocol:?}");
        }
        assert!(records(&app).await.iter().all(|r| r.reason.as_deref() == Some("no connection")));
    }

    async fn a_hang_ends_in_time(t) {
        let stub = Stub::start(|_, _| Act::Hang).await;
        let mut provider = provider(&stub.url);
        provider.timeout = Duration::from_millis(700);
        let app = server(t, provider).await;
        let user = app.user("li").await;
        nlp::warm();
        let began = Instant::now();
        let answer = app.post("/ai/sentiment-analysis", &user, json!({"content": TEXT})).await;
        is_degraded(answer.data());
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(700) && took < Duration::from_millis(2500), "{took:?}");
        assert_eq!(records(&app).await[0].reason.as_deref(), Some("no answer in time"));
    }

    async fn the_breaker_opens_and_closes(t) {
        let stub = Stub::start(|n, _| if n < 6 { Act::Fail(401, None) } else { say(GOOD) }).await;
        let app = server(t, provider(&stub.url)).await;
        let ask = async || app.system.assistant.analyse("user_1", TEXT).await.degraded;
        for calls in 1..=5 {
            assert!(ask().await);
            assert_eq!(stub.count(), calls);
        }
        for _ in 0..3 {
            assert!(ask().await);
        }
        assert_eq!(stub.count(), 5, "nobody is called while it is open");
        app.clock.advance(Duration::from_secs(61));
        assert!(ask().await, "one tries, in vain");
        assert!(ask().await);
        assert_eq!(stub.count(), 6);
        app.clock.advance(Duration::from_secs(61));
        assert!(!ask().await, "and now it is well");
        assert_eq!(records(&app).await.last().unwrap().outcome, "answered");
    }
}
