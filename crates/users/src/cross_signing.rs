//! Cross-signing: a user's own keys, and signatures on others' keys. C-S API, "Cross-signing".

use std::collections::{BTreeMap, BTreeSet};

use events::json::{Object, Value, canonical, canonical_without};
use events::{PublicKey, UserId};
use persistence::transactions::cross_signing::{self, KeySignature};
use persistence::transactions::device_keys;
use persistence::transactions::devices::{self, DeviceId};
use persistence::{ReadTx, StoreError, WriteTx};
use serde_json::json;

use crate::Users;
use crate::signed_keys::{CrossSigningKey, DeviceKeys, InvalidKeys, check_signature, signature_of};

pub use crate::signed_keys::Usage;

/// Signatures that one user gives.
pub const SIGNATURES_PER_USER_MAX: i64 = 20_000;
/// Keys signed in one request.
pub const SIGNED_KEYS_PER_REQUEST_MAX: usize = 1_000;

/// What a user uploads.
#[derive(Debug, Clone, Default)]
pub struct CrossSigningUpload {
    /// Stands for the user.
    pub master_key: Option<Object>,
    /// Signs the user's devices.
    pub self_signing_key: Option<Object>,
    /// Signs other users' master keys.
    pub user_signing_key: Option<Object>,
}

/// What an upload changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing: the keys are there.
    None,
    /// The user had no keys: nothing to protect yet.
    First,
    /// Keys are added or replaced: the user has to prove who they are.
    Replacement,
}

/// Why cross-signing keys were not stored.
#[derive(Debug, thiserror::Error)]
pub enum CrossSigningError {
    /// They are not good.
    #[error(transparent)]
    Invalid(#[from] InvalidKeys),
    /// The others rest on the master key.
    #[error("there is no master key: upload `master_key` first, or with the others")]
    NoMasterKey,
    /// A key is called like one of the user's devices: signatures name both in the same place.
    #[error("the key {0} is called like a device")]
    KeyIsDevice(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Checks an upload and says what it would change.
    pub async fn cross_signing_change(
        &self,
        user: &UserId,
        upload: &CrossSigningUpload,
    ) -> Result<Change, CrossSigningError> {
        let stored = self.own_cross_signing_keys(user).await?;
        let upload = upload.clone();
        let user = user.clone();
        self.0
            .handles
            .compute
            .run(move || CheckedUpload::check(upload, &stored, &user).map(|checked| checked.change(&stored)))
            .await
    }

    /// Stores cross-signing keys. With another master key, all earlier keys and signatures go.
    pub async fn upload_cross_signing_keys(
        &self,
        user: &UserId,
        upload: CrossSigningUpload,
    ) -> Result<(), CrossSigningError> {
        let stored = self.own_cross_signing_keys(user).await?;
        let owner = user.clone();
        let (checked, change) = self
            .0
            .handles
            .compute
            .run(move || {
                let checked = CheckedUpload::check(upload, &stored, &owner)?;
                let change = checked.change(&stored);
                Ok::<_, CrossSigningError>((checked, change))
            })
            .await?;
        if change == Change::None {
            return Ok(());
        }
        let (users, owner) = (self.clone(), user.clone());
        self.0
            .database
            .write(move |tx| -> Result<(), CrossSigningError> {
                for (_, key) in &checked.keys {
                    let device = DeviceId::parse(key.target());
                    if device.map(|device| devices::get(tx, &owner, &device)).transpose()?.flatten().is_some() {
                        return Err(CrossSigningError::KeyIsDevice(key.id().to_owned()));
                    }
                }
                checked.store(tx, &owner)?;
                Ok(users.note_signing_change(tx, &owner)?)
            })
            .await
    }

    /// Stores the signatures that `signer` gave to keys of its own and of others. Returns what was wrong with the rest, as
    /// `failures` of the answer.
    pub async fn upload_signatures(
        &self,
        signer: &UserId,
        signed: BTreeMap<UserId, BTreeMap<String, Object>>,
    ) -> Result<Object, StoreError> {
        let mut failures = Object::new();
        let mut accepted: Vec<(UserId, KeySignature)> = Vec::new();
        let keys = signed.into_iter().flat_map(|(user, keys)| keys.into_iter().map(move |key| (user.clone(), key)));
        for (number, (user, (target, object))) in keys.enumerate() {
            let result = if number < SIGNED_KEYS_PER_REQUEST_MAX {
                self.check_signed_key(signer, &user, &target, object).await?
            } else {
                Err(SigningFailure::TooMany)
            };
            match result {
                Ok(signatures) => accepted.extend(signatures.into_iter().map(|signature| (user.clone(), signature))),
                Err(failure) => insert_failure(&mut failures, &user, &target, &failure),
            }
        }
        let signed: Vec<(UserId, String)> =
            accepted.iter().map(|(user, signature)| (user.clone(), signature.target.clone())).collect();
        let (users, signer) = (self.clone(), signer.clone());
        let stored = self
            .0
            .database
            .write(move |tx| -> Result<bool, StoreError> {
                if cross_signing::count_signatures_by(tx, &signer)? > SIGNATURES_PER_USER_MAX {
                    return Ok(false);
                }
                for (user, signature) in &accepted {
                    cross_signing::put_signature(tx, user, signature)?;
                }
                users.note_signatures(
                    tx,
                    &signer,
                    accepted.into_iter().map(|(user, signature)| (user, signature.target)),
                )?;
                Ok(true)
            })
            .await?;
        if !stored {
            for (user, target) in &signed {
                insert_failure(&mut failures, user, target, &SigningFailure::TooMany);
            }
        }
        Ok(failures)
    }

    /// What a user signed of their own keys, everybody is told; what of others' keys, only the user's own devices.
    fn note_signatures(
        &self,
        tx: &mut WriteTx<'_>,
        signer: &UserId,
        signed: impl Iterator<Item = (UserId, String)>,
    ) -> Result<(), StoreError> {
        let (own, others): (BTreeSet<_>, BTreeSet<_>) = signed.partition(|(user, _)| user == signer);
        for (_, target) in own {
            match DeviceId::parse(&target) {
                Some(device) if device_keys::get(tx, signer, &device)?.is_some() => {
                    self.note_device_change(tx, signer, &device)?;
                }
                Some(_) | None => self.note_signing_change(tx, signer)?,
            }
        }
        for user in others.into_iter().map(|(user, _)| user).collect::<BTreeSet<_>>() {
            cross_signing::note_signed(tx, signer, &user)?;
            self.wake_after_commit(tx, signer);
        }
        Ok(())
    }

    async fn own_cross_signing_keys(&self, user: &UserId) -> Result<StoredKeys, StoreError> {
        let user = user.clone();
        self.0.database.read(move |tx| StoredKeys::read(tx, &user)).await
    }

    async fn check_signed_key(
        &self,
        signer: &UserId,
        user: &UserId,
        target: &str,
        object: Object,
    ) -> Result<Result<Vec<KeySignature>, SigningFailure>, StoreError> {
        let (signer_of_key, owner, name) = (signer.clone(), user.clone(), target.to_owned());
        let relation = self.0.database.read(move |tx| Relation::read(tx, &signer_of_key, &owner, &name)).await?;
        let Some(relation) = relation else { return Ok(Err(SigningFailure::UnknownKey)) };
        let (signer, target) = (signer.clone(), target.to_owned());
        Ok(self.0.handles.compute.run(move || relation.check(&signer, target, &object)).await)
    }
}

/// The cross-signing keys that a user has.
#[derive(Default)]
struct StoredKeys {
    master: Option<CrossSigningKey>,
    self_signing: Option<CrossSigningKey>,
    user_signing: Option<CrossSigningKey>,
}

impl StoredKeys {
    fn read(tx: &ReadTx<'_>, user: &UserId) -> Result<Self, StoreError> {
        let key = |usage: Usage| -> Result<_, StoreError> {
            let text = cross_signing::get(tx, user, usage.name())?;
            Ok(text.and_then(|text| CrossSigningKey::from_store(&text, user, usage)))
        };
        Ok(Self {
            master: key(Usage::Master)?,
            self_signing: key(Usage::SelfSigning)?,
            user_signing: key(Usage::UserSigning)?,
        })
    }
}

/// An upload whose every key is good.
struct CheckedUpload {
    keys: Vec<(Usage, CrossSigningKey)>,
    /// Whether the master key differs from the one that is stored.
    replaces_master: bool,
}

impl CheckedUpload {
    fn check(upload: CrossSigningUpload, stored: &StoredKeys, user: &UserId) -> Result<Self, CrossSigningError> {
        let check = |object: Option<Object>, usage| object.map(|object| CrossSigningKey::check(object, user, usage));
        let uploaded = [
            (Usage::Master, check(upload.master_key, Usage::Master)),
            (Usage::SelfSigning, check(upload.self_signing_key, Usage::SelfSigning)),
            (Usage::UserSigning, check(upload.user_signing_key, Usage::UserSigning)),
        ];
        let mut keys = Vec::new();
        for (usage, key) in uploaded {
            if let Some(key) = key {
                keys.push((usage, key?));
            }
        }
        let new_master = keys.iter().find(|(usage, _)| *usage == Usage::Master).map(|(_, key)| key);
        let Some(master) = new_master.or(stored.master.as_ref()) else {
            return if keys.is_empty() {
                Ok(Self { keys, replaces_master: false })
            } else {
                Err(CrossSigningError::NoMasterKey)
            };
        };
        for (usage, key) in keys.iter().filter(|(usage, _)| *usage != Usage::Master) {
            let what = format!("{}_key", usage.name());
            check_signature(&what, key.object(), user, master.id(), master.public())?;
        }
        let replaces_master = Some(master.id()) != stored.master.as_ref().map(CrossSigningKey::id);
        Ok(Self { keys, replaces_master })
    }

    fn change(&self, stored: &StoredKeys) -> Change {
        let is_stored = |usage: Usage, key: &CrossSigningKey| {
            let stored = match usage {
                Usage::Master => &stored.master,
                Usage::SelfSigning => &stored.self_signing,
                Usage::UserSigning => &stored.user_signing,
            };
            stored.as_ref().map(CrossSigningKey::id) == Some(key.id())
        };
        if self.keys.iter().all(|(usage, key)| is_stored(*usage, key)) {
            Change::None
        } else if stored.master.is_none() {
            Change::First
        } else {
            Change::Replacement
        }
    }

    fn store(&self, tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
        if self.replaces_master {
            cross_signing::delete_all(tx, user)?;
        }
        for (usage, key) in &self.keys {
            cross_signing::put(tx, user, usage.name(), &canonical(key.object()))?;
        }
        Ok(())
    }
}

/// A key as it is stored, and the keys of the signer that may sign it.
struct Relation {
    stored: Object,
    signing_keys: BTreeMap<String, PublicKey>,
}

/// Why a signature was not stored.
enum SigningFailure {
    UnknownKey,
    OtherContent,
    BadSignature(InvalidKeys),
    TooMany,
}

impl Relation {
    /// A self-signing key signs the user's devices, a device the user's master key, a user-signing key the master keys of
    /// others. Nothing else means anything.
    fn read(tx: &ReadTx<'_>, signer: &UserId, user: &UserId, target: &str) -> Result<Option<Self>, StoreError> {
        let signer_keys = StoredKeys::read(tx, signer)?;
        let named = |key: Option<CrossSigningKey>| -> BTreeMap<String, PublicKey> {
            key.map(|key| (key.id().to_owned(), key.public().clone())).into_iter().collect()
        };
        let master = cross_signing::get(tx, user, Usage::Master.name())?
            .and_then(|text| CrossSigningKey::from_store(&text, user, Usage::Master))
            .filter(|key| key.target() == target);
        if let Some(master) = master {
            let signing_keys =
                if signer == user { device_signing_keys(tx, user)? } else { named(signer_keys.user_signing) };
            return Ok(Some(Self { stored: master.object().clone(), signing_keys }));
        }
        let device = DeviceId::parse(target).filter(|_| signer == user);
        let Some(device) = device else { return Ok(None) };
        let keys = device_keys::get(tx, user, &device)?.and_then(|text| DeviceKeys::from_store(&text, user, &device));
        Ok(keys.map(|keys| Self { stored: keys.object().clone(), signing_keys: named(signer_keys.self_signing) }))
    }

    /// Returns the signatures of `signer` that are in `object` and new.
    fn check(&self, signer: &UserId, target: String, object: &Object) -> Result<Vec<KeySignature>, SigningFailure> {
        let bare = |object: &Object| canonical_without(object, &["signatures", "unsigned"]);
        if bare(object) != bare(&self.stored) {
            return Err(SigningFailure::OtherContent);
        }
        let given = object.get("signatures").and_then(|by_user| by_user.get(signer.as_str()));
        let mut accepted = Vec::new();
        for key_id in given.and_then(Value::as_object).into_iter().flat_map(Object::keys) {
            let signature = signature_of(object, signer, key_id).unwrap_or_default();
            if signature_of(&self.stored, signer, key_id) == Some(signature) {
                // The key carried it when it was uploaded.
                continue;
            }
            let missing = || InvalidKeys::Signature { what: target.clone(), key: format!("{key_id} of {signer}") };
            let key = self.signing_keys.get(key_id).ok_or_else(|| SigningFailure::BadSignature(missing()))?;
            check_signature(&target, object, signer, key_id, key).map_err(SigningFailure::BadSignature)?;
            accepted.push(KeySignature {
                target: target.clone(),
                signer: signer.clone(),
                key_id: key_id.clone(),
                signature: signature.to_owned(),
            });
        }
        Ok(accepted)
    }
}

fn device_signing_keys(tx: &ReadTx<'_>, user: &UserId) -> Result<BTreeMap<String, PublicKey>, StoreError> {
    let keys = device_keys::all_of(tx, user)?.into_iter().filter_map(|(device, text, _)| {
        let keys = DeviceKeys::from_store(&text, user, &device)?;
        Some((format!("ed25519:{device}"), keys.signing().clone()))
    });
    Ok(keys.collect())
}

fn insert_failure(failures: &mut Object, user: &UserId, target: &str, failure: &SigningFailure) {
    let (errcode, error) = match failure {
        SigningFailure::UnknownKey => ("M_NOT_FOUND", "there is no such key that this user could sign".to_owned()),
        SigningFailure::OtherContent => ("M_INVALID_PARAM", "the key that was signed is not the one stored".to_owned()),
        SigningFailure::BadSignature(reason) => ("M_INVALID_SIGNATURE", reason.to_string()),
        SigningFailure::TooMany => ("M_INVALID_PARAM", "too many signatures".to_owned()),
    };
    let of_user = failures.entry(user.as_str()).or_insert_with(|| json!({}));
    of_user[target] = json!({ "errcode": errcode, "error": error });
}

#[cfg(test)]
mod tests;
