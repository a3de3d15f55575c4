//! Returned mail in the shapes that servers write, and in shapes that nobody should.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use proptest::prelude::*;
use transports::bounce::{Action, Notice, RecipientReport, Severity, read};

/// The Message-ID of the mail that all of these are about.
const OURS: &str = "abc123@hongyan.test";

fn report(message: &str, sender: &str) -> RecipientReport {
    match read(message.replace('\n', "\r\n").as_bytes(), sender, OURS) {
        Notice::Report(mut all) => {
            assert_eq!(all.len(), 1, "{all:?}");
            all.remove(0)
        }
        other => panic!("{other:?} of {message}"),
    }
}

#[track_caller]
fn says(message: &str, severity: Severity, status: Option<&str>, diagnostic: &str) {
    let r = report(message, "");
    assert_eq!(r.severity(), severity, "{r:?}");
    assert_eq!(r.status.map(|s| s.to_string()).as_deref(), status, "{r:?}");
    assert!(r.diagnostic.contains(diagnostic), "{r:?}");
}

/// A report as RFC 3464 has it, around these fields of the message and of the recipient.
fn standard(message: &str, recipient: &str) -> String {
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example (Mail Delivery System)\nTo: bounce+x@b.hongyan.test\n\
         Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status;\n boundary=\"B/1\"\n\n\
         This is a MIME-encapsulated message.\n\n--B/1\nContent-Description: Notification\n\
         Content-Type: text/plain; charset=utf-8\n\nYour mail could not be delivered.\n\n\
         --B/1\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n\
         {message}\n\n{recipient}\n\n--B/1\nContent-Description: Undelivered Message\n\
         Content-Type: message/rfc822\n\nMessage-ID: <{OURS}>\nSubject: a letter\n\n4.9.9 in its text\n--B/1--\n"
    )
}

#[test]
fn postfix() {
    let of = |fields: &str| {
        standard(
            "Reporting-MTA: dns; mx.example\nX-Postfix-Queue-ID: 4ZK1\nArrival-Date: Fri, 20 Nov 2026",
            fields,
        )
    };
    says(
        &of("Final-Recipient: rfc822; nobody@example.net\nOriginal-Recipient: rfc822;nobody@example.net\n\
             Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx2.example\nDiagnostic-Code: smtp; 550 5.1.1\n \
             <nobody@example.net>: Recipient address rejected: User unknown"),
        Severity::Hard,
        Some("5.1.1"),
        "550 5.1.1 <nobody@example.net>: Recipient address rejected: User unknown",
    );
    says(
        &of("Final-Recipient: rfc822; a@example.net\nAction: delayed\nStatus: 4.4.1\n\
             Diagnostic-Code: X-Postfix; connect to mx2.example[192.0.2.1]:25: Connection timed out\n\
             Will-Retry-Until: Wed, 25 Nov 2026"),
        Severity::Delayed,
        Some("4.4.1"),
        "Connection timed out",
    );
    says(
        &of("Final-Recipient: rfc822; a@example.net\nAction: failed\nStatus: 4.4.1\n\
             Diagnostic-Code: X-Postfix; connect to mx2.example[192.0.2.1]:25: Connection refused"),
        Severity::Soft,
        Some("4.4.1"),
        "refused",
    );
    assert!(
        report(&of("Final-Recipient: rfc822; a@x.test\nAction: failed\nStatus: 5.1.1"), "")
            .status
            .unwrap()
            .is_dead_address()
    );
}

#[test]
fn exim_and_its_old_form() {
    says(
        &standard(
            "Reporting-MTA: dns; mail.example.org",
            "Action: failed\nFinal-Recipient: rfc822;gone@example.org\nStatus: 5.0.0\nRemote-MTA: dns; mx.example.org\n\
             Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.\n\t550 5.1.1 Try again",
        ),
        Severity::Hard,
        Some("5.1.1"),
        "does not exist",
    );
    let old = format!(
        "X-Failed-Recipients: gone@example.org\nAuto-Submitted: auto-replied\nFrom: Mail Delivery System <Mailer-Daemon@example.org>\n\
         Subject: Mail delivery failed: returning message to sender\n\nThis message was created automatically by mail delivery software.\n\n\
         A message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) failed:\n\n  \
         gone@example.org\n    host mx.example.org [192.0.2.7]\n    SMTP error from remote mail server after RCPT TO:<gone@example.org>:\n    \
         550 Unrouteable address\n\n------ This is a copy of the message, including all the headers. ------\n\nMessage-ID: <{OURS}>\n\n5.9.9 in the letter\n"
    );
    says(&old, Severity::Hard, Some("5.0.0"), "550 Unrouteable address");
    assert_eq!(report(&old, "").recipient, "gone@example.org");
}

#[test]
fn exchange_with_the_status_in_a_base64_part_and_gmail() {
    let fields = "Reporting-MTA: dns;AM0PR.example.com\r\n\r\nFinal-Recipient: rfc822;x@contoso.example\r\nAction: failed\r\n\
                  Status: 5.1.10\r\nDiagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient x@contoso.example not found\r\n";
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, fields);
    let message = format!(
        "From: postmaster@contoso.example\nSubject: Undeliverable: a letter\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=\"delivery-status\"; boundary=b\n\n--b\nContent-Type: text/html\n\n\
         <p>x wasn't found</p>\n--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n{encoded}\n--b--\n"
    );
    says(&message, Severity::Hard, Some("5.1.10"), "RecipientNotFound");
    says(
        &standard(
            "Reporting-MTA: dns; googlemail.com\nX-Original-Message-ID: <abc123@hongyan.test>",
            "Final-Recipient: rfc822; full@gmail.example\nAction: failed\nStatus: 5.2.2\n\
             Diagnostic-Code: smtp; 552-5.2.2 The recipient's inbox is out of storage space",
        ),
        Severity::Soft,
        Some("5.2.2"),
        "out of storage",
    );
}

#[test]
fn qmail_and_chinese_providers() {
    let qmail = format!(
        "From: MAILER-DAEMON@ns.example\nSubject: failure notice\n\nHi. This is the qmail-send program at ns.example.\n\
         I'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n\
         <gone@ns.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n\
         Message-ID: <{OURS}>\n\n4.0.0\n"
    );
    says(&qmail, Severity::Hard, Some("5.1.1"), "no mailbox here by that name");
    let chinese = format!(
        "From: Postmaster@qq.example\nSubject: =?utf-8?B?{}?=\nContent-Type: text/plain; charset=utf-8\n\n\
         您的邮件无法送达：550 Mailbox not found\n",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "系统退信")
    );
    says(&chinese, Severity::Hard, Some("5.0.0"), "550 Mailbox not found");
    let without_code =
        "From: mailer-daemon@x.example\nSubject: Returned mail: see transcript\n\nIt did not work.\n";
    says(without_code, Severity::Soft, None, "");
    let late = "From: mailer-daemon@x.example\nSubject: Delivery Status Notification (Delay)\n\n451 4.7.1 greylisted\n";
    says(late, Severity::Delayed, Some("4.7.1"), "greylisted");
}

#[test]
fn a_bounce_under_a_persons_name_is_known_by_what_it_returns() {
    let forwarder = format!(
        "From: Forwarder <f@x.example>\nSubject: Undeliverable\n\n550 5.1.2 no such domain\n\nMessage-ID: <{OURS}>\n"
    );
    assert_eq!(report(&forwarder, "f@x.example").severity(), Severity::Hard);
    let stranger = forwarder.replace(OURS, "else@where.test");
    assert_eq!(read(stranger.as_bytes(), "f@x.example", OURS), Notice::Other);
}

#[test]
fn what_is_no_report() {
    for (message, sender, expected) in [
        (
            "Subject: Out of office\nAuto-Submitted: auto-replied\n\nBack on Monday. 550 5.1.1\n",
            "",
            Notice::AutoReply,
        ),
        ("Subject: Abwesend\nX-Autoreply: yes\n\n...\n", "a@x.test", Notice::AutoReply),
        (
            "Subject: =?utf-8?B?6Ieq5Yqo5Zue5aSN?=\nPrecedence: auto_reply\n\n我在度假\n",
            "",
            Notice::AutoReply,
        ),
        (
            "From: a@x.test\nSubject: Re: a letter\n\nThank you! 5.1.1 is a fine number.\n",
            "a@x.test",
            Notice::Other,
        ),
        ("", "", Notice::Other),
        (
            "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\nContent-Type: \
          message/disposition-notification\n\nFinal-Recipient: rfc822;a@x.test\nDisposition: displayed\n--b--\n",
            "",
            Notice::Other,
        ),
    ] {
        assert_eq!(read(message.replace('\n', "\r\n").as_bytes(), sender, OURS), expected, "{message}");
    }
    let delivered = standard(
        "Reporting-MTA: dns; x",
        "Final-Recipient: rfc822; a@x.test\nAction: relayed\nStatus: 2.0.0",
    );
    let r = report(&delivered, "");
    assert_eq!((r.action, r.severity()), (Action::Delivered, Severity::None));
}

#[test]
fn a_report_cut_off_in_the_returned_letter_is_whole() {
    let whole =
        standard("Reporting-MTA: dns; x", "Final-Recipient: rfc822; a@x.test\nAction: failed\nStatus: 5.1.1");
    let (cut, _) = whole.split_once("4.9.9").unwrap();
    says(cut, Severity::Hard, Some("5.1.1"), "");
}

fn bounded(message: &[u8], sender: &str) {
    if let Notice::Report(all) = read(message, sender, OURS) {
        assert!(!all.is_empty() && all.len() <= 20);
        for r in all {
            assert!(r.diagnostic.chars().count() <= 500 && r.recipient.chars().count() <= 254);
            assert!(!r.diagnostic.contains(char::is_control) && !r.recipient.contains(char::is_control));
        }
    }
}

#[test]
fn nesting_and_size_do_no_harm() {
    let mut deep = String::new();
    for n in 0..2000 {
        deep.push_str(&format!("Content-Type: multipart/report; boundary=b{n}\r\n\r\n--b{n}\r\n"));
    }
    bounded(deep.as_bytes(), "");
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(5000);
    bounded(messages.as_bytes(), "");
    let long = standard(
        "Reporting-MTA: dns; x",
        &"Final-Recipient: rfc822; a@x.test\nAction: failed\n\n".repeat(5000),
    );
    bounded(long.replace('\n', "\r\n").as_bytes(), "");
    let folded = standard(
        "Reporting-MTA: dns; x",
        &format!("Action: failed\nDiagnostic-Code: x\n{}", " 汉字\n".repeat(50_000)),
    );
    bounded(folded.as_bytes(), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Any octets at all.
    #[test]
    fn octets(message in prop::collection::vec(any::<u8>(), 0..2000), sender in ".{0,20}") {
        bounded(&message, &sender);
    }

    /// What looks like a report, with its fields in any order and any text in them.
    #[test]
    fn fields(fields in prop::collection::vec(
        ("(Final-Recipient|Original-Recipient|Action|Status|Diagnostic-Code|X|)", "[ -~\u{80}-\u{4ff}\t]{0,60}", "(\n|\n\n|\n |:)"),
        0..30,
    )) {
        let text: String = fields.iter().map(|(name, value, end)| format!("{name}:{value}{end}")).collect();
        bounded(standard("Reporting-MTA: dns; x", &text).replace('\n', "\r\n").as_bytes(), "");
    }

    /// A true report with octets changed, put in and cut off.
    #[test]
    fn bent(at in any::<prop::sample::Index>(), with in prop::collection::vec(any::<u8>(), 0..8), keep in any::<prop::sample::Index>()) {
        let mut message = standard("Reporting-MTA: dns; x", "Final-Recipient: rfc822; a@x.test\nAction: failed\nStatus: 5.1.1")
            .into_bytes();
        let at = at.index(message.len());
        message.splice(at..(at + with.len() / 2).min(message.len()), with);
        let keep = keep.index(message.len()) + 1;
        bounded(&message, "");
        bounded(&message[..keep], "");
    }
}
