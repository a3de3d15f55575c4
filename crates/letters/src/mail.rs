//! The mails of letters: pure text. The letter's words are escaped in HTML and appear nowhere but there; an
//! encrypted letter's not at all.

use accounts::{
    Person,
    post::{Letterhead, escape_lines},
};

use crate::store::LetterRow;

/// A letter about to be mailed.
pub(crate) struct Written<'a> {
    pub(crate) to: String,
    pub(crate) sender: Option<Person>,
    pub(crate) letter: &'a LetterRow,
    /// `None` if it is encrypted.
    pub(crate) content: Option<&'a str>,
    pub(crate) attachments: i64,
    pub(crate) public_url: &'a str,
}

/// The mail that brings a letter.
pub(crate) fn letter(w: &Written<'_>) -> Letterhead {
    let name = w.sender.as_ref().map_or("", |p| p.username.as_str());
    let link = format!("{}/letters/{}", w.public_url, w.letter.id);
    let written = w.letter.created_at.to_string();
    let day = written.get(..10).unwrap_or(&written);
    let mut notes = Vec::new();
    if w.content.is_none() {
        notes.push(format!(
            "这封信已加密，请登录后打开。/ This letter is encrypted. Sign in with this address to open it: {link}"
        ));
    } else if w.attachments > 0 {
        notes.push(format!(
            "附件 {n} 个，请登录查看。/ {n} attachment(s), sign in with this address to see them: {link}",
            n = w.attachments
        ));
    }
    let body = w.content.unwrap_or_default();
    let foot = format!(
        "{name} 于 {day} 写下此信，由鸿雁在约定的时间送达。\n\
         Written by {name} on {day}, delivered by Hongyan at the appointed time."
    );
    let notes_text = notes.join("\n");
    let html_notes: String = notes.iter().map(|n| format!("<p>{}</p>", escape_lines(n))).collect();
    Letterhead {
        to: w.to.clone(),
        to_name: String::new(),
        from_name: name.to_owned(),
        reply_to: w.sender.as_ref().map(|p| p.email.clone()),
        subject: w.letter.title.clone(),
        text: [body, &notes_text, &foot]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n\n-- \n"),
        html: format!(
            "<!doctype html><html><head><meta charset=\"utf-8\"><title>{title}</title></head>\
             <body style=\"font-family:serif;max-width:40em;margin:2em auto;line-height:1.7\">\
             <h1 style=\"font-size:1.3em\">{title}</h1><div>{body}</div>{html_notes}\
             <hr><p style=\"color:#666;font-size:.85em\">{foot}</p></body></html>",
            title = escape_lines(&w.letter.title),
            body = escape_lines(body),
            foot = escape_lines(&foot),
        ),
    }
}

/// The mail that tells an author that a letter's mail was refused for good.
pub(crate) fn refused(author: &Person, letter: &LetterRow, reason: &str, public_url: &str) -> Letterhead {
    let to = letter.recipient_email.as_deref().unwrap_or_default();
    let text = format!(
        "{name}，您好！\n\n您的信《{title}》未能投递到 {to}，对方邮件服务器的答复是：\n\
         Your letter \"{title}\" could not be delivered to {to}. The receiving mail server said:\n\n\
         {reason}\n\n\
         信件仍在鸿雁中，收件人以此邮箱登录即可阅读。\n\
         The letter is kept in Hongyan: who signs in with that address can read it.\n\
         {public_url}/letters/{id}\n",
        name = author.username,
        title = letter.title,
        id = letter.id,
    );
    let plain = Letterhead::plain("您的信未能送达 / Your letter could not be delivered", text);
    Letterhead { to: author.email.clone(), to_name: author.username.clone(), ..plain }
}
