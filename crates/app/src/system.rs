//! The system put together: from settings to slices, engine and router.

use std::sync::Arc;

use accounts::{Accounts, post::Post};
use anyhow::Context as _;
use assistant::Assistant;
use blobs::Blobs;
use db::{Db, Migration, SealedTable};
use desk::Desk;
use dispatch::{Engine, Retry, SingleOptions};
use gmail::Gmail;
use kernel::{Clock, Signer, seal::Keyring, time::days};
use letters::{Bounces, Letters};
use tokio::sync::watch;
use transports::{Dkim, Mailer, Outbox, SmtpPool, SmtpSettings, bounce::Verp};

use crate::{
    data, keyring, push,
    settings::{Database, Mail, Settings},
};

/// All migrations, in the order in which they run.
#[must_use]
pub fn migrations() -> Vec<Migration> {
    [
        dispatch::MIGRATIONS,
        accounts::MIGRATIONS,
        assistant::MIGRATIONS,
        assistant::kb::MIGRATIONS,
        letters::MIGRATIONS,
        desk::MIGRATIONS,
        gmail::MIGRATIONS,
    ]
    .concat()
}

/// All columns that hold what the keyring sealed.
#[must_use]
pub fn sealed_tables() -> Vec<&'static dyn SealedTable> {
    [accounts::SEALED, assistant::SEALED, letters::SEALED, desk::SEALED, gmail::SEALED].concat()
}

/// Opens the database that the settings name; its schema is not touched.
///
/// # Errors
/// Names `database.url` and the cause.
pub async fn open_database(settings: &Settings) -> anyhow::Result<Db> {
    let db = match &settings.database {
        Database::Sqlite(file) => Db::open_sqlite(file),
        Database::Postgres(url) if settings.nats.is_some() => Db::connect_postgres_silently(url).await,
        Database::Postgres(url) => Db::connect_postgres(url).await,
    };
    db.context("database.url (HONGYAN_DATABASE__URL): the database cannot be opened")
}

/// Opens the folder of files that the settings name.
///
/// # Errors
/// Names `storage.url` and the cause.
pub fn open_storage(settings: &Settings) -> anyhow::Result<Blobs> {
    let folder = &settings.storage;
    let named = || format!("storage.url (HONGYAN_STORAGE__URL): {}", folder.display());
    Blobs::open(folder).with_context(named)
}

/// The running parts.
pub struct System {
    /// The database, migrated.
    pub db: Db,
    /// The clock that everything uses.
    pub clock: Clock,
    /// Who people are.
    pub accounts: Accounts,
    /// What helps them write, and answers for them.
    pub assistant: Assistant,
    /// Their letters.
    pub letters: Letters,
    /// Their customers.
    pub desk: Desk,
    /// Their Gmail accounts.
    pub gmail: Gmail,
    /// The deliveries.
    pub engine: Engine,
    /// Where returned mail goes.
    pub bounces: Arc<Bounces>,
    /// What return addresses look like, if mail has any of its own.
    pub verp: Option<Arc<Verp>>,
    closing: watch::Sender<bool>,
}

impl System {
    /// Puts the system together on a database whose schema it brings up to date.
    ///
    /// # Errors
    /// Names what cannot be opened, and the setting behind it.
    pub async fn build(settings: &Settings, clock: Clock, public_url: &str) -> anyhow::Result<Self> {
        data::prepare(&settings.data_dir)?;
        let keyring = keyring::open(&settings.data_dir)?;
        let db = open_database(settings).await?;
        db::migrate(&db, &migrations(), clock.now()).await.context("the migrations cannot be run")?;
        let blobs = open_storage(settings)?;
        let verp = settings.mail.bounces.as_ref().map(|bounces| {
            let signer = Signer::new(keyring.derive("return addresses"), 10);
            Arc::new(Verp::new(bounces.domain.clone(), signer))
        });
        let post = Arc::new(post(settings, &keyring)?.returning_to(verp.clone()));
        let config = accounts::Config {
            public_url: public_url.to_owned(),
            verify_email: settings.verify_email,
            limits: settings.limits,
            push: push::services(settings, public_url)?,
        };
        let accounts = Accounts::new(db.clone(), clock.clone(), keyring, blobs.clone(), config)?;
        let assistant = Assistant::new(accounts.clone(), settings.assistant.clone())
            .context("assistant.base_url (HONGYAN_ASSISTANT__BASE_URL)")?;
        let (closing, is_closing) = watch::channel(false);
        let config = letters::Config {
            min_lead: settings.min_lead,
            delivering_lead: settings.delivering_lead,
            reminder_lead: settings.reminder_lead,
        };
        let desk = Desk::new(accounts.clone(), assistant.clone(), blobs.clone(), settings.desk.clone());
        let desk = desk.context("the desk's client of HTTP cannot be set up")?;
        let settled = gmail::Config { public_url: public_url.to_owned(), ..settings.gmail.clone() };
        let gmail = Gmail::new(accounts.clone(), assistant.clone(), blobs.clone(), settled);
        let gmail = gmail.context("Google's client of HTTP cannot be set up")?;
        let letters = Letters::new(accounts.clone(), blobs, config, is_closing);
        let webhooks = desk::Webhooks::new(desk.clone()).context("TLS for webhooks cannot be set up")?;
        let engine = engine(settings, &accounts, &assistant, &letters, &post);
        let engine = customers(engine, &desk).single(desk::WEBHOOK, webhook_options(), webhooks);
        let engine = outreach(engine, &gmail).build();
        let bounces = Arc::new(Bounces { letters: letters.clone(), post });
        Ok(Self { db, clock, accounts, assistant, letters, desk, gmail, engine, bounces, verp, closing })
    }

    /// Ends streams that would otherwise stay open.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }
}

fn engine(
    settings: &Settings,
    accounts: &Accounts,
    assistant: &Assistant,
    letters: &Letters,
    post: &Arc<Post>,
) -> dispatch::Builder {
    let mail = SingleOptions {
        concurrency: 128,
        per_destination: 32,
        retry: Retry {
            first: settings.mail.retry_first,
            cap: std::time::Duration::from_secs(8 * 3600),
            max_age: days(7),
            min_attempts: 5,
        },
        timeout: std::time::Duration::from_secs(600),
    };
    let internal = SingleOptions { concurrency: 4, per_destination: 4, retry: Retry::INTERNAL, ..mail };
    let analysis = SingleOptions { concurrency: 1, per_destination: 1, ..internal };
    let post = || Arc::clone(post);
    Engine::builder(accounts.db().clone(), accounts.clock().clone())
        .batch(letters::INBOX, Retry::INTERNAL, letters::Inbox)
        .batch(letters::ARRIVED, Retry::INTERNAL, letters::Arrivals { letters: letters.clone() })
        .batch(letters::REMINDER, Retry::INTERNAL, letters::Reminders { letters: letters.clone() })
        .single(letters::EMAIL, mail, letters::LetterMail { letters: letters.clone(), post: post() })
        .single(letters::NOTICE, mail, letters::NoticeMail { letters: letters.clone(), post: post() })
        .single(
            letters::ANALYSIS,
            analysis,
            letters::Analysis { letters: letters.clone(), assistant: assistant.clone() },
        )
        .single(
            letters::NOTIFY_EMAIL,
            mail,
            letters::NotificationMail { letters: letters.clone(), post: post() },
        )
        .single(letters::NOTIFY_PUSH, push_options(), letters::NotificationPush { letters: letters.clone() })
        .single(letters::COLLECT_FILE, internal, letters::CollectFile { letters: letters.clone() })
        .single(letters::COLLECT_OBJECT, internal, letters::CollectObject { letters: letters.clone() })
        .single(letters::FORGET, internal, letters::Forget { letters: letters.clone() })
        .single(
            accounts::ACCOUNT_MAIL,
            mail,
            accounts::AccountMail { accounts: accounts.clone(), post: post() },
        )
}

/// The desk: what goes in and out through its channels, and its queue. An answer is worth half an hour's patience, a pull
/// a day's.
fn customers(builder: dispatch::Builder, desk: &Desk) -> dispatch::Builder {
    use std::time::Duration;
    let retry = |max_age| Retry {
        first: Duration::from_secs(1),
        cap: Duration::from_secs(60),
        max_age,
        min_attempts: 4,
    };
    let timeout = Duration::from_secs(120);
    let send = SingleOptions {
        concurrency: 128,
        per_destination: 64,
        retry: retry(Duration::from_secs(1800)),
        timeout,
    };
    let media = SingleOptions { concurrency: 16, per_destination: 8, retry: retry(days(1)), timeout };
    let pull = SingleOptions { per_destination: 1, timeout: Duration::from_secs(600), ..media };
    // What a renewal needs may be away for weeks; meanwhile messages say what they wait for.
    let patient = Retry { cap: Duration::from_secs(600), max_age: days(30), ..media.retry };
    let token = SingleOptions { per_destination: 1, retry: patient, ..media };
    let internal = SingleOptions { concurrency: 4, per_destination: 4, retry: Retry::INTERNAL, timeout };
    let of = || desk.clone();
    builder
        .single(desk::PULL, pull, desk::Pull { desk: of() })
        .single(desk::SEND, send, desk::SendMessage { desk: of() })
        .single(desk::MEDIA, media, desk::Media { desk: of() })
        .single(desk::WELCOME, send, desk::Welcome { desk: of() })
        .single(desk::PROFILE, media, desk::Profile { desk: of() })
        .single(desk::STATE, send, desk::Reconcile { desk: of() })
        .single(desk::CHECK, media, desk::Check { desk: of() })
        .single(desk::TOKEN, token, desk::Renew { desk: of() })
        .batch(desk::ASSIGN, Retry::INTERNAL, desk::Assign { desk: of() })
        .single(desk::WATCHDOG, internal, desk::Watchdog { desk: of() })
        .single(desk::TURN, turn_options(), desk::Turns { desk: of() })
}

/// Outreach: mailboxes, each read by one at a time, and mails that leave them, one at a time from each. What Google owes us is
/// worth a day's patience. What keeps a mail decides how long it waits; the engine's patience is for what nobody foresaw.
fn outreach(builder: dispatch::Builder, gmail: &Gmail) -> dispatch::Builder {
    use std::time::Duration;
    let seconds = Duration::from_secs;
    let retry = Retry { first: seconds(1), cap: seconds(60), max_age: days(1), min_attempts: 4 };
    // Reading waits for Google most of the time, and what is in memory at once is limited elsewhere.
    let read = SingleOptions { concurrency: 32, per_destination: 1, retry, timeout: seconds(600) };
    // A watch that is not renewed lasts for days: no haste.
    let slow = Retry { first: seconds(60), cap: seconds(3600), max_age: seconds(20 * 3600), min_attempts: 4 };
    let renew = SingleOptions { concurrency: 8, retry: slow, timeout: seconds(180), ..read };
    let patient = Retry { first: seconds(10), cap: seconds(3600), max_age: days(3), min_attempts: 20 };
    let send = SingleOptions { concurrency: 16, retry: patient, timeout: gmail::SEND_TIME, ..read };
    let internal = SingleOptions { concurrency: 2, per_destination: 2, retry: Retry::INTERNAL, ..send };
    // The assistant may be asked twice, each time for as long as it may take.
    let think = SingleOptions { concurrency: 8, per_destination: 8, ..read };
    let wipe = SingleOptions { per_destination: 1, timeout: seconds(600), ..internal };
    let of = || gmail.clone();
    builder
        .single(gmail::SYNC, read, gmail::Sync { gmail: of() })
        .single(gmail::RENEW, renew, gmail::Renew { gmail: of() })
        .single(gmail::WIPE, wipe, gmail::Wipe { gmail: of() })
        .single(gmail::SEND, send, gmail::SendMail::new(of()))
        .single(gmail::ALIASES, internal, gmail::Aliases { gmail: of() })
        .single(gmail::COLLECT, internal, gmail::CollectUpload { gmail: of() })
        .single(gmail::TURN, think, gmail::Replies { gmail: of() })
        .single(gmail::FOLLOW_UP, think, gmail::Replies { gmail: of() })
}

/// News of a letter is worth a day's patience.
fn push_options() -> SingleOptions {
    SingleOptions {
        concurrency: 64,
        per_destination: 32,
        retry: Retry {
            first: std::time::Duration::from_secs(60),
            cap: std::time::Duration::from_secs(3600),
            max_age: days(1),
            min_attempts: 5,
        },
        timeout: std::time::Duration::from_secs(120),
    }
}

/// An event is offered for a day, to a few receivers at once and to each by a few calls.
fn webhook_options() -> SingleOptions {
    SingleOptions {
        concurrency: 64,
        per_destination: 8,
        retry: Retry {
            first: std::time::Duration::from_secs(10),
            cap: std::time::Duration::from_secs(2 * 3600),
            max_age: days(1),
            min_attempts: 5,
        },
        timeout: std::time::Duration::from_secs(30),
    }
}

/// A customer waits: what cannot be answered soon goes to people.
fn turn_options() -> SingleOptions {
    SingleOptions {
        concurrency: 32,
        per_destination: 32,
        retry: Retry {
            first: std::time::Duration::from_secs(1),
            cap: std::time::Duration::from_secs(10),
            max_age: std::time::Duration::from_secs(30),
            min_attempts: 3,
        },
        timeout: std::time::Duration::from_secs(60),
    }
}

fn post(settings: &Settings, keyring: &Keyring) -> anyhow::Result<Post> {
    let from = settings.mail.from.clone();
    let dkim = match &settings.mail.dkim {
        None => None,
        Some(dkim) => {
            let named = || format!("mail.dkim_key (HONGYAN_MAIL__DKIM_KEY): {}", dkim.key_file.display());
            let key = std::fs::read_to_string(&dkim.key_file).with_context(named)?;
            Some(Dkim::load(&dkim.selector, from.address.domain(), &key).with_context(named)?)
        }
    };
    Ok(Post::new(mailer(&settings.mail, settings)?, from, dkim, keyring))
}

/// The way out that the settings chose.
///
/// # Errors
/// Names the setting.
pub fn mailer(mail: &Mail, settings: &Settings) -> anyhow::Result<Mailer> {
    let Some(url) = &mail.smtp_url else {
        let folder = settings.data_dir.join("outbox");
        let outbox = Outbox::open(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        return Ok(Mailer::File(outbox));
    };
    let url = url.parse().context("mail.smtp_url (HONGYAN_MAIL__SMTP_URL)")?;
    let smtp = SmtpSettings { ca_file: mail.ca_file.clone(), ..SmtpSettings::new(url) };
    Ok(Mailer::Smtp(SmtpPool::new(smtp).context("mail.ca_file (HONGYAN_MAIL__CA_FILE)")?))
}
