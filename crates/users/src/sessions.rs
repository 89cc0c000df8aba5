//! Who logs in, and whom an access token stands for. C-S API, "Client Authentication" and "Login".

use std::net::IpAddr;

use events::UserId;
use persistence::transactions::accounts::{self, TokenOwner};
use persistence::transactions::devices::{self, DeviceId};
use persistence::{StoreError, WriteTx};
use sha2::{Digest, Sha256};

use crate::Users;
use crate::devices::{DISPLAY_NAME_CHARS_MAX, check_display_name};
use crate::passwords::{self, Verdict};
use crate::rate_limits::{Limited, address_key};

/// Devices of one user.
pub const DEVICES_PER_USER_MAX: usize = 1_000;
/// Letters and digits of an access token: 250 bits.
const ACCESS_TOKEN_LENGTH: usize = 42;
/// Letters of a device id that we choose.
const DEVICE_ID_LENGTH: usize = 10;
/// A device's last activity is written down this often at most, in ms.
const LAST_SEEN_STEP_MS: i64 = 10 * 60 * 1_000;

/// The device that somebody logs in with.
#[derive(Debug, Clone, Default)]
pub struct DeviceRequest {
    /// A device of theirs, or a new one of this name; `None` lets us choose.
    pub device_id: Option<DeviceId>,
    /// What to call it, if it is new.
    pub display_name: Option<String>,
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
        let now = self.0.handles.clock.monotonic();
        let (per_user, per_address) =
            (&self.0.limits.login_failures_per_user, &self.0.limits.login_failures_per_address);
        let address = address.map(address_key);
        // Taken before and given back after: many attempts at once count from their start.
        if let Some(address) = &address {
            per_address.take(address, now)?;
        }
        if let Err(limited) = per_user.take(user.as_str(), now) {
            if let Some(address) = &address {
                per_address.give_back(address);
            }
            return Err(limited.into());
        }
        let account = self.account(user).await?;
        let is_deactivated = account.as_ref().is_some_and(|account| account.deactivated_at.is_some());
        let stored = account.and_then(|account| account.password_hash);
        match passwords::verify(&self.0.handles.compute, stored, password).await {
            Verdict::Wrong if is_deactivated => Err(PasswordError::Deactivated),
            Verdict::Wrong => Err(PasswordError::Wrong),
            Verdict::Right => {
                per_user.give_back(user.as_str());
                if let Some(address) = &address {
                    per_address.give_back(address);
                }
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
    ) -> Result<Option<TokenOwner>, StoreError> {
        let hash = token_hash(access_token);
        let Some(owner) = self.0.database.read(move |tx| accounts::token_owner(tx, &hash)).await? else {
            return Ok(None);
        };
        let now = self.0.handles.clock.now();
        if now - owner.last_seen_at >= LAST_SEEN_STEP_MS {
            let (user, device) = (owner.user_id.clone(), owner.device_id.clone());
            let address = address.map(|address| address.to_string());
            self.0
                .database
                .write(move |tx| devices::set_last_seen(tx, &user, &device, address.as_deref(), now))
                .await?;
        }
        Ok(Some(owner))
    }

    /// Chooses what a session needs before its transaction begins.
    pub(crate) fn prepare_session(&self, user: UserId, device: DeviceRequest, address: Option<IpAddr>) -> NewSession {
        let random = &self.0.handles.random;
        let device_id = device.device_id.unwrap_or_else(|| {
            DeviceId::parse(&random.token(DEVICE_ID_LENGTH).to_ascii_uppercase())
                .expect("letters and digits are a device id")
        });
        let access_token = format!("althing_{}", random.token(ACCESS_TOKEN_LENGTH));
        NewSession {
            session: Session { user_id: user, device_id, access_token },
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
        let Session { user_id, device_id, access_token } = &self.session;
        let (display_name, address) = (self.display_name.as_deref(), self.address.as_deref());
        devices::log_in(tx, user_id, device_id, display_name, address, self.now)?;
        accounts::set_token(tx, &token_hash(access_token), user_id, device_id, self.now)?;
        Ok(self.session)
    }
}

/// What is stored of a token. Tokens are random and long, so that a plain hash is as good as a slow one.
fn token_hash(access_token: &str) -> Vec<u8> {
    Sha256::digest(access_token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests;
