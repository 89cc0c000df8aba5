//! Questions about the events of rooms. S2S API, "Retrieving events", "Backfilling and retrieving missing events".

use events::{EventId, Object, RoomId, ServerName, Value};
use persistence::transactions::graph::Direction;
use serde::Deserialize;
use serde_json::value::RawValue;
use transport::path::PathBuilder;

use http::Method;

use super::elements::Elements;
use super::{LONG_LIMITS, Question, RequestError, Requests, STATE_LIMITS};

/// Events that one `/backfill` may ask for. S2S API has no limit; Synapse answers with at most this many.
pub const BACKFILL_MAX: usize = 100;
/// Events that one `/get_missing_events` may ask for: what other servers answer at most.
pub const MISSING_EVENTS_MAX: usize = 20;

/// The state of a room before an event, as `/state_ids` gives it.
#[derive(Debug, Clone, Deserialize)]
pub struct RoomStateIds {
    /// The state events.
    pub pdu_ids: Vec<EventId>,
    /// The events that authorise them.
    pub auth_chain_ids: Vec<EventId>,
    /// Who tells it lacks keys, as an Althing says ([`LACKS_KEYS`]): what they signed may be left out.
    #[serde(default, rename = "org.althing.lacks_keys")]
    pub lacks_keys: bool,
}

/// What a server adds to the state that it tells while it lacks keys, as `true`. Ours; nobody else knows it.
pub const LACKS_KEYS: &str = "org.althing.lacks_keys";

/// An event and when its sender says to have sent it, as `/timestamp_to_event` names it.
#[derive(Debug, Clone, Deserialize)]
pub struct TimedEvent {
    /// The event.
    pub event_id: EventId,
    /// In milliseconds since 1970.
    pub origin_server_ts: i64,
}

#[derive(Deserialize)]
struct Events {
    events: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Pdus {
    pdus: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct AuthChain {
    auth_chain: Vec<Box<RawValue>>,
}

impl Requests {
    /// `POST /get_missing_events`: the events between `latest` and `earliest`, at most [`MISSING_EVENTS_MAX`].
    pub async fn missing_events(
        &self,
        server: &ServerName,
        room: &RoomId,
        earliest: &[EventId],
        latest: &[EventId],
        limit: usize,
    ) -> Result<Vec<Box<RawValue>>, RequestError> {
        let limit = limit.min(MISSING_EVENTS_MAX);
        let path = PathBuilder::new("/_matrix/federation/v1/get_missing_events").segment(room).finish();
        let ids = |ids: &[EventId]| ids.iter().map(EventId::as_str).collect::<Value>();
        let body = Object::from_iter([
            ("earliest_events".to_owned(), ids(earliest)),
            ("latest_events".to_owned(), ids(latest)),
            ("limit".to_owned(), limit.into()),
        ]);
        let mut answer: Events = self.ask(server, Question::post(path, &body, LONG_LIMITS)).await?;
        answer.events.truncate(limit);
        Ok(answer.events)
    }

    /// `GET /event`: one event, or `None` if the answer has none.
    pub async fn event(&self, server: &ServerName, event: &EventId) -> Result<Option<Box<RawValue>>, RequestError> {
        let path = PathBuilder::new("/_matrix/federation/v1/event").segment(event).finish();
        let answer: Pdus = self.ask(server, Question::get(path, LONG_LIMITS)).await?;
        Ok(answer.pdus.into_iter().next())
    }

    /// `GET /timestamp_to_event`: the event nearest to a time.
    pub async fn event_by_time(
        &self,
        server: &ServerName,
        room: &RoomId,
        at: i64,
        direction: Direction,
    ) -> Result<TimedEvent, RequestError> {
        let direction = match direction {
            Direction::Forwards => "f",
            Direction::Backwards => "b",
        };
        let path = PathBuilder::new("/_matrix/federation/v1/timestamp_to_event").segment(room);
        let path = path.query("ts", at.to_string()).query("dir", direction).finish();
        self.ask(server, Question::get(path, LONG_LIMITS)).await
    }

    /// `GET /event_auth`: all events that authorise `event`, directly or not.
    pub async fn event_auth(
        &self,
        server: &ServerName,
        room: &RoomId,
        event: &EventId,
    ) -> Result<Vec<Box<RawValue>>, RequestError> {
        let path = PathBuilder::new("/_matrix/federation/v1/event_auth").segment(room).segment(event).finish();
        let answer: AuthChain = self.ask(server, Question::get(path, LONG_LIMITS)).await?;
        Ok(answer.auth_chain)
    }

    /// `GET /state`: the state before `event`, and the events that authorise it, mixed, as they arrive.
    pub async fn state(&self, server: &ServerName, room: &RoomId, event: &EventId) -> Result<Elements, RequestError> {
        let path = PathBuilder::new("/_matrix/federation/v1/state").segment(room).query("event_id", event).finish();
        let pieces = self.client.call_in_pieces(server, Method::GET, path.clone(), None, STATE_LIMITS).await?;
        Ok(Elements::new(server.clone(), path, pieces, &["pdus", "auth_chain"]))
    }

    /// `GET /state_ids`: the ids of the state before `event`.
    pub async fn state_ids(
        &self,
        server: &ServerName,
        room: &RoomId,
        event: &EventId,
    ) -> Result<RoomStateIds, RequestError> {
        let path = PathBuilder::new("/_matrix/federation/v1/state_ids").segment(room).query("event_id", event).finish();
        self.ask(server, Question::get(path, STATE_LIMITS)).await
    }

    /// `GET /backfill`: `from` and what came before, at most `limit` events and [`BACKFILL_MAX`].
    pub async fn backfill(
        &self,
        server: &ServerName,
        room: &RoomId,
        from: &[EventId],
        limit: usize,
    ) -> Result<Vec<Box<RawValue>>, RequestError> {
        let limit = limit.min(BACKFILL_MAX);
        let path = PathBuilder::new("/_matrix/federation/v1/backfill").segment(room).query("limit", limit.to_string());
        let path = from.iter().fold(path, |path, event| path.query("v", event)).finish();
        let mut answer: Pdus = self.ask(server, Question::get(path, LONG_LIMITS)).await?;
        answer.pdus.truncate(limit);
        Ok(answer.pdus)
    }
}
