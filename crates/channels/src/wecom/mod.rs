//! WeCom's customer service (微信客服): its callbacks, the pages of `kf/sync_msg`, and what we send.
//!
//! A callback says only that there is something; the messages are pulled. See `docs/desk-channels.md`.

mod answer;
mod item;
mod keys;
mod page;
mod send;
mod xml;

use kernel::Timestamp;

use self::xml::Children;
pub use self::{
    answer::{
        ApiError, Class, Failure, KfAccount, State, Token, parse_accounts, parse_sent, parse_state,
        parse_token, parse_trans,
    },
    keys::Keys,
    page::{Page, Unreadable, parse_page},
    send::{
        ACCOUNTS, Menu, MenuItem, Message, TEXT_LIMIT, get_state, list_accounts, msgid, send_msg,
        send_msg_on_event, sync_msg, trans_state,
    },
};
use crate::{
    Once, Refusal, proof,
    query::{param, params},
};

/// A callback that WeCom signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub callback: Callback,
    /// The message, decrypted, for the record.
    pub xml: String,
    /// Keeps it from being taken twice. WeCom sends again what was not answered within 5 s, at most three times:
    /// a repetition is answered like the first.
    pub once: Once,
}

/// What a callback says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callback {
    /// There is something to pull.
    KfMsgOrEvent {
        /// The customer-service account.
        open_kfid: String,
        /// For `sync_msg`, good for ten minutes; empty if WeCom gave none.
        token: String,
        /// By WeCom's clock, to the second.
        created_at: Timestamp,
    },
    /// Which accounts the app may serve has changed.
    KfAccountAuthChange {
        /// `open_kfid`s that it may serve from now on.
        added: Vec<String>,
        /// `open_kfid`s that it may no longer serve.
        removed: Vec<String>,
    },
    /// Nothing that the desk knows: its `Event`, or its `MsgType` if it is no event.
    Other {
        /// The name.
        event: String,
    },
}

/// What a message is read by.
const CHILDREN: [&str; 7] =
    ["Event", "MsgType", "OpenKfId", "Token", "CreateTime", "AuthAddOpenKfId", "AuthDelOpenKfId"];

/// The signature parameters of a query.
struct Signed<'a> {
    signature: std::borrow::Cow<'a, str>,
    timestamp: std::borrow::Cow<'a, str>,
    nonce: std::borrow::Cow<'a, str>,
}

impl<'a> Signed<'a> {
    fn read(query: &'a str) -> Result<Self, Refusal> {
        let [Some(signature), Some(timestamp), Some(nonce)] =
            params(query, ["msg_signature", "timestamp", "nonce"])?
        else {
            return Err(Refusal::Signature("msg_signature, timestamp and nonce are required"));
        };
        Ok(Self { signature, timestamp, nonce })
    }

    /// Checks the signature, then the time: an authentic sender alone hears that a clock is off.
    fn check(&self, keys: &Keys, encrypt: &str, now: Timestamp) -> Result<Once, Refusal> {
        if !keys.signed(&self.signature, &self.timestamp, &self.nonce, encrypt) {
            return Err(Refusal::Signature("msg_signature is not that of this account"));
        }
        let at = proof::seconds(&self.timestamp);
        let at = at.ok_or_else(|| Refusal::malformed("timestamp", "must be seconds since 1970"))?;
        let until = proof::fresh(at, now, "timestamp is more than 5 minutes off")?;
        Ok(Once { key: self.signature.to_ascii_lowercase(), until })
    }
}

impl Keys {
    /// Answers the check of a callback's URL: what is returned goes back as it is, within a second.
    ///
    /// `query` is the raw query string: `msg_signature`, `timestamp`, `nonce`, `echostr`.
    ///
    /// # Errors
    /// The query is not signed with these keys, or holds no such message.
    pub fn verify_url(&self, query: &str, now: Timestamp) -> Result<String, Refusal> {
        let echo = param(query, "echostr")?.ok_or_else(|| Refusal::malformed("echostr", "is missing"))?;
        Signed::read(query)?.check(self, &echo, now)?;
        self.decrypt(&echo, "echostr")
    }

    /// Opens a callback: `query` is the raw query string, `body` the body as it came.
    ///
    /// # Errors
    /// It is not signed with these keys, not for us, too old or too new, or no callback.
    pub fn open(&self, query: &str, body: &[u8], now: Timestamp) -> Result<Opened, Refusal> {
        let signed = Signed::read(query)?;
        let bad = |reason: String| Refusal::malformed("body", reason);
        let body = simdutf8::basic::from_utf8(body).map_err(|_| bad("is no UTF-8".to_owned()))?;
        let envelope = Children::read(body, &["Encrypt", "ToUserName"]).map_err(bad)?;
        let mut encrypts = envelope.all("Encrypt");
        let encrypt = encrypts.next().ok_or_else(|| Refusal::malformed("Encrypt", "is missing"))?;
        if encrypts.next().is_some() {
            return Err(Refusal::malformed("Encrypt", "is given twice"));
        }
        let once = signed.check(self, encrypt, now)?;
        // Not signed, but where it is there, it says which account was meant.
        let to = envelope.get("ToUserName").unwrap_or_default();
        if !(to.is_empty() || self.receive_id().is_empty() || to == self.receive_id()) {
            return Err(Refusal::malformed("ToUserName", "is not this account's receiveid"));
        }
        let xml = self.decrypt(encrypt, "Encrypt")?;
        let callback = Callback::read(&xml)?;
        Ok(Opened { callback, xml, once })
    }

    /// Seals a message. `random` must be new for each, `nonce` letters and digits.
    #[must_use]
    pub fn seal(&self, message: &str, random: [u8; 16], nonce: &str, at: Timestamp) -> Sealed {
        let (timestamp, encrypt) = (at.seconds().to_string(), self.encrypt(message, random));
        let msg_signature = self.sign(&timestamp, nonce, &encrypt);
        Sealed {
            encrypt,
            msg_signature,
            timestamp,
            nonce: nonce.to_owned(),
            to: self.receive_id().to_owned(),
        }
    }
}

impl Callback {
    fn read(xml: &str) -> Result<Self, Refusal> {
        let message =
            Children::read(xml, &CHILDREN).map_err(|reason| Refusal::malformed("Encrypt", reason))?;
        let named = |name: &str| message.get(name).filter(|text| !text.is_empty());
        let list = |name: &str| message.all(name).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        match named("Event").or_else(|| named("MsgType")).unwrap_or_default() {
            "kf_msg_or_event" => {
                let open_kfid =
                    named("OpenKfId").ok_or_else(|| Refusal::malformed("OpenKfId", "is missing"))?;
                let created_at = message.get("CreateTime").and_then(proof::seconds);
                Ok(Self::KfMsgOrEvent {
                    open_kfid: open_kfid.to_owned(),
                    token: named("Token").unwrap_or_default().to_owned(),
                    created_at: created_at
                        .ok_or_else(|| Refusal::malformed("CreateTime", "must be seconds since 1970"))?,
                })
            }
            "kf_account_auth_change" => Ok(Self::KfAccountAuthChange {
                added: list("AuthAddOpenKfId"),
                removed: list("AuthDelOpenKfId"),
            }),
            other => Ok(Self::Other { event: other.to_owned() }),
        }
    }
}

/// A message under signature and cipher, as WeCom makes its callbacks and wants its passive replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Base64.
    pub encrypt: String,
    /// Lower-case hexadecimal digits.
    pub msg_signature: String,
    /// Seconds since 1970.
    pub timestamp: String,
    /// As given.
    pub nonce: String,
    to: String,
}

impl Sealed {
    /// The body that answers a callback with a message.
    #[must_use]
    pub fn reply(&self) -> String {
        let Self { encrypt, msg_signature, timestamp, nonce, .. } = self;
        format!(
            "<xml>\n<Encrypt><![CDATA[{encrypt}]]></Encrypt>\n<MsgSignature><![CDATA[{msg_signature}]]></MsgSignature>\n\
             <TimeStamp>{timestamp}</TimeStamp>\n<Nonce><![CDATA[{nonce}]]></Nonce>\n</xml>"
        )
    }

    /// The body of a callback.
    #[must_use]
    pub fn body(&self) -> String {
        let Self { encrypt, to, .. } = self;
        format!(
            "<xml><ToUserName><![CDATA[{to}]]></ToUserName><AgentID><![CDATA[]]></AgentID>\
             <Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>"
        )
    }

    /// The query string of a callback.
    #[must_use]
    pub fn query(&self) -> String {
        let Self { msg_signature, timestamp, nonce, .. } = self;
        format!("msg_signature={msg_signature}&timestamp={timestamp}&nonce={nonce}")
    }

    /// The query string of a URL's check.
    #[must_use]
    pub fn echo_query(&self) -> String {
        let echo: String = form_urlencoded::byte_serialize(self.encrypt.as_bytes()).collect();
        format!("{}&echostr={echo}", self.query())
    }
}
