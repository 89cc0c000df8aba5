//! The resident's side of joins, leaves and knocks: how the events of others enter a room through us.
//!
//! S2S API, `PUT /send_join`, `/send_leave`, `/send_knock`.

use std::collections::{BTreeMap, BTreeSet};

use events::{EventId, Object, ParsedPdu, Pdu, RoomId, RoomVersion, ServerName, UserId, Value};
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, members as member_rows, news, state as state_rows};
use persistence::{EventNumber, ReadTx, RoomNumber, SnapshotNumber, StoreError};
use serde_json::json;
use transport::questions::{Handshake, Members};
use transport::{ApiError, Streamed};

use crate::commit::Entry;
use crate::event_lists::{self, EventList};
use crate::graph::Graph;
use crate::handshake::{membership_of, stripped_state, unknown_room};
use crate::intake::References;
use crate::judge::{Candidate, Refusal, judge_entering};
use crate::limits::HEROES_MAX;
use crate::waiting::is_placed;

impl Graph {
    /// `PUT /send_join`, `/send_leave`, `/send_knock`
    pub async fn accept(
        &self,
        origin: &ServerName,
        handshake: Handshake,
        room_id: &RoomId,
        event_id: &EventId,
        event: Object,
        members: Members,
    ) -> Result<Streamed, ApiError> {
        let id = room_id.clone();
        let row = self.database().read(move |tx| room_rows::by_id(tx, &id)).await?;
        let row = row.ok_or_else(|| unknown_room(room_id))?;
        self.check_resident(origin, &row).await?;
        let (number, version) = (row.number, row.version);
        let parsed = ParsedPdu::parse(event, version).map_err(|error| ApiError::invalid_param(error.to_string()))?;
        check_handshake_event(&parsed, origin, handshake, room_id, event_id)?;
        let parsed = self.authorise(&row, parsed).await?;
        // Checking may wait for keys: nobody waits for the room's turn meanwhile.
        let checked = self.check_events(room_id, version, vec![parsed.object().clone()], References::Limited).await;
        let pdu = match checked.into_iter().next() {
            Some(Ok(pdu)) if pdu.is_mangled() => {
                return Err(ApiError::invalid_param(format!("{event_id}: its content hash does not match")));
            }
            Some(Ok(pdu)) => pdu,
            Some(Err(refusal)) => return Err(ApiError::invalid_param(format!("{event_id}: {refusal}"))),
            None => return Err(ApiError::internal()),
        };
        self.let_in(origin, room_id, &pdu).await?;
        self.handshake_answer(handshake, number, version, &pdu, members).await
    }

    /// Judges an event that wants to enter the room through us, and commits it if it may. One that is in already is let in again:
    /// its server did not get our answer.
    async fn let_in(&self, origin: &ServerName, room_id: &RoomId, pdu: &Pdu) -> Result<(), ApiError> {
        let mut turn = self.resident_turn(origin, room_id).await?;
        let event_id = pdu.event_id();
        let (number, id) = (turn.row.number, event_id.clone());
        if self.database().read(move |tx| is_placed(tx, number, &id)).await? {
            return self.check_accepted(number, event_id).await;
        }
        let Some(mut room) = turn.take() else { return Err(unknown_room(room_id)) };
        let around = self.surroundings(&mut room, std::slice::from_ref(pdu)).await?;
        if pdu.prev_events().iter().any(|id| !around.parents.contains_key(id)) || pdu.prev_events().is_empty() {
            turn.put_back(room);
            return Err(ApiError::invalid_param(format!("{event_id} names parents that are not known here")));
        }
        let candidate = Candidate { pdu: pdu.clone(), origin: Some(origin.clone()) };
        let advance = match judge_entering(&mut room, vec![candidate], &around) {
            Ok(advance) => advance,
            Err(refusal) => {
                turn.put_back(room);
                return Err(match refusal {
                    Refusal::Rejected(rejection) => ApiError::forbidden(rejection.to_string()),
                    Refusal::Unjudged(error) => {
                        tracing::error!(room.id = %room_id, event.id = %event_id, "Cannot judge {event_id}: {error}");
                        ApiError::invalid_param(format!("{event_id}: {error}"))
                    }
                });
            }
        };
        self.commit(&mut room, advance, Entry::ThroughUs, None).await.map_err(|error| {
            tracing::error!(room.id = %room_id, "cannot commit {event_id}: {error}");
            ApiError::internal()
        })?;
        turn.put_back(room);
        Ok(())
    }

    async fn check_accepted(&self, room: RoomNumber, event_id: &EventId) -> Result<(), ApiError> {
        let id = event_id.clone();
        let outcome = self
            .database()
            .read(move |tx| match event_rows::number(tx, room, &id)? {
                Some(event) => Ok(graph_rows::place(tx, event)?.map(|place| place.outcome)),
                None => Ok::<_, StoreError>(None),
            })
            .await?;
        match outcome {
            Some(Outcome::Accepted) => Ok(()),
            Some(Outcome::SoftFailed | Outcome::Rejected) | None => {
                Err(ApiError::forbidden(format!("{event_id} was refused before")))
            }
        }
    }

    /// Signs a restricted join that names one of our users, if it may be authorised.
    async fn authorise(&self, row: &RoomRow, parsed: ParsedPdu) -> Result<ParsedPdu, ApiError> {
        let named = parsed.object().get("content").and_then(|content| content.get("join_authorised_via_users_server"));
        let named = named.and_then(Value::as_str).and_then(|user| UserId::parse(user).ok());
        if named.is_none_or(|user| user.server() != *self.server_name()) || !row.version.rules().auth.restricted_joins {
            return Ok(parsed);
        }
        let turn = self.turn_of(row.number).await?;
        let room = turn.room().ok_or_else(|| unknown_room(&row.room_id))?;
        self.authoriser(room, parsed.sender()).await?;
        Ok(parsed.authorised(self.server_name(), self.signing_key()))
    }

    async fn handshake_answer(
        &self,
        handshake: Handshake,
        room: RoomNumber,
        version: RoomVersion,
        pdu: &Pdu,
        members: Members,
    ) -> Result<Streamed, ApiError> {
        match handshake {
            Handshake::Join => self.join_answer(room, version, pdu, members).await,
            Handshake::Leave => Ok(json!({}).into()),
            Handshake::Knock => {
                let stripped = self.database().read(move |tx| stripped_state(tx, room, version, None)).await?;
                Ok(json!({ "knock_room_state": stripped }).into())
            }
        }
    }

    async fn join_answer(
        &self,
        room: RoomNumber,
        version: RoomVersion,
        join: &Pdu,
        members: Members,
    ) -> Result<Streamed, ApiError> {
        let event = join.clone();
        let (state, auth_chain, servers) = self
            .database()
            .read(move |tx| {
                let (state, auth_chain) = state_at_join(tx, room, &event, members)?;
                Ok::<_, StoreError>((state, auth_chain, servers_before(tx, room, event.sender())?))
            })
            .await?;
        let fields = Object::from_iter([
            ("origin".to_owned(), json!(self.server_name())),
            ("members_omitted".to_owned(), json!(members == Members::Omitted)),
            ("event".to_owned(), Value::Object(join.object().clone())),
            ("servers_in_room".to_owned(), json!(servers)),
        ]);
        let lists = vec![
            EventList { key: "auth_chain", events: auth_chain.into_iter().collect() },
            EventList { key: "state", events: state },
        ];
        Ok(event_lists::write(self.database().clone(), version, &fields, lists))
    }
}

/// The state before a join, and what authorises it and the join.
fn state_at_join(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    join: &Pdu,
    members: Members,
) -> Result<(Vec<EventNumber>, BTreeSet<EventNumber>), StoreError> {
    let number = event_rows::number(tx, room, join.event_id())?;
    let place = number.map(|number| graph_rows::place(tx, number)).transpose()?.flatten();
    let before = place.and_then(|place| place.state_before);
    let state = match (before, members) {
        (None, _) => Vec::new(),
        (Some(before), Members::Complete) => state_rows::load(tx, before)?.iter().map(|(_, event)| event).collect(),
        (Some(before), Members::Omitted) => without_members(tx, room, before, join.sender())?,
    };
    let mut cited = state.clone();
    cited.extend(number);
    let mut chain = crate::serve::auth_chain(tx, &cited)?;
    if members == Members::Omitted {
        state.iter().for_each(|event| _ = chain.remove(event));
    }
    Ok((state, chain))
}

/// Of a state what is no membership, and the memberships of those after whom a room without a name is called. S2S API, `PUT
/// /send_join`, `omit_members`. Costs as much as that, and what the state differs from the current one.
fn without_members(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    state: SnapshotNumber,
    joining: &UserId,
) -> Result<Vec<EventNumber>, StoreError> {
    let current = news::state_without_members(tx, room)?;
    let mut entries: BTreeMap<(String, String), EventNumber> =
        current.into_iter().map(|(event_type, state_key, event)| ((event_type, state_key), event)).collect();
    if let Some(now) = room_rows::by_number(tx, room)?.state {
        for (key, then, _) in state_rows::difference(tx, state, now)? {
            let (event_type, state_key) = state_rows::key_text(tx, key)?;
            match then.filter(|_| event_type != "m.room.member") {
                Some(event) => entries.insert((event_type, state_key), event),
                None => entries.remove(&(event_type, state_key)),
            };
        }
    }
    Ok(entries.into_values().chain(heroes(tx, room, joining)?).collect())
}

fn heroes(tx: &ReadTx<'_>, room: RoomNumber, joining: &UserId) -> Result<Vec<EventNumber>, StoreError> {
    for event_type in ["m.room.name", "m.room.canonical_alias"] {
        if room_rows::current(tx, room, event_type, "")?.is_some() {
            return Ok(Vec::new());
        }
    }
    let wanted = u32::try_from(HEROES_MAX + 1).unwrap_or(u32::MAX);
    let mut heroes = member_rows::first_present(tx, room, wanted)?;
    heroes.retain(|user| user != joining);
    if heroes.is_empty() {
        heroes = member_rows::first_gone(tx, room, wanted)?;
    }
    let event = |user: &UserId| room_rows::current(tx, room, "m.room.member", user.as_str());
    heroes.iter().take(HEROES_MAX).filter_map(|user| event(user).transpose()).collect()
}

/// The servers that were in the room before a user joined it.
fn servers_before(tx: &ReadTx<'_>, room: RoomNumber, joined: &UserId) -> Result<Vec<ServerName>, StoreError> {
    let mut servers = room_rows::servers(tx, room)?;
    let newcomer = joined.server();
    if room_rows::members_of_server(tx, room, "join", &newcomer)?.iter().all(|user| user == joined) {
        servers.retain(|server| *server != newcomer);
    }
    Ok(servers)
}

/// Checks what S2S API, `PUT /send_join` and its siblings, demand of the event before anything else.
fn check_handshake_event(
    parsed: &ParsedPdu,
    origin: &ServerName,
    handshake: Handshake,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<(), ApiError> {
    let object = parsed.object();
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let membership = object.get("content").and_then(|content| content.get("membership")).and_then(Value::as_str);
    let wrong = if parsed.event_id() != event_id {
        Some(format!("the path names the event {event_id}, the body is {}", parsed.event_id()))
    } else if parsed.room_id() != room_id {
        Some(format!("the path names the room {room_id}, the event {}", parsed.room_id()))
    } else if text("type") != Some("m.room.member") || membership != Some(membership_of(handshake)) {
        Some(format!("the event is no m.room.member with membership {}", membership_of(handshake)))
    } else if parsed.sender().server() != *origin {
        Some(format!("the sender {} is not a user of {origin}", parsed.sender()))
    } else if text("state_key") != Some(parsed.sender().as_str()) {
        Some("the event's state_key is not its sender".to_owned())
    } else {
        None
    };
    wrong.map_or(Ok(()), |wrong| Err(ApiError::invalid_param(wrong)))
}
