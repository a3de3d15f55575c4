//! The images of mails that were fetched just now: whoever looks at a mail asks for all of them, one by one.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Bytes;
use kernel::Timestamp;

/// So long they are kept.
const KEPT: Duration = Duration::from_secs(60);
/// So many octets at most, of all mails together.
const MOST: usize = 32 * 1024 * 1024;

/// A mail's images, by the ids of the parts that they are.
type Images = HashMap<String, Bytes>;

/// A mail that was fetched.
struct Fetched {
    /// Its account's key and Gmail's id.
    mail: (String, String),
    at: Timestamp,
    images: Images,
    octets: usize,
}

/// For a minute, and so many octets, the oldest ones first to go.
#[derive(Default)]
pub(super) struct Kept(Mutex<VecDeque<Fetched>>);

impl Kept {
    fn locked(&self, now: Timestamp) -> MutexGuard<'_, VecDeque<Fetched>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|fetched| now.since(fetched.at) < KEPT);
        all
    }

    /// An image of a mail, if it is kept.
    pub(super) fn image(&self, mail: &(String, String), part: &str, now: Timestamp) -> Option<Bytes> {
        let all = self.locked(now);
        all.iter().find(|fetched| fetched.mail == *mail)?.images.get(part).cloned()
    }

    /// Keeps a mail's images, unless they are too many.
    pub(super) fn keep(&self, mail: (String, String), images: Images, now: Timestamp) {
        let octets = images.values().map(Bytes::len).sum();
        if images.is_empty() || octets > MOST {
            return;
        }
        let mut all = self.locked(now);
        all.retain(|fetched| fetched.mail != mail);
        let mut sum = all.iter().map(|fetched| fetched.octets).sum::<usize>() + octets;
        while sum > MOST {
            let Some(oldest) = all.pop_front() else { break };
            sum -= oldest.octets;
        }
        all.push_back(Fetched { mail, at: now, images, octets });
    }

    /// Lets go what was kept long enough.
    pub(super) fn forget(&self, now: Timestamp) {
        drop(self.locked(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(n: usize) -> (String, String) {
        ("gcred_1".to_owned(), n.to_string())
    }

    fn images(octets: usize) -> Images {
        HashMap::from([("1".to_owned(), Bytes::from(vec![0; octets]))])
    }

    #[test]
    fn for_a_minute() {
        let (kept, at) = (Kept::default(), Timestamp::from_seconds);
        kept.keep(mail(1), images(3), at(0));
        assert_eq!(kept.image(&mail(1), "1", at(59)).map(|i| i.len()), Some(3));
        assert!(kept.image(&mail(1), "2", at(59)).is_none() && kept.image(&mail(2), "1", at(59)).is_none());
        assert!(kept.image(&mail(1), "1", at(60)).is_none());
        kept.keep(mail(1), images(3), at(0));
        kept.forget(at(60));
        assert!(kept.0.lock().unwrap().is_empty());
    }

    #[test]
    fn so_many_octets() {
        let (kept, now) = (Kept::default(), Timestamp::from_seconds(0));
        for n in 0..5 {
            kept.keep(mail(n), images(MOST / 3), now);
        }
        let there: Vec<bool> = (0..5).map(|n| kept.image(&mail(n), "1", now).is_some()).collect();
        assert_eq!(there, [false, false, true, true, true]);
        kept.keep(mail(9), images(MOST + 1), now);
        assert!(kept.image(&mail(9), "1", now).is_none() && kept.image(&mail(4), "1", now).is_some());
        // The same mail again stands for itself alone.
        kept.keep(mail(4), images(MOST / 3), now);
        assert!(kept.image(&mail(2), "1", now).is_some());
    }
}
