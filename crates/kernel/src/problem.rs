//! [`Problem`]: what went wrong, in words for the caller, before any dialect gives it a shape.

use std::{collections::BTreeMap, fmt, time::Duration};

/// What kind of problem it is; each has one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// 400: not JSON, a missing field, a wrong type, an unknown enum value.
    BadRequest,
    /// 401: no token, or one that is invalid, expired or revoked.
    Unauthorized,
    /// 403: the plan, the quota or the role does not allow it.
    Forbidden,
    /// 404: it does not exist, or not for this caller.
    NotFound,
    /// 405: the path exists, not with this method.
    MethodNotAllowed,
    /// 409: it exists already.
    Conflict,
    /// 413: the body is larger than anything we read.
    TooLarge,
    /// 415: the body has another content type.
    UnsupportedMediaType,
    /// 416: no such byte range.
    RangeNotSatisfiable,
    /// 422: well formed, but against a rule.
    Rule,
    /// 429: too many requests; come back after this long.
    TooMany(Duration),
    /// 500: our fault.
    Internal,
    /// 503: something we need is away, the request may be repeated.
    Unavailable,
}

impl ProblemKind {
    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RangeNotSatisfiable => 416,
            Self::Rule => 422,
            Self::TooMany(_) => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// An error for the caller: a kind, one sentence, and the fields it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind, hence the status.
    pub kind: ProblemKind,
    /// One sentence. Never holds a secret, a letter's text or a cause that only the operator should see.
    pub message: String,
    /// Field name to reason, with the names of the contract (`triggerCondition.location.latitude`).
    pub errors: BTreeMap<String, String>,
}

impl Problem {
    /// A problem without fields.
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), errors: BTreeMap::new() }
    }

    /// Adds a field and its reason.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, reason: impl Into<String>) -> Self {
        self.errors.insert(name.into(), reason.into());
        self
    }

    /// 404 with "{what} not found".
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(ProblemKind::NotFound, format!("{what} not found"))
    }

    /// 401.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Unauthorized, message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Forbidden, message)
    }

    /// 422 about one field.
    pub fn rule(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(ProblemKind::Rule, "validation failed").field(name, reason)
    }

    /// 400 about one field.
    pub fn bad_request(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(ProblemKind::BadRequest, "invalid request").field(name, reason)
    }

    /// 500; the cause belongs in the log, not here.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(ProblemKind::Internal, "internal server error")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (name, reason) in &self.errors {
            write!(f, "; {name}: {reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
