//! The command line.

mod assistant;
mod export;
mod import;
mod keyring;
mod letter;

use std::{io::Read as _, path::PathBuf, process::ExitCode};

use accounts::{Plan, Role};
use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand, ValueEnum};
use kernel::{Clock, PageRequest, Timestamp};

use crate::{api, doctor, serve, settings::Settings, system};

/// Hongyan delivers letters into the future.
#[derive(Debug, Parser)]
#[command(name = "hongyan", version, about)]
pub struct Cli {
    /// The settings file [default: hongyan.toml, if it exists]
    #[arg(long, global = true, env = "HONGYAN_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve,
    /// Bring the database up to date and exit
    Migrate,
    /// Check that everything the server needs is there
    Doctor,
    /// Write everything into one file, while the server runs
    Export(export::Export),
    /// Read such a file into a new, empty installation, on either kind of database
    Import(import::Import),
    /// Manage accounts
    #[command(subcommand)]
    User(User),
    /// Try the assistant and score it
    #[command(subcommand)]
    Assistant(assistant::Command),
    /// Manage the keys that seal what is stored
    #[command(subcommand)]
    Keyring(keyring::Keyring),
    /// Look after letters that readers reported
    #[command(subcommand)]
    Letter(letter::Letter),
    /// Print the OpenAPI document
    Openapi,
}

#[derive(Debug, Subcommand)]
enum User {
    /// Make an account; the password is read from standard input
    Create {
        /// The e-mail address
        email: String,
        /// The name that others see (default: the part before the at sign)
        #[arg(long)]
        username: Option<String>,
    },
    /// Give a role
    Role {
        /// The e-mail address
        email: String,
        /// What the account may do
        role: RoleArg,
    },
    /// Give a plan
    Plan {
        /// The e-mail address
        email: String,
        /// The plan
        plan: PlanArg,
        /// Until when: 2027-12-31 (the end of that day, UTC) or an RFC 3339 time
        #[arg(long)]
        until: Option<String>,
    },
    /// List all accounts
    List,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    User,
    Agent,
    Supervisor,
    Operator,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PlanArg {
    Free,
    Premium,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong, in words for the person at the terminal.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.settings()?;
        match self.command {
            Command::Serve => {
                log_to_stderr(&settings)?;
                serve(&settings).await?;
            }
            Command::Migrate => {
                crate::data::prepare(&settings.data_dir)?;
                let db = system::open_database(&settings).await?;
                let n = db::migrate(&db, &system::migrations(), Clock::system().now()).await?;
                say(&format!("{n} migrations applied"));
            }
            Command::Doctor => {
                return Ok(if doctor::run(&settings).await { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Command::Export(export) => export.run(&settings).await?,
            Command::Import(import) => import.run(&settings).await?,
            Command::User(user) => user.run(&settings).await?,
            Command::Assistant(command) => {
                return Ok(if command.run(&settings).await? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Command::Keyring(keyring) => keyring.run(&settings).await?,
            Command::Letter(letter) => letter.run(&settings).await?,
            Command::Openapi => {
                let dir = std::env::temp_dir().join(kernel::id::new("openapi", Clock::system().now()));
                let text = openapi(settings, &dir).await;
                std::fs::remove_dir_all(&dir)?;
                say(&text?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let default = PathBuf::from("hongyan.toml");
        let file = self.config.clone().or_else(|| default.exists().then_some(default));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Ok(Settings::load(file.as_deref(), environment)?)
    }
}

/// The document follows from the code alone; the system that it is asked of lives in a scratch folder.
async fn openapi(mut settings: Settings, dir: &std::path::Path) -> anyhow::Result<String> {
    settings.data_dir = dir.to_owned();
    settings.storage = dir.join("files");
    settings.database = crate::settings::Database::Sqlite(dir.join("hongyan.db"));
    settings.mail.smtp_url = None;
    settings.mail.dkim = None;
    (settings.push.fcm, settings.push.apns) = (None, None);
    let system = system::System::build(&settings, Clock::system(), "http://localhost:5003").await?;
    Ok(serde_json::to_string_pretty(&api::document(&system))?)
}

impl User {
    async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let system = system::System::build(settings, Clock::system(), "").await?;
        let accounts = &system.accounts;
        match self {
            Self::Create { email, username } => {
                let mut password = String::new();
                std::io::stdin().take(4096).read_to_string(&mut password)?;
                let password = password.trim_end_matches(['\r', '\n']).to_owned();
                let name = username.unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
                say(&accounts.admin_create(&email, &name, password).await?);
            }
            Self::Role { email, role } => {
                let role = match role {
                    RoleArg::User => Role::User,
                    RoleArg::Agent => Role::Agent,
                    RoleArg::Supervisor => Role::Supervisor,
                    RoleArg::Operator => Role::Operator,
                };
                accounts.admin_role(&email, role).await.with_context(|| email.clone())?;
                say(&format!("{email} is {} now", role.as_str()));
            }
            Self::Plan { email, plan, until } => {
                let until = until.as_deref().map(end_of).transpose()?;
                let plan = match plan {
                    PlanArg::Free => Plan::Free,
                    PlanArg::Premium => Plan::Premium,
                };
                accounts.admin_plan(&email, plan, until).await.with_context(|| email.clone())?;
                say(&format!("{email} has the plan {} now", plan.as_str()));
            }
            Self::List => list(accounts).await?,
        }
        Ok(())
    }
}

async fn list(accounts: &accounts::Accounts) -> anyhow::Result<()> {
    let mut page = PageRequest { page: 1, size: PageRequest::MAX_SIZE };
    loop {
        let users = accounts.admin_list(page).await?;
        for u in &users {
            let until = u.plan_until.map_or_else(String::new, |t| format!(" until {t}"));
            let verified = if u.email_verified { "verified" } else { "unverified" };
            say(&format!(
                "{}\t{}\t{verified}\t{}\t{}{until}\t{}",
                u.id,
                u.email,
                u.role.as_str(),
                u.plan.as_str(),
                u.username
            ));
        }
        if users.len() < usize::try_from(page.size)? {
            return Ok(());
        }
        page.page += 1;
    }
}

fn end_of(text: &str) -> anyhow::Result<Timestamp> {
    let day = format!("{text}T23:59:59.999999Z");
    match text.parse().or_else(|_| day.parse()) {
        Ok(t) => Ok(t),
        Err(_) => bail!("--until must be a date such as 2027-12-31 or an RFC 3339 time"),
    }
}

fn log_to_stderr(settings: &Settings) -> anyhow::Result<()> {
    // At each start PostgreSQL says that what was to be made is there already; genai logs what people wrote; of NATS
    // its link says what matters.
    let level = format!("tokio_postgres=warn,async_nats=error,genai=off,{}", settings.log_level);
    let filter = tracing_subscriber::EnvFilter::try_new(level)
        .context("log.level (HONGYAN_LOG__LEVEL): must be a level such as info, or tracing directives")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if settings.log_json {
        builder.json().init();
    } else {
        builder.init();
    }
    Ok(())
}

/// To standard output; that it is closed is nobody's error.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}
