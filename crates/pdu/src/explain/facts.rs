//! Reads what is known of an event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use events::auth::{AuthEvent, Cited};
use events::{EventId, Pdu, ServerName, Value};
use persistence::transactions::events::{self as event_rows, StoredEvent};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::outbound::{self, delivered};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::server_keys::{self, StoredKey};
use persistence::transactions::{identity, staging, unverified};
use persistence::{EventNumber, ReadTx, RoomNumber, SnapshotNumber, StoreError};

use super::{Condition, Named, Redacts, Sent, Waiting};
use crate::limits::FORKS_EXPLAINED_MAX;
use crate::room::{Room, State};
use crate::verdict::Verdict;

/// What is known of an event in one room.
pub(super) struct Facts {
    pub(super) row: RoomRow,
    pub(super) event_id: EventId,
    pub(super) condition: Condition,
    pub(super) waiting: Vec<Waiting>,
    pub(super) body: Option<Body>,
    pub(super) place: Option<Place>,
    pub(super) verdict: Option<Verdict>,
    /// As much of the room as judging the event again needs.
    pub(super) room: Room,
    pub(super) before: Option<Arc<State>>,
    pub(super) parents: Parents,
    /// Cited events that are no state events.
    pub(super) cited: BTreeMap<EventId, Cited>,
    pub(super) sent: Vec<Sent>,
}

/// The states after an event's parents.
#[derive(Default)]
pub(super) struct Parents {
    /// Those that are known, with the parents that have them.
    pub(super) states: Vec<(Vec<EventId>, Arc<State>)>,
    /// Parents whose states are not known, or are too many.
    pub(super) left_out: Vec<EventId>,
}

/// The event itself, with what is known around it.
pub(super) struct Body {
    pub(super) pdu: Pdu,
    pub(super) visible: Pdu,
    pub(super) redacted_by: Option<EventId>,
    pub(super) redacts: Option<Redacts>,
    pub(super) prev_events: Vec<Named>,
    pub(super) auth_events: Vec<Named>,
    pub(super) keys: Vec<(ServerName, StoredKey)>,
}

/// Reads what is known of an event in each room that has one of this id.
pub(super) fn gather(tx: &ReadTx<'_>, id: &EventId) -> Result<Vec<Facts>, StoreError> {
    let mut rooms: BTreeSet<RoomNumber> = event_rows::rooms_of_id(tx, id)?.into_iter().map(|(room, _)| room).collect();
    rooms.extend(staging::rooms_of_id(tx, id)?);
    rooms.extend(unverified::find(tx, id)?.into_iter().map(|waiting| waiting.room));
    rooms.into_iter().map(|room| gather_in(tx, room, id)).collect()
}

fn gather_in(tx: &ReadTx<'_>, number: RoomNumber, id: &EventId) -> Result<Facts, StoreError> {
    let row = room_rows::by_number(tx, number)?;
    let mut room = Room::empty(number, row.room_id.clone(), row.version, row.turn);
    let event = event_rows::number(tx, number, id)?;
    let stored = event.map(|event| event_rows::load(tx, row.version, event)).transpose()?.flatten();
    let place = event.map(|event| graph_rows::place(tx, event)).transpose()?.flatten();
    let staged = staging::find(tx, number, row.version, id)?;
    let (waiting, unverified) = waiting(tx, number, id, staged.as_ref())?;
    let condition = match (&place, &stored, &staged) {
        (Some(_), ..) => Condition::Placed,
        (None, Some(_), _) => Condition::Outlier,
        (None, None, Some(_)) => Condition::Staged,
        (None, None, None) if unverified => Condition::WaitsForKeys,
        (None, None, None) => Condition::OnlyNamed,
    };
    let body = match stored.or_else(|| staged.map(|staged| unplaced(staged.pdu))) {
        Some(stored) => Some(body(tx, number, stored)?),
        None => None,
    };
    let cited = match &body {
        Some(body) => cited(tx, &mut room, &body.pdu)?,
        None => BTreeMap::new(),
    };
    let before = place.and_then(|place| place.state_before).map(|before| room.load_state(tx, before)).transpose()?;
    let parents = match &body {
        Some(body) if place.is_some() => states_after_parents(tx, &mut room, &body.pdu)?,
        Some(_) | None => Parents::default(),
    };
    let verdict = event.map(|event| Verdict::read(tx, event)).transpose()?.flatten();
    let sent = match event {
        Some(event) => sent(tx, number, event, id, verdict.as_ref().map_or(0, |verdict| verdict.decided_at))?,
        None => Vec::new(),
    };
    let event_id = id.clone();
    Ok(Facts { row, event_id, condition, waiting, body, place, verdict, room, before, parents, cited, sent })
}

fn unplaced(pdu: Pdu) -> StoredEvent {
    StoredEvent { number: EventNumber(0), pdu, rejected: false, redacted_by: None }
}

/// Where the event waits, and whether it does so for keys.
fn waiting(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    id: &EventId,
    staged: Option<&staging::Staged>,
) -> Result<(Vec<Waiting>, bool), StoreError> {
    let mut waiting: Vec<Waiting> = staged
        .map(|staged| Waiting {
            from: staged.origin.clone(),
            since: staged.received,
            attempts: staged.attempts,
            retry_at: staged.retry_at,
        })
        .into_iter()
        .collect();
    let unverified: Vec<_> = unverified::find(tx, id)?.into_iter().filter(|copy| copy.room == room).collect();
    let waits_for_keys = !unverified.is_empty();
    waiting.extend(unverified.into_iter().map(|copy| Waiting {
        from: copy.origin,
        since: copy.received,
        attempts: copy.attempts,
        retry_at: copy.retry_at,
    }));
    Ok((waiting, waits_for_keys))
}

fn body(tx: &ReadTx<'_>, room: RoomNumber, stored: StoredEvent) -> Result<Body, StoreError> {
    let redacted_by = stored.redacted_by.map(|redaction| event_rows::id(tx, redaction)).transpose()?;
    let redacts = match stored.pdu.redacts() {
        Some(target) => {
            let number = event_rows::number(tx, room, &target)?;
            let redacted =
                number.map(|number| event_rows::load(tx, stored.pdu.version(), number)).transpose()?.flatten();
            let acts = redacted.is_some_and(|redacted| redacted.redacted_by == Some(stored.number));
            Some(Redacts { event: target, acts })
        }
        None => None,
    };
    let named = |ids: &[EventId]| ids.iter().map(|id| named(tx, room, id)).collect::<Result<Vec<_>, _>>();
    let mut keys = Vec::new();
    for server in signers(&stored.pdu) {
        keys.extend(server_keys::keys(tx, &server)?.into_iter().map(|key| (server.clone(), key)));
        if identity::name(tx)?.as_ref() == Some(&server) {
            keys.extend(identity::keys(tx)?.into_iter().map(|key| (server.clone(), own_key(key))));
        }
    }
    Ok(Body {
        redacted_by,
        redacts,
        prev_events: named(stored.pdu.prev_events())?,
        auth_events: named(stored.pdu.auth_events())?,
        keys,
        visible: stored.visible(),
        pdu: stored.pdu,
    })
}

fn own_key(key: identity::OwnKey) -> StoredKey {
    let valid_until = key.expired.unwrap_or(i64::MAX);
    StoredKey { key_id: key.key_id, public_key: key.public_key, valid_until, expired: key.expired }
}

/// The servers in whose names the event is signed, or has to be.
pub(super) fn signers(pdu: &Pdu) -> BTreeSet<ServerName> {
    let signatures = pdu.object().get("signatures").and_then(Value::as_object);
    let names = signatures.into_iter().flat_map(|signatures| signatures.keys());
    names.filter_map(|name| ServerName::parse(name).ok()).chain(pdu.signed_by().iter().cloned()).collect()
}

fn named(tx: &ReadTx<'_>, room: RoomNumber, id: &EventId) -> Result<Named, StoreError> {
    let known_as = match event_rows::number(tx, room, id)? {
        None => "not_here",
        Some(number) => match (graph_rows::place(tx, number)?, event_rows::condition(tx, number)?) {
            (Some(place), _) => outcome_name(place.outcome),
            (None, Some((_, true))) => "rejected",
            (None, Some((_, false))) => "outlier",
            (None, None) => "not_here",
        },
    };
    Ok(Named { event_id: id.clone(), known_as })
}

/// The name of an outcome, as it is printed.
pub(super) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::SoftFailed => "soft_failed",
        Outcome::Rejected => "rejected",
    }
}

/// Has the room know what the event cites; returns what of that is in no state.
fn cited(tx: &ReadTx<'_>, room: &mut Room, pdu: &Pdu) -> Result<BTreeMap<EventId, Cited>, StoreError> {
    room.bring_by_id(tx, pdu.auth_events().iter().chain([&room.room_id.create_event()]))?;
    let mut others = BTreeMap::new();
    for id in pdu.auth_events() {
        if room.graph.index_of(id).is_none()
            && let Some(number) = event_rows::number(tx, room.number, id)?
            && let Some(stored) = event_rows::load(tx, room.version, number)?
        {
            others.insert(id.clone(), Cited { event: AuthEvent::new(&stored.pdu), rejected: stored.rejected });
        }
    }
    Ok(others)
}

fn states_after_parents(tx: &ReadTx<'_>, room: &mut Room, pdu: &Pdu) -> Result<Parents, StoreError> {
    let mut having: BTreeMap<SnapshotNumber, Vec<EventId>> = BTreeMap::new();
    let mut left_out = Vec::new();
    for id in pdu.prev_events() {
        let number = event_rows::number(tx, room.number, id)?;
        let place = number.map(|number| graph_rows::place(tx, number)).transpose()?.flatten();
        match place.and_then(|place| place.state_after) {
            Some(after) if having.contains_key(&after) || having.len() < FORKS_EXPLAINED_MAX => {
                having.entry(after).or_default().push(id.clone());
            }
            Some(_) | None => left_out.push(id.clone()),
        }
    }
    let states = having.into_iter().map(|(after, ids)| Ok((ids, room.load_state(tx, after)?)));
    Ok(Parents { states: states.collect::<Result<_, StoreError>>()?, left_out })
}

fn sent(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    event: EventNumber,
    id: &EventId,
    since: i64,
) -> Result<Vec<Sent>, StoreError> {
    let mut sent = Vec::new();
    for receipt in delivered::receipts(tx, event, since)? {
        let refused = receipt.refused.as_deref().and_then(|refused| serde_json::from_str::<Value>(refused).ok());
        let refused = refused.and_then(|refused| Some(refused.get(id.as_str())?.as_str()?.to_owned()));
        sent.push(Sent { destination: receipt.destination, delivered_at: Some(receipt.delivered_at), refused });
    }
    for destination in outbound::waited_for_by(tx, room, event)? {
        sent.push(Sent { destination, delivered_at: None, refused: None });
    }
    Ok(sent)
}
