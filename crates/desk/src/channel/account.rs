//! What an account of a channel is made of, by the names that operators see.

use std::collections::BTreeMap;

use channels::{BadKey, bridge, doudian, douyin, jd, wecom::Keys};
use httpkit::text_enum;
use transports::web::Reach;

use super::wecom::Wecom;
use crate::{model::ChannelType, receive::Source};

text_enum! {
    /// Which protocol an account speaks.
    AccountKind {
        /// WeCom's customer service (微信客服).
        Wecom = "wecom",
        /// Douyin's open platform.
        Douyin = "douyin",
        /// Douyin's shops (抖店): receives only.
        Doudian = "doudian",
        /// JD's 京东到家/秒送 (opendj).
        Jd = "jd",
        /// A bridge of one's own, for any of the channels.
        Bridge = "bridge",
    }
}

/// A field of an account.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// As the API has it; the settings have it in `snake_case`.
    pub name: &'static str,
    /// Whether it is written, never read.
    pub secret: bool,
    /// Whether there is no account without it.
    pub required: bool,
}

const fn field(name: &'static str, secret: bool, required: bool) -> Field {
    Field { name, secret, required }
}

const WECOM: &[Field] = &[
    field("corpId", false, true),
    field("token", true, true),
    field("encodingAesKey", true, true),
    field("secret", true, true),
    field("apiBase", false, false),
    field("welcome", false, false),
];
const DOUYIN: &[Field] = &[
    field("clientKey", false, true),
    field("clientSecret", true, true),
    field("openIds", false, false),
    field("accessToken", true, false),
    field("refreshToken", true, false),
    field("apiBase", false, false),
];
const DOUDIAN: &[Field] = &[field("appKey", false, true), field("appSecret", true, true)];
const JD: &[Field] = &[
    field("appKey", false, true),
    field("appSecret", true, true),
    field("token", true, false),
    field("waiter", false, false),
    field("apiBase", false, false),
];
const BRIDGE: &[Field] = &[field("secret", true, true), field("apiBase", false, false)];

impl AccountKind {
    /// All kinds.
    pub const EVERY: [Self; 5] = [Self::Wecom, Self::Douyin, Self::Doudian, Self::Jd, Self::Bridge];

    /// What an account of this kind is made of.
    #[must_use]
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Wecom => WECOM,
            Self::Douyin => DOUYIN,
            Self::Doudian => DOUDIAN,
            Self::Jd => JD,
            Self::Bridge => BRIDGE,
        }
    }

    /// The contract's channel of it; `None` for a bridge, which may be for any.
    #[must_use]
    pub const fn channel_type(self) -> Option<ChannelType> {
        match self {
            Self::Wecom => Some(ChannelType::Wechat),
            Self::Douyin | Self::Doudian => Some(ChannelType::Douyin),
            Self::Jd => Some(ChannelType::Jd),
            Self::Bridge => None,
        }
    }

    /// Whether files can go to its customers.
    #[must_use]
    pub const fn takes_files(self) -> bool {
        matches!(self, Self::Wecom | Self::Bridge)
    }

    /// What is wrong with these fields; none if they make an account.
    #[must_use]
    pub fn check(self, fields: &BTreeMap<String, String>) -> Vec<BadField> {
        Adapter::new(self, fields).err().unwrap_or_default()
    }
}

/// A field that cannot be right, by the name of `Field`. Never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadField {
    /// Which.
    pub name: &'static str,
    /// What it has to be.
    pub reason: String,
}

/// An account that can be used.
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) channel_type: ChannelType,
    /// Of its row; 0 for the settings' own.
    pub(crate) version: i64,
    pub(crate) adapter: Adapter,
}

impl Account {
    pub(crate) fn source(&self) -> Source {
        Source { account_id: self.id.clone(), channel_type: self.channel_type }
    }

    pub(crate) fn kind(&self) -> AccountKind {
        match &self.adapter {
            Adapter::Wecom(_) => AccountKind::Wecom,
            Adapter::Douyin(_) => AccountKind::Douyin,
            Adapter::Doudian(_) => AccountKind::Doudian,
            Adapter::Jd(_) => AccountKind::Jd,
            Adapter::Bridge(_) => AccountKind::Bridge,
        }
    }

    /// Its client, if WeCom is what it speaks to.
    pub(crate) fn wecom(&self) -> Option<&Wecom> {
        match &self.adapter {
            Adapter::Wecom(wecom) => Some(wecom),
            _ => None,
        }
    }
}

/// The protocol of an account, with its keys.
pub(crate) enum Adapter {
    Wecom(Box<Wecom>),
    Douyin(Douyin),
    Doudian(doudian::App),
    Jd(Jd),
    Bridge(Bridge),
}

/// Douyin's open platform.
pub(crate) struct Douyin {
    pub(crate) app: douyin::App,
    pub(crate) access_token: Option<String>,
    /// With it access tokens are renewed.
    pub(crate) refresh_token: Option<String>,
    pub(crate) api_base: String,
}

/// JD.
pub(crate) struct Jd {
    pub(crate) app: jd::App,
    pub(crate) token: Option<String>,
    /// Our person's pin; the vendor's id if there is none.
    pub(crate) waiter: Option<String>,
    pub(crate) api_base: Option<String>,
}

/// A bridge.
pub(crate) struct Bridge {
    pub(crate) secret: bridge::Secret,
    pub(crate) api_base: Option<String>,
}

impl Bridge {
    /// Whether an address lies below the bridge's own, which may be inside.
    pub(crate) fn has(&self, url: &str) -> bool {
        let rest = self.api_base.as_ref().and_then(|base| url.strip_prefix(base));
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether the file at this address can be fetched.
    ///
    /// # Errors
    /// What is wrong with it, for whoever sent it.
    pub(crate) fn check_file(&self, url: &str) -> Result<(), String> {
        let reach = if self.has(url) { Reach::Anywhere } else { Reach::Public };
        let end = reach.check(url).map(drop);
        end.map_err(|reason| format!("{reason}, unless it is below the account's apiBase"))
    }
}

/// The fields of an account, with what is wrong with them.
struct Given<'a> {
    fields: &'a BTreeMap<String, String>,
    bad: Vec<BadField>,
}

impl Given<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.fields.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default()
    }

    fn bad(&mut self, name: &'static str, reason: impl Into<String>) {
        if self.bad.iter().all(|bad| bad.name != name) {
            self.bad.push(BadField { name, reason: reason.into() });
        }
    }

    /// A base without a slash at its end.
    fn base(&mut self) -> Option<String> {
        let url = self.get("apiBase")?;
        if let Err(reason) = Reach::Anywhere.check(&url) {
            self.bad("apiBase", reason);
        }
        Some(url.trim_end_matches('/').to_owned())
    }

    fn keys<T>(&mut self, made: Result<T, BadKey>, names: &[(&str, &'static str)]) -> Option<T> {
        match made {
            Ok(keys) => Some(keys),
            Err(BadKey { field, reason }) => {
                let name =
                    names.iter().find(|(theirs, _)| *theirs == field).map_or("secret", |(_, ours)| ours);
                self.bad(name, reason);
                None
            }
        }
    }
}

impl Adapter {
    /// # Errors
    /// All fields that are missing or cannot be right.
    pub(crate) fn new(kind: AccountKind, fields: &BTreeMap<String, String>) -> Result<Self, Vec<BadField>> {
        let mut given = Given { fields, bad: Vec::new() };
        for field in kind.fields() {
            match given.get(field.name) {
                None if field.required => given.bad(field.name, "is required"),
                Some(value) if value.len() > 4096 || value.chars().any(char::is_control) => {
                    given.bad(field.name, "must be one line of at most 4096 bytes");
                }
                _ => {}
            }
        }
        let adapter = match kind {
            AccountKind::Wecom => wecom(&mut given).map(|wecom| Self::Wecom(Box::new(wecom))),
            AccountKind::Douyin => douyin(&mut given).map(Self::Douyin),
            AccountKind::Doudian => {
                let app = doudian::App::new(&given.text("appKey"), &given.text("appSecret"));
                given.keys(app, APP).map(Self::Doudian)
            }
            AccountKind::Jd => {
                let app = jd::App::new(&given.text("appKey"), &given.text("appSecret"));
                let (token, waiter) = (given.get("token"), given.get("waiter"));
                let api_base = given.base();
                given.keys(app, APP).map(|app| Self::Jd(Jd { app, token, waiter, api_base }))
            }
            AccountKind::Bridge => {
                let secret = bridge::Secret::new(&given.text("secret"));
                let api_base = given.base();
                given.keys(secret, &[]).map(|secret| Self::Bridge(Bridge { secret, api_base }))
            }
        };
        adapter.filter(|_| given.bad.is_empty()).ok_or(given.bad)
    }
}

const APP: &[(&str, &str)] = &[("app_key", "appKey"), ("app_secret", "appSecret")];

fn wecom(given: &mut Given<'_>) -> Option<Wecom> {
    let corp_id = given.text("corpId");
    let keys = Keys::new(&given.text("token"), &given.text("encodingAesKey"), &corp_id);
    let names = [("Token", "token"), ("EncodingAESKey", "encodingAesKey"), ("receiveid", "corpId")];
    let keys = given.keys(keys, &names);
    let base = given.base().unwrap_or_else(|| "https://qyapi.weixin.qq.com".to_owned());
    let welcome = given.get("welcome");
    if welcome.as_ref().is_some_and(|text| text.len() > channels::wecom::TEXT_LIMIT) {
        given.bad("welcome", format!("must take at most {} bytes", channels::wecom::TEXT_LIMIT));
    }
    Some(Wecom::new(keys?, corp_id, given.text("secret"), base, welcome))
}

fn douyin(given: &mut Given<'_>) -> Option<Douyin> {
    let own = given.text("openIds");
    let own = own.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
    let app = douyin::App::new(&given.text("clientKey"), &given.text("clientSecret"), own);
    let app = given.keys(app, &[("client_key", "clientKey"), ("client_secret", "clientSecret")]);
    let api_base = given.base().unwrap_or_else(|| "https://open.douyin.com".to_owned());
    let (access_token, refresh_token) = (given.get("accessToken"), given.get("refreshToken"));
    Some(Douyin { app: app?, access_token, refresh_token, api_base })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn every_missing_field_is_named_at_once() {
        for kind in AccountKind::EVERY {
            let bad = kind.check(&fields(&[]));
            let required = kind.fields().iter().filter(|field| field.required);
            let mut names: Vec<&str> = bad.iter().map(|bad| bad.name).collect();
            names.sort_unstable();
            let mut expected: Vec<&str> = required.map(|field| field.name).collect();
            expected.sort_unstable();
            assert_eq!(names, expected, "{kind:?}");
        }
    }

    #[test]
    fn what_cannot_be_right_is_named() {
        let wecom = fields(&[
            ("corpId", "wx5823bf96d3bd56c7"),
            ("token", "QDG6eK"),
            ("encodingAesKey", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"),
            ("secret", "s"),
        ]);
        assert_eq!(AccountKind::Wecom.check(&wecom), []);
        let mut short = wecom;
        short.insert("encodingAesKey".to_owned(), "short".to_owned());
        short.insert("apiBase".to_owned(), "ftp://x".to_owned());
        let names: Vec<&str> = AccountKind::Wecom.check(&short).iter().map(|bad| bad.name).collect();
        assert_eq!(names, ["encodingAesKey", "apiBase"]);
        assert_eq!(AccountKind::Bridge.check(&fields(&[("secret", "too short")]))[0].name, "secret");
    }
}
