//! Asks for the keys that a client of ours wants: of our users here, of others by their servers. C-S API, `POST /keys/query`
//! and `POST /keys/claim`.

use std::collections::BTreeMap;
use std::time::Duration;

use events::json::{Object, Value};
use events::{ServerName, UserId};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use persistence::StoreError;
use persistence::transactions::devices::DeviceId;
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{companions, remote_devices};
use serde_json::json;

use super::checked::CheckedKeys;
use super::{store_keys, stored_keys, unknown_list};
use crate::keys::{Asker, CLAIMS_MAX, KeyAnswer, entry};
use crate::signed_keys::{KEY_NAME_BYTES_MAX, KEY_SIZE_BYTES_MAX};
use crate::{BoxFuture, RemoteError, Users};

/// How long other servers may take to answer, whatever the client says.
pub const QUERY_TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// Servers asked at the same time for one client.
const SERVERS_AT_ONCE: usize = 32;
/// Users that one server is asked about in one request.
const USERS_PER_REQUEST_MAX: usize = 500;
/// Lists that are stored in one transaction.
const LISTS_PER_TRANSACTION: usize = 50;

/// The answer to `/keys/claim`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClaimedKeys {
    /// The keys, by user and device.
    pub one_time_keys: Object,
    /// The servers that could not be asked, and why.
    pub failures: Object,
}

/// What is to be asked of one server.
struct Question {
    server: ServerName,
    users: BTreeMap<UserId, Wanted>,
}

/// What is wanted of one user of another server.
#[derive(Debug, Clone)]
struct Wanted {
    /// None for all.
    devices: Vec<String>,
    /// The generation of their list, if it is to be kept.
    generation: Option<i64>,
}

/// Where the keys of users stand.
#[derive(Default)]
struct Sorted {
    /// Here: those of our own users, and lists that are up to date.
    here: Vec<(UserId, Vec<String>)>,
    /// To be asked for.
    elsewhere: BTreeMap<UserId, Wanted>,
    /// Of these, lists that we begin to keep.
    to_follow: Vec<UserId>,
}

impl Users {
    /// Returns the keys of users, ours and others, and their devices: the body of the answer to `/keys/query`. An empty list of
    /// devices means all. Servers that do not answer within `timeout` are listed in `failures`; of their users the keys that
    /// were known last are returned.
    pub async fn query_all_keys(
        &self,
        wanted: BTreeMap<UserId, Vec<String>>,
        asker: &UserId,
        timeout: Duration,
    ) -> Result<Object, StoreError> {
        let sorted = self.sort(wanted).await?;
        let elsewhere = self.follow(sorted.elsewhere, sorted.to_follow).await?;
        let (found, failures) = self.ask_for_keys(&elsewhere, timeout.min(QUERY_TIMEOUT_MAX)).await;
        self.store_found(&elsewhere, &found).await?;
        let (users, asker) = (self.clone(), Asker::User(asker.clone()));
        let here = sorted.here;
        self.0
            .database
            .read(move |tx| {
                let mut answer = KeyAnswer::default();
                let asking_user = match &asker {
                    Asker::User(user) => Some(user),
                    Asker::Server(_) => None,
                };
                for (user, devices) in &here {
                    if users.is_local(user) {
                        answer.add(tx, user, devices, &asker)?;
                    } else {
                        let list = stored_keys(tx, user)?;
                        answer.add_keys(tx, user, devices, &list.devices, &list.cross_signing, asking_user)?;
                    }
                }
                for (user, wanted) in &elsewhere {
                    let list = match found.get(user) {
                        Some(keys) => keys.list.clone(),
                        None => stored_keys(tx, user)?,
                    };
                    answer.add_keys(tx, user, &wanted.devices, &list.devices, &list.cross_signing, asking_user)?;
                }
                let mut body = answer.into_body(&asker);
                body.insert("failures".to_owned(), Value::Object(failures));
                Ok(body)
            })
            .await
    }

    async fn sort(&self, wanted: BTreeMap<UserId, Vec<String>>) -> Result<Sorted, StoreError> {
        let users = self.clone();
        self.0
            .database
            .read(move |tx| {
                let mut sorted = Sorted::default();
                for (user, devices) in wanted {
                    if users.is_local(&user) {
                        sorted.here.push((user, devices));
                        continue;
                    }
                    match remote_devices::list(tx, &user)? {
                        Some(list) if !list.is_stale => sorted.here.push((user, devices)),
                        Some(list) => {
                            sorted.elsewhere.insert(user, Wanted { devices, generation: Some(list.generation) });
                        }
                        None => {
                            if companions::shares_room_with_server(tx, &user, users.server_name())? {
                                sorted.to_follow.push(user.clone());
                            }
                            sorted.elsewhere.insert(user, Wanted { devices, generation: None });
                        }
                    }
                }
                Ok(sorted)
            })
            .await
    }

    /// Begins to keep lists. Before their servers are asked: what they tell us of changes from here on is not missed.
    async fn follow(
        &self,
        mut elsewhere: BTreeMap<UserId, Wanted>,
        to_follow: Vec<UserId>,
    ) -> Result<BTreeMap<UserId, Wanted>, StoreError> {
        for page in to_follow.chunks(LISTS_PER_TRANSACTION) {
            let page = page.to_vec();
            let generations = self
                .0
                .database
                .write(move |tx| {
                    let mut generations = Vec::new();
                    for user in page {
                        let list = match remote_devices::list(tx, &user)? {
                            Some(list) => list,
                            None => {
                                let list = unknown_list(streams::next(tx, Stream::DeviceLists)?);
                                remote_devices::put_list(tx, &user, &list)?;
                                list
                            }
                        };
                        generations.push((user, list.generation));
                    }
                    Ok::<_, StoreError>(generations)
                })
                .await?;
            for (user, generation) in generations {
                if let Some(wanted) = elsewhere.get_mut(&user) {
                    wanted.generation = Some(generation);
                }
            }
        }
        Ok(elsewhere)
    }

    /// Asks the servers of these users. Returns the keys of those that were had, and the servers that failed.
    async fn ask_for_keys(
        &self,
        elsewhere: &BTreeMap<UserId, Wanted>,
        timeout: Duration,
    ) -> (BTreeMap<UserId, CheckedKeys>, Object) {
        let mut asking = futures_util::stream::iter(questions(elsewhere))
            .map(|question| Box::pin(async move { (question.server.clone(), self.ask_one(question, timeout).await) }))
            .buffer_unordered(SERVERS_AT_ONCE);
        let (mut found, mut failures) = (BTreeMap::new(), Object::new());
        while let Some((server, answer)) = asking.next().await {
            match answer {
                Ok(keys) => found.extend(keys),
                Err(reason) => note_failure(&mut failures, &server, &reason),
            }
        }
        (found, failures)
    }

    async fn ask_one(&self, question: Question, timeout: Duration) -> Result<Vec<(UserId, CheckedKeys)>, String> {
        let Question { server, users } = question;
        // A list that is kept is kept whole.
        let devices = |wanted: &Wanted| if wanted.generation.is_some() { Vec::new() } else { wanted.devices.clone() };
        let asked: Object = users.iter().map(|(user, wanted)| (user.to_string(), json!(devices(wanted)))).collect();
        let body = self.within(timeout, self.0.neighbours.other_servers.query_keys(&server, asked)).await?;
        let check = move || users.into_keys().map(|user| CheckedKeys::from_query(user, &body)).collect();
        Ok(self.0.handles.compute.run(check).await)
    }

    async fn store_found(
        &self,
        elsewhere: &BTreeMap<UserId, Wanted>,
        found: &BTreeMap<UserId, CheckedKeys>,
    ) -> Result<(), StoreError> {
        let kept: Vec<(UserId, CheckedKeys, i64)> = found
            .iter()
            .filter_map(|(user, keys)| Some((user.clone(), keys.clone(), elsewhere.get(user)?.generation?)))
            .collect();
        for page in kept.chunks(LISTS_PER_TRANSACTION) {
            let page = page.to_vec();
            self.0
                .database
                .write(move |tx| {
                    for (user, keys, generation) in &page {
                        store_keys(tx, user, keys, *generation)?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
        Ok(())
    }

    /// Takes one-time keys of devices, ours and others. Servers that do not answer within `timeout` are listed in `failures`; at
    /// most [`CLAIMS_MAX`] claims are looked at.
    pub async fn claim_all_keys(
        &self,
        claims: BTreeMap<UserId, BTreeMap<String, String>>,
        timeout: Duration,
    ) -> Result<ClaimedKeys, StoreError> {
        let (local, remote): (BTreeMap<_, _>, BTreeMap<_, _>) =
            claims.into_iter().partition(|(user, _)| self.is_local(user));
        let mut by_server: BTreeMap<ServerName, BTreeMap<UserId, BTreeMap<String, String>>> = BTreeMap::new();
        let mut count = 0;
        for (user, devices) in remote {
            count += devices.len();
            if count <= CLAIMS_MAX {
                by_server.entry(user.server()).or_default().insert(user, devices);
            }
        }
        let mut claimed = ClaimedKeys { one_time_keys: self.claim_keys(local).await?, failures: Object::new() };
        let timeout = timeout.min(QUERY_TIMEOUT_MAX);
        let mut asking = futures_util::stream::iter(by_server)
            .map(|(server, claims)| {
                Box::pin(async move {
                    let asked: Object =
                        claims.iter().map(|(user, devices)| (user.to_string(), json!(devices))).collect();
                    let asking = self.0.neighbours.other_servers.claim_keys(&server, asked);
                    (self.within(timeout, asking).await, server, claims)
                })
            })
            .buffer_unordered(SERVERS_AT_ONCE);
        while let Some((answer, server, claims)) = asking.next().await {
            match answer {
                Ok(body) => add_claimed(&mut claimed.one_time_keys, &claims, &body),
                Err(reason) => note_failure(&mut claimed.failures, &server, &reason),
            }
        }
        Ok(claimed)
    }

    async fn within(
        &self,
        timeout: Duration,
        asking: BoxFuture<'_, Result<Object, RemoteError>>,
    ) -> Result<Object, String> {
        match select(asking, self.0.handles.clock.sleep(timeout)).await {
            Either::Left((Ok(body), _)) => Ok(body),
            Either::Left((Err(RemoteError::NotFound), _)) => Err("it does not know these users".to_owned()),
            Either::Left((Err(RemoteError::Failed(reason)), _)) => Err(reason),
            Either::Right(((), _)) => Err(format!("no answer within {} ms", timeout.as_millis())),
        }
    }
}

/// Sorts users by their servers, in portions of [`USERS_PER_REQUEST_MAX`].
fn questions(elsewhere: &BTreeMap<UserId, Wanted>) -> Vec<Question> {
    let mut by_server: BTreeMap<ServerName, Vec<(UserId, Wanted)>> = BTreeMap::new();
    for (user, wanted) in elsewhere {
        by_server.entry(user.server()).or_default().push((user.clone(), wanted.clone()));
    }
    let portions = by_server.into_iter().flat_map(|(server, users)| {
        let portions: Vec<_> = users.chunks(USERS_PER_REQUEST_MAX).map(<[_]>::to_vec).collect();
        portions.into_iter().map(move |users| Question { server: server.clone(), users: users.into_iter().collect() })
    });
    portions.collect()
}

fn note_failure(failures: &mut Object, server: &ServerName, reason: &str) {
    tracing::info!(server.name = %server, "{server} does not say which keys its users have: {reason}");
    failures.insert(server.to_string(), json!({ "errcode": "M_UNKNOWN", "error": "the server could not be asked" }));
}

/// Takes over what was asked for: for each device one key of the algorithm.
fn add_claimed(keys: &mut Object, claims: &BTreeMap<UserId, BTreeMap<String, String>>, body: &Object) {
    let given = body.get("one_time_keys").and_then(Value::as_object);
    for (user, devices) in claims {
        let of_user = given.and_then(|given| given.get(user.as_str()));
        for (device, algorithm) in devices {
            let of_device = of_user.and_then(|of_user| of_user.get(device)).and_then(Value::as_object);
            let fits = |(name, key): &(&String, &Value)| {
                let is_named = name.split_once(':').is_some_and(|(named, id)| named == algorithm && !id.is_empty());
                is_named && name.len() <= KEY_NAME_BYTES_MAX && is_small_key(key)
            };
            let found = of_device.into_iter().flatten().find(fits);
            if let (Some((name, key)), Some(device)) = (found, DeviceId::parse(device)) {
                entry(entry(keys, user.as_str()), device.as_str()).insert(name.clone(), key.clone());
            }
        }
    }
}

fn is_small_key(key: &Value) -> bool {
    (key.is_string() || key.is_object()) && events::json::canonical_value(key).len() <= KEY_SIZE_BYTES_MAX
}
