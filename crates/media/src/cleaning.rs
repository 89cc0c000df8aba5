//! Files that nothing leads to, ids that nobody used, copies that nobody asks for.

use std::sync::atomic::Ordering;

use persistence::StoreError;
use persistence::transactions::media::{self, CacheEntry, RemoteId};

use crate::error::MediaError;
use crate::limits::{CACHE_AGE_MAX, CLEANING_INTERVAL, DROPPED_AT_ONCE};
use crate::repository::Media;
use crate::upload::millis;

impl Media {
    /// Cleans up what the last process left behind, and from then on what has become old.
    pub fn start(&self) {
        let media = self.clone();
        self.0.handles.tasks.spawn("media", async move {
            report("files that nothing leads to", media.delete_orphans().await);
            loop {
                report("ids that nobody used", media.delete_expired().await);
                report("copies of remote files", media.drop_copies().await);
                media.0.handles.clock.sleep(CLEANING_INTERVAL).await;
            }
        });
    }

    /// Drops copies now, in the background.
    pub(crate) fn make_room(&self) {
        let media = self.clone();
        self.0.handles.tasks.spawn("media cache", async move {
            report("copies of remote files", media.drop_copies().await);
        });
    }

    /// Deletes the files that no row leads to: a process ended between a file and its row.
    pub(crate) async fn delete_orphans(&self) -> Result<(), MediaError> {
        for prefix in self.0.files.prefixes().await? {
            let deleting = self.0.files.deleting().await;
            let mut orphans = deleting.hashes(&prefix).await?;
            // `~` stands behind every digit.
            let (from, to) = (prefix.clone(), format!("{prefix}~"));
            let known = self.0.database.read(move |tx| media::hashes_between(tx, &from, &to)).await?;
            orphans.retain(|hash| known.binary_search(hash).is_err());
            if !orphans.is_empty() {
                tracing::info!("Deleting {} files of the content repository that nothing leads to", orphans.len());
            }
            deleting.delete(orphans).await?;
        }
        Ok(())
    }

    pub(crate) async fn delete_expired(&self) -> Result<(), MediaError> {
        let now = self.now();
        self.0.database.write(move |tx| media::delete_expired(tx, now)).await?;
        Ok(())
    }

    /// Drops copies that are too old, and the least used ones until the others fit.
    pub(crate) async fn drop_copies(&self) -> Result<(), MediaError> {
        let bytes_max = i64::try_from(self.0.config.cache_bytes_max).unwrap_or(i64::MAX);
        loop {
            let (cached, candidates) = self
                .0
                .database
                .read(|tx| Ok::<_, StoreError>((media::cached_bytes(tx)?, media::least_used(tx, DROPPED_AT_ONCE)?)))
                .await?;
            self.0.cached_bytes.store(cached, Ordering::Relaxed);
            let dropped = to_drop(candidates, cached, bytes_max, self.now() - millis(CACHE_AGE_MAX));
            if dropped.is_empty() {
                return Ok(());
            }
            tracing::debug!("Dropping {} copies of remote files", dropped.len());
            self.forget(dropped).await?;
        }
    }

    /// Deletes those of `hashes` that nothing leads to: what was freed a moment ago may have been placed again.
    pub(crate) async fn delete_unreferenced(&self, mut hashes: Vec<String>) -> Result<(), MediaError> {
        let deleting = self.0.files.deleting().await;
        let unreferenced = self.0.database.read(move |tx| {
            media::retain_unreferenced(tx, &mut hashes)?;
            Ok::<_, StoreError>(hashes)
        });
        Ok(deleting.delete(unreferenced.await?).await?)
    }

    /// Forgets copies, and deletes the files that nothing leads to any longer.
    pub(crate) async fn forget(&self, ids: Vec<RemoteId>) -> Result<(), MediaError> {
        let deleting = self.0.files.deleting().await;
        let freed = self.0.database.write(move |tx| {
            let mut freed = Vec::new();
            for id in ids {
                freed.extend(media::delete_remote(tx, &id)?);
            }
            Ok::<_, StoreError>(freed)
        });
        Ok(deleting.delete(freed.await?).await?)
    }
}

/// Chooses among the least used copies, which come first: all that were last used before `oldest`, and as many as it takes to have
/// no more than `bytes_max` of the `cached` bytes.
fn to_drop(candidates: Vec<CacheEntry>, mut cached: i64, bytes_max: i64, oldest: i64) -> Vec<RemoteId> {
    let mut dropped = Vec::new();
    for entry in candidates {
        if cached <= bytes_max && entry.last_used_at >= oldest {
            break;
        }
        cached -= entry.bytes;
        dropped.push(entry.id);
    }
    dropped
}

fn report(what: &str, done: Result<(), MediaError>) {
    if let Err(error) = done {
        tracing::warn!("the content repository could not clean up {what}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use events::ServerName;

    use super::*;

    #[test]
    fn the_old_go_and_then_the_least_used_until_the_rest_fits() {
        let entry = |last_used_at: i64, bytes| CacheEntry {
            id: RemoteId { origin: ServerName::parse("b.test").unwrap(), media_id: last_used_at.to_string() },
            bytes,
            last_used_at,
        };
        let candidates = || vec![entry(1, 10), entry(2, 10), entry(3, 10), entry(4, 10)];
        for (cached, bytes_max, oldest, expected) in [
            (40, 40, 0, ""),
            (40, 40, 3, "12"),
            (40, 39, 0, "1"),
            (40, 25, 0, "12"),
            (40, 35, 3, "12"),
            (400, 0, 0, "1234"),
        ] {
            let dropped = to_drop(candidates(), cached, bytes_max, oldest);
            assert_eq!(dropped.iter().map(|id| id.media_id.as_str()).collect::<String>(), expected);
        }
    }
}
