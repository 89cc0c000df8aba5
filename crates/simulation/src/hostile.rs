//! A server that is in the rooms and attacks the others: a real one, which also sends what no honest one would.
//!
//! What it does must not make the others differ. It cannot be kept from saying what only it knows: which state was before an event
//! that only it has is its word. So it does not lie about states; the tests of `pdu` have what is noticed of such lies.

mod forgery;
mod lies;

use std::sync::Arc;
use std::time::Duration;

use events::{Object, RoomId, ServerName, SigningKey, Value};
use handles::Handles;
use http::Method;
use persistence::transactions::graph as graph_rows;
use persistence::transactions::{events as event_rows, rooms as room_rows};
use persistence::{Database, StoreError};
use serde_json::json;
use transport::client::CallLimits;
use transport::{Client, Health};

use crate::agreement::EARLIEST;
use crate::plan::Attack;
use crate::{Network, StartError};
use forgery::{Forger, Known};
pub(crate) use lies::liar;

const LIMITS: CallLimits = CallLimits { timeout: Duration::from_secs(60), response_bytes_max: 1024 * 1024 };

/// Characters of an answer that are noted.
const SHOWN_CHARS_MAX: usize = 200;

/// Who attacks.
pub(crate) struct Attacker {
    pub(crate) name: ServerName,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) room: RoomId,
    /// The room beside it, if there is one.
    pub(crate) beside: Option<RoomId>,
    /// Of the server that it also is.
    pub(crate) database: Database,
    pub(crate) network: Network,
    pub(crate) handles: Handles,
}

impl Attacker {
    /// Attacks. The victims take turns where they are told different things. Returns what it got for it.
    pub(crate) async fn attack(&self, attack: Attack, number: usize, victims: &[ServerName]) -> String {
        let known = match self.look().await {
            Ok(Some(known)) => known,
            Ok(None) => return "is not in the room".to_owned(),
            Err(error) => return error.to_string(),
        };
        let forger = Forger { known: &known, name: &self.name, key: &self.key, handles: &self.handles };
        let mut told = forger.forge(attack, number);
        told.retain(|events| !events.is_empty());
        if told.is_empty() {
            return "has nothing to do that with".to_owned();
        }
        let edus = forger.edus(attack);
        let mut got = Vec::new();
        for turn in 0..victims.len().max(told.len()) {
            let (victim, events) = (&victims[turn % victims.len()], &told[turn % told.len()]);
            let id = if attack == Attack::Replay { "replayed".to_owned() } else { format!("attack{number}.{turn}") };
            got.push(self.send(&id, victim, events, &edus).await);
        }
        got.join("; ")
    }

    async fn send(&self, id: &str, victim: &ServerName, events: &[Object], edus: &[Value]) -> String {
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return error.to_string(),
        };
        let path = format!("/_matrix/federation/v1/send/{id}");
        let body = json!({
            "origin": self.name, "origin_server_ts": self.handles.clock.now(), "pdus": events, "edus": edus,
        });
        let sent = client.call_resting(victim, Method::PUT, path, Some(&body), LIMITS).await;
        let got = sent.map_or_else(|error| error.to_string(), |answer| answer["pdus"].to_string());
        let shown: String = got.chars().take(SHOWN_CHARS_MAX).collect();
        format!("{victim} answers {shown}")
    }

    /// How it asks as itself, beside what the server does that it also is.
    async fn client(&self) -> Result<Client, StartError> {
        let health = Health::open(Database::open_inline(None)?, self.handles.clone()).await?;
        let outlet = self.network.outlet(&self.name);
        Ok(Client::new(self.name.clone(), Arc::clone(&self.key), outlet, self.handles.clone(), health))
    }

    async fn look(&self) -> Result<Option<Known>, StoreError> {
        let (room, beside) = (self.room.clone(), self.beside.clone());
        self.database
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &room)? else { return Ok(None) };
                let load = |event| event_rows::load(tx, row.version, event);
                let mut known = Known::new(room, row.version);
                for event in graph_rows::extremities(tx, row.number)? {
                    known.extremities.extend(load(event)?.map(|stored| stored.pdu));
                }
                for (event_type, state_key, event) in room_rows::current_state(tx, row.number)? {
                    known.state.insert((event_type, state_key), event_rows::id(tx, event)?);
                }
                let mut places = graph_rows::placed_after(tx, row.number, &EARLIEST)?;
                places.sort_by_key(|place| (place.topological, place.event));
                for place in places {
                    known.events.extend(load(place.event)?.map(|stored| stored.pdu));
                }
                let beside = beside.map(|beside| room_rows::by_id(tx, &beside)).transpose()?.flatten();
                if let Some(beside) = beside {
                    for place in graph_rows::placed_after(tx, beside.number, &EARLIEST)? {
                        known.elsewhere.push(event_rows::id(tx, place.event)?);
                    }
                }
                // Who was put out goes on with what it knows.
                Ok((!known.extremities.is_empty()).then_some(known))
            })
            .await
    }
}
