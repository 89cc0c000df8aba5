//! Who logs in, and whom an access token stands for. C-S API, "Client Authentication" and "Login".

use std::net::IpAddr;

use events::UserId;
use persistence::transactions::accounts::{self, RefreshOwner};
use persistence::transactions::cross_signing;
use persistence::transactions::devices::{self, DeviceId};
use persistence::{ReadTx, StoreError, WriteTx};
use sha2::{Digest, Sha256};

use crate::Users;
use crate::cross_signing::Usage;
use crate::devices::{DISPLAY_NAME_CHARS_MAX, check_display_name};
use crate::passwords::{self, Verdict};
use crate::rate_limits::{Limit, Limited, address_key};
use crate::signed_keys::CrossSigningKey;

pub use persistence::transactions::accounts::TokenOwner;

/// Devices of one user.
pub const DEVICES_PER_USER_MAX: usize = 1_000;
/// Letters and digits of an access token: 250 bits.
const ACCESS_TOKEN_LENGTH: usize = 42;
/// Letters of a device id that we choose.
const DEVICE_ID_LENGTH: usize = 10;
/// How long an access token lasts that can be refreshed, in ms, as in Synapse.
pub const REFRESHABLE_LIFETIME_MS: i64 = 5 * 60 * 1_000;
/// A device's last activity is written down this often at most, in ms.
const LAST_SEEN_STEP_MS: i64 = 10 * 60 * 1_000;

/// The device that somebody logs in with.
#[derive(Debug, Clone, Default)]
pub struct DeviceRequest {
    /// A device of theirs, or a new one of this name; `None` lets us choose.
    pub device_id: Option<DeviceId>,
    /// What to call it, if it is new.
    pub display_name: Option<String>,
    /// How long the session lasts without being refreshed.
    pub lifetime: Lifetime,
}

/// How long an access token lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Until its device is deleted.
    #[default]
    Endless,
    /// [`REFRESHABLE_LIFETIME_MS`]; then the device gets another one for its refresh token.
    Refreshable,
}

/// A session that has begun.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user_id: UserId,
    /// On which device.
    pub device_id: DeviceId,
    /// Proves it. Nothing but its hash is kept.
    pub access_token: String,
    /// Gets the next access token, if this one ends.
    pub refresh_token: Option<String>,
}

/// Whom an access token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// This device.
    Owner(TokenOwner),
    /// A device that has to refresh the token, or to log in again: it keeps all it has.
    Expired,
    /// Nobody.
    Unknown,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is a secret.
        write!(f, "Session({} on {})", self.user_id, self.device_id.as_str())
    }
}

/// Why a password did not count.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// There is no such user, or it is not the password.
    #[error("wrong user name or password")]
    Wrong,
    /// The account was deactivated.
    #[error("this account has been deactivated")]
    Deactivated,
    /// Too many failures.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The password did not count.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The device is called like a key.
    #[error("a device cannot have the id of a cross-signing key")]
    DeviceIsKey,
    /// The device would be one too many.
    #[error("{0} has {DEVICES_PER_USER_MAX} devices: log some of them out")]
    TooManyDevices(UserId),
    /// The display name of the device is too long.
    #[error("a device's display name has at most {DISPLAY_NAME_CHARS_MAX} characters")]
    DisplayNameTooLong,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Logs somebody in by password. `name` is a user id or a localpart.
    pub async fn log_in(
        &self,
        name: &str,
        password: &str,
        device: DeviceRequest,
        address: Option<IpAddr>,
    ) -> Result<Session, LoginError> {
        if !check_display_name(device.display_name.as_deref()) {
            return Err(LoginError::DisplayNameTooLong);
        }
        // User ids of ours are in lower case.
        let user = self.resolve(&name.to_lowercase()).filter(|user| self.is_local(user)).ok_or(PasswordError::Wrong)?;
        self.check_password(&user, password, address).await?;
        self.start_session(user, device, address).await
    }

    /// Logs in somebody who has proved who they are in another way.
    pub async fn start_session(
        &self,
        user: UserId,
        device: DeviceRequest,
        address: Option<IpAddr>,
    ) -> Result<Session, LoginError> {
        let start = self.prepare_session(user.clone(), device, address);
        self.0
            .database
            .write(move |tx| {
                if is_cross_signing_key(tx, &user, &start.session.device_id)? {
                    return Err(LoginError::DeviceIsKey);
                }
                let devices = devices::all_of(tx, &user)?;
                let is_known = devices.iter().any(|device| device.device_id == start.session.device_id);
                if !is_known && devices.len() >= DEVICES_PER_USER_MAX {
                    return Err(LoginError::TooManyDevices(user));
                }
                Ok(start.store(tx)?)
            })
            .await
    }

    /// Checks a password. Failures are limited per user and per address; a success takes nothing from either.
    pub async fn check_password(
        &self,
        user: &UserId,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<(), PasswordError> {
        let address = address.map(address_key);
        // Taken before and given back after: many attempts at once count from their start.
        if let Some(address) = &address {
            self.take(Limit::LoginFailuresPerAddress, address)?;
        }
        let give_back_address = || {
            if let Some(address) = &address {
                self.0.limits.give_back(Limit::LoginFailuresPerAddress, address);
            }
        };
        if let Err(limited) = self.take(Limit::LoginFailuresPerUser, user.as_str()) {
            give_back_address();
            return Err(limited.into());
        }
        let account = self.account(user).await?;
        let is_deactivated = account.as_ref().is_some_and(|account| account.deactivated_at.is_some());
        let stored = account.and_then(|account| account.password_hash);
        match passwords::verify(&self.0.handles.compute, stored, password).await {
            Verdict::Wrong if is_deactivated => Err(PasswordError::Deactivated),
            Verdict::Wrong => Err(PasswordError::Wrong),
            Verdict::Right => {
                self.0.limits.give_back(Limit::LoginFailuresPerUser, user.as_str());
                give_back_address();
                Ok(())
            }
        }
    }

    /// Changes a password. Returns `false` if it is too long.
    pub async fn set_password(&self, user: &UserId, password: &str) -> Result<bool, StoreError> {
        let hash = passwords::hash(&self.0.handles.compute, &*self.0.handles.random, password).await;
        let Some(hash) = hash else { return Ok(false) };
        let user = user.clone();
        self.0.database.write(move |tx| accounts::set_password(tx, &user, &hash)).await?;
        Ok(true)
    }

    /// Returns whom an access token stands for, and notes that the device is active.
    pub async fn authenticate(
        &self,
        access_token: &str,
        address: Option<IpAddr>,
    ) -> Result<Authentication, StoreError> {
        let hash = token_hash(access_token);
        let Some(owner) = self.0.database.read(move |tx| accounts::token_owner(tx, &hash)).await? else {
            return Ok(Authentication::Unknown);
        };
        let now = self.0.handles.clock.now();
        if owner.expires_at.is_some_and(|end| end <= now) {
            return Ok(Authentication::Expired);
        }
        let is_active = now - owner.last_seen_at >= LAST_SEEN_STEP_MS;
        if is_active || owner.refreshes {
            let (user, device) = (owner.user_id.clone(), owner.device_id.clone());
            let address = address.map(|address| address.to_string());
            self.0
                .database
                .write(move |tx| {
                    accounts::confirm_refresh(tx, &user, &device)?;
                    devices::set_last_seen(tx, &user, &device, address.as_deref(), now)
                })
                .await?;
        }
        Ok(Authentication::Owner(owner))
    }

    /// Gives a device another access token, and another refresh token. `None` if the one it shows is unknown. The old one can
    /// be used again until one of the new ones is: an answer may be lost. C-S API, "Refreshing access tokens".
    pub async fn refresh_session(&self, refresh_token: &str) -> Result<Option<Session>, StoreError> {
        let (access, next) = (self.new_token(), self.new_token());
        let now = self.0.handles.clock.now();
        let hash = token_hash(refresh_token);
        self.0
            .database
            .write(move |tx| {
                let Some(owner) = accounts::refresh(tx, &hash, &token_hash(&next))? else { return Ok(None) };
                let RefreshOwner { user_id, device_id } = owner;
                let end = now + REFRESHABLE_LIFETIME_MS;
                accounts::set_token(tx, &token_hash(&access), &user_id, &device_id, now, Some(end))?;
                Ok(Some(Session { user_id, device_id, access_token: access, refresh_token: Some(next) }))
            })
            .await
    }

    fn new_token(&self) -> String {
        format!("althing_{}", self.0.handles.random.token(ACCESS_TOKEN_LENGTH))
    }

    /// Chooses what a session needs before its transaction begins.
    pub(crate) fn prepare_session(&self, user: UserId, device: DeviceRequest, address: Option<IpAddr>) -> NewSession {
        let random = &self.0.handles.random;
        let device_id = device.device_id.unwrap_or_else(|| {
            DeviceId::parse(&random.token(DEVICE_ID_LENGTH).to_ascii_uppercase())
                .expect("letters and digits are a device id")
        });
        let refresh_token = match device.lifetime {
            Lifetime::Endless => None,
            Lifetime::Refreshable => Some(self.new_token()),
        };
        NewSession {
            session: Session { user_id: user, device_id, access_token: self.new_token(), refresh_token },
            display_name: device.display_name,
            address: address.map(|address| address.to_string()),
            now: self.0.handles.clock.now(),
        }
    }
}

/// A session that waits for its transaction.
pub(crate) struct NewSession {
    session: Session,
    display_name: Option<String>,
    address: Option<String>,
    now: i64,
}

impl NewSession {
    pub(crate) fn store(self, tx: &mut WriteTx<'_>) -> Result<Session, StoreError> {
        let Session { user_id, device_id, access_token, refresh_token } = &self.session;
        let (display_name, address) = (self.display_name.as_deref(), self.address.as_deref());
        devices::log_in(tx, user_id, device_id, display_name, address, self.now)?;
        let end = refresh_token.is_some().then_some(self.now + REFRESHABLE_LIFETIME_MS);
        accounts::set_token(tx, &token_hash(access_token), user_id, device_id, self.now, end)?;
        let refresh_hash = refresh_token.as_deref().map(token_hash);
        accounts::set_refresh_token(tx, user_id, device_id, refresh_hash.as_deref())?;
        Ok(self.session)
    }
}

/// Says whether one of the user's cross-signing keys is called like the device: signatures name both in the same place.
fn is_cross_signing_key(tx: &ReadTx<'_>, user: &UserId, device: &DeviceId) -> Result<bool, StoreError> {
    for usage in [Usage::Master, Usage::SelfSigning, Usage::UserSigning] {
        let key = cross_signing::get(tx, user, usage.name())?;
        let key = key.and_then(|text| CrossSigningKey::from_store(&text, user, usage));
        if key.is_some_and(|key| key.target() == device.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is stored of a token. Tokens are random and long, so that a plain hash is as good as a slow one.
fn token_hash(access_token: &str) -> Vec<u8> {
    Sha256::digest(access_token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests;
