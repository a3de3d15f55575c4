//! The body of an [`Outgoing`]: `mixed[alternative[text, related[html, images]], files]`.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail_builder::{
    headers::{content_type::ContentType, raw::Raw},
    mime::{BodyPart, MimePart},
};

use super::{File, Outgoing};

/// The parts; a level that would hold one part is left out.
pub(super) fn tree(mail: &Outgoing) -> MimePart<'_> {
    let words = words(mail);
    if mail.files.is_empty() {
        return words;
    }
    let mut parts = vec![words];
    parts.extend(mail.files.iter().map(|file| enclosed(file, "attachment")));
    multipart(mail, "mixed", parts)
}

fn words(mail: &Outgoing) -> MimePart<'_> {
    let text = MimePart::new("text/plain", lines(&mail.plain_text()));
    let Some(html) = &mail.html else { return text };
    let html = MimePart::new("text/html", lines(html));
    let shown = if mail.images.is_empty() {
        html
    } else {
        let mut parts = vec![html];
        parts.extend(
            mail.images.iter().map(|image| enclosed(&image.file, "inline").cid(image.content_id.as_str())),
        );
        multipart(mail, "related", parts)
    };
    multipart(mail, "alternative", vec![text, shown])
}

/// Text with line feeds alone, control characters out; mail-builder writes CRLF.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

fn multipart<'x>(mail: &Outgoing, kind: &'static str, parts: Vec<MimePart<'x>>) -> MimePart<'x> {
    let content = ContentType::new(format!("multipart/{kind}")).attribute("boundary", boundary(mail, kind));
    MimePart::new(content, BodyPart::Multipart(parts))
}

/// The boundary follows from the Message-ID, and from the texts: plain ASCII travels as it is, so that one which occurs in a
/// text could end its part. Files are base64, which has no `_`.
fn boundary(mail: &Outgoing, kind: &str) -> String {
    let digest = digest::digest(&digest::SHA256, mail.message_id.as_bytes());
    let hex: String = digest.as_ref().iter().take(12).map(|b| format!("{b:02x}")).collect();
    let held = |b: &str| [&mail.text, &mail.html].into_iter().flatten().any(|text| text.contains(b));
    let mut boundary = format!("=_{kind}_{hex}");
    while held(&boundary) {
        boundary.push('_');
    }
    boundary
}

/// A file. Its name stands twice: by RFC 2231 for programs that can, and as an encoded word for those that cannot
/// (Outlook, Foxmail) in the place where they look.
fn enclosed<'x>(file: &'x File, disposition: &'static str) -> MimePart<'x> {
    let content = if file.name.is_ascii() {
        ContentType::new(file.mime_type.as_str()).attribute("name", file.name.as_str())
    } else {
        ContentType::new(file.mime_type.as_str())
    };
    let mut part = MimePart::new(content, BodyPart::Binary(file.octets.as_slice().into()));
    if !file.name.is_ascii() {
        // An encoded word within quotes: against RFC 2047 §5, and what all the world writes and reads.
        let named = format!("{}; name=\"{}\"", file.mime_type, encoded_words(&file.name));
        part.headers = vec![("Content-Type".into(), Raw::new(named).into())];
    }
    // Octets are octets, also those of a text file.
    part.headers.push(("Content-Transfer-Encoding".into(), Raw::new("base64").into()));
    part.contents = BodyPart::Binary(base64_lines(&file.octets).into());
    let shown = ContentType::new(disposition).attribute("filename", file.name.as_str());
    part.header("Content-Disposition", shown)
}

/// RFC 2045 §6.8: lines of 76.
fn base64_lines(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() / 57 * 78 + 80);
    for chunk in octets.chunks(57) {
        out.extend_from_slice(STANDARD.encode(chunk).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The name in encoded words of at most 75 characters.
fn encoded_words(name: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut piece = String::new();
    for c in name.chars() {
        if piece.len() + c.len_utf8() > 42 {
            words.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    words.push(piece);
    words.iter().map(|w| format!("=?utf-8?B?{}?=", STANDARD.encode(w))).collect::<Vec<_>>().join(" ")
}
