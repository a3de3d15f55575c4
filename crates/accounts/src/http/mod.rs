//! The routes of accounts: seed 002 §1, §5.3–5.4, §6.2, §7, §8, and what they leave out (verification,
//! password reset).

mod avatar;
mod data;
mod devices;
mod login;
mod logout;
mod notification_settings;
mod password_reset;
mod profile;
mod refresh;
mod register;
mod subscription;
mod vapid_key;
mod verify_email;

use httpkit::{Bad, FromField, text};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Accounts;

pub use avatar::AVATARS;
pub use data::AccountData;

/// All routes, relative to `/api/v1`.
pub fn router(accounts: Accounts) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::logout))
        .routes(routes!(verify_email::verify_email))
        .routes(routes!(verify_email::resend_verification))
        .routes(routes!(password_reset::forgot_password))
        .routes(routes!(password_reset::reset_password))
        .routes(routes!(profile::get_profile, profile::update_profile))
        .routes(routes!(subscription::subscription))
        .routes(routes!(devices::register_device))
        .routes(routes!(vapid_key::vapid_key))
        .routes(routes!(notification_settings::get_settings, notification_settings::update_settings))
        .merge(avatar::router())
        .with_state(accounts)
}

/// An e-mail address as a field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Email(pub(crate) Option<transports::Address>);

impl FromField for Email {
    fn from_field(value: &serde_json::Value) -> Result<Self, Bad> {
        let text = value.as_str().ok_or_else(|| Bad::Type("must be a string".to_owned()))?;
        let address = transports::parse_address(text.trim()).map_err(|e| Bad::Rule(e.to_string()))?;
        Ok(Self(Some(address)))
    }
}

/// An http(s) URL as a field.
#[derive(Debug, Clone, Default)]
pub struct Url(pub String);

impl FromField for Url {
    fn from_field(value: &serde_json::Value) -> Result<Self, Bad> {
        let text = value.as_str().ok_or_else(|| Bad::Type("must be a string".to_owned()))?;
        crate::check_url(text).map_err(|e| Bad::Rule(e.to_owned()))?;
        Ok(Self(text.to_owned()))
    }
}

/// A new password as a field.
#[derive(Default)]
pub(crate) struct NewPassword(pub(crate) String);

impl FromField for NewPassword {
    fn from_field(value: &serde_json::Value) -> Result<Self, Bad> {
        let text::Opaque(password) = <text::Opaque<1024>>::from_field(value)?;
        check_password(&password).map_err(|e| Bad::Rule(e.to_owned()))?;
        Ok(Self(password))
    }
}

/// Length is what makes a password strong (NIST SP 800-63B); its characters are free.
pub(crate) fn check_password(password: &str) -> Result<(), &'static str> {
    match password.chars().count() {
        0..8 => Err("must have at least 8 characters"),
        8..=128 => Ok(()),
        _ => Err("must have at most 128 characters"),
    }
}
