//! One look at the database: everything that is new to a client, on one snapshot.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use events::{Object, RoomId, UserId, Value};
use messaging::filter::Filter;
use messaging::sync::{DeviceLists, RoomUpdates, SyncRequest, datum, device_lists};
use messaging::unread::{Notification, PushRules, RoomContext};
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{account_data, cross_signing, device_keys, to_device};
use persistence::{Position, ReadTx, StoreError};
use serde_json::json;
use users::DeviceId;
use users::push_rules::{self, PushContext};

use super::Token;
use crate::ClientApi;
use crate::error::ApiError;
use crate::request::Authenticated;

/// Messages to the device in one answer. C-S API, "Send-to-Device messaging".
const TO_DEVICE_MAX: i64 = 100;

/// What a client asks for.
pub(super) struct Asked {
    pub(super) since: Option<Token>,
    pub(super) filter: Filter,
    pub(super) full_state: bool,
    pub(super) use_state_after: bool,
}

/// What one look found.
pub(super) struct Found {
    next: Token,
    rooms: RoomUpdates,
    account_data: Vec<Value>,
    to_device: Vec<Value>,
    device_lists: DeviceLists,
    one_time_keys: Value,
    fallback_types: Vec<String>,
}

/// The push rules of a user, read when they are needed.
struct Rules<'a, 'c> {
    tx: &'a ReadTx<'c>,
    user: &'a UserId,
    rules: OnceCell<push_rules::PushRules>,
}

pub(super) async fn look(api: &ClientApi, who: &Authenticated, asked: &Asked) -> Result<Found, ApiError> {
    let (typing, changed) = api.messaging().typing().news(asked.since.map(|since| since.typing));
    let (messaging, device, since) = (api.messaging().clone(), who.device.clone(), asked.since);
    let mut request = SyncRequest {
        viewer: who.viewer(),
        filter: asked.filter.clone(),
        since: None,
        full_state: asked.full_state,
        use_state_after: asked.use_state_after,
        typing: changed,
        account_data: BTreeMap::new(),
        now: messaging.handles().clock.now(),
    };
    let database = messaging.database().clone();
    let found = database.read(move |tx| {
        let user = request.viewer.user.clone();
        let mut next = positions(tx, typing)?;
        if since.is_some_and(|since| since.is_ahead_of(&next)) {
            return Err(ApiError::invalid_param("`since` is no token that this server has given"));
        }
        let before_loss = since.map(|since| since.before_loss(tx)).transpose()?.flatten();
        request.full_state |= before_loss.is_some();
        let since = before_loss.or(since);
        request.since = since.as_ref().map(Token::of_rooms);
        let account_data = account_data(tx, &user, since, &mut request)?;
        let rules = Rules { tx, user: &user, rules: OnceCell::new() };
        let rooms = messaging.sync_rooms(tx, &request, &rules)?;
        next.settled = rooms.settled.0;
        let to_device = to_device(tx, &user, &device, since, &mut next)?;
        let device_lists = match since {
            Some(since) => changed_devices(tx, &user, since)?,
            None => DeviceLists::default(),
        };
        Ok(Found {
            next,
            rooms,
            account_data,
            to_device,
            device_lists,
            one_time_keys: users::keys::one_time_key_counts(tx, &user, &device)?,
            fallback_types: device_keys::unused_fallback_key_types(tx, &user, &device)?,
        })
    });
    found.await
}

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
            && self.account_data.is_empty()
            && self.to_device.is_empty()
            && self.device_lists.changed.is_empty()
            && self.device_lists.left.is_empty()
    }

    pub(super) fn into_json(self, asked: &Asked) -> Value {
        let rooms = |sections: BTreeMap<RoomId, Value>| -> Object {
            sections.into_iter().map(|(room_id, section)| (room_id.to_string(), section)).collect()
        };
        let mut answer = json!({
            "next_batch": self.next.text(),
            "rooms": {
                "join": rooms(self.rooms.join),
                "invite": rooms(self.rooms.invite),
                "knock": rooms(self.rooms.knock),
                "leave": rooms(self.rooms.leave),
            },
            "account_data": { "events": self.account_data },
            "to_device": { "events": self.to_device },
            "presence": { "events": [] },
            "device_one_time_keys_count": self.one_time_keys,
            "device_unused_fallback_key_types": self.fallback_types,
        });
        if asked.since.is_some() {
            let DeviceLists { changed, left } = self.device_lists;
            answer["device_lists"] = json!({ "changed": changed, "left": left });
        }
        answer
    }
}

fn positions(tx: &ReadTx<'_>, typing: i64) -> Result<Token, StoreError> {
    let events = streams::current(tx, Stream::Events)?.0;
    Ok(Token {
        events,
        settled: events,
        account_data: streams::current(tx, Stream::AccountData)?.0,
        receipts: streams::current(tx, Stream::Receipts)?.0,
        typing,
        to_device: streams::current(tx, Stream::ToDevice)?.0,
        device_lists: streams::current(tx, Stream::DeviceLists)?.0,
    })
}

/// What the user has stored since: returns that of the account, and puts that of rooms into the request.
fn account_data(
    tx: &ReadTx<'_>,
    user: &UserId,
    since: Option<Token>,
    request: &mut SyncRequest,
) -> Result<Vec<Value>, StoreError> {
    let from = Position(since.map_or(0, |since| since.account_data));
    let mut of_account = Vec::new();
    for stored in account_data::changed_since(tx, user, from)? {
        let event = datum(&stored.data_type, &stored.content);
        match stored.room_id {
            Some(room_id) => request.account_data.entry(room_id).or_default().push(event),
            None if request.filter.account_data.allows_type(&stored.data_type) => of_account.push(event),
            None => {}
        }
    }
    Ok(of_account)
}

/// Whose devices to look at anew; those too whom the user has signed on another device.
pub(crate) fn changed_devices(tx: &ReadTx<'_>, user: &UserId, since: Token) -> Result<DeviceLists, StoreError> {
    let lists = Position(since.device_lists);
    let mut found = device_lists(tx, user, Position(since.events), lists)?;
    found.changed.extend(cross_signing::signed_since(tx, user, lists)?);
    Ok(found)
}

/// The first messages for the device. If there are more, the next token stands behind the last of these.
fn to_device(
    tx: &ReadTx<'_>,
    user: &UserId,
    device: &DeviceId,
    since: Option<Token>,
    next: &mut Token,
) -> Result<Vec<Value>, StoreError> {
    let from = Position(since.map_or(0, |since| since.to_device));
    let page = to_device::page(tx, user, device, from, Position(next.to_device), TO_DEVICE_MAX)?;
    if page.len() >= usize::try_from(TO_DEVICE_MAX).unwrap_or(usize::MAX)
        && let Some((position, _)) = page.last()
    {
        next.to_device = position.0;
    }
    Ok(page.iter().filter_map(|(_, content)| serde_json::from_str(content).ok()).collect())
}

impl PushRules for Rules<'_, '_> {
    fn evaluate(&self, event: &Object, room: &RoomContext) -> Result<Notification, StoreError> {
        let rules = match self.rules.get() {
            Some(rules) => rules,
            None => {
                let rules = push_rules::push_rules(self.tx, self.user)?;
                self.rules.get_or_init(|| rules)
            }
        };
        let context = PushContext {
            display_name: room.display_name.clone(),
            member_count: room.member_count,
            power_levels: room.power_levels.clone(),
            room_version: room.version,
            creators: room.creators.clone(),
        };
        Ok(match rules.evaluate(event, &context) {
            push_rules::Notification::None => Notification::None,
            push_rules::Notification::Notify => Notification::Notify,
            push_rules::Notification::Highlight => Notification::Highlight,
        })
    }
}
