//! The keys of users of other servers: asked for when somebody needs them, and kept as long as we share a room with the user,
//! for then their server tells us of every change. S2S API, "Device Management" and "End-to-End Encryption".
//!
//! [`ask`] asks for what a client wants. [`follow`] applies the updates that came, and asks again for lists of which some were
//! missed. [`checked`] says which keys are good: pure.
//!
//! **Invariant:** a list is given out as it is stored only if no update to it is known to be missing.

mod ask;
mod checked;
mod follow;

use events::UserId;
use persistence::transactions::cross_signing;
use persistence::transactions::remote_devices::{self, RemoteList};
use persistence::{Position, ReadTx, StoreError, WriteTx};

use crate::cross_signing::Usage;
use checked::{CheckedKeys, KeyList};

pub use ask::{ClaimedKeys, QUERY_TIMEOUT_MAX};

/// Updates after `base` that we remember to have applied. Whoever refers to an older one makes us ask for the whole list.
const SEEN_MAX: usize = 20;

/// A list that nobody has asked for yet.
fn unknown_list(generation: Position) -> RemoteList {
    RemoteList { base: -1, seen: Vec::new(), generation: generation.0, is_stale: true, failures: 0, next_try_at: None }
}

/// Reads what is stored about the keys of `user`.
fn stored_keys(tx: &ReadTx<'_>, user: &UserId) -> Result<KeyList, StoreError> {
    let mut list = KeyList { devices: remote_devices::all_of(tx, user)?, ..KeyList::default() };
    for usage in [Usage::Master, Usage::SelfSigning] {
        if let Some(key) = cross_signing::get(tx, user, usage.name())? {
            list.cross_signing.insert(usage, key);
        }
    }
    Ok(list)
}

/// Stores the keys of `user` in place of those that were there, unless an update was missed since they were asked for. Returns
/// whether they are others than before.
fn store_keys(tx: &mut WriteTx<'_>, user: &UserId, keys: &CheckedKeys, generation: i64) -> Result<bool, StoreError> {
    let Some(list) = remote_devices::list(tx, user)? else { return Ok(false) };
    if list.generation != generation {
        return Ok(false);
    }
    let before = stored_keys(tx, user)?;
    let base = keys.stream_id.unwrap_or(-1);
    let fresh = RemoteList { base, seen: Vec::new(), generation, is_stale: false, failures: 0, next_try_at: None };
    remote_devices::put_list(tx, user, &fresh)?;
    if before == keys.list {
        return Ok(false);
    }
    remote_devices::replace(tx, user, &keys.list.devices)?;
    cross_signing::delete_keys(tx, user)?;
    for (usage, key) in &keys.list.cross_signing {
        cross_signing::put(tx, user, usage.name(), key)?;
    }
    Ok(true)
}
