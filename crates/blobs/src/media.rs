//! What kind of file some bytes are, told from the bytes alone: names and declared types are claims of
//! whoever uploads, and a browser that believes them runs a stranger's page in our origin.

/// How much of the beginning of a file is looked at.
pub(crate) const HEAD: usize = 8 * 1024;

/// The type of an object, sniffed from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media {
    /// The media type, `application/octet-stream` where the bytes tell nothing.
    pub mime: &'static str,
    /// What a viewer may do with it.
    pub class: MediaClass,
}

/// What may be shown in place. Everything else is to be offered as a download only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaClass {
    /// A raster image that carries no script.
    Image,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Anything else: documents, archives, HTML, SVG, raw camera files, unknown bytes.
    Other,
}

impl Media {
    const UNKNOWN: Self = Self { mime: "application/octet-stream", class: MediaClass::Other };

    /// The type of a file that begins with `head`. 8 KiB tell as much as the whole file.
    #[must_use]
    pub fn sniff(head: &[u8]) -> Self {
        let Some(found) = infer::get(head).map(|kind| kind.mime_type()).or_else(|| iso_media(head)) else {
            return Self::UNKNOWN;
        };
        let mime = match found {
            "audio/m4a" => "audio/mp4",
            "audio/opus" => "audio/ogg",
            "audio/ogg" if contains(head, b"\x80theora") => "video/ogg",
            "audio/x-flac" => "audio/flac",
            "audio/x-wav" => "audio/wav",
            "audio/x-aiff" => "audio/aiff",
            "video/x-m4v" => "video/mp4",
            // Browsers record voice into the containers of video, where only the tracks tell.
            "video/webm"
                if !contains(head, b"V_VP") && !contains(head, b"V_AV1") && contains(head, b"A_") =>
            {
                "audio/webm"
            }
            "video/mp4" if contains(head, b"soun") && !contains(head, b"vide") => "audio/mp4",
            other => other,
        };
        Self { mime, class: class(mime) }
    }
}

/// Brands of the ISO base media format that `infer` does not list: newer `iso` and the telephones' 3GP.
fn iso_media(head: &[u8]) -> Option<&'static str> {
    match head.get(4..12)? {
        [b'f', b't', b'y', b'p', b'3', b'g', ..] => Some("video/3gpp"),
        [b'f', b't', b'y', b'p', b'i', b's', b'o', _] => Some("video/mp4"),
        [b'f', b't', b'y', b'p', b'M', b'4', b'B', _] => Some("audio/mp4"),
        _ => None,
    }
}

fn class(mime: &str) -> MediaClass {
    match mime {
        "image/jpeg" | "image/png" | "image/gif" | "image/webp" | "image/heif" | "image/avif"
        | "image/bmp" => MediaClass::Image,
        "audio/aac" | "audio/aiff" | "audio/amr" | "audio/flac" | "audio/mp4" | "audio/mpeg"
        | "audio/ogg" | "audio/wav" | "audio/webm" => MediaClass::Audio,
        "video/3gpp" | "video/mp4" | "video/mpeg" | "video/ogg" | "video/quicktime" | "video/webm"
        | "video/x-matroska" | "video/x-msvideo" => MediaClass::Video,
        _ => MediaClass::Other,
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
