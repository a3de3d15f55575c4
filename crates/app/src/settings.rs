//! Settings: `hongyan.toml` and the environment, read once into a value.
//!
//! `server.listen` in the file is `HONGYAN_SERVER__LISTEN` in the environment, which wins. Every mistake is
//! reported at once, with the key's name; an unknown key is one. No error repeats a value, which may be secret.

mod assistant;
mod bounces;
mod desk;
mod events;
mod gmail;
mod gmail_replies;
pub mod push;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use kernel::time::{days, parse_duration};
use transports::{Mailbox, parse_address};

pub use bounces::Bounces;

/// All settings of one process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Database, files, keyring.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Where people reach this server, without a slash at the end; derived from `listen` if `None`.
    pub public_url: Option<String>,
    /// Whether this process answers requests; health and figures it answers in any case.
    pub api: bool,
    /// Whether this process delivers.
    pub worker: bool,
    /// Which database.
    pub database: Database,
    /// The NATS that carries events between processes; `None` where the database does.
    pub nats: Option<bus::nats::Url>,
    /// Where files are.
    pub storage: PathBuf,
    /// Whether requests are limited by rate.
    pub limits: bool,
    /// Whether addresses must be verified.
    pub verify_email: bool,
    /// How long before its time a letter must be scheduled.
    pub min_lead: Duration,
    /// How long before its time a letter becomes final.
    pub delivering_lead: Duration,
    /// How long before its time an author is reminded of a letter to others; zero for never.
    pub reminder_lead: Duration,
    /// How mail leaves.
    pub mail: Mail,
    /// How push messages leave.
    pub push: push::Push,
    /// The assistant.
    pub assistant: ::assistant::Config,
    /// The desk.
    pub desk: ::desk::Config,
    /// Outreach; the public address is not in it.
    pub gmail: ::gmail::Config,
    /// What is logged, as `tracing`'s filters have it.
    pub log_level: String,
    /// Whether logs are lines of JSON.
    pub log_json: bool,
}

/// Which database.
#[derive(Clone)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A server. The URL may hold a password.
    Postgres(String),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "Sqlite({})", file.display()),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// How mail leaves.
#[derive(Clone)]
pub struct Mail {
    /// `None`: into the outbox folder.
    pub smtp_url: Option<String>,
    /// The sender of all mail.
    pub from: Mailbox,
    /// The delay after the first failed attempt.
    pub retry_first: Duration,
    /// A file with certificates that the mail server may present, beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Signs if set.
    pub dkim: Option<Dkim>,
    /// Letters' mails come back to addresses of their own if set.
    pub bounces: Option<Bounces>,
}

/// A DKIM key.
#[derive(Debug, Clone)]
pub struct Dkim {
    /// PEM.
    pub key_file: PathBuf,
    /// The name below `_domainkey`.
    pub selector: String,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("smtp", &self.smtp_url.is_some()).finish_non_exhaustive()
    }
}

/// What is wrong, a line for each key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub Vec<String>);

impl std::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the settings are not valid:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for SettingsError {}

const PREFIX: &str = "HONGYAN_";

impl Settings {
    /// Reads the file, if there is one, and the environment.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut errors = Vec::new();
        let mut values = BTreeMap::new();
        if let Some(file) = file {
            match std::fs::read_to_string(file) {
                Ok(text) => match text.parse::<toml::Table>() {
                    Ok(table) => flatten("", &table, &mut values, &mut errors),
                    Err(e) => errors.push(format!("{}: {}", file.display(), e.message())),
                },
                Err(e) => errors.push(format!("{}: {e}", file.display())),
            }
        }
        for (name, value) in environment {
            // `HONGYAN_TEST_…` belongs to the tests.
            if let Some(key) = name.strip_prefix(PREFIX).filter(|k| !k.starts_with("TEST_") && *k != "CONFIG")
            {
                values.insert(key.to_ascii_lowercase().replace("__", "."), value);
            }
        }
        let mut reader = Reader { values, errors };
        let settings = reader.settings();
        reader.finish()?;
        Ok(settings)
    }
}

fn flatten(
    prefix: &str,
    table: &toml::Table,
    values: &mut BTreeMap<String, String>,
    errors: &mut Vec<String>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, values, errors),
            toml::Value::String(text) => drop(values.insert(key, text.clone())),
            toml::Value::Integer(n) => drop(values.insert(key, n.to_string())),
            toml::Value::Boolean(b) => drop(values.insert(key, b.to_string())),
            _ => errors.push(named(&key, "must be a text, a number or true/false")),
        }
    }
}

/// `server.listen (HONGYAN_SERVER__LISTEN): …`
fn named(key: &str, problem: &str) -> String {
    let variable = key.to_ascii_uppercase().replace('.', "__");
    format!("{key} ({PREFIX}{variable}): {problem}")
}

struct Reader {
    values: BTreeMap<String, String>,
    errors: Vec<String>,
}

impl Reader {
    fn text(&mut self, key: &str) -> Option<String> {
        self.values.remove(key).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    fn read<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.errors.push(named(key, &problem));
                None
            }
        }
    }

    fn duration(&mut self, key: &str, default: Duration) -> Duration {
        self.read(key, |text| parse_duration(text).map_err(str::to_owned)).unwrap_or(default)
    }

    fn settings(&mut self) -> Settings {
        let data_dir = PathBuf::from(self.text("data_dir").unwrap_or_else(|| "./data".to_owned()));
        let mail = self.mail();
        let (api, worker) = self.read("server.roles", roles).unwrap_or((true, true));
        let database = self
            .read("database.url", database)
            .unwrap_or_else(|| Database::Sqlite(data_dir.join("hongyan.db")));
        let listen = self.read("server.listen", addresses);
        let listen = listen.unwrap_or_else(|| vec![SocketAddr::from(([127, 0, 0, 1], 5003))]);
        Settings {
            public_url: self.read("server.public_url", public_url),
            api,
            worker,
            nats: self.nats(&database),
            database,
            storage: self.read("storage.url", storage).unwrap_or_else(|| data_dir.join("files")),
            limits: self.read("limits.enabled", boolean).unwrap_or(true),
            verify_email: self.verify_email(mail.smtp_url.is_some()),
            min_lead: self.duration("letters.min_lead", Duration::from_secs(3600)),
            delivering_lead: self.duration("letters.delivering_lead", Duration::from_secs(600)),
            reminder_lead: self.duration("letters.reminder_lead", days(1)),
            push: self.push(),
            assistant: self.assistant(),
            desk: self.desk(&listen),
            gmail: self.gmail(),
            listen,
            log_level: self.text("log.level").unwrap_or_else(|| "info".to_owned()),
            log_json: self
                .read("log.format", |text| match text {
                    "text" => Ok(false),
                    "json" => Ok(true),
                    _ => Err("must be text or json".to_owned()),
                })
                .unwrap_or(false),
            mail,
            data_dir,
        }
    }

    fn verify_email(&mut self, by_smtp: bool) -> bool {
        self.read("accounts.verify_email", |text| match text {
            "auto" => Ok(by_smtp),
            "always" => Ok(true),
            "never" => Ok(false),
            _ => Err("must be auto, always or never".to_owned()),
        })
        .unwrap_or(by_smtp)
    }

    fn mail(&mut self) -> Mail {
        let smtp = self.read("mail.transport", |text| match text {
            "file" => Ok(false),
            "smtp" => Ok(true),
            _ => Err("must be file or smtp".to_owned()),
        });
        let url = self.read("mail.smtp_url", |text| {
            text.parse::<transports::SmtpUrl>().map(|_| text.to_owned()).map_err(|e| e.to_string())
        });
        if smtp == Some(true) && url.is_none() && !self.errors.iter().any(|e| e.starts_with("mail.smtp_url"))
        {
            self.errors.push(named("mail.smtp_url", "is required when mail.transport is smtp"));
        }
        let default_from = || transports::parse_address("letters@localhost");
        let from = match self.read("mail.from", mailbox) {
            Some(from) => Ok(from),
            None => default_from().map(|address| Mailbox { name: Some("Hongyan".to_owned()), address }),
        };
        let key_file = self.text("mail.dkim_key").map(PathBuf::from);
        let selector = self.text("mail.dkim_selector").unwrap_or_else(|| "hongyan".to_owned());
        let dkim = key_file.map(|key_file| Dkim { key_file, selector });
        let bounces = self.bounces();
        #[expect(clippy::expect_used, reason = "the built-in default is an address, which a test shows")]
        Mail {
            smtp_url: url.filter(|_| smtp == Some(true)),
            from: from.expect("letters@localhost is an address"),
            retry_first: self.duration("mail.retry_first", Duration::from_secs(300)),
            ca_file: self.text("mail.ca_file").map(PathBuf::from),
            dkim,
            bounces,
        }
    }

    fn finish(mut self) -> Result<(), SettingsError> {
        for key in self.values.keys() {
            self.errors.push(named(key, "is not a setting"));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(SettingsError(self.errors)) }
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".to_owned())
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    let all: Result<Vec<_>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    all.map_err(|_| "must be a comma list of addresses such as 127.0.0.1:5003 or [::1]:5003".to_owned())
}

fn roles(text: &str) -> Result<(bool, bool), String> {
    let mut roles = (false, false);
    for role in text.split(',') {
        match role.trim() {
            "api" => roles.0 = true,
            "worker" => roles.1 = true,
            _ => return Err("must be a comma list of api and worker".to_owned()),
        }
    }
    Ok(roles)
}

fn public_url(text: &str) -> Result<String, String> {
    accounts::check_url(text).map_err(str::to_owned)?;
    Ok(text.trim_end_matches('/').to_owned())
}

fn database(text: &str) -> Result<Database, String> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        db::check_postgres_url(text)?;
        return Ok(Database::Postgres(text.to_owned()));
    }
    match text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")) {
        Some(file) if !file.is_empty() && !file.starts_with(':') => Ok(Database::Sqlite(PathBuf::from(file))),
        _ => Err("must be sqlite:FILE or postgres://user:password@host/database".to_owned()),
    }
}

fn storage(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("file://").unwrap_or(text) {
        path if path.is_empty() || path.contains("://") => {
            Err("must be a folder, or file:// and a folder".to_owned())
        }
        path => Ok(PathBuf::from(path)),
    }
}

/// `Name <address>` or `address`.
fn mailbox(text: &str) -> Result<Mailbox, String> {
    let (name, address) = match text.rsplit_once('<') {
        Some((name, rest)) => (Some(name.trim().trim_matches('"')), rest.trim_end_matches('>')),
        None => (None, text),
    };
    let address = parse_address(address.trim()).map_err(|e| format!("the address {e}"))?;
    let name = name.filter(|n| !n.is_empty()).map(str::to_owned);
    if name.as_deref().is_some_and(|n| n.chars().any(char::is_control)) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(Mailbox { name, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::load(None, pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn defaults() {
        let s = load(&[("PATH", "/bin"), ("HONGYAN_TEST_POSTGRES", "x")]).unwrap();
        assert_eq!(s.listen, ["127.0.0.1:5003".parse().unwrap()]);
        assert!(s.api && s.worker && s.limits && !s.verify_email);
        assert_eq!(s.min_lead, Duration::from_secs(3600));
        assert_eq!(s.delivering_lead, Duration::from_secs(600));
        assert_eq!(s.mail.from.address.to_string(), "letters@localhost");
        assert!(matches!(s.database, Database::Sqlite(f) if f == Path::new("./data/hongyan.db")));
    }

    #[test]
    fn every_mistake_is_named_and_no_value_repeated() {
        let error = load(&[
            ("HONGYAN_SERVER__LISTEN", "localhost"),
            ("HONGYAN_SERVER__ROLES", "api,boss"),
            ("HONGYAN_DATABASE__URL", "mysql://root:geheim@db/x"),
            ("HONGYAN_LETTERS__MIN_LEAD", "soon"),
            ("HONGYAN_MAIL__TRANSPORT", "smtp"),
            ("HONGYAN_EVENTS__URL", "kafka://root:geheim@x"),
            ("HONGYAN_LIMITS__ENABLE", "true"),
        ])
        .unwrap_err();
        let text = error.to_string();
        for key in [
            "server.listen (HONGYAN_SERVER__LISTEN)",
            "server.roles",
            "database.url",
            "letters.min_lead",
            "mail.smtp_url (HONGYAN_MAIL__SMTP_URL): is required",
            "events.url",
            "limits.enable (HONGYAN_LIMITS__ENABLE): is not a setting",
        ] {
            assert!(text.contains(key), "{key} is missing in {text}");
        }
        assert!(!text.contains("geheim"));
        assert_eq!(error.0.len(), 7);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let dir = std::env::temp_dir().join(kernel::id::new("settings", kernel::Clock::system().now()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("hongyan.toml");
        std::fs::write(
            &file,
            "data_dir = \"/srv/x\"\n[letters]\nmin_lead = \"2h\"\ndelivering_lead = \"5m\"\n",
        )
        .unwrap();
        let env = [("HONGYAN_LETTERS__MIN_LEAD".to_owned(), "90s".to_owned())];
        let s = Settings::load(Some(&file), env).unwrap();
        assert_eq!((s.min_lead, s.delivering_lead), (Duration::from_secs(90), Duration::from_secs(300)));
        assert_eq!(s.storage, Path::new("/srv/x/files"));
        std::fs::write(&file, "[letters]\nmin_lead = [1]\nleed = 2\n").unwrap();
        let error = Settings::load(Some(&file), []).unwrap_err().to_string();
        assert!(error.contains("letters.min_lead") && error.contains("letters.leed"), "{error}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
