//! Reading what a language model wrote: whatever surrounds it, one JSON object, and of that only what fits.
//!
//! Promises: never panics, whatever the text; takes time in proportion to it. Providers' "strict" modes are not
//! trusted: thoughts and code fences around the object are passed over, numbers are clamped, an unknown name
//! of an enum makes the answer invalid.

use serde_json::{Map, Value};

/// More is not looked at; the longest answer that is asked for has a tenth of it.
const MOST_BYTES: usize = 256 * 1024;
/// So many opening braces are tried.
const MOST_STARTS: usize = 64;

/// The first whole JSON object in a text, thoughts left out.
pub(crate) fn first_object(text: &str) -> Option<Object> {
    let text = without_thoughts(beginning(text, MOST_BYTES));
    let starts = text.match_indices('{').map(|(at, _)| at).take(MOST_STARTS);
    starts.into_iter().find_map(|at| {
        let rest = text.get(at..)?;
        match serde_json::from_str(rest.get(..balanced(rest)?)?) {
            Ok(Value::Object(map)) => Some(Object(map)),
            _ => None,
        }
    })
}

/// The first `most` bytes of a text, and up to three fewer where a character would be cut.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    let ends = (most.saturating_sub(3)..=most).rev();
    ends.into_iter().find_map(|end| text.get(..end)).filter(|_| text.len() > most).unwrap_or(text)
}

/// Text without `<think>…</think>`; what was not closed stays, since the answer may be in it.
pub(crate) fn without_thoughts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<think>") {
        let Some((_, after)) = after.split_once("</think>") else { break };
        out.push_str(before);
        rest = after;
    }
    // Some servers swallow the opening tag.
    if out.is_empty()
        && let Some((_, after)) = rest.split_once("</think>")
    {
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where the object that begins `text` ends, in bytes.
fn balanced(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// A model's object, read field by field; `None` where a field is missing or is not what it should be.
#[derive(Debug, Clone)]
pub(crate) struct Object(pub(crate) Map<String, Value>);

impl Object {
    /// A text that is not blank, of at most `max` characters.
    pub(crate) fn text(&self, name: &str, max: usize) -> Option<String> {
        clean(self.0.get(name)?, max).filter(|text| !text.is_empty())
    }

    /// A text that may be empty or absent.
    pub(crate) fn text_or_empty(&self, name: &str, max: usize) -> String {
        self.text(name, max).unwrap_or_default()
    }

    /// The texts of a list, the blank ones left out, at most `most` of at most `max` characters; a single text
    /// is a list of one.
    pub(crate) fn texts(&self, name: &str, most: usize, max: usize) -> Option<Vec<String>> {
        let values = match self.0.get(name)? {
            Value::Array(values) => values.as_slice(),
            value @ Value::String(_) => std::slice::from_ref(value),
            _ => return None,
        };
        let texts = values.iter().filter_map(|value| clean(value, max)).filter(|text| !text.is_empty());
        Some(texts.take(most).collect())
    }

    /// The objects of a list.
    pub(crate) fn objects(&self, name: &str) -> Option<Vec<Self>> {
        let objects = self.0.get(name)?.as_array()?.iter();
        Some(objects.filter_map(Value::as_object).cloned().map(Self).collect())
    }

    /// A whole number from 0 to 100 as a share from 0 to 1. A fraction below 1 is taken for a share: models
    /// that were asked for per cent sometimes write it so.
    pub(crate) fn share(&self, name: &str) -> Option<f64> {
        let number = match self.0.get(name)? {
            Value::String(text) => text.trim().trim_end_matches('%').trim().parse().ok()?,
            value => value.as_f64()?,
        };
        let share = if number > 0.0 && number < 1.0 { number } else { number / 100.0 };
        share.is_finite().then(|| (share.clamp(0.0, 1.0) * 100.0).round() / 100.0)
    }

    /// One of an enum's names.
    pub(crate) fn choice<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        parse(&self.0.get(name)?.as_str()?.trim().to_ascii_uppercase())
    }

    /// The whole numbers of a list; numbers in texts count (`"[2]"`).
    pub(crate) fn numbers(&self, name: &str) -> Option<Vec<usize>> {
        let values = self.0.get(name)?.as_array()?.iter();
        let number = |value: &Value| match value {
            Value::String(text) => text.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok(),
            value => value.as_u64().and_then(|n| usize::try_from(n).ok()),
        };
        Some(values.filter_map(number).collect())
    }
}

/// A text's content without control characters but tabs and line ends, trimmed, cut at `max` characters.
fn clean(value: &Value, max: usize) -> Option<String> {
    let plain = value.as_str()?.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    let text: String = plain.collect();
    Some(text.trim().chars().take(max).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(text: &str) -> Option<String> {
        first_object(text).map(|o| Value::Object(o.0).to_string())
    }

    #[test]
    fn whatever_surrounds_it() {
        for text in [
            r#"{"a":1}"#,
            "Sure! Here it is:\n```json\n{\"a\":1}\n```",
            "<think>maybe {\"b\":2}?</think>{\"a\":1}",
            "so {\"b\":2}…</think>\n{\"a\":1}",
            "a set {x, y} and then {\"a\": 1} and {\"a\": 2}",
            "{{\"a\":1}}",
        ] {
            assert_eq!(object(text).as_deref(), Some(r#"{"a":1}"#), "{text}");
        }
        assert_eq!(object(r#"{"a":"} \" {"} tail"#).as_deref(), Some(r#"{"a":"} \" {"}"#));
        for text in ["", "{", "}{", "{malformed json: <<<chaos>>>", "[1]", "null", "{\"a\":1"] {
            assert_eq!(object(text), None, "{text}");
        }
    }

    #[test]
    fn fields_are_clamped_or_refused() {
        let o = first_object(
            r#"{"p":81,"f":0.81,"s":"81%","over":250,"under":-3,"nan":"x","t":" a\u0000b ","l":["x",""," y "],
                "one":"z","e":"happy","n":[1,"[2]","x",3]}"#,
        );
        let o = o.unwrap();
        assert_eq!(["p", "f", "s"].map(|name| o.share(name)), [Some(0.81); 3]);
        assert_eq!((o.share("over"), o.share("under"), o.share("nan")), (Some(1.0), Some(0.0), None));
        assert_eq!(o.text("t", 9).as_deref(), Some("ab"));
        assert_eq!(o.texts("l", 9, 9).unwrap(), ["x", "y"]);
        assert_eq!(o.texts("one", 9, 9).unwrap(), ["z"]);
        assert_eq!(o.choice("e", |name| (name == "HAPPY").then_some(1)), Some(1));
        assert_eq!(o.numbers("n").unwrap(), [1, 2, 3]);
        assert!(o.text("missing", 9).is_none() && o.texts("p", 9, 9).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", braces in "[{}\"\\\\a<think>/: ,0-9]{0,400}") {
            first_object(&text);
            first_object(&braces);
        }

        #[test]
        fn an_object_is_found_in_any_wrapping(
            before in "[^{}]{0,40}", after in "\\PC{0,40}", value in "\\PC{0,40}", n in any::<i32>()
        ) {
            prop_assume!(!before.contains("think>"));
            let inside = serde_json::json!({"value": value, "n": n, "deep": {"list": [{"x": "}"}]}});
            let found = first_object(&format!("{before}{inside}{after}"));
            // A thought that the value itself spells is cut, as any other is.
            prop_assume!(!value.contains("think>") && !after.contains("think>"));
            prop_assert_eq!(found.map(|o| Value::Object(o.0)), Some(inside));
        }
    }
}
