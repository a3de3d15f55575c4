//! Notifications by push: whose devices there are, and one attempt to reach one of them. What is said, and about what,
//! is the business of the slice that says it.

use data_encoding::BASE32_NOPAD;
use db::Conn;
use dispatch::Outcome;
use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::Problem;
use sha2::Sha256;
use transports::push::{Message, Pushed, Service, Subscription};

use crate::{
    Accounts,
    model::Platform,
    sealed::token_place,
    store::{self, AudienceRow, DeviceRow, Notifications},
};

/// A user who may be told something.
#[derive(Debug, Clone)]
pub struct Listener {
    /// `user_…`
    pub user_id: String,
    /// Normalized.
    pub email_key: String,
    /// Whether letters that others sent to the address may be opened (see [`crate::Caller::opens_address`]).
    pub opens_address: bool,
    /// What they want to be told.
    pub wants: Notifications,
    /// The devices that can be reached: enabled, and of a platform that is set up here.
    pub devices: Vec<Device>,
}

/// A device that can be reached.
#[derive(Debug, Clone)]
pub struct Device {
    /// What its token is found by; tells nothing about it.
    pub token_id: String,
    /// Its push service, for fairness.
    pub destination: String,
}

/// A device about to be reached.
pub struct Target {
    row: DeviceRow,
    token_id: String,
}

impl Target {
    /// What its user wants to be told now; nothing by push, if the device is switched off.
    #[must_use]
    pub fn wants(&self) -> Notifications {
        let DeviceRow { email, push, delivery, received, is_enabled, .. } = self.row;
        Notifications { email, push: push && is_enabled, delivery, received }
    }
}

impl Platform {
    pub(crate) const fn service(self) -> Service {
        match self {
            Self::Ios => Service::Apns,
            Self::Android => Service::Fcm,
            Self::Web => Service::Web,
        }
    }
}

/// Where a token leads, and what it is known by here.
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) destination: String,
}

impl Accounts {
    /// Checks a token as a device registers it. `None`: a browser's token that is no `PushSubscription`; it is kept,
    /// and nothing can be sent to it.
    ///
    /// # Errors
    /// What is wrong with it, without any part of it.
    pub(crate) fn read_token(&self, platform: Platform, token: &str) -> Result<Option<Token>, String> {
        let (identity, destination) = match platform {
            Platform::Web if !token.starts_with('{') => return Ok(None),
            Platform::Web => {
                let subscription = Subscription::read(token, self.config().push.reach())?;
                (subscription.endpoint().to_owned(), subscription.host().to_owned())
            }
            Platform::Ios | Platform::Android if token.bytes().all(|b| b.is_ascii_graphic()) => {
                let service = if platform == Platform::Ios { "apns" } else { "fcm" };
                (token.to_owned(), service.to_owned())
            }
            Platform::Ios | Platform::Android => return Err("must not contain spaces".to_owned()),
        };
        let key = self.keyring().derive("push tokens");
        let Ok(mut mac) = <Hmac<Sha256>>::new_from_slice(&key) else {
            return Err("cannot be taken".to_owned());
        };
        mac.update(platform.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(identity.as_bytes());
        let digest = mac.finalize().into_bytes();
        let id = BASE32_NOPAD.encode(digest.get(..20).unwrap_or(&digest)).to_ascii_lowercase();
        Ok(Some(Token { id, destination }))
    }

    /// Those users with these ids or (normalized) addresses who want to be told of anything at all, in one query.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn audience(
        &self,
        conn: &mut Conn,
        ids: Vec<&str>,
        email_keys: Vec<&str>,
    ) -> db::Result<Vec<Listener>> {
        let mut all: Vec<Listener> = Vec::new();
        for row in store::audience(conn, ids, email_keys).await? {
            let device = self.device_of(&row);
            match all.last_mut() {
                Some(last) if last.user_id == row.user_id => last.devices.extend(device),
                _ => all.push(self.listener(row, device)),
            }
        }
        Ok(all)
    }

    fn device_of(&self, row: &AudienceRow) -> Option<Device> {
        let platform = row.platform.filter(|p| self.config().push.has(p.service()));
        let (_, token_id, destination) = (platform?, row.token_id.clone()?, row.destination.clone()?);
        Some(Device { token_id, destination })
    }

    fn listener(&self, row: AudienceRow, device: Option<Device>) -> Listener {
        let AudienceRow { user_id, email_key, email_verified, email, push, delivery, received, .. } = row;
        Listener {
            user_id,
            email_key,
            opens_address: self.opens_address(email_verified),
            wants: Notifications { email, push, delivery, received },
            devices: device.into_iter().collect(),
        }
    }

    /// This user's device with this token, if it still has it.
    ///
    /// # Errors
    /// [`db::DbError`]
    pub async fn target(&self, conn: &mut Conn, user: &str, token_id: &str) -> db::Result<Option<Target>> {
        let row = store::device(conn, user, token_id).await?;
        Ok(row.map(|row| Target { row, token_id: token_id.to_owned() }))
    }

    /// Whether this inbox, of a user's id or of an address, is the device's user's.
    #[must_use]
    pub fn has_mailbox(&self, target: &Target, mailbox: &str) -> bool {
        let DeviceRow { user_id, email_key, email_verified, .. } = &target.row;
        mailbox == user_id || (mailbox == email_key && self.opens_address(*email_verified))
    }

    /// One attempt to reach a device. One that is gone is forgotten.
    pub async fn push(&self, target: &Target, message: &Message) -> Outcome {
        let DeviceRow { user_id, device_id, platform, token, .. } = &target.row;
        let Some(token) = self.open_token(user_id, device_id, token) else {
            return Outcome::Dead("the token cannot be opened with the keys at hand".to_owned());
        };
        let now = self.clock().now();
        match self.config().push.send(platform.service(), &token, message, now).await {
            Pushed::Taken(said) => Outcome::Done(said),
            Pushed::Refused(said) => Outcome::Dead(said),
            Pushed::Later { reason, after, in_doubt } => Outcome::Retry { reason, after, in_doubt },
            Pushed::Gone(said) => match self.forget(&target.token_id).await {
                Ok(()) => Outcome::Done(format!("{said}: the device is not there any more and was removed")),
                Err(problem) => Outcome::Retry { reason: problem.message, after: None, in_doubt: false },
            },
        }
    }

    async fn forget(&self, token_id: &str) -> Result<(), Problem> {
        let mut tx = self.db().begin().await?;
        store::delete_device(&mut tx, token_id).await?;
        Ok(tx.commit().await?)
    }

    fn open_token(&self, user: &str, device: &str, sealed: &[u8]) -> Option<String> {
        let plain = self.keyring().open(&token_place(user, device), sealed).ok()?;
        String::from_utf8(plain).ok()
    }
}
