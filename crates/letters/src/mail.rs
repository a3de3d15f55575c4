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
    /// For the links by which its reader may refuse more.
    pub(crate) token: &'a str,
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
    let refuse = format!("{}/unsubscribe#token={}", w.public_url, w.token);
    let wanted = "不想再收到来信，或要举报此信 / No more letters, or report this one:";
    let foot_text = format!("{foot}\n\n{wanted}\n{refuse}");
    let notes_text = notes.join("\n");
    let html_notes: String = notes.iter().map(|n| format!("<p>{}</p>", escape_lines(n))).collect();
    Letterhead {
        to: w.to.clone(),
        to_name: String::new(),
        from_name: name.to_owned(),
        reply_to: w.sender.as_ref().map(|p| p.email.clone()),
        subject: w.letter.title.clone(),
        text: [body, &notes_text, &foot_text]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n\n-- \n"),
        html: format!(
            "<!doctype html><html><head><meta charset=\"utf-8\"><title>{title}</title></head>\
             <body style=\"font-family:serif;max-width:40em;margin:2em auto;line-height:1.7\">\
             <h1 style=\"font-size:1.3em\">{title}</h1><div>{body}</div>{html_notes}\
             <hr><p style=\"color:#666;font-size:.85em\">{foot}</p>\
             <p style=\"color:#666;font-size:.85em\"><a href=\"{refuse}\">{wanted}</a></p></body></html>",
            title = escape_lines(&w.letter.title),
            body = escape_lines(body),
            foot = escape_lines(&foot),
            refuse = escape_lines(&refuse),
            wanted = escape_lines(wanted.trim_end_matches(':')),
        ),
        // RFC 8058: mail programs show a button that posts to the first.
        headers: vec![
            ("List-Unsubscribe", format!("<{}/api/v1/unsubscribe/{}>", w.public_url, w.token)),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ],
        ..Letterhead::default()
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
         The letter is kept in Hongyan: who signs in with that address can read it. You may give it another\n\
         address there, and it is sent again. 您也可以在鸿雁中更换收件地址，重新寄出。\n\
         {public_url}/letters/{id}\n",
        name = author.username,
        title = letter.title,
        id = letter.id,
    );
    to_author(author, "您的信未能送达 / Your letter could not be delivered", text)
}

/// The mail that tells an author that a letter was taken down.
pub(crate) fn taken_down(author: &Person, letter: &LetterRow, reason: &str) -> Letterhead {
    let text = format!(
        "{name}，您好！\n\n您的信《{title}》已被下架，现在只有您自己可以看到它。原因：\n\
         Your letter \"{title}\" was taken down: nobody but you can see it now. The reason:\n\n{reason}\n\n\
         如有异议，请回复此邮件的发件人。\n\
         If you think that this is wrong, write to the sender of this mail.\n",
        name = author.username,
        title = letter.title,
    );
    to_author(author, "您的信已被下架 / Your letter was taken down", text)
}

/// The mail that tells an author that a letter is there again.
pub(crate) fn restored(author: &Person, letter: &LetterRow, public_url: &str) -> Letterhead {
    let text = format!(
        "{name}，您好！\n\n您的信《{title}》已恢复，收件人又可以看到它了。\n\
         Your letter \"{title}\" is there again for its readers.\n{public_url}/letters/{id}\n",
        name = author.username,
        title = letter.title,
        id = letter.id,
    );
    to_author(author, "您的信已恢复 / Your letter is there again", text)
}

fn to_author(author: &Person, subject: &str, text: String) -> Letterhead {
    let plain = Letterhead::plain(subject, text);
    Letterhead { to: author.email.clone(), to_name: author.username.clone(), ..plain }
}
