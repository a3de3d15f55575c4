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
/// A log-out would end the run's token; an event stream does not end.
const LEFT_OUT: [&str; 2] = ["/api/v1/auth/logout", "/api/v1/events"];
/// Every channel has an account, so that callbacks are refused for what they are and not for want of one.
const ACCOUNTS: [(&str, &str); 13] = [
    ("WECOM__CORP_ID", "wx5823bf96d3bd56c7"),
    ("WECOM__TOKEN", "QDG6eK"),
    ("WECOM__ENCODING_AES_KEY", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"),
    ("WECOM__SECRET", "fuzz-wecom-secret"),
    // Nobody is asked for messages.
    ("WECOM__API_BASE", "http://127.0.0.1:9"),
    ("DOUYIN__CLIENT_KEY", "fuzz"),
    ("DOUYIN__CLIENT_SECRET", "fuzz-douyin-secret"),
    ("DOUDIAN__APP_KEY", "fuzz"),
    ("DOUDIAN__APP_SECRET", "fuzz-doudian-secret"),
    ("JD__APP_KEY", "fuzz"),
    ("JD__APP_SECRET", "0123456789abcdef0123456789abcdef"),
    ("JD__TOKEN", "fuzz"),
    ("BRIDGE__SECRET", "0123456789abcdef0123456789abcdef"),
];
/// Google's pushes are refused for what they are, too; and nobody is called who is not here.
const GOOGLE: [(&str, &str); 7] = [
    ("PUSH_AUDIENCE", "http://127.0.0.1:9/api/gmail/webhook/"),
    ("PUSH_SERVICE_ACCOUNT", "pusher@fuzz.iam.gserviceaccount.com"),
    ("AUTH_URI", "http://127.0.0.1:9/o/oauth2/v2/auth"),
    ("TOKEN_URI", "http://127.0.0.1:9/token"),
    ("REVOKE_URI", "http://127.0.0.1:9/revoke"),
    ("API_BASE", "http://127.0.0.1:9"),
    ("JWKS_URI", "http://127.0.0.1:9/oauth2/v3/certs"),
];
/// Signs callbacks.
const SIGN: &str = include_str!("fuzz/sign.py");
/// The contract wants 500 of a check of WeCom's URL that fails: there it is an answer like any other.
const EXPECTED: &str = r#"
[[operations]]
include-name = "GET /wecom/callback"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", 500]
"#;
const EMAIL: &str = "fuzz@example.com";

/// Builds the server and the fuzzer, and lets one loose on the other.
pub fn run(root: &Path) -> Result<()> {
    let mut build = cargo(root);
    if !build.args(["build", "--package", "app", "--bin", "hongyan"]).status()?.success() {
        bail!("the server does not build");
    }
    let programs = install(root)?;
    let server = Server::start(root)?;
    let sign = server.dir.join("sign.py");
    fs::write(&sign, SIGN)?;
    let who = json!({"username": "fuzz", "email": EMAIL, "password": "password123"});
    let user = server.call("POST", "/api/v1/auth/register", None, &who)?;
    let token = text(&user, "token")?;
    // Who may do everything.
    status(server.command(root).args(["user", "role", EMAIL, "operator"]))?;
    status(Command::new(programs.join("python")).arg(&sign).arg(&server.address))?;
    let config = server.dir.join("schemathesis.toml");
    fs::write(&config, configuration(&server, &token, &text(&user, "userId")?)?)?;
    let mut command = Command::new(programs.join("schemathesis"));
    command.arg("--config-file").arg(&config).arg("run");
    command.arg(format!("http://{}/openapi.json", server.address));
    command.args(["-H", &format!("Authorization: Bearer {token}"), "--checks", CHECKS]);
    command.args(["-n", EXAMPLES, "--generation-deterministic", "--workers", "1"]);
    command.args(["--phases", "examples,coverage,fuzzing"]);
    command.args(LEFT_OUT.iter().flat_map(|path| ["--exclude-path", path]));
    let found = command.current_dir(&server.dir).status().context("schemathesis")?;
    if !found.success() {
        bail!("the fuzzer found an answer that the document does not allow, or a 5xx");
    }
    Ok(())
}

/// The fuzzer's settings: ids that exist, so that more than 404s are seen, and sessions in several states.
fn configuration(server: &Server, token: &str, user: &str) -> Result<String> {
    let post = |path: &str, body: &Value| server.call("POST", path, Some(token), body);
    let draft = json!({"title": "t", "content": "c", "recipientType": "SELF", "status": "DRAFT"});
    let mail = post("/api/v1/mails", &draft)?;
    let base = post("/api/kb/bases", &json!({"name": "fuzz"}))?;
    let canned = post("/api/desk/canned", &json!({"shortcut": "hi", "content": "c", "shared": true}))?;
    let fields = json!({"secret": "fedcba9876543210fedcba9876543210"});
    let account = json!({"kind": "bridge", "channelType": "jd", "name": "b", "fields": fields});
    let account = post("/api/desk/accounts", &account)?;
    let sessions = server.call("GET", "/api/sessions", Some(token), &Value::Null)?;
    let sessions = sessions.as_array().context("no sessions")?;
    let sessions: Vec<String> = sessions.iter().map(|s| text(s, "sessionId")).collect::<Result<_>>()?;
    let [to_close, taken, others @ ..] = sessions.as_slice() else { bail!("no sessions") };
    post(&format!("/api/sessions/{taken}/takeover"), &json!({}))?;
    let open: Vec<&String> = std::iter::once(taken).chain(others).collect();
    let known = [
        ("mailId", text(&mail, "mailId")?),
        ("capsuleId", text(&mail, "capsuleId")?),
        ("kbId", text(&base, "kbId")?),
        ("cannedId", text(&canned, "id")?),
        ("accountId", text(&account, "accountId")?),
        ("csId", user.to_owned()),
    ];
    let known: String = known.iter().map(|(name, id)| format!("{name} = {id:?}\n")).collect();
    Ok(format!(
        r#"hooks = "sign.py"
[dictionaries.open]
values = {open:?}
[parameters]
{known}sessionId = {{ dictionary = "open", probability = 0.95 }}
[[operations]]
include-name = "POST /api/sessions/{{sessionId}}/close"
parameters.sessionId = {to_close:?}
{EXPECTED}"#
    ))
}

fn status(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

fn text(data: &Value, field: &str) -> Result<String> {
    Ok(data.get(field).and_then(Value::as_str).with_context(|| format!("no {field}"))?.to_owned())
}

/// The programs of Schemathesis in a folder below `target`, installed if it is not there.
fn install(root: &Path) -> Result<PathBuf> {
    let venv = root.join("target").join(format!("schemathesis-{VERSION}"));
    let programs = venv.join("bin");
    if programs.join("schemathesis").exists() {
        return Ok(programs);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status().context("python3")?;
    if !made.success() {
        bail!("python3 cannot make a virtual environment: on Debian, install python3-venv");
    }
    let package = format!("schemathesis=={VERSION}");
    let status =
        Command::new(programs.join("pip")).args(["install", "--quiet", &package]).status().context("pip")?;
    if !status.success() {
        fs::remove_dir_all(&venv)?;
        bail!("pip cannot install {package}");
    }
    Ok(programs)
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
        let mut command = program(root, &address, &dir);
        let child =
            command.arg("serve").stderr(Stdio::null()).spawn().context("the server does not start")?;
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

    /// The program with the server's settings.
    fn command(&self, root: &Path) -> Command {
        program(root, &self.address, &self.dir)
    }

    /// `data` of an answer.
    fn call(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
        let mut stream = TcpStream::connect(&self.address)?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let auth = token.map_or_else(String::new, |t| format!("Authorization: Bearer {t}\r\n"));
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{auth}Content-Length: {}\r\n\r\n{body}",
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

fn program(root: &Path, address: &str, dir: &Path) -> Command {
    let mut command = Command::new(root.join("target/debug/hongyan"));
    command.current_dir(dir);
    command.env("HONGYAN_DATA_DIR", dir.join("data"));
    command.env("HONGYAN_SERVER__LISTEN", address);
    command.env("HONGYAN_LIMITS__ENABLED", "false");
    command.envs(GOOGLE.map(|(key, value)| (format!("HONGYAN_GMAIL__{key}"), value)));
    command.envs(ACCOUNTS.map(|(key, value)| (format!("HONGYAN_DESK__{key}"), value)));
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its end is the run's end; what cannot be cleaned up lies in the temporary folder.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
