//! Fills the gaps behind which history lies, when somebody reads back that far.

use events::auth::{AuthEvent, Cited, check_auth_events};
use events::{EventId, Pdu, RoomId, ServerName};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::{events as event_rows, rooms as room_rows};
use persistence::{EventNumber, StoreError};

use crate::graph::Graph;
use crate::intake::{References, is_placed, keep_good, objects};
use crate::limits::{BACKFILL_EVENTS_MAX, FETCH_SERVERS_MAX};
use crate::outliers::in_order_of_parents;
use crate::room::Room;

/// Gaps whose events are asked for together.
const GAPS_MAX: u32 = 20;

impl Graph {
    /// Asks other servers for what lies before the gaps at or below `topological`. Returns how many events came.
    pub async fn backfill(&self, room_id: &RoomId, topological: i64) -> Result<usize, StoreError> {
        let Some(mut turn) = self.turn(room_id).await? else { return Ok(0) };
        let (number, us) = (turn.row.number, self.server_name().clone());
        let (gaps, servers) = self
            .database()
            .read(move |tx| {
                let mut gaps: Vec<EventId> = Vec::new();
                for (event, _) in graph_rows::backward_extremities(tx, number, topological, GAPS_MAX)? {
                    gaps.push(event_rows::id(tx, event)?);
                }
                let servers = room_rows::servers(tx, number)?.into_iter().filter(|server| *server != us);
                Ok::<_, StoreError>((gaps, servers.take(FETCH_SERVERS_MAX).collect::<Vec<_>>()))
            })
            .await?;
        if gaps.is_empty() {
            return Ok(0);
        }
        let Some(mut room) = turn.take() else { return Ok(0) };
        for server in servers {
            let found = self.backfill_from(&mut room, &server, &gaps).await?;
            if found > 0 {
                turn.put_back(room);
                return Ok(found);
            }
        }
        turn.put_back(room);
        Ok(0)
    }

    async fn backfill_from(&self, room: &mut Room, server: &ServerName, gaps: &[EventId]) -> Result<usize, StoreError> {
        let raw = match self.requests().backfill(server, &room.room_id, gaps, BACKFILL_EVENTS_MAX).await {
            Ok(raw) => raw,
            Err(error) => {
                tracing::info!(server.name = %server, room.id = %room.room_id, "No history: {error}");
                return Ok(0);
            }
        };
        let raw = &raw[..raw.len().min(BACKFILL_EVENTS_MAX)];
        let checked = self.check_events(&room.room_id, room.version, objects(raw), References::Unlimited).await;
        let pdus = keep_good(server, &room.room_id, checked);
        self.fetch_missing_auth_events(room, server, &pdus).await?;
        self.store_outliers(room, pdus.clone()).await?;
        self.place_before(room, pdus).await
    }

    /// Gives backfilled events their places, newest first, each before its children. Their states are not known.
    async fn place_before(&self, room: &Room, pdus: Vec<Pdu>) -> Result<usize, StoreError> {
        let mut judged: Vec<(Pdu, bool)> = Vec::new();
        for pdu in in_order_of_parents(pdus) {
            if let Some(rejected) = judge_history(room, &pdu) {
                judged.push((pdu, rejected));
            }
        }
        judged.reverse();
        let number = room.number;
        self.database()
            .write(move |tx| {
                let mut placed = 0;
                for (pdu, rejected) in judged {
                    if is_placed(tx, number, pdu.event_id())? {
                        continue;
                    }
                    let event = event_rows::store(tx, number, &pdu, rejected)?;
                    let Some(below) = least_topological_of_children(tx, event)? else { continue };
                    let outcome = if rejected { Outcome::Rejected } else { Outcome::Accepted };
                    let place = Place {
                        event,
                        arrival: None,
                        topological: below - 1,
                        state_before: None,
                        state_after: None,
                        outcome,
                    };
                    let mut parents = Vec::new();
                    for id in pdu.prev_events() {
                        parents.push(event_rows::intern(tx, number, id)?);
                    }
                    graph_rows::insert(tx, number, &place, &parents)?;
                    event_rows::store_verdict(tx, number, event, "{\"step\":\"passed\",\"backfilled\":true}")?;
                    for redaction in event_rows::redactions_of(tx, event)? {
                        crate::serve::apply_redaction(tx, pdu.version(), redaction, event)?;
                    }
                    if let Some(target) = pdu.redacts() {
                        let target = event_rows::intern(tx, number, &target)?;
                        event_rows::store_redaction(tx, number, event, target)?;
                        crate::serve::apply_redaction(tx, pdu.version(), event, target)?;
                    }
                    placed += 1;
                }
                Ok(placed)
            })
            .await
    }
}

/// Judges an event of the past by what it cites. `None` if something of that is not known.
fn judge_history(room: &Room, pdu: &Pdu) -> Option<bool> {
    let event = AuthEvent::new(pdu);
    let mut cited = Vec::new();
    for id in event.auth_events() {
        let index = room.graph.index_of(id)?;
        let rejected = room.graph.standing(index) == events::auth_graph::Standing::Rejected;
        cited.push(Cited { event: room.graph.event(index).clone(), rejected });
    }
    let create = room.graph.index_of(&room.room_id.create_event()).map(|index| room.graph.event(index).clone());
    Some(check_auth_events(&event, &cited, create.as_ref()).is_err())
}

fn least_topological_of_children(tx: &persistence::ReadTx<'_>, event: EventNumber) -> Result<Option<i64>, StoreError> {
    let mut least = None;
    for child in graph_rows::children(tx, event)? {
        if let Some(place) = graph_rows::place(tx, child)? {
            least = Some(least.map_or(place.topological, |least: i64| least.min(place.topological)));
        }
    }
    Ok(least)
}
