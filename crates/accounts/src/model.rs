//! Users, plans, roles: the pure types and their rules.

use httpkit::text_enum;
use kernel::Timestamp;

text_enum! {
    /// The subscription.
    Plan {
        /// Ten letters created and five scheduled a month, attachments up to 10 MiB, no advanced triggers.
        Free = "FREE",
        /// No monthly limits, attachments up to 100 MiB, advanced triggers.
        Premium = "PREMIUM",
    }
}

text_enum! {
    /// What an account may do beyond its own affairs. Given by the command line only.
    Role {
        /// Writes letters.
        User = "user",
        /// Talks to customers.
        Agent = "agent",
        /// Sees all agents' sessions.
        Supervisor = "supervisor",
        /// Runs the server.
        Operator = "operator",
    }
}

text_enum! {
    /// What the capsules float in.
    Scene {
        /// Among stars.
        Space = "SPACE",
        /// Under water.
        Ocean = "OCEAN",
    }
}

text_enum! {
    /// Where a device gets its push messages from.
    Platform {
        /// APNs.
        Ios = "IOS",
        /// FCM.
        Android = "ANDROID",
        /// Web Push.
        Web = "WEB",
    }
}

impl Plan {
    /// The largest attachment in bytes.
    #[must_use]
    pub const fn max_attachment(self) -> u64 {
        match self {
            Self::Free => 10 * 1024 * 1024,
            Self::Premium => 100 * 1024 * 1024,
        }
    }

    /// The plan in force at `now`.
    #[must_use]
    pub fn effective(self, until: Option<Timestamp>, now: Timestamp) -> Self {
        if until.is_some_and(|until| until <= now) { Self::Free } else { self }
    }
}

/// A quota that is counted by UTC calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Letters created: 10 on the free plan.
    Created,
    /// Different letters scheduled: 5 on the free plan.
    Scheduled,
}

impl Resource {
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Scheduled => "scheduled",
        }
    }

    /// How many a month; `None` is no limit.
    #[must_use]
    pub const fn limit(self, plan: Plan) -> Option<i64> {
        match (plan, self) {
            (Plan::Premium, _) => None,
            (Plan::Free, Self::Created) => Some(10),
            (Plan::Free, Self::Scheduled) => Some(5),
        }
    }
}

/// Who somebody is to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// `user_…`
    pub user_id: String,
    /// As registered.
    pub username: String,
    /// A URL.
    pub avatar: Option<String>,
    /// As registered.
    pub email: String,
}

/// The authenticated caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who they are.
    pub person: Person,
    /// The login that the token belongs to.
    pub session_id: String,
    /// Until when the token is good.
    pub expires_at: Timestamp,
    /// The normalized address.
    pub email_key: String,
    /// Whether the address was proved to be theirs.
    pub email_verified: bool,
    /// Whether letters that others sent to the address may be opened: it is verified, or need not be.
    pub opens_address: bool,
    /// In force now.
    pub plan: Plan,
    /// What they may do.
    pub role: Role,
    /// For the capsule view.
    pub scene: Scene,
    /// For the capsule view.
    pub background: String,
}

impl Caller {
    /// The caller's own id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.person.user_id
    }
}

/// Checks an avatar or attachment URL: absolute http or https, at most 2048 characters.
///
/// # Errors
/// The reason.
pub fn check_url(url: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "must be an absolute http or https URL of at most 2048 characters";
    let plain = url.bytes().all(|b| b.is_ascii_graphic()) && url.len() <= 2048;
    let uri: Option<http::Uri> = if plain { url.parse().ok() } else { None };
    match uri {
        Some(uri) if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() => Ok(()),
        _ => Err(EXPECTED),
    }
}

/// `z***@example.com`: what others see of an address that has no account.
#[must_use]
pub fn mask_address(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = local.chars().take(1).collect();
    format!("{first}***@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for good in ["https://example.com/a.jpg", "http://localhost:5003/api/v1/avatars/x"] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in
            ["", "javascript:alert(1)", "/avatar.png", "ftp://example.com/a", "https://", "http://a b/"]
        {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn masks() {
        assert_eq!(mask_address("zhangsan@example.com"), "z***@example.com");
    }
}
