//! Whatever comes in: no panic, bounded depth; whatever goes out: no field that nobody wrote.

use kernel::Timestamp;
use mail::{Automatic, File, Incoming, Mailbox, Outgoing, OwnAddresses, Unreadable, classify, html, reply};
use proptest::prelude::*;

/// All that can be done with octets.
fn exercise(octets: &[u8]) {
    let Ok(mail) = Incoming::read(octets) else { return };
    let split = mail.split();
    let _ = classify(&mail, &split, Timestamp::from_seconds(1_795_000_000));
    for file in &mail.attachments {
        assert_eq!(file.octets(octets).len(), file.size);
        let _ = file.octets(b"another mail");
    }
    if let Some(body) = &mail.html {
        let _ = html::show(body, html::Images::Blocked, |_| None);
    }
    for text in [&mail.subject, &mail.text, &split.new] {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
    }
    let answer = answer(&mail);
    if let Ok(written) = answer.write() {
        let again = Incoming::read(&written).unwrap();
        assert_eq!(again.from[0].address, "me@shop.example");
        assert_eq!(again.subject, answer.subject.trim());
    }
}

fn answer(mail: &Incoming) -> Outgoing {
    let own = OwnAddresses::new(["me@shop.example"]);
    let recipients = reply::reply_recipients(mail, &own, true);
    let (in_reply_to, references) = reply::thread(mail);
    Outgoing {
        from: Mailbox::new("me@shop.example"),
        to: recipients.to,
        cc: recipients.cc,
        subject: reply::reply_subject(&mail.subject),
        message_id: "p.1@shop.example".to_owned(),
        in_reply_to,
        references,
        text: Some(reply::quote_text(mail)),
        html: Some(reply::quote_html(mail)),
        ..Outgoing::default()
    }
}

/// Pieces of which mails are made, so that chance meets structure.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"\r\n"[..],
        b"\n\n",
        b"From: a@b.example, =?gb2312?B?1tDO?= <c@d.example>\n",
        b"Subject: =?utf-8?B?5oql?= =?utf-8?Q?=E5?=\n",
        b"Content-Type: multipart/mixed; boundary=x\n",
        b"Content-Type: multipart/alternative; boundary=\"y\"\n",
        b"Content-Type: message/rfc822\n",
        b"Content-Type: text/html; charset=gb18030\n",
        b"Content-Type: message/delivery-status\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"Content-Disposition: attachment; filename*0*=utf-8''%E4%BD; filename*1=x\n",
        b"References: <a@b><c@d>\n",
        b"Date: Mon, 31 Feb 2026 99:99:99 +9999\n",
        b"--x\n",
        b"--x--\n",
        b"--y\n",
        b"<div><blockquote>&nbsp;<p style='font-size:0'>",
        b"> quoted\n",
        b"On Mon, Li <a@b.example> wrote:\n",
        b"-- \n",
        b"From: x\nTo: y\nSent: z\n",
        "发件人：李\n主题：x\n".as_bytes(),
        b"Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n",
        b"=E4=BD\xa0\xff=",
        b"until December 5, back on 31/12/2026 ",
    ]);
    prop::collection::vec(
        prop_oneof![4 => piece.prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..40)],
        0..60,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
        exercise(&octets);
    }

    #[test]
    fn any_structure_is_read(octets in pieces()) {
        let mut mail = b"From: a@b.example\n".to_vec();
        mail.extend(&octets);
        exercise(&octets);
        exercise(&mail);
    }

    /// A word with a line break, put into any field, is refused by the field's name or travels inside its own value.
    #[test]
    fn no_field_is_added(text in ".{0,20}", breaks in "[\r\n\u{0}\u{85}\u{2028}]{1,2}", at in 0_usize..9) {
        let bad = format!("{text}{breaks}X-Injected: yes");
        let mut mail = Outgoing {
            from: Mailbox::new("me@shop.example"),
            to: vec![Mailbox::new("a@x.example")],
            subject: "s".to_owned(),
            message_id: "p.1@shop.example".to_owned(),
            text: Some("t".to_owned()),
            automatic: Automatic::Replied,
            ..Outgoing::default()
        };
        let field = match at {
            0 => { mail.subject = bad; "subject" }
            1 => { mail.from.name = Some(bad); "from.name" }
            2 => { mail.to[0].address = bad; "to[0].address" }
            3 => { mail.message_id = bad; "message_id" }
            4 => { mail.in_reply_to = Some(bad); "in_reply_to" }
            5 => { mail.references = vec!["a@b".to_owned(), bad]; "references[1]" }
            6 => { mail.files = vec![File { name: bad, mime_type: "a/b".to_owned(), octets: Vec::new() }]; "files[0].name" }
            7 => { mail.files = vec![File { name: "a".to_owned(), mime_type: bad, octets: Vec::new() }]; "files[0].mime_type" }
            _ => { mail.mark = Some(bad); "mark" }
        };
        prop_assert_eq!(mail.write().unwrap_err().field, field);
    }

    /// What is written is read back as it was.
    #[test]
    fn names_and_subjects_come_back(name in "[^\\p{C}\\p{Z}\"'][^\\p{C}\u{2028}\u{2029}]{0,40}", subject in "[^\\p{C}\u{2028}\u{2029}]{0,120}") {
        let mail = Outgoing {
            from: Mailbox::named(&name, "me@shop.example"),
            to: vec![Mailbox::named(&name, "a@x.example"), Mailbox::new("b@x.example")],
            subject: subject.clone(),
            message_id: "p.1@shop.example".to_owned(),
            text: Some("t".to_owned()),
            ..Outgoing::default()
        };
        let written = mail.write().unwrap();
        prop_assert!(written.is_ascii() && written.split(|b| *b == b'\n').all(|l| l.len() <= 999));
        let read = Incoming::read(&written).unwrap();
        let squeezed = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(squeezed(&read.subject), squeezed(&subject));
        prop_assert_eq!(read.to.len(), 2);
        prop_assert_eq!(squeezed(read.to[0].name.as_deref().unwrap_or_default()), squeezed(&name));
        prop_assert_eq!(&read.to[1].address, "b@x.example");
    }
}

#[test]
fn depth_and_number_are_bounded() {
    let deep: String =
        (0..200).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    assert_eq!(Incoming::read(deep.as_bytes()).unwrap_err(), Unreadable::Depth);
    let wide = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(5000));
    assert_eq!(Incoming::read(wide.as_bytes()).unwrap_err(), Unreadable::Parts);
    assert_eq!(Incoming::read(b"").unwrap_err(), Unreadable::NoFields);
    assert_eq!(Incoming::read(b"\n\nwords").unwrap_err(), Unreadable::NoFields);
    assert_eq!(Incoming::read(&vec![b'a'; mail::MAX_SIZE + 1]).unwrap_err(), Unreadable::Size);
    // Mails in mails in mails: one file, however deep.
    let nested = "Content-Type: message/rfc822\n\n".repeat(100_000);
    let mail = Incoming::read(format!("From: a@b.example\n{nested}").as_bytes()).unwrap();
    assert_eq!(mail.attachments.len(), 1);
    exercise(nested.as_bytes());
}

#[test]
fn time_is_proportional_to_size() {
    // Each of these made a reader elsewhere slow.
    for raw in [
        format!("Subject: ?={}\n\nx", "=?a?b?x".repeat(30_000)),
        format!("From: {}\n\nx", "(".repeat(200_000)),
        format!("From: {}\n\nx", "a@b,".repeat(50_000)),
        format!("References: {}\n\nx", "<a@b>".repeat(50_000)),
        format!("Subject: x\n\n{}", ">".repeat(500_000)),
        format!("Subject: x\n\n{}", "From: a\n".repeat(20_000)),
        format!("Subject: x\n\n{}", "On a\n".repeat(20_000)),
        format!("Subject: x\nContent-Type: text/html\n\n{}", "<blockquote>".repeat(5_000)),
        format!("Subject: x\nContent-Type: text/html\n\n{}", "<p>a</b>".repeat(10_000)),
        format!("Subject: x\n\n{}", "please stop sending me ".repeat(20_000)),
        format!("Subject: Automatic reply\n\n{}", "until 1/1/2026 ".repeat(20_000)),
    ] {
        exercise(raw.as_bytes());
    }
}
