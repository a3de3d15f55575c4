//! [`Push`]: short messages to devices: Web Push to browsers, FCM to Android, APNs to Apple's devices.
//!
//! Promises:
//! - What comes back says what to do: the device is gone ([`Pushed::Gone`]), this message will never be taken, or it
//!   may be taken later, when the service asked for, or after the caller's own patience.
//! - A service's mistrust of *us* (its 401 and 403, our configuration) never costs a device its registration.
//! - Tokens for the services are asked for once however many messages wait for them, kept while they are good, and
//!   renewed once if a service calls them expired.
//! - No device token, subscription URL or credential is in any answer, error, log or `Debug` output.

mod apns;
mod ece;
mod fcm;
mod web_push;

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::StatusCode;
use jsonwebtoken::{EncodingKey, Header};
use kernel::Timestamp;
use serde::Serialize;

pub use apns::ApnsSettings;
pub use fcm::{FcmSettings, GOOGLE_TOKEN_URI};
pub use web_push::{InvalidVapidKey, Subscription, Vapid};

use crate::{
    SetupError,
    web::{Reach, Web, WebError, WebSettings},
};

/// A service that takes messages for devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Web Push.
    Web,
    /// Firebase Cloud Messaging, HTTP v1.
    Fcm,
    /// Apple's.
    Apns,
}

/// What a device shows. Nothing here may be secret: FCM and APNs read it.
#[derive(Debug, Clone)]
pub struct Message {
    /// One line.
    pub title: String,
    /// One line.
    pub body: String,
    /// What a click opens.
    pub url: String,
    /// Why it is sent, for the app: `received`, …
    pub occasion: &'static str,
    /// What it is about, for the app.
    pub subject: String,
    /// A newer message with the same text replaces an older one: at most 32 characters of base64url.
    pub collapse: String,
    /// How long the service keeps it for a device that is away; whole seconds.
    pub ttl: Duration,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The service took it; its words.
    Taken(String),
    /// The device is not there any more: forget its token.
    Gone(String),
    /// Never to be taken.
    Refused(String),
    /// Not taken this time.
    Later {
        /// For the record.
        reason: String,
        /// What the service asked for.
        after: Option<Duration>,
        /// It may have been taken all the same.
        in_doubt: bool,
    },
}

/// Everything that the operator sets.
pub struct PushSettings {
    /// The server's key for Web Push.
    pub vapid: Vapid,
    /// `mailto:` or `https:`, for push services that want to complain.
    pub contact: String,
    /// Whether subscriptions may lead into closed networks.
    pub reach: Reach,
    /// If there is an Android app.
    pub fcm: Option<FcmSettings>,
    /// If there is an app for Apple's devices.
    pub apns: Option<ApnsSettings>,
    /// Certificates of authorities to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
}

/// What keeps the services from being used.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The service account.
    #[error("the service account of FCM {0}")]
    Fcm(&'static str),
    /// The key of APNs.
    #[error("the key of APNs must be a private key of P-256 in PEM (a .p8 file)")]
    Apns,
    /// TLS.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// The services that are set up. Cheap to clone.
#[derive(Clone)]
pub struct Push(Arc<Inner>);

struct Inner {
    web: web_push::WebPush,
    fcm: Option<fcm::Fcm>,
    apns: Option<apns::Apns>,
}

impl std::fmt::Debug for Push {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Push")
            .field("fcm", &self.0.fcm.is_some())
            .field("apns", &self.0.apns.is_some())
            .finish_non_exhaustive()
    }
}

impl Push {
    /// Sets them up; nothing is called yet.
    ///
    /// # Errors
    /// What cannot be used, without any part of a key.
    pub fn new(settings: PushSettings) -> Result<Self, PushError> {
        let PushSettings { vapid, contact, reach, fcm, apns, ca_file } = settings;
        let web = Web::new(&WebSettings { ca_file: ca_file.clone(), ..WebSettings::new(reach) })?;
        // Both services speak HTTP/2; APNs nothing else.
        let http2 = WebSettings { http2_only: true, ca_file, ..WebSettings::new(Reach::Anywhere) };
        let services = Web::new(&http2)?;
        Ok(Self(Arc::new(Inner {
            web: web_push::WebPush { web, reach, vapid, contact },
            fcm: fcm.map(|f| fcm::Fcm::new(f, services.clone())).transpose().map_err(PushError::Fcm)?,
            apns: apns.map(|a| apns::Apns::new(a, services)).transpose()?,
        })))
    }

    /// Whether messages can be sent by this service.
    #[must_use]
    pub fn has(&self, service: Service) -> bool {
        match service {
            Service::Web => true,
            Service::Fcm => self.0.fcm.is_some(),
            Service::Apns => self.0.apns.is_some(),
        }
    }

    /// Where subscriptions of browsers may lead.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.0.web.reach
    }

    /// For the browser's `applicationServerKey`.
    #[must_use]
    pub fn vapid_public(&self) -> &str {
        self.0.web.vapid.public()
    }

    /// One attempt. `token` is what the device was given by its service; for browsers, the subscription as JSON.
    pub async fn send(&self, service: Service, token: &str, message: &Message, now: Timestamp) -> Pushed {
        match (service, &self.0.fcm, &self.0.apns) {
            (Service::Web, ..) => self.0.web.push(token, message, now).await,
            (Service::Fcm, Some(fcm), _) => fcm.push(token, message, now).await,
            (Service::Apns, _, Some(apns)) => apns.push(token, message, now).await,
            (Service::Fcm | Service::Apns, ..) => Pushed::Refused("this service is not set up".to_owned()),
        }
    }
}

fn later(reason: String, after: Option<Duration>) -> Pushed {
    Pushed::Later { reason, after, in_doubt: false }
}

fn unsent(error: WebError) -> Pushed {
    match error {
        WebError::Refused(reason) => Pushed::Refused(reason),
        WebError::Failed { reason, in_doubt } => Pushed::Later { reason, after: None, in_doubt },
    }
}

/// 408, 429, 5xx: the message is not at fault.
fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// What is kept of a service's words: one line of two hundred characters, without the secret that it may repeat.
fn clipped(body: &[u8], secret: &str) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    if !secret.is_empty() {
        text = text.replace(secret, "…");
    }
    text.split_whitespace().flat_map(|word| [" ", word]).skip(1).flat_map(str::chars).take(200).collect()
}

fn sign(header: &Header, claims: &impl Serialize, key: &EncodingKey) -> Option<String> {
    jsonwebtoken::encode(header, claims, key).ok()
}
