//! [`Home`]: an installation of its own; [`Server`]: a process that serves it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use testkit::{TestDb, tempfile::TempDir};
use tokio::sync::oneshot;

/// A data folder, a database and settings; nobody else's settings reach it. A clone is the same installation.
#[derive(Clone)]
pub struct Home {
    dir: Arc<TempDir>,
    settings: Vec<(&'static str, String)>,
}

impl Home {
    /// On SQLite, impatient: letters are due within seconds.
    pub fn sqlite() -> Self {
        let home = Self { dir: Arc::new(testkit::tempfile::tempdir().unwrap()), settings: Vec::new() };
        let data = home.data();
        home.set("DATA_DIR", data.to_str().unwrap())
            .set("SERVER__LISTEN", "127.0.0.1:0")
            .set("SERVER__PUBLIC_URL", "http://hongyan.test")
            .set("LETTERS__MIN_LEAD", "100ms")
            .set("LETTERS__DELIVERING_LEAD", "50ms")
            .set("LIMITS__ENABLED", "false")
            .set("MAIL__RETRY_FIRST", "200ms")
            .set("LOG__FORMAT", "json")
    }

    /// On a schema of its own; `None` where there is no PostgreSQL.
    pub async fn postgres() -> Option<Self> {
        let db = TestDb::postgres(&[]).await?;
        Some(Self::sqlite().set("DATABASE__URL", &db.url))
    }

    /// With this setting, named without `HONGYAN_`.
    pub fn set(mut self, key: &'static str, value: &str) -> Self {
        self.settings.retain(|(k, _)| *k != key);
        self.settings.push((key, value.to_owned()));
        self
    }

    /// The value of a setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(k, _)| *k == key).map(|(_, value)| value.as_str())
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The mails that lie in the outbox.
    pub fn outbox(&self) -> Vec<PathBuf> {
        let Ok(dir) = std::fs::read_dir(self.data().join("outbox")) else { return Vec::new() };
        let files = dir.map(|entry| entry.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|e| e == "eml")).collect()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hongyan"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HONGYAN_") {
                command.env_remove(name);
            }
        }
        command.envs(self.settings.iter().map(|(key, value)| (format!("HONGYAN_{key}"), value)));
        command
    }

    /// Runs a command to its end, with this on its standard input.
    pub fn run(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its input may have closed it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let pid = child.id().to_string();
        let (done, ended) = mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            // One that should have failed and serves instead would be waited for in vain.
            if ended.recv_timeout(Duration::from_secs(30)) == Err(mpsc::RecvTimeoutError::Timeout) {
                drop(Command::new("kill").args(["-KILL", &pid]).status());
            }
        });
        let out = child.wait_with_output().unwrap();
        drop(done);
        watchdog.join().unwrap();
        out
    }

    /// Runs a command that must succeed; what it printed.
    #[track_caller]
    pub fn done(&self, args: &[&str], input: &str) -> String {
        let out = self.run(args, input);
        assert!(out.status.success(), "{args:?}: {}", said(&out));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Starts a server and waits until it listens.
    pub async fn serve(&self) -> Server {
        let mut child = self.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = oneshot::channel();
        let (stderr, copy) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            let mut found = Some(found);
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = listening(&line)
                    && let Some(found) = found.take()
                {
                    let _ = found.send(address);
                }
                let mut log = copy.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address = tokio::time::timeout(Duration::from_secs(30), address).await;
        let mut server = Server {
            child,
            address: ([0; 4], 0).into(),
            log,
            _dir: Arc::clone(&self.dir),
            reader: Some(reader),
        };
        match address {
            Ok(Ok(address)) => server.address = address,
            _ => panic!("the server does not listen:\n{}", server.log()),
        }
        server
    }
}

/// Both outputs of a command.
pub fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

fn listening(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    (fields["message"] == "listening").then(|| fields["address"].as_str()?.parse().ok())?
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
    /// Stays as long as the process does.
    _dir: Arc<TempDir>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// `SIGKILL`: as if the machine were gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// `SIGTERM`, and how it ended.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = crate::eventually(Duration::from_secs(20), "the server ends", async || {
            self.child.try_wait().unwrap()
        })
        .await;
        self.end();
        (status, self.log())
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(15);
            let tail: Vec<&str> = log.lines().skip(from).collect();
            eprintln!("the end of the server's log:\n{}", tail.join("\n"));
        }
    }
}
