//! `GET /_matrix/client/v3/sync`. C-S API, "Syncing".

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use events::{Object, RoomId, Value};
use http::StatusCode;
use messaging::sync::{RoomFilter, RoomUpdates, Since, TypingNow};
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{account_data, cross_signing, devices, to_device};
use persistence::{Position, ReadTx, StoreError};
use serde_json::json;
use users::DeviceId;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Query};

/// Timeline events of one room when the client does not say.
const TIMELINE_DEFAULT: usize = 10;
/// Timeline events of one room at most.
const TIMELINE_MAX: usize = 100;
/// How long a sync may wait.
const TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// Messages to the device in one answer.
const TO_DEVICE_MAX: i64 = 100;

/// Positions of the streams that a client has seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Token {
    pub(crate) events: i64,
    pub(crate) account_data: i64,
    pub(crate) receipts: i64,
    pub(crate) typing: i64,
    pub(crate) to_device: i64,
    pub(crate) device_lists: i64,
}

impl Token {
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let wrong = || ApiError::new(StatusCode::BAD_REQUEST, "M_UNKNOWN_POS", format!("{text} is no token of a sync"));
        let numbers: Option<Vec<i64>> =
            text.strip_prefix("s1_").map(|rest| rest.split('_').map(|n| n.parse().ok()).collect()).ok_or_else(wrong)?;
        match numbers.as_deref() {
            Some(&[events, account_data, receipts, typing, to_device, device_lists]) => {
                Ok(Self { events, account_data, receipts, typing, to_device, device_lists })
            }
            Some(_) | None => Err(wrong()),
        }
    }

    fn text(&self) -> String {
        let Self { events, account_data, receipts, typing, to_device, device_lists } = self;
        format!("s1_{events}_{account_data}_{receipts}_{typing}_{to_device}_{device_lists}")
    }
}

/// What one look at the database found.
struct Found {
    next: Token,
    rooms: RoomUpdates,
    account_data: Vec<Value>,
    room_account_data: BTreeMap<RoomId, Vec<Value>>,
    to_device: Vec<Value>,
    changed: Vec<String>,
    one_time_keys: Value,
    fallback_types: Vec<String>,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.rooms.join.is_empty()
            && self.rooms.invite.is_empty()
            && self.rooms.knock.is_empty()
            && self.rooms.leave.is_empty()
            && self.account_data.is_empty()
            && self.room_account_data.is_empty()
            && self.to_device.is_empty()
            && self.changed.is_empty()
    }
}

/// Answers with what is new since the client's token, or waits until something is.
pub(crate) async fn sync(
    State(api): State<ClientApi>,
    who: Authenticated,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let since = query.get("since").map(Token::parse).transpose()?;
    let filter = room_filter(&api, &who, &query).await?;
    let timeout = Duration::from_millis(query.number("timeout")?.unwrap_or(0)).min(TIMEOUT_MAX);
    acknowledge(&api, &who, since).await?;
    let clock = api.messaging().handles().clock.clone();
    let deadline = clock.monotonic() + timeout;
    loop {
        // First the waiter, then the look: what comes after the look wakes the wait.
        let news = api.messaging().notifier().wait(&who.user);
        let found = look(&api, &who, since, &filter).await?;
        let left = deadline.saturating_sub(clock.monotonic());
        if !found.is_empty() || since.is_none() || filter.full_state || left.is_zero() {
            return Ok(Json(answer(found)));
        }
        tokio::select! {
            biased;
            () = news.woken() => {}
            () = clock.sleep(left) => {}
        }
    }
}

/// What the client has seen of its messages is not kept.
async fn acknowledge(api: &ClientApi, who: &Authenticated, since: Option<Token>) -> Result<(), ApiError> {
    let Some(since) = since.filter(|since| since.to_device > 0) else { return Ok(()) };
    let (user, device) = (who.user.clone(), who.device.clone());
    let position = Position(since.to_device);
    let database = api.messaging().database();
    let (reader, of) = (user.clone(), device.clone());
    if database.read(move |tx| to_device::has_any(tx, &reader, &of, position)).await? {
        database.write(move |tx| to_device::acknowledge(tx, &user, &device, position)).await?;
    }
    Ok(())
}

async fn look(
    api: &ClientApi,
    who: &Authenticated,
    since: Option<Token>,
    filter: &RoomFilter,
) -> Result<Found, ApiError> {
    let typing = typing_now(api, who, since).await?;
    let typing_position = api.messaging().typing().position();
    let (viewer, device, filter) = (who.viewer(), who.device.clone(), filter.clone());
    let now = api.messaging().handles().clock.now();
    let found = api.messaging().database().read(move |tx| {
        let room_since = since.map(|since| Since {
            events: Position(since.events),
            receipts: Position(since.receipts),
            typing: since.typing,
        });
        let rooms = messaging::sync::rooms(tx, &viewer, &filter, room_since, &typing, now)?;
        let mut found = Found {
            next: positions(tx, typing_position)?,
            rooms,
            account_data: Vec::new(),
            room_account_data: BTreeMap::new(),
            to_device: Vec::new(),
            changed: Vec::new(),
            one_time_keys: users::keys::one_time_key_counts(tx, &viewer.user, &device)?,
            fallback_types: persistence::transactions::device_keys::unused_fallback_key_types(
                tx,
                &viewer.user,
                &device,
            )?,
        };
        add_account_data(tx, &viewer.user, since, &mut found)?;
        add_to_device(tx, &viewer.user, &device, since, &mut found)?;
        if let Some(since) = since {
            add_device_lists(tx, &viewer.user, Position(since.device_lists), &mut found)?;
        }
        Ok::<_, StoreError>(found)
    });
    Ok(found.await?)
}

fn positions(tx: &ReadTx<'_>, typing: i64) -> Result<Token, StoreError> {
    Ok(Token {
        events: streams::current(tx, Stream::Events)?.0,
        account_data: streams::current(tx, Stream::AccountData)?.0,
        receipts: streams::current(tx, Stream::Receipts)?.0,
        typing,
        to_device: streams::current(tx, Stream::ToDevice)?.0,
        device_lists: streams::current(tx, Stream::DeviceLists)?.0,
    })
}

fn add_account_data(
    tx: &ReadTx<'_>,
    user: &events::UserId,
    since: Option<Token>,
    found: &mut Found,
) -> Result<(), StoreError> {
    let from = Position(since.map_or(0, |since| since.account_data));
    for datum in account_data::changed_since(tx, user, from)? {
        let content: Value = serde_json::from_str(&datum.content).unwrap_or_else(|_| json!({}));
        let event = json!({ "type": datum.data_type, "content": content });
        match datum.room_id {
            Some(room_id) => found.room_account_data.entry(room_id).or_default().push(event),
            None => found.account_data.push(event),
        }
    }
    Ok(())
}

fn add_to_device(
    tx: &ReadTx<'_>,
    user: &events::UserId,
    device: &DeviceId,
    since: Option<Token>,
    found: &mut Found,
) -> Result<(), StoreError> {
    let from = Position(since.map_or(0, |since| since.to_device));
    let page = to_device::page(tx, user, device, from, Position(found.next.to_device), TO_DEVICE_MAX)?;
    if page.len() >= usize::try_from(TO_DEVICE_MAX).unwrap_or(usize::MAX)
        && let Some((position, _)) = page.last()
    {
        found.next.to_device = position.0;
    }
    found.to_device = page.iter().filter_map(|(_, content)| serde_json::from_str(content).ok()).collect();
    Ok(())
}

/// Users who share a room with this one and whose devices changed, and those who came into a room with them.
fn add_device_lists(
    tx: &ReadTx<'_>,
    user: &events::UserId,
    from: Position,
    found: &mut Found,
) -> Result<(), StoreError> {
    let mut neighbours = std::collections::BTreeSet::new();
    for room in persistence::transactions::rooms::rooms_of_member(tx, user, "join")? {
        for (member, _) in persistence::transactions::rooms::members(tx, room, "join")? {
            neighbours.insert(member);
        }
    }
    let changed = devices::changed_since(tx, from)?;
    found.changed = changed
        .into_iter()
        .filter(|other| other == user || neighbours.contains(other))
        .chain(cross_signing::signed_since(tx, user, from)?)
        .map(|other| other.to_string())
        .collect();
    Ok(())
}

/// In the user's rooms in which somebody started or stopped typing: who does.
async fn typing_now(api: &ClientApi, who: &Authenticated, since: Option<Token>) -> Result<TypingNow, ApiError> {
    let typing = api.messaging().typing();
    // The count of changes starts anew with the process.
    let seen = since.map_or(0, |since| if since.typing > typing.position() { 0 } else { since.typing });
    let mut changed = BTreeMap::new();
    if typing.position() > seen {
        for room_id in api.messaging().joined_rooms(&who.user).await? {
            if typing.changed_at(&room_id) > seen {
                changed.insert(room_id.clone(), typing.users(&room_id));
            }
        }
    }
    Ok(TypingNow { changed })
}

async fn room_filter(api: &ClientApi, who: &Authenticated, query: &Query) -> Result<RoomFilter, ApiError> {
    let filter: Object = match query.get("filter") {
        Some(inline) if inline.starts_with('{') => serde_json::from_str(inline)
            .map_err(|error| ApiError::invalid_param(format!("`filter` is no filter: {error}")))?,
        Some(id) => {
            let stored = api.users().filter(&who.user, id).await?;
            stored.ok_or_else(|| ApiError::invalid_param(format!("you have no filter {id}")))?
        }
        None => Object::new(),
    };
    let room = filter.get("room");
    let in_room = |section: &str, key: &str| room.and_then(|room| room.get(section)).and_then(|part| part.get(key));
    let limit = in_room("timeline", "limit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
    Ok(RoomFilter {
        timeline_limit: limit.unwrap_or(TIMELINE_DEFAULT).clamp(1, TIMELINE_MAX),
        lazy_load_members: in_room("state", "lazy_load_members").and_then(Value::as_bool).unwrap_or(false),
        include_leave: room.and_then(|room| room.get("include_leave")).and_then(Value::as_bool).unwrap_or(false),
        full_state: query.get("full_state") == Some("true"),
    })
}

fn answer(found: Found) -> Value {
    let mut join = found.rooms.join;
    for (room_id, events) in found.room_account_data {
        if let Some(section) = join.get_mut(&room_id) {
            section["account_data"]["events"] = json!(events);
        } else {
            join.insert(room_id, json!({ "account_data": { "events": events } }));
        }
    }
    let rooms = |sections: BTreeMap<RoomId, Value>| -> Object {
        sections.into_iter().map(|(room_id, section)| (room_id.to_string(), section)).collect()
    };
    json!({
        "next_batch": found.next.text(),
        "rooms": {
            "join": rooms(join),
            "invite": rooms(found.rooms.invite),
            "knock": rooms(found.rooms.knock),
            "leave": rooms(found.rooms.leave),
        },
        "account_data": { "events": found.account_data },
        "to_device": { "events": found.to_device },
        "presence": { "events": [] },
        "device_lists": { "changed": found.changed, "left": [] },
        "device_one_time_keys_count": found.one_time_keys,
        "device_unused_fallback_key_types": found.fallback_types,
    })
}
