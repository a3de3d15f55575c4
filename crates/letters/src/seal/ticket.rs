//! Tickets: what a URL carries to open a sealed file for a quarter of an hour.
//!
//! A ticket is sealed by the keyring and kept nowhere, so that every process opens it: expiry in microseconds
//! (8) ‖ file key (32) ‖ file name.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use kernel::{
    Problem, Timestamp,
    seal::{Key, Keyring},
};
use zeroize::Zeroizing;

use super::{cannot_open, key::FileSecret};

/// How long a ticket is good for.
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);

/// What a ticket gives.
pub(crate) struct Ticket {
    pub(crate) key: Key,
    pub(crate) name: String,
}

impl Ticket {
    /// For the URLs of `file`, from `now`.
    pub(super) fn issue(
        keyring: &Keyring,
        file: &str,
        secret: &FileSecret,
        now: Timestamp,
    ) -> Result<String, Problem> {
        let until = (now + GOOD_FOR).micros().to_be_bytes();
        let plain = Zeroizing::new([&until, secret.key.bytes().as_slice(), secret.name.as_bytes()].concat());
        let sealed = keyring.seal(&place(file), &plain).map_err(|_| cannot_open("ticket", file))?;
        Ok(BASE64URL_NOPAD.encode(&sealed))
    }

    /// `None` if it is no ticket, of another file, or expired.
    pub(crate) fn read(keyring: &Keyring, file: &str, text: &str, now: Timestamp) -> Option<Self> {
        let sealed = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let plain = Zeroizing::new(keyring.open(&place(file), &sealed).ok()?);
        let (until, rest) = plain.split_first_chunk::<8>()?;
        let (key, name) = rest.split_at_checked(32)?;
        let good = now < Timestamp::from_micros(i64::from_be_bytes(*until));
        let ticket = Self { key: Key::from_slice(key)?, name: String::from_utf8(name.to_vec()).ok()? };
        good.then_some(ticket)
    }
}

fn place(file: &str) -> String {
    format!("files:{file}:ticket")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_for_its_file_and_its_time() {
        let keyring = Keyring::new(vec![(1, [7; 32])]);
        let now: Timestamp = "2028-01-15T12:00:00Z".parse().unwrap();
        let secret = FileSecret { key: Key::from([2; 32]), name: "照片 1.jpg".to_owned() };
        let text = Ticket::issue(&keyring, "attach_1", &secret, now).unwrap();
        let last = now + GOOD_FOR - Duration::from_micros(1);
        let ticket = Ticket::read(&keyring, "attach_1", &text, last).unwrap();
        assert!(ticket.key == secret.key && ticket.name == secret.name);
        assert!(Ticket::read(&keyring, "attach_1", &text, now + GOOD_FOR).is_none());
        assert!(Ticket::read(&keyring, "attach_2", &text, now).is_none());
        assert!(Ticket::read(&keyring, "attach_1", text.get(1..).unwrap(), now).is_none());
        assert!(Ticket::read(&keyring, "attach_1", "", now).is_none());
    }
}
