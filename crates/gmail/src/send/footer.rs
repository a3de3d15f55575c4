//! The line below a mail that says, where its reader sees it, how to refuse more. Pure.

/// The words of a mail with the line below them, in the language of its text; as a signature, which nobody answers to.
pub(super) fn below(
    text: Option<&str>,
    html: Option<&str>,
    link: Option<&str>,
) -> (Option<String>, Option<String>) {
    let line = line(text.or(html).unwrap_or_default(), link);
    let as_text = text.map(|text| format!("{}\n\n-- \n{line}\n", text.trim_end()));
    let as_html = html.map(|html| {
        let line = mail::html::from_text(&line);
        format!("{html}<br>\n<br>\n<div style=\"color:#666;font-size:small\">-- <br>\n{line}</div>")
    });
    (as_text, as_html)
}

fn line(text: &str, link: Option<&str>) -> String {
    match (is_chinese(text), link) {
        (true, Some(link)) => format!("如不需要后续来信，回复“退订”二字，或打开 {link}"),
        (true, None) => "如不需要后续来信，回复“退订”二字即可。".to_owned(),
        (false, Some(link)) => {
            format!("No more mails from us? Reply with the one word “unsubscribe”, or open {link}")
        }
        (false, None) => {
            "No more mails from us? A reply with the one word “unsubscribe” is enough.".to_owned()
        }
    }
}

/// A character of Chinese says about as much as half a word.
fn is_chinese(text: &str) -> bool {
    let han = text.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).count();
    let latin = text.chars().filter(char::is_ascii_alphabetic).count();
    han * 3 > latin
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://hongyan.example/u/1/";

    #[test]
    fn in_the_language_of_the_mail_and_no_refusal_itself() {
        for (text, link, part) in [
            ("Dear Mia, any news?", None, "the one word “unsubscribe”"),
            ("Dear Mia, any news?", Some(LINK), LINK),
            ("林珊，您好！想再确认一下 Mia 的档期。", None, "回复“退订”二字"),
            ("林珊，您好！", Some(LINK), LINK),
        ] {
            let (plain, html) = below(Some(text), Some(&mail::html::from_text(text)), link);
            let (plain, html) = (plain.unwrap(), html.unwrap());
            assert!(plain.starts_with(text) && plain.contains("\n-- \n") && plain.contains(part), "{plain}");
            assert!(html.contains(part) && html.contains("<a href") == link.is_some(), "{html}");
            // Whoever answers above it, without a mark at what they quote, refuses nothing.
            assert!(!mail::is_opt_out("Re: News", &format!("Sounds good!\n\n{plain}")), "{plain}");
            assert!(!mail::is_opt_out("", &line(text, link)));
        }
        assert_eq!(below(Some("a"), None, None).1, None);
    }
}
