//! A mail's HTML as its reader may look at it, with the images that lie in the mail.
//!
//! An `<img>` of a browser sends no token: the images of a mail have addresses that are signed, for one file and an hour or
//! two. In an hour of the clock they stay the same, so that a browser knows an image again.

use std::collections::HashMap;

use kernel::{Problem, Timestamp};
use mail::html::{Images, Shown};

use crate::{Gmail, store::PartRow};

/// So long is the address of an image good at least, and at most twice as long; in seconds.
const ADDRESS: i64 = 3600;

/// The types of images that are shown in their place: none that runs anything.
const RASTER: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Whether a file of this type may be shown in its place.
pub(crate) fn is_raster(mime_type: &str) -> bool {
    RASTER.contains(&mime_type)
}

/// A mail's HTML, and how its reader wants to see it.
pub(crate) struct Look {
    pub(crate) html: String,
    /// Images from elsewhere are loaded.
    pub(crate) remote_images: bool,
}

impl Gmail {
    /// Cleans a mail's HTML; `parts` are the mail's files.
    ///
    /// # Errors
    /// 500 if that cannot be done.
    pub(crate) async fn show(&self, look: Look, parts: &[PartRow]) -> Result<Shown, Problem> {
        let now = self.now();
        let enclosed: HashMap<String, String> = parts
            .iter()
            .filter(|part| is_raster(&part.mime_type))
            .filter_map(|part| Some((part.content_id.clone()?, self.image_address(&part.id, now))))
            .collect();
        let images = if look.remote_images { Images::Remote } else { Images::Blocked };
        // Of a long mail this takes a while.
        let cleaned = tokio::task::spawn_blocking(move || {
            mail::html::show(&look.html, images, move |id| enclosed.get(id).cloned())
        });
        cleaned.await.map_err(|error| {
            tracing::error!(panicked = error.is_panic(), "a mail's HTML cannot be cleaned");
            Problem::internal()
        })
    }

    /// Where an image of a mail is served without a token.
    fn image_address(&self, part: &str, now: Timestamp) -> String {
        let until = until(now);
        let tag = self.0.reading.images.tag(&format!("{part}.{until}"));
        let here = &self.0.config.public_url;
        format!("{here}/api/gmail/attachments/{part}/download/?inline=1&until={until}&tag={tag}")
    }

    /// For how many seconds such an address is still good; `None` for what is none, or no longer good.
    pub(crate) fn image_address_lasts(&self, part: &str, until: i64, tag: &str) -> Option<i64> {
        let left = until.saturating_sub(self.now().seconds());
        (left > 0 && self.0.reading.images.verify(&format!("{part}.{until}"), tag)).then_some(left)
    }
}

/// Until when an address is good that is made now: the end of the hour after this one, in seconds.
fn until(now: Timestamp) -> i64 {
    let hour = now.seconds().div_euclid(ADDRESS);
    hour.saturating_add(2).saturating_mul(ADDRESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_the_same_within_the_hour() {
        let at = |seconds| until(Timestamp::from_seconds(seconds));
        assert_eq!([at(7200), at(7201), at(10_799), at(10_800)], [14_400, 14_400, 14_400, 18_000]);
        assert_eq!([at(-1), at(0)], [3600, 7200]);
    }
}
