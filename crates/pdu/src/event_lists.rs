//! Writes answers with lists of events that may be very long, a few events at a time.

use std::io;

use bytes::Bytes;
use events::{Object, RoomVersion};
use futures_util::{StreamExt, stream};
use persistence::transactions::events as event_rows;
use persistence::{Database, EventNumber, StoreError};
use transport::Streamed;

use crate::limits::EVENTS_WRITTEN_AT_ONCE;

/// Events under a key of an answer.
pub(crate) struct EventList {
    pub(crate) key: &'static str,
    pub(crate) events: Vec<EventNumber>,
}

/// What is written next.
enum Part {
    Text(String),
    Events { events: Vec<EventNumber>, is_first: bool },
}

/// An answer with `fields` and `lists`. The events are read when the reader is ready for them: meanwhile only their numbers are held.
pub(crate) fn write(database: Database, version: RoomVersion, fields: &Object, lists: Vec<EventList>) -> Streamed {
    let mut parts = Vec::new();
    let mut text = serde_json::to_string(fields).expect("an object is plain data");
    text.truncate(text.len() - 1);
    let mut is_empty = fields.is_empty();
    for EventList { key, events } in lists {
        text.push_str(if is_empty { "" } else { "," });
        is_empty = false;
        parts.push(Part::Text(std::mem::take(&mut text) + &format!("\"{key}\":[")));
        let chunks = events.chunks(EVENTS_WRITTEN_AT_ONCE).enumerate();
        parts.extend(chunks.map(|(at, events)| Part::Events { events: events.to_vec(), is_first: at == 0 }));
        text.push(']');
    }
    text.push('}');
    parts.push(Part::Text(text));
    let pieces = stream::iter(parts).then(move |part| {
        let database = database.clone();
        async move {
            match part {
                Part::Text(text) => Ok(Bytes::from(text)),
                Part::Events { events, is_first } => {
                    read(&database, version, events, is_first).await.map_err(io::Error::other)
                }
            }
        }
    });
    Streamed::new(pieces.boxed())
}

async fn read(
    database: &Database,
    version: RoomVersion,
    events: Vec<EventNumber>,
    is_first: bool,
) -> Result<Bytes, StoreError> {
    database
        .read(move |tx| {
            let mut text = String::new();
            for event in events {
                let gone = || StoreError::Inconsistent(format!("event {} of a state has no content", event.0));
                let stored = event_rows::load(tx, version, event)?.ok_or_else(gone)?;
                text.push_str(if is_first && text.is_empty() { "" } else { "," });
                text.push_str(&stored.visible().to_json());
            }
            Ok(Bytes::from(text))
        })
        .await
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::response::IntoResponse;
    use events::{EventId, Pdu, RoomId};
    use persistence::WriteTx;
    use persistence::transactions::rooms as room_rows;
    use serde_json::{Value, json};

    use super::*;

    const VERSION: RoomVersion = RoomVersion::V11;

    fn message(number: i64) -> Pdu {
        let object = json!({
            "room_id": "!r:a.test", "sender": "@u:a.test", "type": "m.room.message", "content": { "n": number },
            "prev_events": [], "auth_events": [], "depth": 1, "origin_server_ts": 1, "hashes": {}, "signatures": {},
        });
        let Value::Object(object) = object else { unreachable!() };
        Pdu::from_store(object, VERSION, EventId::parse(format!("${number}")).unwrap(), false).unwrap()
    }

    async fn written(database: &Database, fields: Value, lists: Vec<EventList>) -> Result<Value, String> {
        let Value::Object(fields) = fields else { unreachable!() };
        let body: Body = write(database.clone(), VERSION, &fields, lists).into_response().into_body();
        let bytes = to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
        Ok(serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn lists_of_any_length_make_one_object() {
        let database = Database::open_inline(None).unwrap();
        let store = |tx: &mut WriteTx<'_>| {
            let room = room_rows::intern(tx, &RoomId::parse("!r:a.test").unwrap(), VERSION)?;
            (0..500).map(|number| event_rows::store(tx, room, &message(number), false)).collect::<Result<Vec<_>, _>>()
        };
        let all = database.write(store).await.unwrap();
        let list = |key, count: usize| EventList { key, events: all[..count].to_vec() };
        for count in [0, 1, EVENTS_WRITTEN_AT_ONCE, EVENTS_WRITTEN_AT_ONCE + 1, 500] {
            for fields in [json!({}), json!({ "event": { "a": {} } })] {
                let said = written(&database, fields.clone(), vec![list("x", count), list("y", 3)]).await.unwrap();
                let numbers: Vec<i64> =
                    said["x"].as_array().unwrap().iter().map(|event| event["content"]["n"].as_i64().unwrap()).collect();
                assert_eq!(numbers, Vec::from_iter(0..i64::try_from(count).unwrap()));
                assert_eq!((said["y"].as_array().unwrap().len(), &said["event"]), (3, &fields["event"]));
            }
        }
        assert_eq!(written(&database, json!({}), Vec::new()).await, Ok(json!({})));
        // What cannot be had makes no shorter list: the answer breaks off.
        let lists = vec![EventList { key: "x", events: vec![all[0], EventNumber(999_999)] }];
        assert!(written(&database, json!({}), lists).await.is_err());
    }
}
