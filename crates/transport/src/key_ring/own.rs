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
/// just ended counts for an hour more. `filed` is what a file outside the database says of our keys, see [`to_file`]: a database
/// that is restored from a backup does not know those that came after it.
pub async fn remember_own_key(
    database: &Database,
    key: &SigningKey,
    filed: Vec<OwnKey>,
    now: Timestamp,
) -> Result<Vec<OldKey>, StoreError> {
    let current = OwnKey { key_id: key.id().clone(), public_key: key.public().to_base64(), expired: None };
    database
        .write(move |tx| {
            let stored = rows::keys(tx)?;
            let known = merge(stored.clone(), filed);
            if known.iter().any(|known| known.key_id == current.key_id && known.public_key != current.public_key) {
                tracing::error!(
                    key.id = %current.key_id,
                    "another key had the name {} before: servers that remember it refuse what this one signs; take a key \
                     with a name of its own",
                    current.key_id
                );
            }
            if !stored.contains(&current) {
                rows::put_key(tx, &current)?;
            }
            let mut old = Vec::new();
            for mut before in known.into_iter().filter(|known| known.key_id != current.key_id) {
                let expired = before.expired.unwrap_or(now + EXPIRES_AFTER_MS);
                before.expired = Some(expired);
                if !stored.contains(&before) {
                    rows::put_key(tx, &before)?;
                    tracing::info!(key.id = %before.key_id, "The signing key {} is an old one from now on", before.key_id);
                }
                // Only we write this table and this file, and only keys that are some.
                let Ok(public) = PublicKey::from_base64(&before.public_key) else { continue };
                old.push(OldKey { id: before.key_id, public, expired });
            }
            old.sort_by_key(|old| std::cmp::Reverse(old.expired));
            old.truncate(OLD_KEYS_MAX);
            Ok(old)
        })
        .await
}

/// What belongs into a file outside the database, for [`remember_own_key`] at the next start: the key in use, and those before it.
pub fn to_file(key: &SigningKey, old: &[OldKey]) -> Vec<OwnKey> {
    let old = old.iter().map(|old| (&old.id, old.public.to_base64(), Some(old.expired)));
    std::iter::once((key.id(), key.public().to_base64(), None))
        .chain(old)
        .map(|(id, public_key, expired)| OwnKey { key_id: id.clone(), public_key, expired })
        .collect()
}

/// What is known of our keys by the database, which decides what a name means, and by the file, which may be newer.
fn merge(mut stored: Vec<OwnKey>, filed: Vec<OwnKey>) -> Vec<OwnKey> {
    for filed in filed {
        match stored.iter_mut().find(|stored| stored.key_id == filed.key_id) {
            None => stored.push(filed),
            Some(stored) if stored.public_key == filed.public_key => {
                stored.expired = stored.expired.or(filed.expired);
            }
            Some(_) => {}
        }
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_process::{key, key_id};

    async fn start(database: &Database, version: &str, now: Timestamp) -> Vec<(String, Timestamp)> {
        start_with(database, version, Vec::new(), now).await
    }

    async fn start_with(
        database: &Database,
        version: &str,
        filed: Vec<OwnKey>,
        now: Timestamp,
    ) -> Vec<(String, Timestamp)> {
        let old = remember_own_key(database, &key(version), filed, now).await.unwrap();
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
    #[tokio::test]
    async fn keys_that_a_restored_database_does_not_know_come_from_the_file() {
        let lost = Database::open_inline(None).unwrap();
        start(&lost, "1", 10).await;
        start(&lost, "2", 20).await;
        let old = remember_own_key(&lost, &key("3"), Vec::new(), 30).await.unwrap();
        let filed = to_file(&key("3"), &old);

        let restored = Database::open_inline(None).unwrap();
        start(&restored, "1", 10).await;
        let old = |version: &str, until: Timestamp| (version.to_owned(), until + EXPIRES_AFTER_MS);
        let found = start_with(&restored, "3", filed.clone(), 40).await;
        assert_eq!(found, [old("2", 30), old("1", 20)], "as the file says, and not only now");
        assert_eq!(start(&restored, "3", 50).await, found, "it is in the database now");

        let restored = Database::open_inline(None).unwrap();
        start(&restored, "1", 10).await;
        let found = start_with(&restored, "1", filed.clone(), 40).await;
        assert_eq!(found, [old("3", 40), old("2", 30)], "the key came with the backup, and is in use again");

        let restored = Database::open_inline(None).unwrap();
        let mut other = filed[1].clone();
        other.public_key = key("1").public().to_base64();
        start(&restored, "2", 10).await;
        assert_eq!(
            start_with(&restored, "3", vec![other], 40).await,
            [old("2", 40)],
            "what it has, the file does not change"
        );
    }
}
