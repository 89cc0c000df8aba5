//! The keys that this server signs and has signed with. They outlive a change of the key: what was signed with an old one must
//! stay verifiable. S2S API, "Publishing Keys": `old_verify_keys`.

use events::{PublicKey, SigningKey};
use handles::Timestamp;
use persistence::transactions::identity::{self as rows, OwnKey};
use persistence::{Database, StoreError};

use super::OldKey;

/// Old keys that we publish. Other servers, like us, read no document with very many.
const OLD_KEYS_MAX: usize = 100;

/// So many milliseconds after its use has ended an old key still counts. We also sign events of others, invites and restricted joins,
/// and these bear the time of the other server: if its clock is ahead, they would be from after the end of the key, and nobody could
/// check them any more. Whoever has stolen the key gains nothing by it, for they can date back.
const EXPIRES_AFTER_MS: i64 = 3_600_000;

/// Takes note that `key` is in use from `now` on, and returns those that were before it, the latest first. A key whose use has
/// just ended counts for an hour more.
pub async fn remember_own_key(
    database: &Database,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Vec<OldKey>, StoreError> {
    let current = OwnKey { key_id: key.id().clone(), public_key: key.public().to_base64(), expired: None };
    database
        .write(move |tx| {
            let known = rows::keys(tx)?;
            if known.iter().any(|known| known.key_id == current.key_id && known.public_key != current.public_key) {
                tracing::error!(
                    key.id = %current.key_id,
                    "another key had the name {} before: servers that remember it refuse what this one signs; take a key \
                     with a name of its own",
                    current.key_id
                );
            }
            if !known.contains(&current) {
                rows::put_key(tx, &current)?;
            }
            let mut old = Vec::new();
            for mut before in known.into_iter().filter(|known| known.key_id != current.key_id) {
                let expired = before.expired.unwrap_or(now + EXPIRES_AFTER_MS);
                if before.expired.is_none() {
                    before.expired = Some(expired);
                    rows::put_key(tx, &before)?;
                    tracing::info!(key.id = %before.key_id, "The signing key {} is an old one from now on", before.key_id);
                }
                // Only we write this table, and only keys that are some.
                let Ok(public) = PublicKey::from_base64(&before.public_key) else { continue };
                old.push(OldKey { id: before.key_id, public, expired });
            }
            old.sort_by_key(|old| std::cmp::Reverse(old.expired));
            old.truncate(OLD_KEYS_MAX);
            Ok(old)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_process::{key, key_id};

    async fn start(database: &Database, version: &str, now: Timestamp) -> Vec<(String, Timestamp)> {
        let old = remember_own_key(database, &key(version), now).await.unwrap();
        old.into_iter()
            .map(|old| {
                let version = old.id.as_str().strip_prefix("ed25519:").unwrap().to_owned();
                assert_eq!((old.id, old.public), (key_id(&version), key(&version).public()));
                (version, old.expired)
            })
            .collect()
    }

    #[tokio::test]
    async fn a_key_that_is_no_longer_used_is_old_soon_after() {
        let database = Database::open_inline(None).unwrap();
        let old = |version: &str, until: Timestamp| (version.to_owned(), until + EXPIRES_AFTER_MS);
        assert_eq!(start(&database, "1", 10).await, []);
        assert_eq!(start(&database, "1", 20).await, []);
        assert_eq!(start(&database, "2", 30).await, [old("1", 30)]);
        assert_eq!(start(&database, "2", 40).await, [old("1", 30)], "it ended once");
        assert_eq!(start(&database, "3", 50).await, [old("2", 50), old("1", 30)]);
        assert_eq!(start(&database, "1", 60).await, [old("3", 60), old("2", 50)], "it came back");
    }
}
