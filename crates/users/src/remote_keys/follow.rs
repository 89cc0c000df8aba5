//! Keeps the lists of users of other servers up to date: applies the updates that came, and asks again where one is missing.

use std::collections::BTreeMap;
use std::time::Duration;

use events::json::Object;
use events::{ServerName, UserId};
use futures_util::StreamExt;
use futures_util::future::select;
use persistence::transactions::remote_devices::{self, StagedUpdate};
use persistence::transactions::{companions, cross_signing, devices};
use persistence::{StoreError, WriteTx};
use transport::questions::Edu;

use super::checked::{CheckedKeys, Sequel, Update, sequel};
use super::{SEEN_MAX, store_keys};
use crate::cross_signing::Usage;
use crate::edus::{DEVICE_LIST_UPDATE, user_of_origin};
use crate::{RemoteError, Users};

/// Bytes of the content of one update. S2S API names no limit; keys have 16 KiB at most, and there are two.
const UPDATE_BYTES_MAX: usize = 65_536;
/// Updates that are checked at once.
const UPDATES_PAGE: i64 = 50;
/// Lists that are asked for before the next look at what is due.
const LISTS_PAGE: i64 = 32;
/// Of these, how many at the same time.
const LISTS_AT_ONCE: usize = 8;
/// After the first failure to ask for a list.
const RETRY_MIN: Duration = Duration::from_secs(30);
/// The longest wait until the next attempt.
const RETRY_MAX: Duration = Duration::from_hours(6);
/// Failures in a row after which we ask only when somebody asks us. That is after about four days.
const FAILURES_MAX: i64 = 25;
/// After an error of our database.
const STORE_RETRY: Duration = Duration::from_mins(1);

/// Whoever waits for updates. No user is called so.
const UPDATES: &str = "remote key updates";
/// Whoever waits for lists that are due.
const LISTS: &str = "remote device lists";

impl Users {
    /// Begins to follow the keys of users of other servers in the background.
    pub(crate) fn follow_keys(&self) {
        let users = self.clone();
        self.0.handles.tasks.spawn("users: key updates", async move {
            loop {
                // First the waiter, then the look: what comes after the look wakes the wait.
                let news = users.0.notifier.wait(UPDATES);
                match users.apply_updates().await {
                    Ok(()) => news.woken().await,
                    Err(error) => {
                        tracing::error!("updates of other servers' keys cannot be applied: {error}");
                        users.0.handles.clock.sleep(STORE_RETRY).await;
                    }
                }
            }
        });
        let users = self.clone();
        self.0.handles.tasks.spawn("users: device lists", async move {
            loop {
                let news = users.0.notifier.wait(LISTS);
                match users.refresh_lists().await {
                    Ok(None) => news.woken().await,
                    Ok(Some(wait)) => {
                        select(Box::pin(news.woken()), users.0.handles.clock.sleep(wait)).await;
                    }
                    Err(error) => {
                        tracing::error!("device lists of other servers' users cannot be renewed: {error}");
                        users.0.handles.clock.sleep(STORE_RETRY).await;
                    }
                }
            }
        });
    }

    /// Takes an `m.device_list_update` or `m.signing_key_update`, in the transaction that acknowledges it. What is wrong with it
    /// is an inner error.
    pub(crate) fn receive_key_update(
        &self,
        tx: &mut WriteTx<'_>,
        origin: &ServerName,
        edu: &Edu,
    ) -> Result<Result<(), String>, StoreError> {
        let Some(content) = edu.content.as_object() else { return Ok(Err("the content is no object".to_owned())) };
        let user = match user_of_origin(content, "user_id", origin) {
            Ok(user) => user,
            Err(reason) => return Ok(Err(reason)),
        };
        if !companions::shares_room_with_server(tx, &user, self.server_name())? {
            return Ok(Err(format!("{user} shares no room with us")));
        }
        let text = events::json::canonical(content);
        let is_followed = remote_devices::list(tx, &user)?.is_some();
        if !is_followed {
            // Nothing is stored that would have to be changed; but clients may know keys from before.
            self.note_remote_change(tx, &user)?;
        } else if text.len() <= UPDATE_BYTES_MAX && remote_devices::stage(tx, &user, &edu.edu_type, &text)? {
            let notifier = self.0.notifier.clone();
            tx.after_commit(move || notifier.wake(UPDATES));
        } else {
            self.mark_stale(tx, &user)?;
        }
        Ok(Ok(()))
    }

    /// Applies all updates that wait.
    async fn apply_updates(&self) -> Result<(), StoreError> {
        loop {
            let page = self
                .0
                .database
                .read(|tx| {
                    let mut masters = BTreeMap::new();
                    let page = remote_devices::staged(tx, UPDATES_PAGE)?;
                    for update in &page {
                        if let Some(key) = cross_signing::get(tx, &update.user_id, Usage::Master.name())? {
                            masters.insert(update.user_id.clone(), key);
                        }
                    }
                    Ok::<_, StoreError>((page, masters))
                })
                .await?;
            let (page, masters) = page;
            if page.is_empty() {
                return Ok(());
            }
            let checked = self
                .0
                .handles
                .compute
                .run(move || {
                    let check = |staged: StagedUpdate| {
                        let update = check(&staged, masters.get(&staged.user_id).map(String::as_str));
                        (staged, update)
                    };
                    page.into_iter().map(check).collect::<Vec<_>>()
                })
                .await;
            let users = self.clone();
            self.0
                .database
                .write(move |tx| {
                    for (staged, update) in &checked {
                        users.apply_update(tx, staged, update)?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
    }

    fn apply_update(
        &self,
        tx: &mut WriteTx<'_>,
        staged: &StagedUpdate,
        update: &Result<Update, String>,
    ) -> Result<(), StoreError> {
        let user = &staged.user_id;
        remote_devices::unstage(tx, staged.number)?;
        let Some(mut list) = remote_devices::list(tx, user)? else { return self.note_remote_change(tx, user) };
        let update = match update {
            Ok(update) if !list.is_stale => update,
            Ok(_) => return self.mark_stale(tx, user),
            Err(reason) => {
                tracing::info!(user.id = %user, "an {} of {user} makes no sense: {reason}", staged.edu_type);
                return self.mark_stale(tx, user);
            }
        };
        match update {
            Update::Device { device_id, stream_id, prev_ids, keys } => {
                match sequel(&list, *stream_id, prev_ids) {
                    Sequel::Known => return Ok(()),
                    Sequel::Gap => return self.mark_stale(tx, user),
                    Sequel::Follows => {}
                }
                list.seen.push(*stream_id);
                let surplus = list.seen.len().saturating_sub(SEEN_MAX);
                list.seen.drain(..surplus);
                match keys {
                    Some(device) => remote_devices::put(tx, user, device)?,
                    None => remote_devices::delete(tx, user, device_id)?,
                }
            }
            Update::Signing(keys) => {
                if keys.contains_key(&Usage::Master) {
                    cross_signing::delete_keys(tx, user)?;
                }
                for (usage, key) in keys {
                    cross_signing::put(tx, user, usage.name(), key)?;
                }
            }
        }
        remote_devices::put_list(tx, user, &list)?;
        self.note_remote_change(tx, user)
    }

    /// An update is missing: what is stored is not given out any more, and the user's server is asked for all.
    fn mark_stale(&self, tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
        let position = devices::note_change(tx, user)?;
        if let Some(mut list) = remote_devices::list(tx, user)? {
            list.is_stale = true;
            list.generation = position.0;
            // A server that did not answer is heard from again: it is not asked at once, but soon.
            let now = self.0.handles.clock.now();
            let pause = if list.failures == 0 { Duration::ZERO } else { RETRY_MIN };
            let soon = now + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            list.next_try_at = Some(list.next_try_at.map_or(soon, |at| at.min(soon)));
            remote_devices::put_list(tx, user, &list)?;
            let notifier = self.0.notifier.clone();
            tx.after_commit(move || notifier.wake(LISTS));
        }
        self.wake_companions_after_commit(tx, user)
    }

    /// Clients that know `user` are told to ask for the keys again.
    pub(super) fn note_remote_change(&self, tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
        devices::note_change(tx, user)?;
        self.wake_companions_after_commit(tx, user)
    }

    /// Asks for all lists that are due. Returns how long until the next is, if one will be.
    async fn refresh_lists(&self) -> Result<Option<Duration>, StoreError> {
        loop {
            let now = self.0.handles.clock.now();
            let due = self.0.database.read(move |tx| remote_devices::due(tx, now, LISTS_PAGE)).await?;
            if due.is_empty() {
                let next = self.0.database.read(remote_devices::next_due).await?;
                let wait = |next: i64| Duration::from_millis(u64::try_from(next - now).unwrap_or(0));
                return Ok(next.map(wait));
            }
            let mut asking = futures_util::stream::iter(due)
                .map(|user| Box::pin(async move { self.refresh_list(&user).await }))
                .buffer_unordered(LISTS_AT_ONCE);
            while let Some(result) = asking.next().await {
                result?;
            }
        }
    }

    async fn refresh_list(&self, user: &UserId) -> Result<(), StoreError> {
        let asked = user.clone();
        let Some(list) = self.0.database.read(move |tx| remote_devices::list(tx, &asked)).await? else { return Ok(()) };
        let answer = match self.0.neighbours.other_servers.devices(user).await {
            Ok(body) => self.check_devices(user, body).await,
            // An account that is gone has no devices.
            Err(RemoteError::NotFound) => Ok(CheckedKeys::default()),
            Err(RemoteError::Failed(reason)) => Err(reason),
        };
        let (users, user) = (self.clone(), user.clone());
        match answer {
            Ok(keys) => {
                self.0
                    .database
                    .write(move |tx| {
                        let is_news = store_keys(tx, &user, &keys, list.generation)?;
                        if is_news { users.note_remote_change(tx, &user) } else { Ok(()) }
                    })
                    .await
            }
            Err(reason) => {
                tracing::info!(user.id = %user, "the devices of {user} cannot be asked for: {reason}");
                let (now, fraction) = (self.0.handles.clock.now(), self.0.handles.random.fraction());
                self.0
                    .database
                    .write(move |tx| {
                        let Some(mut list) = remote_devices::list(tx, &user)? else { return Ok(()) };
                        list.next_try_at = retry_at(now, list.failures, fraction);
                        list.failures += 1;
                        remote_devices::put_list(tx, &user, &list)
                    })
                    .await
            }
        }
    }

    async fn check_devices(&self, user: &UserId, body: Object) -> Result<CheckedKeys, String> {
        let user = user.clone();
        self.0.handles.compute.run(move || CheckedKeys::from_devices(&user, &body)).await
    }
}

fn check(staged: &StagedUpdate, master: Option<&str>) -> Result<Update, String> {
    let content: Object = serde_json::from_str(&staged.content).map_err(|error| error.to_string())?;
    if staged.edu_type == DEVICE_LIST_UPDATE {
        Update::of_device(&staged.user_id, &content)
    } else {
        Update::of_signing_keys(&staged.user_id, &content, master)
    }
}

/// When to ask again after one more failure than `failures`, somewhere in the second half of the wait; `None`: not by ourselves.
fn retry_at(now: i64, failures: i64, fraction: f64) -> Option<i64> {
    if failures >= FAILURES_MAX {
        return None;
    }
    let doublings = u32::try_from(failures).unwrap_or(u32::MAX).min(16);
    let wait = (RETRY_MIN * 2_u32.pow(doublings)).min(RETRY_MAX);
    let wait = wait.mul_f64(0.5 + fraction / 2.0);
    Some(now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests;
