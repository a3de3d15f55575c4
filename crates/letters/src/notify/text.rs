//! What notifications say, in Chinese and English: pure text. Of a letter only its title, and of an encrypted one not
//! even that.

use accounts::{Person, post::Letterhead};

use super::Occasion;
use crate::store::LetterRow;

/// Characters of a title that fit on a locked screen.
const SHOWN: usize = 80;

/// The title to be shown.
fn title(letter: &LetterRow) -> String {
    if letter.is_encrypted {
        return "一封加密的信 / An encrypted letter".to_owned();
    }
    let mut shown: String = letter.title.chars().take(SHOWN).collect();
    if shown.len() < letter.title.len() {
        shown.push('…');
    }
    format!("《{shown}》")
}

/// The two lines of a push message to `user`.
pub(super) fn push(occasion: Occasion, user: &str, author: &Person, letter: &LetterRow) -> (String, String) {
    let head = match occasion {
        Occasion::Received if author.user_id == user => "您的信到了 / Your letter has arrived".to_owned(),
        Occasion::Received => format!("{name} 的来信 / A letter from {name}", name = author.username),
        Occasion::Delivered => "您的信已送达 / Your letter was delivered".to_owned(),
        Occasion::Reminder => "您的信即将送出 / Your letter will leave soon".to_owned(),
    };
    (head, title(letter))
}

/// The mail to the author.
pub(super) fn mail(occasion: Occasion, author: &Person, letter: &LetterRow, public_url: &str) -> Letterhead {
    let (name, title) = (&author.username, title(letter));
    let link = format!("{public_url}/letters/{}", letter.id);
    let foot = "可在通知设置中关闭此类邮件。\nYou can switch such mails off in the notification settings.\n";
    let (subject, text) = match occasion {
        Occasion::Received | Occasion::Delivered => {
            let written = letter.created_at.to_string();
            let day = written.get(..10).unwrap_or(&written);
            (
                "您的信到了 / Your letter has arrived",
                format!(
                    "{name}，您好！\n\n您于 {day} 写给自己的信到了：\n\
                     The letter that you wrote to yourself on {day} has arrived:\n\n{title}\n{link}\n\n{foot}"
                ),
            )
        }
        Occasion::Reminder => {
            let at = letter.send_time.map(|t| t.to_string()).unwrap_or_default();
            let to = match &letter.recipient_email {
                Some(email) => email.clone(),
                None => "所有人 / everybody".to_owned(),
            };
            (
                "您的信即将送出 / Your letter will leave soon",
                format!(
                    "{name}，您好！\n\n您的信将于 {at} (UTC) 送达 {to}。在此之前您仍可撤回。\n\
                     Your letter will be delivered to {to} at {at} (UTC). Until shortly before, you can still revoke it.\n\n\
                     {title}\n{link}\n\n{foot}"
                ),
            )
        }
    };
    Letterhead { to: author.email.clone(), to_name: name.clone(), ..Letterhead::plain(subject, text) }
}
