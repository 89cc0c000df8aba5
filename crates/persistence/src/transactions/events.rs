//! Events and what they contain, verdicts and redactions.

use std::collections::BTreeMap;

use events::room_version::EventIdFormat;
use events::{EventId, Object, Pdu, RoomVersion};

use crate::numbers::{EventNumber, RoomNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};

/// A stored event.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its number.
    pub number: EventNumber,
    /// The event.
    pub pdu: Pdu,
    /// It was refused.
    pub rejected: bool,
    /// The redaction that applies to it.
    pub redacted_by: Option<EventNumber>,
}

impl StoredEvent {
    /// The event as it may be shown: redacted, if a redaction applies.
    pub fn visible(&self) -> Pdu {
        if self.redacted_by.is_some() { self.pdu.redacted() } else { self.pdu.clone() }
    }
}

/// Returns the number of an event, made if it is new.
pub fn intern(tx: &mut WriteTx<'_>, room: RoomNumber, event_id: &EventId) -> Result<EventNumber, StoreError> {
    match number(tx, room, event_id)? {
        Some(number) => Ok(number),
        None => insert_id(tx, room, event_id),
    }
}

/// Returns the number of an event that was seen or referred to.
pub fn number(tx: &ReadTx<'_>, room: RoomNumber, event_id: &EventId) -> Result<Option<EventNumber>, StoreError> {
    tx.query_optional("SELECT number FROM events WHERE room = ?1 AND event_id = ?2", &[&room, event_id], |row| {
        row.get(0)
    })
}

/// Returns the room of an event; `None` if it was purged.
pub fn room(tx: &ReadTx<'_>, event: EventNumber) -> Result<Option<RoomNumber>, StoreError> {
    tx.query_optional("SELECT room FROM events WHERE number = ?1", &[&event], |row| row.get(0))
}

/// Returns the rooms in which an event id stands: one, but for room versions 1 and 2.
pub fn rooms_of_id(tx: &ReadTx<'_>, event_id: &EventId) -> Result<Vec<(RoomNumber, EventNumber)>, StoreError> {
    tx.query_all("SELECT room, number FROM events WHERE event_id = ?1 ORDER BY number", &[event_id], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Returns the id of an event.
pub fn id(tx: &ReadTx<'_>, event: EventNumber) -> Result<EventId, StoreError> {
    tx.query_one("SELECT event_id FROM events WHERE number = ?1", &[&event], |row| row.get(0))
}

/// The numbers of a room's event ids, as one transaction comes to know them: each is looked up once.
pub struct Numbers {
    room: RoomNumber,
    known: BTreeMap<EventId, EventNumber>,
}

/// An event whose content is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredAs {
    /// Its number.
    pub number: EventNumber,
    /// It was neither seen nor referred to before: nothing else in the database can be about it.
    pub is_new: bool,
}

impl Numbers {
    /// Nothing is known yet.
    pub fn new(room: RoomNumber) -> Self {
        Self { room, known: BTreeMap::new() }
    }

    /// Like [`intern`].
    pub fn intern(&mut self, tx: &mut WriteTx<'_>, event_id: &EventId) -> Result<EventNumber, StoreError> {
        Ok(self.look_up(tx, event_id)?.number)
    }

    fn look_up(&mut self, tx: &mut WriteTx<'_>, event_id: &EventId) -> Result<StoredAs, StoreError> {
        if let Some(number) = self.known.get(event_id) {
            return Ok(StoredAs { number: *number, is_new: false });
        }
        let (number, is_new) = match number(tx, self.room, event_id)? {
            Some(number) => (number, false),
            None => (insert_id(tx, self.room, event_id)?, true),
        };
        self.known.insert(event_id.clone(), number);
        Ok(StoredAs { number, is_new })
    }
}

fn insert_id(tx: &mut WriteTx<'_>, room: RoomNumber, event_id: &EventId) -> Result<EventNumber, StoreError> {
    tx.insert_numbered("INSERT INTO events (room, event_id) VALUES (?1, ?2)", &[&room, event_id]).map(EventNumber)
}

/// Stores an event's content if it is not there, and returns its number.
///
/// A full copy takes the place of a mangled one, if it is one of the same event: where ids are chosen, another may have the same.
/// What came from outside of the graph and was never judged is stored anew.
pub fn store(tx: &mut WriteTx<'_>, room: RoomNumber, pdu: &Pdu, rejected: bool) -> Result<EventNumber, StoreError> {
    Ok(store_among(tx, &mut Numbers::new(room), pdu, rejected)?.number)
}

/// Like [`store`], for one of many events of the room that `numbers` is of.
pub fn store_among(
    tx: &mut WriteTx<'_>,
    numbers: &mut Numbers,
    pdu: &Pdu,
    rejected: bool,
) -> Result<StoredAs, StoreError> {
    let (room, stored) = (numbers.room, numbers.look_up(tx, pdu.event_id())?);
    let event = stored.number;
    if !stored.is_new {
        tx.execute(
            "DELETE FROM bodies
              WHERE event = ?1 AND NOT EXISTS (SELECT 1 FROM verdicts WHERE verdicts.event = bodies.event)",
            &[&event],
        )?;
        if is_id_of_another(tx, room, pdu)? {
            return Ok(stored);
        }
    }
    let changed = tx.execute(
        "INSERT INTO bodies (event, room, type, state_key, sender, origin_server_ts, mangled, rejected, json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (event) DO UPDATE
            SET json = excluded.json, mangled = excluded.mangled
          WHERE bodies.mangled = 1 AND excluded.mangled = 0",
        &[
            &event,
            &room,
            &pdu.event_type(),
            &pdu.state_key(),
            pdu.sender(),
            &pdu.origin_server_ts(),
            &pdu.is_mangled(),
            &rejected,
            &pdu.to_json(),
        ],
    )?;
    if changed == 1 {
        for auth in pdu.auth_events() {
            let auth = numbers.intern(tx, auth)?;
            tx.execute(
                "INSERT INTO auth_edges (event, room, auth) VALUES (?1, ?2, ?3) ON CONFLICT (event, auth) DO NOTHING",
                &[&event, &room, &auth],
            )?;
        }
    }
    Ok(stored)
}

/// Says whether the room has another event of this id that was judged: where ids are chosen, it is the one of that id.
pub fn is_id_of_another(tx: &ReadTx<'_>, room: RoomNumber, pdu: &Pdu) -> Result<bool, StoreError> {
    match pdu.version().rules().event_id {
        EventIdFormat::ReferenceHash | EventIdFormat::UrlSafeReferenceHash => return Ok(false),
        EventIdFormat::Chosen => {}
    }
    let Some(number) = number(tx, room, pdu.event_id())? else { return Ok(false) };
    if verdict(tx, number)?.is_none() {
        return Ok(false);
    }
    Ok(load(tx, pdu.version(), number)?.is_some_and(|stored| stored.pdu.reference() != pdu.reference()))
}

/// Says whether an event was refused.
pub fn set_rejected(tx: &mut WriteTx<'_>, event: EventNumber, rejected: bool) -> Result<(), StoreError> {
    // Mostly it says so already, and a row that is written again is written with the whole event.
    tx.execute("UPDATE bodies SET rejected = ?2 WHERE event = ?1 AND rejected <> ?2", &[&event, &rejected])?;
    Ok(())
}

/// Whether an event was rejected; not if only its id is known.
pub fn is_rejected(tx: &ReadTx<'_>, event: EventNumber) -> Result<bool, StoreError> {
    let rejected = tx.query_optional("SELECT rejected FROM bodies WHERE event = ?1", &[&event], |row| row.get(0))?;
    Ok(rejected.unwrap_or(false))
}

/// Returns an event's content, or `None` if only its id is known.
pub fn load(tx: &ReadTx<'_>, version: RoomVersion, event: EventNumber) -> Result<Option<StoredEvent>, StoreError> {
    let row = tx.query_optional(
        "SELECT events.event_id, bodies.json, bodies.mangled, bodies.rejected, bodies.redacted_by
           FROM bodies
           JOIN events ON events.number = bodies.event
          WHERE bodies.event = ?1",
        &[&event],
        |row| Ok((row.get(0)?, row.get::<String>(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    let Some((event_id, json, mangled, rejected, redacted_by)) = row else { return Ok(None) };
    let pdu = parse(version, event_id, &json, mangled)?;
    Ok(Some(StoredEvent { number: event, pdu, rejected, redacted_by }))
}

fn parse(version: RoomVersion, event_id: EventId, json: &str, mangled: bool) -> Result<Pdu, StoreError> {
    let object: Object = serde_json::from_str(json)
        .map_err(|error| StoreError::Inconsistent(format!("the content of {event_id} in table bodies: {error}")))?;
    let shown = event_id.clone();
    Pdu::from_store(object, version, event_id, mangled)
        .map_err(|error| StoreError::Inconsistent(format!("the content of {shown} in table bodies: {error}")))
}

/// Returns the events that `event` cites as its permission, as far as their numbers go.
pub fn auth_events(tx: &ReadTx<'_>, event: EventNumber) -> Result<Vec<EventNumber>, StoreError> {
    tx.query_all("SELECT auth FROM auth_edges WHERE event = ?1 ORDER BY auth", &[&event], |row| row.get(0))
}

/// Stores what was decided about an event.
pub fn store_verdict(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    event: EventNumber,
    verdict: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO verdicts (event, room, verdict) VALUES (?1, ?2, ?3)
         ON CONFLICT (event) DO UPDATE SET verdict = excluded.verdict",
        &[&event, &room, &verdict],
    )?;
    Ok(())
}

/// Returns what was decided about an event, as JSON.
pub fn verdict(tx: &ReadTx<'_>, event: EventNumber) -> Result<Option<String>, StoreError> {
    tx.query_optional("SELECT verdict FROM verdicts WHERE event = ?1", &[&event], |row| row.get(0))
}

/// Remembers that `redaction` is for `target`, which may not have come.
pub fn store_redaction(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    redaction: EventNumber,
    target: EventNumber,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO redactions (redaction, room, target) VALUES (?1, ?2, ?3) ON CONFLICT (redaction) DO NOTHING",
        &[&redaction, &room, &target],
    )?;
    Ok(())
}

/// Returns the redactions that name `target`.
pub fn redactions_of(tx: &ReadTx<'_>, target: EventNumber) -> Result<Vec<EventNumber>, StoreError> {
    tx.query_all("SELECT redaction FROM redactions WHERE target = ?1 ORDER BY redaction", &[&target], |row| row.get(0))
}

/// Applies `redaction` to `target`. The first one that applies stays.
pub fn set_redacted(tx: &mut WriteTx<'_>, target: EventNumber, redaction: EventNumber) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE bodies SET redacted_by = ?2 WHERE event = ?1 AND redacted_by IS NULL",
        &[&target, &redaction],
    )?;
    Ok(changed == 1)
}

/// Takes back what a redaction did.
pub fn unset_redacted(tx: &mut WriteTx<'_>, target: EventNumber, redaction: EventNumber) -> Result<(), StoreError> {
    tx.execute("UPDATE bodies SET redacted_by = NULL WHERE event = ?1 AND redacted_by = ?2", &[&target, &redaction])?;
    Ok(())
}

/// Says whether a redaction applies to an event, and whether its stored copy is mangled: all that ever changes in how an
/// event is shown.
pub fn condition(tx: &ReadTx<'_>, event: EventNumber) -> Result<Option<(bool, bool)>, StoreError> {
    tx.query_optional("SELECT redacted_by IS NOT NULL, mangled FROM bodies WHERE event = ?1", &[&event], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Returns the type of an event; `None` if its content is not stored.
pub fn event_type(tx: &ReadTx<'_>, event: EventNumber) -> Result<Option<String>, StoreError> {
    tx.query_optional("SELECT type FROM bodies WHERE event = ?1", &[&event], |row| row.get(0))
}

/// Returns `membership` of an event's content.
pub fn membership(tx: &ReadTx<'_>, event: EventNumber) -> Result<Option<String>, StoreError> {
    let json = tx.query_optional("SELECT json FROM bodies WHERE event = ?1", &[&event], |row| row.get::<String>(0))?;
    let Some(json) = json else { return Ok(None) };
    let object: Object = serde_json::from_str(&json)
        .map_err(|error| StoreError::Inconsistent(format!("event {} in table bodies: {error}", event.0)))?;
    let membership = object.get("content").and_then(|content| content.get("membership"));
    Ok(membership.and_then(events::Value::as_str).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transactions::rooms as room_rows;
    use crate::transactions::testing::in_one_transaction;

    fn message(prev: &EventId) -> Pdu {
        let object = serde_json::json!({
            "room_id": "!r:a.test", "sender": "@alice:a.test", "type": "m.room.message", "content": {}, "depth": 1,
            "origin_server_ts": 1, "prev_events": [prev], "auth_events": ["$auth"], "hashes": { "sha256": "" },
            "signatures": {},
        });
        let object = object.as_object().unwrap().clone();
        Pdu::from_store(object, RoomVersion::V11, EventId::parse("$said").unwrap(), false).unwrap()
    }

    #[tokio::test]
    async fn what_was_named_before_is_not_new() {
        in_one_transaction(|tx| {
            let room = room_rows::intern(tx, &events::RoomId::parse("!r:a.test").unwrap(), RoomVersion::V11).unwrap();
            let pdu = message(&EventId::parse("$before").unwrap());
            let named = intern(tx, room, &EventId::parse("$auth").unwrap()).unwrap();
            let mut numbers = Numbers::new(room);
            let first = store_among(tx, &mut numbers, &pdu, false).unwrap();
            assert!(first.is_new);
            assert_eq!(numbers.intern(tx, &EventId::parse("$auth").unwrap()).unwrap(), named);
            let again = StoredAs { number: first.number, is_new: false };
            assert_eq!(store_among(tx, &mut numbers, &pdu, false).unwrap(), again);
            assert_eq!(store_among(tx, &mut Numbers::new(room), &pdu, false).unwrap(), again);
            assert_eq!(event_type(tx, first.number).unwrap().as_deref(), Some("m.room.message"));
            assert_eq!(event_type(tx, named).unwrap(), None);
        })
        .await;
    }
}
