//! Reading what came from outside, field by field, so that a refusal names every bad field at once.
//!
//! 400 for a missing field, a wrong type or an unknown value; 422 where only a rule is broken. Unknown
//! fields are passed over; `null` is the same as absent.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::request::Parts,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kernel::{Problem, ProblemKind, Timestamp};
use serde_json::{Map, Value};

use crate::Failure;

/// The largest JSON body that is read, in bytes.
pub const MAX_JSON: usize = 2 * 1024 * 1024;

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bad {
    /// 400: not what it should be.
    Type(String),
    /// 422: well formed, but against a rule.
    Rule(String),
}

/// A type that a field can be read as.
pub trait FromField: Sized {
    /// From JSON; from a query string each value comes as a JSON string.
    ///
    /// # Errors
    /// [`Bad`]
    fn from_field(value: &Value) -> Result<Self, Bad>;
}

/// The fields of one object, and what was wrong with them so far.
#[derive(Debug, Default)]
pub struct Fields {
    prefix: String,
    values: Map<String, Value>,
    types: BTreeMap<String, String>,
    rules: BTreeMap<String, String>,
}

impl Fields {
    /// The fields of a JSON object.
    #[must_use]
    pub fn new(values: Map<String, Value>) -> Self {
        Self { values, ..Self::default() }
    }

    /// A field that must be there. Where it is not, or is bad, this is the default, and [`Fields::finish`]
    /// fails.
    pub fn required<T: FromField + Default>(&mut self, name: &str) -> T {
        match self.optional(name) {
            Some(value) => value,
            None => {
                let full = self.full(name);
                if !self.types.contains_key(&full) && !self.rules.contains_key(&full) {
                    self.types.insert(full, "is required".to_owned());
                }
                T::default()
            }
        }
    }

    /// A field that may be absent or `null`.
    pub fn optional<T: FromField>(&mut self, name: &str) -> Option<T> {
        let value = self.values.get(name).filter(|v| !v.is_null())?;
        match T::from_field(value) {
            Ok(value) => Some(value),
            Err(Bad::Type(reason)) => {
                self.types.insert(self.full(name), reason);
                None
            }
            Err(Bad::Rule(reason)) => {
                self.rules.insert(self.full(name), reason);
                None
            }
        }
    }

    /// Whether a field is there and not `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|v| !v.is_null())
    }

    /// Whether a field is there, be it `null`.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// An object inside this one.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields) -> T) -> Option<T> {
        let value = self.values.get(name).filter(|v| !v.is_null())?;
        let Value::Object(map) = value else {
            self.types.insert(self.full(name), "must be an object".to_owned());
            return None;
        };
        let map = map.clone();
        Some(self.inside(format!("{}.", self.full(name)), map, read))
    }

    /// A list of objects inside this one, at most `max`.
    pub fn list<T>(
        &mut self,
        name: &str,
        max: usize,
        mut read: impl FnMut(&mut Fields) -> T,
    ) -> Option<Vec<T>> {
        let value = self.values.get(name).filter(|v| !v.is_null())?;
        let Value::Array(list) = value else {
            self.types.insert(self.full(name), "must be a list".to_owned());
            return None;
        };
        if list.len() > max {
            self.rules.insert(self.full(name), format!("must have at most {max} entries"));
            return None;
        }
        let list = list.clone();
        let mut out = Vec::with_capacity(list.len());
        for (n, value) in list.into_iter().enumerate() {
            let full = format!("{}[{n}]", self.full(name));
            match value {
                Value::Object(map) => out.push(self.inside(format!("{full}."), map, &mut read)),
                _ => {
                    self.types.insert(full, "must be an object".to_owned());
                }
            }
        }
        Some(out)
    }

    fn inside<T>(
        &mut self,
        prefix: String,
        values: Map<String, Value>,
        read: impl FnOnce(&mut Fields) -> T,
    ) -> T {
        let mut inner = Self { prefix, values, ..Self::default() };
        let out = read(&mut inner);
        self.types.append(&mut inner.types);
        self.rules.append(&mut inner.rules);
        out
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Says that a rule is broken (422), unless something worse is known of the field.
    pub fn rule(&mut self, name: &str, reason: impl Into<String>) {
        let full = self.full(name);
        if !self.types.contains_key(&full) {
            self.rules.entry(full).or_insert_with(|| reason.into());
        }
    }

    /// Says that a field is missing or of the wrong kind (400).
    pub fn bad(&mut self, name: &str, reason: impl Into<String>) {
        let full = self.full(name);
        self.types.entry(full).or_insert_with(|| reason.into());
    }

    /// Fails with all that was wrong: 400 if anything was malformed, else 422.
    ///
    /// # Errors
    /// The [`Problem`] with every bad field.
    pub fn finish(self) -> Result<(), Problem> {
        let Self { mut types, mut rules, .. } = self;
        let (kind, message) = match (types.is_empty(), rules.is_empty()) {
            (true, true) => return Ok(()),
            (false, _) => (ProblemKind::BadRequest, "invalid request"),
            (true, false) => (ProblemKind::Rule, "validation failed"),
        };
        rules.append(&mut types);
        Err(Problem { kind, message: message.to_owned(), errors: rules })
    }
}

/// Reads text: trimmed or not, of so many characters, on one line or more.
pub mod text {
    use super::{Bad, FromField};
    use serde_json::Value;

    /// One line: no control characters, surrounding white space removed, 1 to `MAX` characters.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Line<const MAX: usize>(pub String);

    /// Several lines: no control characters but tabs and line ends, 1 to `MAX` characters, not blank.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Lines<const MAX: usize>(pub String);

    /// As it is (a password, a token): no NUL, at most `MAX` characters.
    #[derive(Clone, Default, PartialEq, Eq)]
    pub struct Opaque<const MAX: usize>(pub String);

    impl<const MAX: usize> std::fmt::Debug for Opaque<MAX> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Opaque")
        }
    }

    fn string(value: &Value) -> Result<&str, Bad> {
        value.as_str().ok_or_else(|| Bad::Type("must be a string".to_owned()))
    }

    fn length(text: &str, max: usize) -> Result<(), Bad> {
        if text.chars().nth(max).is_some() {
            return Err(Bad::Rule(format!("must have at most {max} characters")));
        }
        Ok(())
    }

    impl<const MAX: usize> FromField for Line<MAX> {
        fn from_field(value: &Value) -> Result<Self, Bad> {
            let text = string(value)?.trim();
            if text.chars().any(char::is_control) {
                return Err(Bad::Rule("must not contain control characters".to_owned()));
            }
            if text.is_empty() {
                return Err(Bad::Rule("must not be empty".to_owned()));
            }
            length(text, MAX)?;
            Ok(Self(text.to_owned()))
        }
    }

    impl<const MAX: usize> FromField for Lines<MAX> {
        fn from_field(value: &Value) -> Result<Self, Bad> {
            let text = string(value)?;
            if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
                return Err(Bad::Rule("must not contain control characters".to_owned()));
            }
            if text.trim().is_empty() {
                return Err(Bad::Rule("must not be empty".to_owned()));
            }
            length(text, MAX)?;
            Ok(Self(text.to_owned()))
        }
    }

    impl<const MAX: usize> FromField for Opaque<MAX> {
        fn from_field(value: &Value) -> Result<Self, Bad> {
            let text = string(value)?;
            if text.contains('\0') {
                return Err(Bad::Rule("must not contain a NUL character".to_owned()));
            }
            length(text, MAX)?;
            Ok(Self(text.to_owned()))
        }
    }
}

impl FromField for bool {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        value.as_bool().ok_or_else(|| Bad::Type("must be true or false".to_owned()))
    }
}

impl FromField for f64 {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let number = value.as_f64().filter(|n| n.is_finite());
        number.ok_or_else(|| Bad::Type("must be a number".to_owned()))
    }
}

impl FromField for i64 {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let number = match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_i64(),
        };
        number.ok_or_else(|| Bad::Type("must be a whole number".to_owned()))
    }
}

impl FromField for Timestamp {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let text = value.as_str().ok_or_else(|| Bad::Type("must be a string".to_owned()))?;
        text.parse().map_err(|e: kernel::time::InvalidTime| Bad::Type(e.to_string()))
    }
}

impl<T: FromField> FromField for Vec<T> {
    fn from_field(value: &Value) -> Result<Self, Bad> {
        let list = value.as_array().ok_or_else(|| Bad::Type("must be a list".to_owned()))?;
        list.iter().map(T::from_field).collect()
    }
}

/// A JSON object as the request's body.
pub struct Body(pub Fields);

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        Ok(Self(parse(&bytes(request).await?)?))
    }
}

/// A JSON object as the request's body, which may also be empty.
pub struct OptionalBody(pub Fields);

impl<S: Sync> FromRequest<S> for OptionalBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let bytes = bytes(request).await?;
        Ok(Self(if bytes.is_empty() { Fields::default() } else { parse(&bytes)? }))
    }
}

async fn bytes(request: Request) -> Result<Bytes, Problem> {
    match Limited::new(request.into_body(), MAX_JSON).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if e.downcast_ref::<LengthLimitError>().is_some() => {
            let text = format!("the body is larger than {MAX_JSON} bytes");
            Err(Problem::new(ProblemKind::TooLarge, text))
        }
        Err(_) => Err(Problem::new(ProblemKind::BadRequest, "the body broke off")),
    }
}

fn parse(bytes: &[u8]) -> Result<Fields, Problem> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(Fields::new(map)),
        Ok(_) => Err(Problem::new(ProblemKind::BadRequest, "the body must be a JSON object")),
        Err(e) => {
            let text = format!("the body is not JSON: line {}, column {}", e.line(), e.column());
            Err(Problem::new(ProblemKind::BadRequest, text))
        }
    }
}

/// The request's query string. Of a name that is given twice the last value counts.
pub struct Query(pub Fields);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        let values = form_urlencoded::parse(query.as_bytes())
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        Ok(Self(Fields::new(values)))
    }
}

impl Query {
    /// `page` and `size`.
    pub fn page(&mut self) -> kernel::PageRequest {
        let mut request = kernel::PageRequest::default();
        if let Some(page) = self.0.optional::<i64>("page") {
            if (1..=1_000_000_000).contains(&page) {
                request.page = page;
            } else {
                self.0.bad("page", "must be a whole number from 1");
            }
        }
        if let Some(size) = self.0.optional::<i64>("size") {
            if (1..=kernel::PageRequest::MAX_SIZE).contains(&size) {
                request.size = size;
            } else {
                self.0.bad("size", "must be a whole number from 1 to 100");
            }
        }
        request
    }
}

/// The one parameter of the path. What cannot be an id does not exist.
pub struct PathId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id))
                if id.len() <= kernel::id::MAX_LEN
                    && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') =>
            {
                Ok(Self(id))
            }
            _ => Err(Problem::not_found("resource").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!() };
        Fields::new(map)
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let mut f = fields(json!({
            "title": "a\u{0}b", "content": 7, "flag": "yes", "null": null,
            "triggerCondition": {"location": {"latitude": "north"}},
            "attachments": [{"url": 1}, 2],
        }));
        let _: text::Line<5> = f.required("title");
        let _: text::Lines<5> = f.required("content");
        let _: Option<bool> = f.optional("flag");
        let _: Timestamp = f.required("null");
        f.object("triggerCondition", |f| {
            f.object("location", |f| f.optional::<f64>("latitude"));
        });
        f.list("attachments", 5, |f| f.required::<text::Line<9>>("url"));
        let problem = f.finish().unwrap_err();
        assert_eq!(problem.kind, ProblemKind::BadRequest);
        let names: Vec<&str> = problem.errors.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "attachments[0].url",
                "attachments[1]",
                "content",
                "flag",
                "null",
                "title",
                "triggerCondition.location.latitude"
            ]
        );
    }

    #[test]
    fn rules_alone_are_422() {
        let mut f = fields(json!({"title": "  六个字的标题  "}));
        let title: text::Line<5> = f.required("title");
        assert_eq!(title.0, "");
        assert_eq!(f.finish().unwrap_err().kind, ProblemKind::Rule);
    }
}
