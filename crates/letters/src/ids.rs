//! The ids of a letter's dispatches, `{letter}/{schedule number}/{channel}`, and what is told by them.
//!
//! A mail that is sent again to another address is `…/email/2`, then `…/email/3`: another dispatch, with a
//! Message-ID and a return address of its own.

/// The dispatch of a letter's mail, the first or one that was sent again.
pub(crate) fn email(letter: &str, schedule_no: i64, mailing_no: i64) -> String {
    match mailing_no {
        1 => format!("{letter}/{schedule_no}/email"),
        n => format!("{letter}/{schedule_no}/email/{n}"),
    }
}

/// The dispatch that tells the author that this mail failed: one, however often it is said.
pub(crate) fn notice(email: &str) -> String {
    email.replacen("/email", "/notice", 1)
}

/// `inbox`, `email`, `notice`…
pub(crate) fn channel(dispatch: &str) -> &str {
    dispatch.split('/').nth(2).unwrap_or_default()
}

/// The schedule number and the mailing number of a letter's mail.
pub(crate) fn mailing(email: &str) -> Option<(i64, i64)> {
    let mut parts = email.split('/').skip(1);
    let schedule_no = parts.next()?.parse().ok()?;
    parts.next().filter(|channel| *channel == "email")?;
    Some((schedule_no, parts.next().map_or(Ok(1), str::parse).ok()?))
}

/// What a mail's return address says: `{letter without its prefix}.{schedule number}[.{mailing number}]`.
pub(crate) fn reference(email: &str) -> Option<String> {
    let mut parts = email.strip_prefix("mail_")?.split('/');
    let (letter, schedule_no, channel) = (parts.next()?, parts.next()?, parts.next()?);
    if channel != "email" {
        return None;
    }
    let again = parts.next().map(|n| format!(".{n}")).unwrap_or_default();
    Some(format!("{letter}.{schedule_no}{again}"))
}

/// A mail that came back: the letter's id, the schedule number and the mailing number.
pub(crate) fn returned(reference: &str) -> Option<(String, i64, i64)> {
    let mut parts = reference.split('.');
    let letter = format!("mail_{}", parts.next()?);
    let schedule_no = parts.next()?.parse().ok()?;
    let mailing_no = parts.next().map_or(Ok(1), str::parse).ok()?;
    (kernel::id::is("mail", &letter) && parts.next().is_none()).then_some((letter, schedule_no, mailing_no))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_leads_back_to_its_dispatch() {
        for (mailing_no, id, told) in
            [(1, "mail_abc/2/email", "mail_abc/2/notice"), (3, "mail_abc/2/email/3", "mail_abc/2/notice/3")]
        {
            assert_eq!(email("mail_abc", 2, mailing_no), id);
            assert_eq!(notice(id), told);
            assert_eq!((channel(id), mailing(id)), ("email", Some((2, mailing_no))));
            let reference = reference(id).unwrap();
            assert_eq!(returned(&reference), Some(("mail_abc".to_owned(), 2, mailing_no)));
        }
        for bad in ["", "abc", "abc.x", "abc.1.2.3", "a/b.1", ".1"] {
            assert_eq!(returned(bad), None, "{bad}");
        }
        assert_eq!((reference("mail_abc/2/inbox"), mailing("mail_abc/2/inbox")), (None, None));
    }
}
