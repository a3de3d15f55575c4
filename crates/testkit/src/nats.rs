//! A NATS server of a test's own, to be killed and started again under its clients' feet.
//!
//! `HONGYAN_TEST_NATS_SERVER` names the program (`cargo xtask test` sets it). Without it such a test says that it was skipped.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// Killed when dropped.
pub struct Nats {
    program: PathBuf,
    dir: tempfile::TempDir,
    settings: String,
    port: u16,
    child: Option<Child>,
}

impl Nats {
    /// On a free port of the loopback, with these lines in its configuration; `None` where the program is not known.
    pub fn start(settings: &str) -> Option<Self> {
        let mut nats = Self::prepare(settings)?;
        nats.up();
        Some(nats)
    }

    /// [`Nats::start`], but not started yet; its port is one that was free.
    pub fn prepare(settings: &str) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "where the test runner puts it")]
        let Ok(program) = std::env::var("HONGYAN_TEST_NATS_SERVER") else {
            eprintln!("skipped: HONGYAN_TEST_NATS_SERVER is not set");
            return None;
        };
        let port = crate::port();
        let dir = tempfile::tempdir().expect("a temporary folder");
        Some(Self { program: program.into(), dir, settings: settings.to_owned(), port, child: None })
    }

    /// Where it is: `nats://127.0.0.1:…`.
    pub fn url(&self) -> String {
        self.url_as("")
    }

    /// [`Nats::url`] with `user:password@` or `token@`.
    pub fn url_as(&self, credentials: &str) -> String {
        format!("nats://{credentials}127.0.0.1:{}", self.port)
    }

    /// `localhost:…`, a name that certificates can have.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Starts it, on the same port each time.
    pub fn up(&mut self) {
        let file = self.dir.path().join("nats.conf");
        std::fs::write(&file, format!("listen: \"127.0.0.1:{}\"\n{}\n", self.port, self.settings)).unwrap();
        let mut child = Command::new(&self.program)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nats-server starts");
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let ready = log.by_ref().map_while(Result::ok).any(|line| {
            said.push_str(&line);
            said.push('\n');
            line.contains("Server is ready")
        });
        self.child = Some(child);
        assert!(ready, "nats-server does not start:\n{said}");
        // Nobody needs the rest, but a full pipe would stop it.
        std::thread::spawn(move || log.for_each(drop));
    }

    /// Without a good-bye to anybody.
    pub fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.down();
    }
}
