//! Events as clients get them. C-S API, "Room event format".

use events::{Object, Pdu, Value};
use persistence::StoreError;
use persistence::transactions::events::{self as event_rows, StoredEvent};
use persistence::transactions::graph::{self as graph_rows, Place};
use persistence::transactions::rooms as room_rows;
use serde_json::json;

use super::{Sight, Viewer};
use crate::filter::{EventFormat, FieldPath, Filter};

/// Returns an event of a timeline or a page of history: it says what it replaced, and how the reader stood to the room.
pub fn with_history(
    sight: &Sight<'_, '_>,
    viewer: &Viewer,
    stored: &StoredEvent,
    place: &Place,
    now: i64,
) -> Result<Value, StoreError> {
    let mut event = plain(sight, viewer, stored, now)?;
    let unsigned = &mut event["unsigned"];
    if let Some(membership) = sight.membership_at(stored, place)? {
        unsigned["membership"] = json!(membership);
    }
    if let (Some(state_key), Some(before)) = (stored.pdu.state_key(), place.state_before)
        && let Some(replaced) = sight.entry(before, stored.pdu.event_type(), state_key)?
        && let Some(replaced) = event_rows::load(sight.tx(), sight.room().version, replaced)?
    {
        unsigned["replaces_state"] = json!(replaced.pdu.event_id());
        if may_see_replaced(sight, stored, &replaced, place)? {
            unsigned["prev_content"] = Value::Object(replaced.visible().content().clone());
        }
    }
    Ok(event)
}

/// An event that was part of the state when we came has no place; whoever is in the room may read the state.
fn may_see_replaced(
    sight: &Sight<'_, '_>,
    stored: &StoredEvent,
    replaced: &StoredEvent,
    place: &Place,
) -> Result<bool, StoreError> {
    match graph_rows::place(sight.tx(), replaced.number)? {
        Some(of_replaced) => sight.may_see(replaced, &of_replaced),
        None => Ok(sight.membership_at(stored, place)?.as_deref() == Some("join")),
    }
}

/// Returns an event of a state: what is there, without what was there before.
pub fn plain(sight: &Sight<'_, '_>, viewer: &Viewer, stored: &StoredEvent, now: i64) -> Result<Value, StoreError> {
    let (tx, pdu) = (sight.tx(), stored.visible());
    let mut unsigned = Object::from_iter([("age".to_owned(), json!((now - pdu.origin_server_ts()).max(0)))]);
    if *pdu.sender() == viewer.user
        && let Some(transaction) = room_rows::transaction_of_event(tx, &viewer.user, &viewer.device, pdu.event_id())?
    {
        unsigned.insert("transaction_id".to_owned(), json!(transaction));
    }
    if let Some(redaction) = stored.redacted_by
        && let Some(because) = event_rows::load(tx, sight.room().version, redaction)?
    {
        unsigned.insert("redacted_because".to_owned(), Value::Object(bare(&because.visible())));
    }
    let mut event = bare(&pdu);
    event.insert("unsigned".to_owned(), Value::Object(unsigned));
    Ok(Value::Object(event))
}

/// The event without what depends on who reads. Redactions name their target in both places that clients look at.
pub(crate) fn bare(pdu: &Pdu) -> Object {
    let mut event = Object::from_iter([
        ("event_id".to_owned(), json!(pdu.event_id())),
        ("room_id".to_owned(), json!(pdu.room_id())),
        ("type".to_owned(), json!(pdu.event_type())),
        ("sender".to_owned(), json!(pdu.sender())),
        ("origin_server_ts".to_owned(), json!(pdu.origin_server_ts())),
    ]);
    let mut content = pdu.content().clone();
    if let Some(target) = pdu.redacts() {
        event.insert("redacts".to_owned(), json!(target));
        content.insert("redacts".to_owned(), json!(target));
    }
    if let Some(state_key) = pdu.state_key() {
        event.insert("state_key".to_owned(), json!(state_key));
    }
    event.insert("content".to_owned(), Value::Object(content));
    event
}

/// An event in the answer of a sync: in the format and with the fields that the client asked for, without the room's id.
pub(crate) fn for_sync(filter: &Filter, stored: &StoredEvent, client: Value) -> Value {
    let mut event = match filter.event_format {
        EventFormat::Client => client,
        EventFormat::Federation => Value::Object(stored.visible().object().clone()),
    };
    if filter.event_format == EventFormat::Client
        && let Some(object) = event.as_object_mut()
    {
        object.remove("room_id");
    }
    match &filter.event_fields {
        Some(paths) => FieldPath::select(paths, &event),
        None => event,
    }
}

/// An event of the stripped state that an invited or knocking user gets. C-S API, "Stripped state".
pub(crate) fn strip(pdu: &Pdu) -> Value {
    json!({
        "type": pdu.event_type(),
        "state_key": pdu.state_key(),
        "sender": pdu.sender(),
        "content": pdu.content(),
    })
}
