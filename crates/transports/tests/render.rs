//! Rendering: exactly the expected headers whatever the texts hold, bodies that read back, repeatable signatures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use aws_lc_rs::{
    digest,
    signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::Timestamp;
use mail_parser::{Message, MessageParser};
use proptest::prelude::*;
use transports::{Dkim, DkimError, Email, Mailbox, RenderError, parse_address, render};

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox {
        name: Some(name.to_owned()).filter(|n| !n.is_empty()),
        address: parse_address(address).unwrap(),
    }
}

fn email() -> Email {
    Email {
        message_id: "dlv_01.k3@letters.example.org".to_owned(),
        date: "2026-11-21T02:20:27.5Z".parse().unwrap(),
        from: mailbox("鸿雁", "letters@example.org"),
        to: mailbox("Li \"Lei\" O'Neil", "li.lei@example.cn"),
        reply_to: Some(mailbox("", "wei@例子.中国")),
        subject: "十年后的你:一封来自过去的信,写于二〇二六年十一月的一个下雨的晚上".to_owned(),
        text: "你好,\n\n.\n..\nFrom the past.\n".to_owned(),
        html: "<p>你好</p>\n".repeat(40),
        auto_generated: true,
        headers: vec![
            ("List-Unsubscribe", format!("<https://example.org/u/{}>", "x".repeat(120))),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ],
    }
}

fn text(email: &Email, dkim: Option<&Dkim>) -> String {
    String::from_utf8(render(email, dkim).unwrap()).unwrap()
}

/// `(name, unfolded value)` of the top header section.
fn headers(message: &str) -> Vec<(String, String)> {
    let (head, _) = message.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ");
    head.split("\r\n")
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("not a header: {line:?}"));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn names(message: &str) -> Vec<String> {
    headers(message).into_iter().map(|(name, _)| name).collect()
}

fn assert_clean_lines(message: &str) {
    assert!(message.is_ascii() && message.ends_with("\r\n"));
    for line in message.split("\r\n") {
        assert!(line.len() <= 998, "{} octets", line.len());
        assert!(line.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t')), "control characters in {line:?}");
    }
}

/// One line of what `render` promises to make of a subject or a name.
fn shown(text: &str) -> String {
    let separator = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if separator(c) { ' ' } else { c }).collect::<String>().trim().to_owned()
}

fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

const NAMES: [&str; 12] = [
    "Date",
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
];

#[test]
fn a_chinese_letter_reads_back() {
    let email = email();
    let message = text(&email, None);
    assert_clean_lines(&message);
    assert_eq!(names(&message), NAMES);
    assert_eq!(headers(&message)[0].1, "Sat, 21 Nov 2026 02:20:27 +0000");
    let parsed: Message<'_> = MessageParser::default().parse(message.as_bytes()).unwrap();
    assert_eq!(parsed.subject().unwrap(), email.subject);
    assert_eq!(parsed.message_id().unwrap(), email.message_id);
    let from = parsed.from().unwrap().first().unwrap();
    assert_eq!((from.name().unwrap(), from.address().unwrap()), ("鸿雁", "letters@example.org"));
    let to = parsed.to().unwrap().first().unwrap();
    assert_eq!((to.name().unwrap(), to.address().unwrap()), ("Li \"Lei\" O'Neil", "li.lei@example.cn"));
    assert_eq!(parsed.reply_to().unwrap().first().unwrap().address(), Some("wei@xn--fsqu00a.xn--fiqs8s"));
    assert_eq!(parsed.body_text(0).unwrap(), crlf(&email.text));
    assert_eq!(parsed.body_html(0).unwrap(), crlf(&email.html));
    assert_eq!((parsed.text_body_count(), parsed.html_body_count(), parsed.attachment_count()), (1, 1, 0));
}

#[test]
fn a_plain_letter_stays_readable() {
    let email = Email {
        subject: "A letter from 2026, with a subject that is long enough to be folded over two lines"
            .to_owned(),
        text: "Dear me,\n\nit = raining.\n".to_owned(),
        auto_generated: false,
        reply_to: None,
        headers: vec![],
        ..email()
    };
    let message = text(&email, None);
    assert!(message.contains("\r\nSubject: A letter from 2026, with a subject that is long enough to be folded\r\n over two lines\r\n"), "{message}");
    assert!(message.contains("\r\n\r\nDear me,\r\n\r\nit =3D raining.\r\n\r\n--=_"), "{message}");
    assert_eq!(
        names(&message),
        ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"]
    );
}

#[test]
fn what_programs_get_wrong_is_refused() {
    let with = |name: &'static str, value: &str| {
        render(&Email { headers: vec![(name, value.to_owned())], ..email() }, None).map(drop)
    };
    for name in [
        "Subject",
        "from",
        "BCC",
        "Content-Type",
        "content-transfer-encoding",
        "DKIM-Signature",
        "",
        "X y",
        "X:",
        "X\r\nY",
    ] {
        assert_eq!(with(name, "v"), Err(RenderError::HeaderName(name)));
    }
    for value in ["a\r\nBcc: x@y.zz", "a\nb", "a\0", "", " ", "信", "\u{7f}", &"x".repeat(1000)] {
        assert_eq!(with("X-Letter", value), Err(RenderError::HeaderValue("X-Letter")));
    }
    let twice = vec![("X-A", "1".to_owned()), ("x-a", "2".to_owned())];
    assert_eq!(render(&Email { headers: twice, ..email() }, None), Err(RenderError::HeaderName("x-a")));
    for id in [
        "",
        "a",
        "@",
        "a@",
        "a@b@c",
        "a@b>\r\nBcc: x@y.zz",
        "<a@b>",
        "a b@c",
        "é@b",
        &format!("{}@b", "a".repeat(250)),
    ] {
        assert_eq!(
            render(&Email { message_id: id.to_owned(), ..email() }, None),
            Err(RenderError::MessageId),
            "{id:?}"
        );
    }
}

/// PEM keys made for this run: RSA as PKCS#8 and as PKCS#1, Ed25519.
fn keys() -> [String; 3] {
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    // PKCS#8 wraps PKCS#1 in a header of 26 octets (RFC 5958) for keys of this size.
    let lines = STANDARD.encode(&rsa.serialize_der()[26..]);
    let lines: Vec<&str> = lines.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    let pkcs1 =
        format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", lines.join("\n"));
    [rsa.serialize_pem(), pkcs1, rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem()]
}

/// A verifier written from RFC 6376 apart from the signer: takes the message apart as a receiver would.
fn verifies(message: &str, dkim: &Dkim) -> bool {
    let unfold = |value: &str| {
        value.split([' ', '\t', '\r', '\n']).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        match line.strip_prefix(' ') {
            Some(more) => fields.last_mut().unwrap().1.push_str(&format!(" {more}")),
            None => {
                let (name, value) = line.split_once(':').unwrap();
                fields.push((name.to_ascii_lowercase(), value.to_owned()));
            }
        }
    }
    let signature = unfold(&fields.iter().find(|(n, _)| n == "dkim-signature").unwrap().1);
    let tag = |name: &str| {
        let tag = signature.split(';').map(str::trim).find_map(|t| t.strip_prefix(&format!("{name}=")));
        tag.unwrap().replace(' ', "")
    };
    let mut body: Vec<String> =
        body.split("\r\n").map(|l| l.split([' ', '\t']).collect::<Vec<_>>().join(" ")).collect();
    for line in &mut body {
        while line.contains("  ") {
            *line = line.replace("  ", " ");
        }
        *line = line.trim_end().to_owned();
    }
    while body.last().is_some_and(String::is_empty) {
        body.pop();
    }
    let body = body.iter().map(|l| format!("{l}\r\n")).collect::<String>();
    if tag("bh") != STANDARD.encode(digest::digest(&digest::SHA256, body.as_bytes())) {
        return false;
    }
    let mut input = String::new();
    let mut rest = fields.clone();
    for name in tag("h").to_ascii_lowercase().split(':') {
        if let Some(at) = rest.iter().rposition(|(n, _)| n == name) {
            input.push_str(&format!("{name}:{}\r\n", unfold(&rest.remove(at).1)));
        }
    }
    let bare = signature.rsplit_once("b=").unwrap().0;
    input.push_str(&format!("dkim-signature:{bare}b="));
    let value = STANDARD.decode(tag("b")).unwrap();
    let record = dkim.dns_record().unwrap();
    let public = STANDARD.decode(record.rsplit_once("p=").unwrap().1).unwrap();
    if tag("a") == "rsa-sha256" {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(input.as_bytes(), &value).is_ok()
    } else {
        let hash = digest::digest(&digest::SHA256, input.as_bytes());
        UnparsedPublicKey::new(&ED25519, public).verify(hash.as_ref(), &value).is_ok()
    }
}

#[test]
fn signatures_verify_and_repeat() {
    for (key, algorithm) in keys().iter().zip(["rsa-sha256", "rsa-sha256", "ed25519-sha256"]) {
        let dkim = Dkim::load("s2026", "example.org", key).unwrap();
        assert_eq!(dkim.dns_name(), "s2026._domainkey.example.org");
        let message = text(&email(), Some(&dkim));
        assert_clean_lines(&message);
        let signature = &headers(&message)[0];
        assert_eq!(signature.0, "DKIM-Signature");
        for part in [
            &format!("v=1; a={algorithm}; c=relaxed/relaxed; d=example.org; s=s2026; t=1795227627;"),
            "h=From:From:To:Subject:Date:Message-ID:Reply-To:",
            "Content-Type:List-Unsubscribe:List-Unsubscribe-Post;",
        ] {
            assert!(signature.1.contains(part), "{part} is missing in {}", signature.1);
        }
        assert!(verifies(&message, &dkim));
        assert_eq!(message, text(&email(), Some(&dkim)), "the same bytes again");

        for (what, to) in [
            ("From: ", "From: x"),
            ("Subject: ", "Subject: x "),
            ("\r\nReply-To:", "\r\nFrom: second@example.net\r\nReply-To:"),
            ("One-Click", "Two-Click"),
            ("t=1795227627", "t=1795227628"),
            ("\r\n\r\n--=_", "\r\n\r\nx\r\n--=_"),
        ] {
            let altered = message.replacen(what, to, 1);
            assert_ne!(altered, message, "{what}");
            assert!(!verifies(&altered, &dkim), "{what} is not covered");
        }
    }
}

#[test]
fn keys_are_read_in_every_usual_form_and_refused_with_a_reason() {
    let base64 = |pem: &str| pem.lines().filter(|l| !l.starts_with('-')).collect::<String>();
    let [rsa, pkcs1, _] = keys();
    let rsa = rsa.as_str();
    let pkcs8 = Dkim::load("s", "example.org", rsa).unwrap();
    for same in [base64(rsa), base64(&pkcs1), pkcs1, format!("key:\n{rsa}\n")] {
        assert_eq!(Dkim::load(" S ", "EXAMPLE.org", &same).unwrap().dns_record(), pkcs8.dns_record());
    }
    // RFC 8463 appendix A.
    let seed = Dkim::load("brisbane", "football.example.com", "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
        .unwrap();
    assert_eq!(
        seed.dns_record().unwrap(),
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    );
    assert!(!format!("{seed:?}").contains("nWGx"));

    let load = |selector, domain, key: &str| Dkim::load(selector, domain, key).map(drop);
    for (selector, domain, key, why) in [
        ("", "example.org", rsa, DkimError::Selector),
        ("a;b", "example.org", rsa, DkimError::Selector),
        ("s\r\nx: y", "example.org", rsa, DkimError::Selector),
        ("s", "", rsa, DkimError::Domain),
        ("s", "127.0.0.1", rsa, DkimError::Domain),
        ("s", "exam ple.org", rsa, DkimError::Domain),
        ("s", "example.org", "", DkimError::Text),
        ("s", "example.org", "no key!", DkimError::Text),
        ("s", "example.org", "AAAA", DkimError::Key),
        (
            "s",
            "example.org",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            DkimError::WrongPem,
        ),
    ] {
        assert_eq!(load(selector, domain, key), Err(why), "{selector:?} {domain:?}");
    }
}

/// Texts that lean towards what breaks mail: line ends, encoded words, quotes, dots, boundaries, wide characters.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r\nBcc: victim@example.net\r\n".to_owned()),
        Just("\r\n\r\n".to_owned()),
        Just("\r\n.\r\n".to_owned()),
        Just("=?utf-8?B?SGk=?=".to_owned()),
        Just("--=_".to_owned()),
        Just("\u{2028}\u{85}\u{0}\u{7f}\u{feff}".to_owned()),
        Just("\"\\<a@b.cc>,;".to_owned()),
        "[ \t\r\n.=\"]{1,4}",
        "[a-zA-Z ]{1,120}",
        "[一-龥]{1,40}",
        "\\PC{0,20}",
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_a_header_or_ends_a_part(
        subject in hostile(), name in hostile(), text_body in hostile(), html in hostile(), reply: bool, auto: bool,
        micros in 0..Timestamp::MAX.micros(),
    ) {
        let email = Email {
            subject, text: text_body, html, auto_generated: auto,
            date: Timestamp::from_micros(micros),
            from: mailbox(&name, "letters@example.org"),
            to: mailbox(&name, "li.lei@example.cn"),
            reply_to: reply.then(|| mailbox(&name, "wei@example.org")),
            ..email()
        };
        let message = text(&email, None);
        assert_clean_lines(&message);
        let expected: Vec<&str> = NAMES.into_iter().filter(|n| match *n {
            "Reply-To" => reply,
            "Auto-Submitted" | "X-Auto-Response-Suppress" => auto,
            _ => true,
        }).collect();
        prop_assert_eq!(names(&message), expected);
        prop_assert_eq!(&message, &text(&email, None));

        let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
        prop_assert_eq!(parsed.subject().unwrap_or_default(), shown(&email.subject));
        let from = parsed.from().unwrap().first().unwrap();
        prop_assert_eq!(from.address(), Some("letters@example.org"));
        prop_assert_eq!(from.name().unwrap_or_default(), shown(&name));
        prop_assert_eq!(parsed.parts.len(), 3);
        prop_assert_eq!(parsed.body_text(0).unwrap(), crlf(&email.text));
        prop_assert_eq!(parsed.body_html(0).unwrap(), crlf(&email.html));
    }
}
