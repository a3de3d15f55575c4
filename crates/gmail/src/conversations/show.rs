//! A mail's HTML as its reader may look at it, with the images that lie in the mail.
//!
//! An `<img>` of a browser sends no token: the images of a mail have addresses that are signed, for one file and an hour.

use std::{collections::HashMap, time::Duration};

use kernel::{Problem, Timestamp};
use mail::html::{Images, Shown};

use crate::{Gmail, store::PartRow};

/// So long is the address of an image good.
const ADDRESS: Duration = Duration::from_secs(3600);

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

    /// Where an image of a mail is served, for an hour, without a token.
    fn image_address(&self, part: &str, now: Timestamp) -> String {
        let until = (now + ADDRESS).seconds();
        let tag = self.0.reading.images.tag(&format!("{part}.{until}"));
        format!("/api/gmail/attachments/{part}/download/?inline=1&until={until}&tag={tag}")
    }

    /// Whether that is such an address, and still good.
    pub(crate) fn is_image_address(&self, part: &str, until: i64, tag: &str) -> bool {
        let text = format!("{part}.{until}");
        self.now().seconds() < until && self.0.reading.images.verify(&text, tag)
    }
}
