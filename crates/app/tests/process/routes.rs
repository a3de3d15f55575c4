//! The routes beside the API: health, figures, documentation, the pages that mails link to.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    client::Client,
    now,
    server::Home,
    sink::{Sink, Verdict},
    soon,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_tell_what_happened() {
    let sink = Sink::start(|to, _| match to {
        "nobody@example.net" => Verdict::Refuse("550 5.1.1 User unknown"),
        _ => Verdict::Accept,
    });
    let home = Home::sqlite().set("MAIL__TRANSPORT", "smtp").set("MAIL__SMTP_URL", &sink.url());
    let server = home.set("ACCOUNTS__VERIFY_EMAIL", "never").serve().await;
    let client = Client::new(server.address);
    let author = client.register("author").await;
    let at = soon();
    client.send(&author, "To myself", None, at).await;
    let friend = client.send(&author, "To a friend", Some("friend@example.net"), at).await;
    let nobody = client.send(&author, "To nobody", Some("nobody@example.net"), at).await;
    client.send(&author, "Later", None, now() + Duration::from_secs(3600)).await;
    client.settled(&author, &friend, "email", "done").await;
    client.settled(&author, &nobody, "email", "dead").await;
    client.settled(&author, &nobody, "notice", "done").await;
    client.settled(&author, &nobody, "inbox", "done").await;

    let answer = client.get("/metrics").await;
    assert!(answer.headers["content-type"].starts_with("text/plain"));
    let text = answer.text();
    let figures: BTreeMap<&str, f64> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();
    let figure = |name: &str| *figures.get(name).unwrap_or_else(|| panic!("no {name} in\n{text}"));
    let of = |name: &str, kind: &str| figure(&format!("hongyan_dispatch_{name}{{kind=\"letter.{kind}\"}}"));
    for (kind, attempts) in [("inbox", 3.0), ("email", 2.0), ("notice", 1.0)] {
        assert_eq!(of("lateness_seconds_count", kind), attempts);
        let within = |seconds: &str| {
            let labels = format!("kind=\"letter.{kind}\",le=\"{seconds}\"");
            figure(&format!("hongyan_dispatch_lateness_seconds_bucket{{{labels}}}"))
        };
        assert_eq!(within("5"), attempts, "nothing is seconds late");
        assert!(within("0.001") <= within("0.1"), "{text}");
        let sum = of("lateness_seconds_sum", kind);
        assert!((0.0..5.0 * attempts).contains(&sum), "{sum}");
        assert_eq!(of("depth", kind), 0.0, "nothing is due");
        assert_eq!(of("oldest_due_seconds", kind), 0.0);
        assert_eq!(of("in_hand", kind), 0.0);
    }
    assert_eq!((of("dead", "email"), of("dead", "inbox")), (1.0, 0.0));
    let attempts = |kind: &str, outcome: &str| {
        figure(&format!("hongyan_dispatch_attempts_total{{kind=\"letter.{kind}\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!(attempts("inbox", "done"), 3.0);
    assert_eq!((attempts("email", "done"), attempts("email", "dead")), (1.0, 1.0));
    let requests = "hongyan_http_request_seconds_count";
    let created = "{method=\"POST\",route=\"/api/v1/mails\",status=\"200\"}";
    assert_eq!(figure(&format!("{requests}{created}")), 4.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_what_is_not_there() {
    let server = Home::sqlite().serve().await;
    let client = Client::new(server.address);
    for path in ["/health/live", "/health/ready"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.json()["status"].is_string());
    }
    let answer = client.get("/nowhere").await;
    assert_eq!((answer.status, answer.json()["code"].as_u64()), (404, Some(404)));
    let answer = client.call("DELETE", "/api/v1/auth/login", None, None).await.unwrap();
    assert_eq!((answer.status, answer.json()["code"].as_u64()), (405, Some(405)));
    assert_eq!(answer.headers["allow"], "POST");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documentation_and_pages_come_from_here_alone() {
    let home = Home::sqlite();
    let server = home.serve().await;
    let client = Client::new(server.address);
    let served = client.get("/openapi.json").await;
    let printed: serde_json::Value = serde_json::from_str(&home.done(&["openapi"], "")).unwrap();
    assert!(served.json() == printed, "the document is the same wherever it is asked for");
    assert_eq!(client.get("/docs").await.headers["location"], "/docs/");
    assert!(client.get("/docs/swagger-initializer.js").await.text().contains("/openapi.json"));
    for (page, least) in
        [("/docs/", 4), ("/", 1), ("/verify-email", 2), ("/reset-password", 2), ("/letters/mail_x", 2)]
    {
        let answer = client.get(page).await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.headers["content-type"].starts_with("text/html"), "{page}");
        let html = answer.text();
        let assets = assets(&html);
        assert!(assets.len() >= least, "{page}: {assets:?}");
        for asset in assets {
            assert!(!asset.contains("//"), "{page} loads {asset} from elsewhere");
            let path = match asset.strip_prefix('/') {
                Some(_) => asset.to_owned(),
                None => format!("{page}{}", asset.trim_start_matches("./")),
            };
            let answer = client.get(&path).await;
            assert!(answer.status == 200 && !answer.bytes.is_empty(), "{page}: {path} is {}", answer.status);
        }
        if page != "/docs/" {
            let policy = &answer.headers["content-security-policy"];
            assert!(policy.contains("default-src 'none'"), "{page}: {policy}");
            assert!(!html.contains("<script>") && !html.contains("style="), "{page} obeys its own policy");
        }
    }
}

/// Whatever a page's `src` and `href` name.
fn assets(html: &str) -> Vec<&str> {
    let named =
        |attribute: &'static str| html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
    let all = named(" src=\"").chain(named(" href=\""));
    all.filter(|asset| !asset.starts_with("data:") && !asset.starts_with('#')).collect()
}
