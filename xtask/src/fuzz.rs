//! The schema fuzzer: Schemathesis, from PyPI, against a server of its own, by the server's OpenAPI document.
//!
//! Promise: fails on any 5xx and on any answer that the document does not allow. The requests are the same in
//! every run, so that a failure is the code's, not the day's.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cargo::cargo;

const VERSION: &str = "4.32.5";
/// For each operation.
const EXAMPLES: &str = "40";
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// A log-out would end the run's token; an event stream does not end; callbacks answer 503 without an account and 500 to
/// a check that fails, as the contract has it, and have fuzz targets of their own (`fuzz/`).
const LEFT_OUT: [&str; 4] =
    ["/api/v1/auth/logout", "/api/v1/events", "/wecom/callback", "/channel/{channelType}/callback"];

/// Builds the server and the fuzzer, and lets one loose on the other.
pub fn run(root: &Path) -> Result<()> {
    let mut build = cargo(root);
    if !build.args(["build", "--package", "app", "--bin", "hongyan"]).status()?.success() {
        bail!("the server does not build");
    }
    let fuzzer = install(root)?;
    let server = Server::start(root)?;
    let who = json!({"username": "fuzz", "email": "fuzz@example.com", "password": "password123"});
    let user = server.post("/api/v1/auth/register", None, &who)?;
    let token = text(&user, "token")?;
    let draft = json!({"title": "t", "content": "c", "recipientType": "SELF", "status": "DRAFT"});
    let mail = server.post("/api/v1/mails", Some(&token), &draft)?;
    let base = server.post("/api/kb/bases", Some(&token), &json!({"name": "fuzz"}))?;
    // Ids that exist, so that more than 404s are seen.
    let config = server.dir.join("schemathesis.toml");
    let known = [
        ("mailId", text(&mail, "mailId")?),
        ("capsuleId", text(&mail, "capsuleId")?),
        ("kbId", text(&base, "kbId")?),
    ];
    let known: String = known.iter().map(|(name, id)| format!("{name} = \"{id}\"\n")).collect();
    fs::write(&config, format!("[parameters]\n{known}"))?;
    let mut command = Command::new(fuzzer);
    command.arg("--config-file").arg(&config).arg("run");
    command.arg(format!("http://{}/openapi.json", server.address));
    command.args(["-H", &format!("Authorization: Bearer {token}"), "--checks", CHECKS]);
    command.args(["-n", EXAMPLES, "--generation-deterministic", "--workers", "1"]);
    command.args(["--phases", "examples,coverage,fuzzing"]);
    command.args(LEFT_OUT.iter().flat_map(|path| ["--exclude-path", path]));
    let status = command.current_dir(&server.dir).status().context("schemathesis")?;
    if !status.success() {
        bail!("the fuzzer found an answer that the document does not allow, or a 5xx");
    }
    Ok(())
}

fn text(data: &Value, field: &str) -> Result<String> {
    Ok(data.get(field).and_then(Value::as_str).with_context(|| format!("no {field}"))?.to_owned())
}

/// Schemathesis in a folder below `target`, installed if it is not there.
fn install(root: &Path) -> Result<PathBuf> {
    let venv = root.join("target").join(format!("schemathesis-{VERSION}"));
    let program = venv.join("bin/schemathesis");
    if program.exists() {
        return Ok(program);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status().context("python3")?;
    if !made.success() {
        bail!("python3 cannot make a virtual environment: on Debian, install python3-venv");
    }
    let package = format!("schemathesis=={VERSION}");
    let pip = venv.join("bin/pip");
    let status = Command::new(pip).args(["install", "--quiet", &package]).status().context("pip")?;
    if !status.success() {
        fs::remove_dir_all(&venv)?;
        bail!("pip cannot install {package}");
    }
    Ok(program)
}

/// A server on a scratch folder; it ends with this value.
struct Server {
    child: Child,
    address: String,
    dir: PathBuf,
}

impl Server {
    fn start(root: &Path) -> Result<Self> {
        // Free at this moment; nobody else on this machine asks for it in the next one.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let dir = std::env::temp_dir().join(format!("hongyan-fuzz-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        let child = Command::new(root.join("target/debug/hongyan"))
            .arg("serve")
            .current_dir(&dir)
            .env("HONGYAN_DATA_DIR", dir.join("data"))
            .env("HONGYAN_SERVER__LISTEN", &address)
            .env("HONGYAN_LIMITS__ENABLED", "false")
            .stderr(Stdio::null())
            .spawn()
            .context("the server does not start")?;
        let server = Self { child, address, dir };
        let start = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            if start.elapsed() > Duration::from_secs(30) {
                bail!("the server does not listen");
            }
            #[expect(clippy::disallowed_methods, reason = "a command-line tool that waits for a process")]
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// `data` of the answer to a POST.
    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
        let mut stream = TcpStream::connect(&self.address)?;
        let body = body.to_string();
        let auth = token.map_or_else(String::new, |t| format!("Authorization: Bearer {t}\r\n"));
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{auth}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let mut answer: Value = serde_json::from_str(body).context("no JSON")?;
        answer.get_mut("data").map(Value::take).context("no data")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its end is the run's end; what cannot be cleaned up lies in the temporary folder.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
