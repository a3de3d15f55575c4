//! How many messages a second go through one pool: `smtp_load URL [MESSAGES] [CONNECTIONS] [--render] [--dkim KEY.pem]`.
//!
//! Sends messages of about 2 KB, with `--render` each rendered anew (and with `--dkim` signed), otherwise the same
//! octets. For use against a sink on this machine, such as Postfix's `smtp-sink 127.0.0.1:2526 100`.
#![allow(clippy::print_stdout, reason = "a command that reports on its output")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use kernel::{Clock, Timestamp};
use transports::{Dkim, Email, Mailbox, SmtpPool, SmtpSettings, parse_address, render};

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

struct Load {
    pool: SmtpPool,
    dkim: Option<Dkim>,
    render: bool,
    now: Timestamp,
    fixed: Vec<u8>,
    next: AtomicUsize,
    messages: usize,
}

fn letter(number: usize, now: Timestamp) -> Fallible<Email> {
    let paragraph =
        "Dear me in ten years, today it rained and I wrote this down so that you would remember it. ";
    Ok(Email {
        message_id: format!("load.{number}@letters.example.org"),
        date: now,
        from: Mailbox { name: Some("鸿雁".to_owned()), address: parse_address("letters@example.org")? },
        to: Mailbox { name: None, address: parse_address("li.lei@example.org")? },
        reply_to: None,
        subject: "十年后的你".to_owned(),
        text: paragraph.repeat(7),
        html: format!("<p>{}</p>", paragraph.repeat(7)),
        auto_generated: true,
        headers: vec![("List-Unsubscribe", "<https://example.org/u/abc>".to_owned())],
    })
}

async fn worker(load: Arc<Load>) -> Fallible<()> {
    let to = parse_address("li.lei@example.org")?;
    loop {
        let number = load.next.fetch_add(1, Ordering::Relaxed);
        if number >= load.messages {
            return Ok(());
        }
        if load.render {
            let bytes = render(&letter(number, load.now)?, load.dkim.as_ref())?;
            load.pool.send("bounce@example.org", &to, &bytes).await?;
        } else {
            load.pool.send("bounce@example.org", &to, &load.fixed).await?;
        }
    }
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let dkim = match words.iter().position(|w| w == "--dkim") {
        Some(at) => {
            let path = words.drain(at..).nth(1).ok_or("--dkim needs a file")?;
            Some(Dkim::load("s1", "example.org", &std::fs::read_to_string(path)?)?)
        }
        None => None,
    };
    let render_each = dkim.is_some() || words.iter().any(|w| w == "--render");
    words.retain(|w| w != "--render");
    let mut words = words.into_iter();
    let mut settings = SmtpSettings::new(words.next().ok_or("which server?")?.parse()?);
    let messages = words.next().map_or(Ok(20_000), |w| w.parse())?;
    settings.max_connections = words.next().map_or(Ok(10), |w| w.parse())?;
    let connections = settings.max_connections;

    let now = Clock::system().now();
    let fixed = render(&letter(0, now)?, dkim.as_ref())?;
    let size = fixed.len();
    let pool = SmtpPool::new(settings)?;
    let load =
        Arc::new(Load { pool, dkim, render: render_each, now, fixed, next: AtomicUsize::new(0), messages });
    let begun = Instant::now();
    let workers: Vec<_> = (0..connections).map(|_| tokio::spawn(worker(Arc::clone(&load)))).collect();
    for worker in workers {
        worker.await??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(messages)?) / seconds;
    println!(
        "{messages} messages of {size} octets over {connections} connections in {seconds:.2} s: {rate:.0}/s"
    );
    Ok(())
}
