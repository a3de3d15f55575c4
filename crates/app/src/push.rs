//! The way out for push messages, put together from the settings and the data folder.

use std::path::Path;

use anyhow::Context as _;
use transports::{
    push::{ApnsSettings, FcmSettings, Push, PushError, PushSettings, Vapid},
    web::Reach,
};

use crate::{
    data,
    settings::{Settings, push},
};

/// The services that the settings name; the key for Web Push is made at the first start.
///
/// # Errors
/// Names the setting.
pub fn services(settings: &Settings, public_url: &str) -> anyhow::Result<Push> {
    let push = &settings.push;
    let vapid = match &push.vapid_key {
        Some(key) => key.clone(),
        None => vapid(&settings.data_dir)?,
    };
    let contact = push.vapid_subject.clone().unwrap_or_else(|| match public_url.starts_with("https://") {
        true => public_url.to_owned(),
        false => format!("mailto:{}", settings.mail.from.address),
    });
    Push::new(PushSettings {
        vapid,
        contact,
        reach: if push.allow_private { Reach::Anywhere } else { Reach::Public },
        fcm: push.fcm.as_ref().map(fcm).transpose()?,
        apns: push.apns.as_ref().map(apns).transpose()?,
        ca_file: push.ca_file.clone(),
    })
    .map_err(|error| {
        let setting = match error {
            PushError::Fcm(_) => "push.fcm_credentials (HONGYAN_PUSH__FCM_CREDENTIALS)",
            PushError::Apns => "push.apns_key (HONGYAN_PUSH__APNS_KEY)",
            PushError::Setup(_) => "push.ca_file (HONGYAN_PUSH__CA_FILE)",
        };
        anyhow::Error::new(error).context(setting)
    })
}

/// `vapid` in the data folder: the private key. Whoever loses it loses every browser's subscription, which is bound to
/// it: it belongs into the backup.
fn vapid(dir: &Path) -> anyhow::Result<Vapid> {
    let path = dir.join("vapid");
    if !path.exists() {
        let key = Vapid::generate().context("no randomness for a VAPID key")?;
        data::create_once(dir, "vapid", &format!("{key}\n"))?;
    }
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    Vapid::read(&text).with_context(|| format!("{}", path.display()))
}

fn fcm(fcm: &push::Fcm) -> anyhow::Result<FcmSettings> {
    let credentials = std::fs::read_to_string(&fcm.credentials).with_context(|| {
        format!("push.fcm_credentials (HONGYAN_PUSH__FCM_CREDENTIALS): {}", fcm.credentials.display())
    })?;
    Ok(FcmSettings { credentials, base: fcm.base.clone(), token_uri: fcm.token_uri.clone() })
}

fn apns(apns: &push::Apns) -> anyhow::Result<ApnsSettings> {
    let key = std::fs::read_to_string(&apns.key)
        .with_context(|| format!("push.apns_key (HONGYAN_PUSH__APNS_KEY): {}", apns.key.display()))?;
    let push::Apns { key_id, team_id, topic, base, .. } = apns.clone();
    Ok(ApnsSettings { key, key_id, team_id, topic, base })
}
