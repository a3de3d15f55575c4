//! `hongyan doctor`: does this installation have what it needs to keep its promises?

use anyhow::Context as _;
use bus::nats;
use kernel::Clock;

use crate::{
    cli::say,
    data, keyring,
    settings::{Database, Settings},
    system,
};

/// Checks everything and says what it finds; whether all is well.
pub(crate) async fn run(settings: &Settings) -> bool {
    let mut well = report("settings", Ok("valid".to_owned()));
    well &= report("data folder", data_folder(settings));
    well &= report("database", database(settings).await);
    well &= report("events", events(settings).await);
    well &= report("files", files(settings));
    well &= report("mail", mail(settings).await);
    well &= report("assistant", Ok(assistant(settings)));
    well &= report("push", push(settings));
    well &= report("desk", Ok(desk(settings)));
    well
}

fn report(what: &str, found: anyhow::Result<String>) -> bool {
    let (mark, text, well) = match found {
        Ok(text) => ("ok  ", text, true),
        Err(e) => ("FAIL", format!("{e:#}"), false),
    };
    say(&format!("{mark} {what}: {text}"));
    well
}

fn data_folder(settings: &Settings) -> anyhow::Result<String> {
    data::prepare(&settings.data_dir)?;
    keyring::open(&settings.data_dir)?;
    let path = settings.data_dir.canonicalize()?;
    Ok(format!("{}, its keyring can be read (keep a copy of it apart from the database)", path.display()))
}

async fn database(settings: &Settings) -> anyhow::Result<String> {
    let db = system::open_database(settings).await?;
    let pending = db::pending(&db, &system::migrations()).await?;
    if !pending.is_empty() {
        anyhow::bail!(
            "{} migrations are missing, run `hongyan migrate`: {}",
            pending.len(),
            pending.join(", ")
        );
    }
    let mut text = format!("{}, up to date", db.engine());
    let machine = Clock::system();
    if let Some(offset) = db.clock_offset(|| machine.now()).await? {
        text = format!("{text}, its clock is {offset} µs from ours");
    }
    let mut conn = db.read().await?;
    for kind in [
        letters::INBOX,
        letters::EMAIL,
        letters::NOTICE,
        letters::REMINDER,
        letters::NOTIFY_EMAIL,
        letters::NOTIFY_PUSH,
        accounts::ACCOUNT_MAIL,
        desk::ASSIGN,
        desk::WATCHDOG,
        gmail::WIPE,
    ] {
        let dead = dispatch::store::dead(&mut conn, kind).await?;
        if dead > 0 {
            text = format!("{text}, {dead} dead dispatches of kind {kind}");
        }
    }
    Ok(text)
}

/// A server runs without NATS, but its operator wants to know.
async fn events(settings: &Settings) -> anyhow::Result<String> {
    let Some(url) = &settings.nats else {
        return Ok(match settings.database {
            Database::Sqlite(_) => "within the one process".to_owned(),
            Database::Postgres(_) => "between processes by the database's NOTIFY".to_owned(),
        });
    };
    let db = system::open_database(settings).await?;
    let subject = nats::subject(&db::installation(&mut db.read().await?).await?);
    let found = nats::check(url, &subject).await.context("events.url (HONGYAN_EVENTS__URL)")?;
    Ok(format!(
        "over NATS {}, subject {subject}, heard after {} µs",
        found.version,
        found.round_trip.as_micros()
    ))
}

fn files(settings: &Settings) -> anyhow::Result<String> {
    system::open_storage(settings)?;
    Ok(format!("{} is writable", settings.storage.display()))
}

fn desk(settings: &Settings) -> String {
    match settings.desk.auth {
        true => "agents and supervisors need a token".to_owned(),
        false => "AUTHENTICATION IS OFF (desk.auth): whoever reaches the server is a supervisor".to_owned(),
    }
}

/// Keys and files alone: whether a service takes them shows with the first message.
fn push(settings: &Settings) -> anyhow::Result<String> {
    let services = crate::push::services(settings, settings.public_url.as_deref().unwrap_or_default())?;
    let set_up = |service| if services.has(service) { "set up" } else { "not set up" };
    Ok(format!(
        "Web Push set up, FCM {}, APNs {}",
        set_up(transports::push::Service::Fcm),
        set_up(transports::push::Service::Apns)
    ))
}

async fn mail(settings: &Settings) -> anyhow::Result<String> {
    let mailer = system::mailer(&settings.mail, settings)?;
    let place = match settings.mail.smtp_url {
        Some(_) => "mail.smtp_url (HONGYAN_MAIL__SMTP_URL)",
        None => "data_dir (HONGYAN_DATA_DIR)",
    };
    mailer.check().await.context(place)
}

/// A provider that is not whole is an error of the settings; whether it answers is not asked here, since that costs.
fn assistant(settings: &Settings) -> String {
    match &settings.assistant.provider {
        None => "embedded, nothing leaves this machine".to_owned(),
        Some(provider) => format!(
            "{}:{} at {}, and embedded where that fails (`hongyan assistant test` tries it)",
            provider.protocol.as_str(),
            provider.model,
            provider.base_url
        ),
    }
}
