//! [`Aimock`]: a language model's API that others wrote, npm's `@copilotkit/aimock`, as `cargo xtask test` installs it.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kernel::{Clock, Sim};
use serde_json::{Value, json};

/// It ends with the test.
pub struct Aimock {
    process: Child,
    /// `http://127.0.0.1:…`
    pub url: String,
    _fixtures: tempfile::TempDir,
}

impl Drop for Aimock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Aimock {
    /// Answers by these fixtures, the first that matches; `None` where `HONGYAN_TEST_PEERS` does not say where it is.
    pub async fn start(fixtures: Value) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
        let Ok(peers) = std::env::var("HONGYAN_TEST_PEERS") else {
            println!("skipped: HONGYAN_TEST_PEERS is not set");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut file = std::fs::File::create(folder.path().join("fixtures.json")).expect("a file");
        let fixtures = json!({"fixtures": fixtures});
        file.write_all(fixtures.to_string().as_bytes()).expect("the fixtures are written");
        let port = crate::port();
        let process = Command::new("node")
            .arg(format!("{peers}/@copilotkit/aimock/dist/cli.js"))
            .args(["-p", &port.to_string(), "-f"])
            .arg(folder.path())
            .args(["--log-level", "warn"])
            .stdout(Stdio::null())
            .spawn()
            .expect("node starts");
        let mock = Self { process, url: format!("http://127.0.0.1:{port}"), _fixtures: folder };
        let began = Instant::now();
        while mock.get("/v1/models").await.is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "aimock does not start");
            Clock::system().sleep(Duration::from_millis(50)).await;
        }
        Some(mock)
    }

    fn client() -> reqwest::Client {
        reqwest::Client::builder().no_proxy().build().expect("a client")
    }

    async fn get(&self, path: &str) -> Option<Value> {
        Self::client().get(format!("{}{path}", self.url)).send().await.ok()?.json().await.ok()
    }

    /// How badly it behaves from now on: `latencyMs`, and from 0 to 1 `dropRate` (500), `rateLimitRate` (429),
    /// `malformedRate` (200 and no JSON), `disconnectRate` (cut). An empty object: not at all.
    pub async fn chaos(&self, chaos: Value) {
        let request = Self::client().post(format!("{}/__aimock/chaos", self.url)).json(&chaos);
        let response = request.send().await.expect("aimock answers");
        assert!(response.status().is_success(), "{}", response.text().await.unwrap_or_default());
    }

    /// All requests that came, as text.
    pub async fn journal(&self) -> String {
        self.get("/__aimock/journal").await.expect("a journal").to_string()
    }
}

/// Does something while the tests' clock keeps pace with the real one: what waits for a provider.
pub async fn in_real_time<T>(clock: &Sim, work: impl Future<Output = T>) -> T {
    let step = Duration::from_millis(5);
    let ticking = async {
        loop {
            Clock::system().sleep(step).await;
            clock.advance(step);
        }
    };
    tokio::select! {
        done = work => done,
        () = ticking => unreachable!("the clock ticks for ever"),
    }
}
