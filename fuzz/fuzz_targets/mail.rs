//! E-mails of strangers, whatever they hold: read, shown, and answered.
#![no_main]

use kernel::Timestamp;
use libfuzzer_sys::fuzz_target;
use mail::{Incoming, Mailbox, Outgoing, OwnAddresses, classify, html, reply};

const NOW: Timestamp = Timestamp::from_seconds(1_890_000_000);

fuzz_target!(|data: &[u8]| {
    let Ok(mail) = Incoming::read(data) else { return };
    let split = mail.split();
    let classified = classify(&mail, &split, NOW);
    assert!(!mail.subject.contains(['\r', '\n']));
    for file in &mail.attachments {
        assert!(!file.file_name.contains(['/', '\\', '\0']));
        assert_eq!(file.octets(data).len(), file.size);
    }
    if let Some(html) = &mail.html {
        let shown = html::show(html, html::Images::Blocked, |_| None).html.to_lowercase();
        for bad in ["<script", "<iframe", "<form", "<style", "<object"] {
            assert!(!shown.contains(bad), "{bad}");
        }
    }
    // An answer holds nothing that this mail made a field of.
    let own = OwnAddresses::new(["brand@example.com"]);
    let to = reply::reply_recipients(&mail, &own, true);
    let (in_reply_to, references) = reply::thread(&mail);
    let answer = Outgoing {
        from: Mailbox::new("brand@example.com"),
        to: to.to,
        cc: to.cc,
        subject: reply::reply_subject(&mail.subject),
        date: NOW,
        message_id: "1@example.com".to_owned(),
        in_reply_to,
        references,
        text: Some(reply::quote_text(&mail)),
        html: Some(reply::quote_html(&mail)),
        ..Outgoing::default()
    };
    if let Ok(octets) = answer.write() {
        let read = Incoming::read(&octets).expect("what was written can be read");
        assert_eq!(read.from.len(), 1);
        assert!(read.bcc.is_empty() && read.reply_to.is_empty());
        assert_eq!(read.message_id.as_deref(), Some("1@example.com"));
    }
    let _ = classified.may_be_answered();
});
