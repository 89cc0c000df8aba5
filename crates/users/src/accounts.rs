//! Accounts: who may have one, what it is called, how it ends. C-S API, "Account registration and management".

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use events::UserId;
use events::limits::FIELD_BYTES_MAX;
use hmac::{Hmac, KeyInit, Mac};
use persistence::transactions::accounts::{self, Account, Insertion};
use persistence::transactions::{account_data, cross_signing, devices, filters, key_backups, profiles};
use persistence::{StoreError, WriteTx};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use crate::rate_limits::{Limit, Limited, address_key};
use crate::sessions::{DeviceRequest, Session};
use crate::{Registration, Users, passwords, push_rules};

pub use crate::passwords::PASSWORD_BYTES_MAX;

/// Letters of a localpart that we choose.
const RANDOM_LOCALPART_LENGTH: usize = 12;
/// How long a nonce of the administrator's registration can be used, as in Synapse.
const NONCE_LIFETIME: Duration = Duration::from_secs(60);
/// Nonces that wait to be used; beyond that the oldest is forgotten.
const NONCES_MAX: usize = 1_000;

/// What a new account is to be.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The localpart; `None` lets us choose.
    pub localpart: Option<String>,
    /// `None`: nobody can log in by password.
    pub password: Option<String>,
    /// Whether it is an administrator of the server.
    pub role: Role,
}

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What users do.
    User,
    /// Also what the operator's tools do.
    Admin,
}

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The name is not one.
    #[error("{0}")]
    InvalidUsername(String),
    /// Somebody has, or had, that name.
    #[error("the user id {0} is taken")]
    Taken(UserId),
    /// The password is too long.
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes")]
    PasswordTooLong,
    /// Too many registrations from one address.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the administrator's registration was refused.
#[derive(Debug, thiserror::Error)]
pub enum SharedSecretError {
    /// No secret is configured.
    #[error("registration by shared secret is not enabled")]
    Disabled,
    /// The nonce was not given out, has been used, or is too old.
    #[error("the nonce is unknown, used, or older than a minute: ask for another one")]
    UnknownNonce,
    /// Somebody who does not know the secret.
    #[error("the mac does not fit")]
    WrongMac,
    /// The account itself.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

/// A request of Synapse's shared-secret registration, `POST /_synapse/admin/v1/register`.
#[derive(Debug, Clone)]
pub struct SharedSecretRequest {
    /// As we gave it out.
    pub nonce: String,
    /// The localpart.
    pub username: String,
    /// The password.
    pub password: String,
    /// Whether to make an administrator.
    pub role: Role,
    /// Synapse's user type, which counts for the mac only.
    pub user_type: Option<String>,
    /// HMAC-SHA1 in hexadecimal over all of these.
    pub mac: String,
}

impl Users {
    /// Says whether `localpart` could be registered, and as which user id.
    pub async fn check_available(&self, localpart: &str) -> Result<UserId, RegistrationError> {
        let user = self.valid_user_id(localpart)?;
        let wanted = user.clone();
        match self.0.database.read(move |tx| accounts::get(tx, &wanted)).await? {
            Some(_) => Err(RegistrationError::Taken(user)),
            None => Ok(user),
        }
    }

    /// Says whether a client could register `localpart`, and as which user id. As in Synapse, names that bridges use and names
    /// of digits alone, which guests have, are for administrators to give.
    pub async fn check_open_to_clients(&self, localpart: &str) -> Result<UserId, RegistrationError> {
        if localpart.starts_with('_') || localpart.bytes().all(|byte| byte.is_ascii_digit()) && !localpart.is_empty() {
            let reason = "a user name does not begin with _ and has other characters than digits";
            return Err(RegistrationError::InvalidUsername(reason.to_owned()));
        }
        self.check_available(localpart).await
    }

    /// Says whether `token` is one of the tokens that let register.
    pub fn registration_token_is_valid(&self, token: &str) -> bool {
        match &self.0.config.registration {
            Registration::Closed | Registration::Open => false,
            Registration::Token(tokens) => {
                tokens.iter().fold(false, |found, known| found | bool::from(known.as_bytes().ct_eq(token.as_bytes())))
            }
        }
    }

    /// Makes an account for somebody who may have one: the caller has seen to that. With `device`, also logs in.
    ///
    /// `address` counts against the limit; `None` for the operator's own tools.
    pub async fn register(
        &self,
        new: NewAccount,
        device: Option<DeviceRequest>,
        address: Option<IpAddr>,
    ) -> Result<(UserId, Option<Session>), RegistrationError> {
        let user = match &new.localpart {
            Some(localpart) => self.valid_user_id(localpart)?,
            None => self.random_user_id()?,
        };
        if let Some(address) = address {
            self.take(Limit::RegistrationsPerAddress, &address_key(address))?;
        }
        let password_hash = match &new.password {
            Some(password) => Some(
                passwords::hash(&self.0.handles.compute, &*self.0.handles.random, password)
                    .await
                    .ok_or(RegistrationError::PasswordTooLong)?,
            ),
            None => None,
        };
        let account = Account {
            user_id: user.clone(),
            password_hash,
            is_admin: new.role == Role::Admin,
            created_at: self.0.handles.clock.now(),
            deactivated_at: None,
        };
        let start = device.map(|device| self.prepare_session(user.clone(), device, address));
        let session = self
            .0
            .database
            .write(move |tx| -> Result<Option<Session>, RegistrationError> {
                insert(tx, &account)?;
                match start {
                    Some(start) => Ok(Some(start.store(tx)?)),
                    None => Ok(None),
                }
            })
            .await?;
        tracing::info!(user.id = %user, "registered {user}");
        Ok((user, session))
    }

    /// Gives out a nonce for the administrator's registration. `None` if it is switched off.
    pub fn registration_nonce(&self) -> Option<String> {
        self.0.config.shared_secret.as_ref()?;
        let nonce = self.0.handles.random.token(40);
        self.0.nonces.put(nonce.clone(), self.0.handles.clock.monotonic());
        Some(nonce)
    }

    /// Registers as the operator's tools do, who prove that they know the shared secret.
    pub async fn register_with_shared_secret(
        &self,
        request: SharedSecretRequest,
        device: Option<DeviceRequest>,
    ) -> Result<(UserId, Option<Session>), SharedSecretError> {
        let secret = self.0.config.shared_secret.as_ref().ok_or(SharedSecretError::Disabled)?;
        if !self.0.nonces.take(&request.nonce, self.0.handles.clock.monotonic()) {
            return Err(SharedSecretError::UnknownNonce);
        }
        let expected = shared_secret_mac(secret, &request);
        if !bool::from(expected.as_bytes().ct_eq(request.mac.to_ascii_lowercase().as_bytes())) {
            return Err(SharedSecretError::WrongMac);
        }
        // Synapse lower-cases the name here, and its tools rely on that.
        let new = NewAccount {
            localpart: Some(request.username.to_lowercase()),
            password: Some(request.password),
            role: request.role,
        };
        Ok(self.register(new, device, None).await?)
    }

    /// Returns the account of one of our users, deactivated or not.
    pub async fn account(&self, user: &UserId) -> Result<Option<Account>, StoreError> {
        let user = user.clone();
        self.0.database.read(move |tx| accounts::get(tx, &user)).await
    }

    /// Returns the accounts whose user id follows `after`, in their order, at most `limit`.
    pub async fn accounts(&self, after: String, limit: i64) -> Result<Vec<Account>, StoreError> {
        self.0.database.read(move |tx| accounts::page(tx, &after, limit)).await
    }

    /// Ends an account for good: nobody can log in, its devices, keys and settings are deleted, its rooms are left.
    pub async fn deactivate(&self, user: &UserId, profile: ErasedProfile) -> Result<(), StoreError> {
        let (users, deactivated, now) = (self.clone(), user.clone(), self.0.handles.clock.now());
        self.0
            .database
            .write(move |tx| -> Result<(), StoreError> {
                accounts::deactivate(tx, &deactivated, now)?;
                for device in devices::all_of(tx, &deactivated)? {
                    devices::delete(tx, &deactivated, &device.device_id)?;
                    users.note_device_change(tx, &deactivated, &device.device_id)?;
                }
                cross_signing::delete_all(tx, &deactivated)?;
                key_backups::delete_all(tx, &deactivated)?;
                account_data::delete_all(tx, &deactivated)?;
                filters::delete_all(tx, &deactivated)?;
                match profile {
                    ErasedProfile::Erase => profiles::delete_all(tx, &deactivated)?,
                    ErasedProfile::Keep => {}
                }
                users.note_signing_change(tx, &deactivated)?;
                Ok(())
            })
            .await?;
        tracing::info!(user.id = %user, "deactivated {user}");
        self.0.neighbours.profile_listener.user_deactivated(user.clone()).await;
        Ok(())
    }

    /// Lets deactivated accounts leave the rooms that they are in: those that ended while no server ran, and those whose leaving
    /// was cut short.
    pub(crate) fn finish_deactivations(&self) {
        let users = self.clone();
        self.0.handles.tasks.spawn("users: deactivated accounts", async move {
            match users.0.database.read(accounts::deactivated_in_rooms).await {
                Ok(deactivated) => {
                    for user in deactivated {
                        users.0.neighbours.profile_listener.user_deactivated(user).await;
                    }
                }
                Err(error) => tracing::error!("deactivated accounts stay in their rooms: {error}"),
            }
        });
    }

    /// New user ids have only a few characters; those that others made in the past may have more. Appendices, "User
    /// Identifiers".
    fn valid_user_id(&self, localpart: &str) -> Result<UserId, RegistrationError> {
        let invalid = |reason: &str| RegistrationError::InvalidUsername(reason.to_owned());
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._=-/+".contains(&byte);
        if localpart.is_empty() {
            return Err(invalid("a user name has at least one character"));
        }
        if !localpart.bytes().all(is_allowed) {
            return Err(invalid("a user name has only the characters a-z, 0-9 and . _ = - / +"));
        }
        let user = UserId::parse(format!("@{localpart}:{}", self.0.server_name));
        user.ok()
            .filter(|user| user.as_str().len() <= FIELD_BYTES_MAX)
            .ok_or_else(|| invalid("with the name of this server the user id is longer than 255 bytes"))
    }

    fn random_user_id(&self) -> Result<UserId, RegistrationError> {
        let localpart = self.0.handles.random.token(RANDOM_LOCALPART_LENGTH).to_ascii_lowercase();
        self.valid_user_id(&localpart)
    }
}

/// What becomes of the profile of a deactivated account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasedProfile {
    /// It stays.
    Keep,
    /// It is deleted.
    Erase,
}

fn insert(tx: &mut WriteTx<'_>, account: &Account) -> Result<(), RegistrationError> {
    match accounts::insert(tx, account)? {
        Insertion::Inserted => {}
        Insertion::Taken => return Err(RegistrationError::Taken(account.user_id.clone())),
    }
    // As Synapse does: somebody who never chose a name is seen under the localpart.
    let display_name = serde_json::Value::from(account.user_id.localpart()).to_string();
    profiles::put(tx, &account.user_id, "displayname", &display_name)?;
    push_rules::store_defaults(tx, &account.user_id)?;
    Ok(())
}

/// HMAC-SHA1, keyed with the secret: nonce, name, password, role, and the user type if there is one, with NUL between them.
fn shared_secret_mac(secret: &str, request: &SharedSecretRequest) -> String {
    let role: &[u8] = match request.role {
        Role::User => b"notadmin",
        Role::Admin => b"admin",
    };
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    for part in [request.nonce.as_bytes(), request.username.as_bytes(), request.password.as_bytes()] {
        mac.update(part);
        mac.update(b"\0");
    }
    mac.update(role);
    if let Some(user_type) = &request.user_type {
        mac.update(b"\0");
        mac.update(user_type.as_bytes());
    }
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The nonces that were given out and not used.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<BTreeMap<String, Duration>>);

impl Nonces {
    fn put(&self, nonce: String, now: Duration) {
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.retain(|_, given| now.saturating_sub(*given) < NONCE_LIFETIME);
        let oldest = nonces.iter().min_by_key(|(_, given)| **given).map(|(nonce, _)| nonce.clone());
        if let Some(oldest) = oldest.filter(|_| nonces.len() >= NONCES_MAX) {
            nonces.remove(&oldest);
        }
        nonces.insert(nonce, now);
    }

    /// Says whether `nonce` was there and young enough. It is gone then.
    fn take(&self, nonce: &str, now: Duration) -> bool {
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.remove(nonce).is_some_and(|given| now.saturating_sub(given) < NONCE_LIFETIME)
    }
}

#[cfg(test)]
mod tests;
