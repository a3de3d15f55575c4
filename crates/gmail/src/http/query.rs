//! What query strings and bodies have in common.

use httpkit::{Bad, Fields, FromField, text};
use kernel::PageRequest;
use serde_json::Value;

/// Rows of a page where nothing else is asked for.
const PAGE_SIZE: i64 = 50;

/// `page` from 1, and `page_size`, 50 unless said otherwise and at most 100.
pub(super) fn page(f: &mut Fields) -> PageRequest {
    let mut within = |name: &str, usual: i64, most: i64, rule: &str| match f.optional::<i64>(name) {
        Some(n) if (1..=most).contains(&n) => n,
        Some(_) => {
            f.bad(name, rule);
            usual
        }
        None => usual,
    };
    PageRequest {
        page: within("page", 1, 1_000_000_000, "must be a whole number from 1"),
        size: within("page_size", PAGE_SIZE, PageRequest::MAX_SIZE, "must be a whole number from 1 to 100"),
    }
}

/// A yes or no, no where nothing is said: `1` or `true`, `0` or `false`.
pub(super) fn flag(f: &mut Fields, name: &str) -> bool {
    match f.optional::<text::Line<8>>(name).as_ref().map(|text| text.0.as_str()) {
        Some("1" | "true") => true,
        None | Some("0" | "false") => false,
        Some(_) => {
            f.bad(name, "must be 1 or 0");
            false
        }
    }
}

/// An address that mail can be sent to, such as `li.lei@example.cn`.
pub(super) fn address(f: &mut Fields, name: &str) -> String {
    let text::Line(text) = f.required::<text::Line<320>>(name);
    if !text.is_empty()
        && let Err(why) = transports::parse_address(&text)
    {
        f.rule(name, why.to_string());
    }
    text
}

/// The largest file of an OAuth client, in characters.
const LARGEST_CLIENT: usize = 64 * 1024;

/// The file of an OAuth client: its text, or the JSON object in it.
#[derive(Default)]
pub(super) struct ClientFile(pub(super) String);

impl FromField for ClientFile {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Object(_) => value.to_string(),
            _ => {
                return Err(Bad::Type(
                    "must be the text of the client's JSON file, or its object".to_owned(),
                ));
            }
        };
        text::Opaque::<LARGEST_CLIENT>::from_field(&Value::String(text)).map(|text::Opaque(text)| Self(text))
    }
}
