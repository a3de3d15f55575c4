//! Reading what channels write: ids that are now numbers, now texts, and times in seconds or milliseconds.
//!
//! Promise: ids and times come out as they were written; no number passes through a float.

use kernel::Timestamp;
use serde_json::Value;

/// A text, or a whole number in digits; `None` for what is neither, or empty.
pub fn text(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// The text, or an empty one.
pub fn text_or_empty(value: &Value, key: &str) -> String {
    text(value, key).unwrap_or_default()
}

/// A whole number, also where it is written as a text.
pub fn integer(value: &Value, key: &str) -> Option<i64> {
    match value.get(key)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A time in milliseconds (13 digits) or seconds (up to 11); `None` for anything else.
pub fn time(value: &Value, key: &str) -> Option<Timestamp> {
    let number = integer(value, key).filter(|n| *n > 0)?;
    match number {
        ..100_000_000_000 => Some(Timestamp::from_seconds(number)),
        1_000_000_000_000..10_000_000_000_000 => number.checked_mul(1000).map(Timestamp::from_micros),
        _ => None,
    }
}

/// The object under `key`, also where it is JSON written as a text; the text itself if it is not.
pub fn nested(value: &Value, key: &str) -> Value {
    match value.get(key) {
        Some(Value::String(text)) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
        Some(other) => other.clone(),
        None => Value::Null,
    }
}

/// What is there of these texts, in their order, with single spaces.
pub fn words(value: &Value, keys: &[&str]) -> String {
    keys.iter().filter_map(|key| text(value, key)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_keep_every_digit() {
        let value = json!({"a": 9_007_199_254_740_993_u64, "b": "x", "c": 1.5, "d": "", "e": null, "f": -1});
        assert_eq!(text(&value, "a").unwrap(), "9007199254740993");
        assert_eq!(text(&value, "b").unwrap(), "x");
        assert_eq!(text(&value, "f").unwrap(), "-1");
        assert!(["c", "d", "e", "g"].iter().all(|key| text(&value, key).is_none()));
    }

    #[test]
    fn seconds_and_milliseconds_are_told_by_their_size() {
        let value = json!({"s": 1_767_225_600, "ms": 1_767_225_600_123_i64, "t": "1767225600123", "us": 1_767_225_600_123_456_i64,
            "zero": 0, "text": "soon"});
        assert_eq!(time(&value, "s"), Some(Timestamp::from_seconds(1_767_225_600)));
        assert_eq!(time(&value, "ms"), Some(Timestamp::from_micros(1_767_225_600_123_000)));
        assert_eq!(time(&value, "t"), time(&value, "ms"));
        assert!(["us", "zero", "text", "none"].iter().all(|key| time(&value, key).is_none()));
    }
}
