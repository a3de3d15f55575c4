//! Written mails, read back here and by Python's `email`.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use kernel::Timestamp;
use mail::{
    Automatic, File, Incoming, InlineImage, Mailbox, OWN_MARK, Outgoing, OwnAddresses, Unsubscribe,
    reply::{self, reply_recipients, reply_subject},
};
use serde_json::Value;

fn plain() -> Outgoing {
    Outgoing {
        from: Mailbox::named("鸿雁 Outreach", "outreach@shop.example"),
        to: vec![Mailbox::named("Lee, Ann", "ann@corp.example")],
        subject: "合作邀请：我们很喜欢您的频道，想和您谈谈明年春季的推广计划与预算".to_owned(),
        date: "2026-11-16T08:00:00Z".parse::<Timestamp>().unwrap(),
        message_id: "offer.2@shop.example".to_owned(),
        text: Some("您好！\r\n.\r\nFrom here on\r\n".to_owned()),
        ..Outgoing::default()
    }
}

fn whole() -> Outgoing {
    let image = File {
        name: "标志.png".to_owned(),
        mime_type: "image/png".to_owned(),
        octets: vec![0x89, b'P', 0, 255],
    };
    Outgoing {
        cc: vec![Mailbox::new("bo@corp.example"), Mailbox::named("王芳", "wang@例子.中国")],
        bcc: vec![Mailbox::new("crm@shop.example")],
        reply_to: Some(Mailbox::named("\"A\" Team", "team@shop.example")),
        in_reply_to: Some("CAJ+abc=1@mail.gmail.com".to_owned()),
        references: vec!["first@shop.example".to_owned(), "CAJ+abc=1@mail.gmail.com".to_owned()],
        text: None,
        html: Some("<p>您好 <b>Ann</b></p><p><a href=\"https://shop.example/x\">see</a></p><img src=\"cid:logo.1@shop.example\">".to_owned()),
        images: vec![InlineImage { content_id: "logo.1@shop.example".to_owned(), file: image }],
        files: vec![
            File { name: "报价单 2026（最终版）——请在十一月底之前确认并回传给我们.pdf".to_owned(), mime_type: "application/pdf".to_owned(), octets: b"%PDF-1.4\r\n".repeat(50) },
            File { name: "notes; \"v2\".txt".to_owned(), mime_type: "text/plain".to_owned(), octets: "你好\nline".as_bytes().to_vec() },
        ],
        automatic: Automatic::Replied,
        unsubscribe: Some(Unsubscribe {
            one_click: Some("https://shop.example/api/u/abc".to_owned()),
            mail_to: Some("u+abc@shop.example".to_owned()),
        }),
        mark: Some("c12.m7".to_owned()),
        ..plain()
    }
}

fn text_of(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// The head, unfolded.
fn head(octets: &[u8]) -> String {
    text_of(octets).split_once("\r\n\r\n").unwrap().0.replace("\r\n ", " ").replace("\r\n\t", " ")
}

#[test]
fn a_plain_mail() {
    let octets = plain().write().unwrap();
    assert_eq!(octets, plain().write().unwrap(), "the same mail, the same octets");
    let text = text_of(&octets);
    assert!(text.lines().all(|l| l.len() <= 78), "{text}");
    assert!(!text.contains("multipart") && head(&octets).contains("\r\nMessage-ID: <offer.2@shop.example>"));
    let mail = Incoming::read(&octets).unwrap();
    assert_eq!(mail.subject, plain().subject);
    assert_eq!(mail.from, [plain().from]);
    assert_eq!(mail.to, plain().to);
    assert_eq!(mail.date, Some(plain().date));
    assert_eq!(mail.text.trim_end(), "您好！\n.\nFrom here on");
}

#[test]
fn structure_and_fields() {
    let octets = whole().write().unwrap();
    let (text, head) = (text_of(&octets), head(&octets));
    let types: Vec<&str> = text
        .match_indices("Content-Type: ")
        .map(|(at, _)| {
            let rest = &text[at + 14..];
            &rest[..rest.find([';', '\r']).unwrap()]
        })
        .collect();
    assert_eq!(
        types,
        [
            "multipart/mixed",
            "multipart/alternative",
            "text/plain",
            "multipart/related",
            "text/html",
            "image/png",
            "application/pdf",
            "text/plain",
        ]
    );
    for line in [
        "In-Reply-To: <CAJ+abc=1@mail.gmail.com>",
        "References: <first@shop.example> <CAJ+abc=1@mail.gmail.com>",
        "Bcc: crm@shop.example",
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
        "List-Unsubscribe: <https://shop.example/api/u/abc>, <mailto:u+abc@shop.example?subject=unsubscribe>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        &format!("{OWN_MARK}: c12.m7"),
        "Date: Mon, 16 Nov 2026 08:00:00 +0000",
        "MIME-Version: 1.0",
    ] {
        assert!(
            head.lines().any(|l| l == line || l.replace(['<', '>'], "") == line.replace(['<', '>'], "")),
            "{line}\n{head}"
        );
    }
    assert!(!head.contains("Precedence"));
    assert!(text.contains("filename*0*=UTF-8''") && text.contains("filename*=UTF-8''"), "{text}");
    let fallback = text.split("name=\"=?utf-8?B?").nth(1);
    assert!(fallback.is_some(), "{text}");

    let mail = Incoming::read(&octets).unwrap();
    assert_eq!(mail.cc[1], Mailbox::named("王芳", "wang@xn--fsqu00a.xn--fiqs8s"));
    assert_eq!(mail.reply_to, [Mailbox::named("\"A\" Team", "team@shop.example")]);
    assert_eq!(mail.text, "您好 Ann\n\nsee <https://shop.example/x>");
    assert_eq!(mail.html, whole().html);
    let names: Vec<_> = mail.attachments.iter().map(|a| (a.file_name.as_str(), a.inline)).collect();
    assert_eq!(
        names,
        [("标志.png", true), (whole().files[0].name.as_str(), false), ("notes; \"v2\".txt", false)]
    );
    let files: Vec<_> = mail.attachments.iter().map(|a| a.octets(&octets).into_owned()).collect();
    assert_eq!(
        files,
        [
            whole().images[0].file.octets.clone(),
            whole().files[0].octets.clone(),
            whole().files[1].octets.clone()
        ]
    );
}

#[test]
fn an_address_that_a_link_would_misread() {
    let unsubscribe = Unsubscribe { one_click: None, mail_to: Some("u?a&b@例子.中国".to_owned()) };
    let octets = Outgoing { unsubscribe: Some(unsubscribe), ..plain() }.write().unwrap();
    let head = head(&octets);
    assert!(head.contains("<mailto:u%3Fa%26b@xn--fsqu00a.xn--fiqs8s?subject=unsubscribe>"), "{head}");
    assert!(!head.contains("List-Unsubscribe-Post"), "{head}");
}

#[test]
fn a_boundary_in_the_text_ends_nothing() {
    let mut mail = whole();
    let octets = text_of(&mail.write().unwrap());
    let boundary = octets.split("boundary=\"").nth(2).unwrap().split('"').next().unwrap().to_owned();
    mail.html = Some(format!(
        "<p>a</p>\n--{boundary}\nContent-Type: text/html\n\n<p>b</p>\n--{boundary}--\n<p>c</p>"
    ));
    let read = Incoming::read(&mail.write().unwrap()).unwrap();
    assert_eq!(read.html, mail.html);
    assert_eq!(read.attachments.len(), 3);
}

#[test]
fn long_threads_keep_the_first_and_the_last() {
    let mut mail = plain();
    mail.references = (0..300).map(|n| format!("CAJabcdefghijklmnopqrstuvwxyz{n}@mail.gmail.com")).collect();
    let octets = mail.write().unwrap();
    assert!(text_of(&octets).lines().all(|l| l.len() <= 78));
    let read = Incoming::read(&octets).unwrap().references;
    assert!(read.len() > 20 && read.len() < 100, "{}", read.len());
    assert_eq!((&read[0], &read[read.len() - 1]), (&mail.references[0], &mail.references[299]));
    assert_eq!(read[1..], mail.references[300 - (read.len() - 1)..]);
}

#[test]
fn what_cannot_be_written_is_named() {
    type Change = fn(&mut Outgoing);
    let cases: [(&str, Change); 19] = [
        ("to", |m| (m.to, m.cc, m.bcc) = Default::default()),
        ("from.address", |m| m.from.address = "nobody".to_owned()),
        ("to[0].address", |m| m.to[0].address = "a@b.example>,<c@d.example".to_owned()),
        ("cc[1].name", |m| m.cc[1].name = Some("a\rb".to_owned())),
        ("bcc[0].address", |m| m.bcc[0].address = "a b@c.example".to_owned()),
        ("reply_to.name", |m| m.reply_to.as_mut().unwrap().name = Some("x\n".to_owned())),
        ("subject", |m| m.subject = "a\nBcc: x@y.example".to_owned()),
        ("subject", |m| m.subject = "safe\u{202e}fdp.exe".to_owned()),
        ("subject", |m| m.subject = "x".repeat(999)),
        ("message_id", |m| m.message_id = "<a@b.example>".to_owned()),
        ("message_id", |m| m.message_id = "a@localhost".to_owned()),
        ("in_reply_to", |m| m.in_reply_to = Some("a@b>\r\nX: y".to_owned())),
        ("references[0]", |m| m.references[0] = "a b@c".to_owned()),
        ("files[0].name", |m| m.files[0].name = "../a".to_owned()),
        ("files[1].mime_type", |m| m.files[1].mime_type = "multipart/mixed".to_owned()),
        ("images[0].content_id", |m| m.images[0].content_id = "x".to_owned()),
        ("images[0].mime_type", |m| m.images[0].file.mime_type = "text/html".to_owned()),
        ("unsubscribe.one_click", |m| {
            m.unsubscribe.as_mut().unwrap().one_click = Some("http://x.example".to_owned())
        }),
        ("mark", |m| m.mark = Some("a b".to_owned())),
    ];
    for (field, change) in cases {
        let mut mail = whole();
        change(&mut mail);
        let error = mail.write().map(|_| field).unwrap_err();
        assert_eq!(error.field, field, "{error}");
        assert!(error.to_string().starts_with(field));
    }
    let empty = Outgoing { text: None, ..plain() };
    assert_eq!(empty.write().unwrap_err().field, "text");
    let hidden = Outgoing { to: Vec::new(), bcc: vec![Mailbox::new("a@x.example")], ..plain() };
    assert!(hidden.write().is_ok(), "a mail may have hidden recipients alone");
    let large = File { name: "a".to_owned(), mime_type: "a/b".to_owned(), octets: vec![0; 28 << 20] };
    assert_eq!(Outgoing { files: vec![large], ..plain() }.write().unwrap_err().field, "attachments");
}

#[test]
fn subjects_of_answers() {
    for (subject, answer) in [
        ("Offer", "Re: Offer"),
        ("Re: Offer", "Re: Offer"),
        ("RE: AW: Re[2]: Offer", "Re: Offer"),
        ("回复：合作", "Re: 合作"),
        ("答复: 回复: 合作", "Re: 合作"),
        ("Fwd: Offer", "Re: Fwd: Offer"),
        ("Re:", "Re:"),
        ("", "Re:"),
        ("Red: a colour", "Re: Red: a colour"),
        ("Re: a\r\nBcc: x", "Re: a  Bcc: x"),
    ] {
        assert_eq!(reply_subject(subject), answer);
    }
}

#[test]
fn recipients_of_answers() {
    let own = OwnAddresses::new(["outreach@shop.example", "alias@shop.example", "li.lei@gmail.com"]);
    let read = |fields: &str| Incoming::read(format!("{fields}\n\nx").as_bytes()).unwrap();
    let told = |mail: &Incoming, all| {
        let r = reply_recipients(mail, &own, all);
        let list = |l: Vec<Mailbox>| l.into_iter().map(|m| m.address).collect::<Vec<_>>().join(" ");
        format!("{} | {}", list(r.to), list(r.cc))
    };
    let mail = read(
        "From: ann@x.example\nTo: Outreach+1@SHOP.example, bo@x.example\nCc: LiLei@googlemail.com, cy@x.example, ANN@x.example",
    );
    assert_eq!(told(&mail, false), "ann@x.example | ");
    assert_eq!(told(&mail, true), "ann@x.example bo@x.example | cy@x.example");
    let mail =
        read("From: ann@x.example\nReply-To: desk@x.example, alias@shop.example\nTo: outreach@shop.example");
    assert_eq!(told(&mail, true), "desk@x.example | ");
    assert!(mail.is_from(&own) && mail.is_to(&own), "a Reply-To of ours makes it ours");
    let copy =
        read("From: ann@x.example\nTo: list@x.example\nCc: outreach@shop.example\nMessage-ID: <a@X.example>");
    assert!(!copy.is_from(&own) && !copy.is_to(&own));
    assert_eq!(copy.message_id_domain().as_deref(), Some("x.example"));
    let mine = read("From: alias@shop.example\nTo: ann@x.example\nCc: bo@x.example");
    assert_eq!(told(&mine, false), "ann@x.example | ");
    assert_eq!(told(&mine, true), "ann@x.example | bo@x.example");
}

#[test]
fn an_answer_continues_its_thread_and_quotes() {
    let raw = "From: Ann <ann@x.example>\nDate: Mon, 16 Nov 2026 08:05:00 +0000\nMessage-ID: <m.2@x.example>\n\
               References: <m.1@x.example>\nContent-Type: text/html\n\n<p>Hi</p><script>x</script><img src=\"https://t.example/p\">";
    let mail = Incoming::read(raw.as_bytes()).unwrap();
    assert_eq!(
        reply::thread(&mail),
        (Some("m.2@x.example".to_owned()), vec!["m.1@x.example".to_owned(), "m.2@x.example".to_owned()])
    );
    assert_eq!(reply::quote_text(&mail), "On 2026-11-16 08:05 (UTC), Ann <ann@x.example> wrote:\n> Hi\n");
    let html = reply::quote_html(&mail);
    assert!(html.contains("gmail_quote") && !html.contains("<script") && !html.contains(" src="), "{html}");
    // And what we quote, we tell apart again.
    let answer = Outgoing {
        text: Some(format!("Yes.\n\n{}", reply::quote_text(&mail))),
        html: Some(format!("<p>Yes.</p>{html}")),
        ..plain()
    };
    let split = Incoming::read(&answer.write().unwrap()).unwrap().split();
    assert_eq!((split.new.as_str(), split.quoted.contains("Hi")), ("Yes.", true));
    // No identity, no thread; an id that cannot be written breaks no answer.
    let bare =
        Incoming::read(b"From: a@x.example\nReferences: <ok@x.example> <\xe4\xbd\xa0@x>\n\nx").unwrap();
    assert_eq!(reply::thread(&bare), (None, vec!["ok@x.example".to_owned()]));
}

/// Reads a mail with Python's `email` package: another reader, other opinions.
const PYTHON: &str = r#"
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = []
for p in m.walk():
    if p.is_multipart():
        parts.append([p.get_content_type()])
    else:
        parts.append([p.get_content_type(), p.get_filename(), p.get_content_disposition(), p.get_payload(decode=True).hex()])
print(json.dumps({
    "subject": m["subject"], "from": str(m["from"].addresses[0].display_name), "to": [a.addr_spec for a in m["to"].addresses],
    "cc": [[a.display_name, a.addr_spec] for a in m["cc"].addresses] if m["cc"] else [], "fields": m.keys(),
    "references": (m["references"] or "").split(), "id": m["message-id"], "defects": [str(d) for d in m.defects], "parts": parts,
}))
"#;

fn by_python(octets: &[u8]) -> Option<Value> {
    let child =
        Command::new("python3").args(["-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("by_python: skipped, there is no python3");
        return None;
    };
    child.stdin.take().unwrap().write_all(octets).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    Some(serde_json::from_slice(&out.stdout).unwrap())
}

#[test]
fn python_reads_the_same() {
    let mail = whole();
    let Some(read) = by_python(&mail.write().unwrap()) else { return };
    assert_eq!(read["subject"], mail.subject);
    assert_eq!(read["from"], "鸿雁 Outreach");
    assert_eq!(read["to"], serde_json::json!(["ann@corp.example"]));
    assert_eq!(read["cc"][1], serde_json::json!(["王芳", "wang@xn--fsqu00a.xn--fiqs8s"]));
    assert_eq!(read["id"], "<offer.2@shop.example>");
    assert_eq!(read["references"], serde_json::json!(["<first@shop.example>", "<CAJ+abc=1@mail.gmail.com>"]));
    assert_eq!(read["defects"], serde_json::json!([]));
    let hex = |octets: &[u8]| octets.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let parts = read["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 8, "{parts:?}");
    assert_eq!(
        parts[5],
        serde_json::json!(["image/png", "标志.png", "inline", hex(&mail.images[0].file.octets)])
    );
    assert_eq!(
        parts[6],
        serde_json::json!(["application/pdf", mail.files[0].name, "attachment", hex(&mail.files[0].octets)])
    );
    assert_eq!(
        parts[7],
        serde_json::json!(["text/plain", "notes; \"v2\".txt", "attachment", hex(&mail.files[1].octets)])
    );
    let fields: Vec<&str> = read["fields"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(
        fields,
        [
            "Date",
            "From",
            "To",
            "Cc",
            "Bcc",
            "Reply-To",
            "Subject",
            "Message-ID",
            "In-Reply-To",
            "References",
            "Auto-Submitted",
            "X-Auto-Response-Suppress",
            "List-Unsubscribe",
            "List-Unsubscribe-Post",
            OWN_MARK,
            "MIME-Version",
            "Content-Type",
        ]
    );
}
