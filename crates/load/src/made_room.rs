//! A room that the scripted peer has made: real events with real signatures.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use events::{EventId, NewEvent, Object, Pdu, Reference, RoomId, RoomVersion, ServerName, SigningKey, UserId, Value};
use handles::Handles;
use serde_json::json;

use crate::report::{Failure, failed};

/// The version of all rooms here.
const VERSION: RoomVersion = RoomVersion::V12;

/// A room, and what its next events cite.
pub(crate) struct MadeRoom {
    pub(crate) id: RoomId,
    /// The server of its creator.
    pub(crate) resident: ServerName,
    /// State events, in the order of the graph.
    pub(crate) state: Vec<Pdu>,
    creator: UserId,
    /// What allows a member to speak: power levels and the creator's membership.
    creator_auth: Vec<EventId>,
    /// What allows anybody to join: power levels and join rules.
    join_auth: Vec<EventId>,
    /// The answer to a join with all members, made beforehand: what is measured is who joins.
    join_answer: Bytes,
    now: i64,
}

impl MadeRoom {
    /// A public room of a user of `servers[0]`, with so many members from all of `servers` in turn. All sign with `key`.
    pub(crate) fn new(
        servers: &[ServerName],
        members: usize,
        key: &SigningKey,
        handles: &Handles,
    ) -> Result<Self, Failure> {
        let resident = servers.first().cloned().ok_or_else(|| Failure("a room needs a server".to_owned()))?;
        let creator = UserId::parse(format!("@creator:{resident}")).map_err(failed("a user id"))?;
        let now = handles.clock.now();
        let content = json!({ "room_version": VERSION.as_str() });
        let mut room = Self {
            id: RoomId::parse("!unused:load.test").map_err(failed("a room id"))?,
            resident,
            state: Vec::with_capacity(members + 4),
            creator: creator.clone(),
            creator_auth: Vec::new(),
            join_auth: Vec::new(),
            join_answer: Bytes::new(),
            now,
        };
        let create = room.new_event(&creator, "m.room.create", Some(""), content, &[], &[]);
        let create = NewEvent { room_id: None, ..create }
            .sign(VERSION, &room.resident, key)
            .map_err(failed("the create event"))?;
        room.id = create.room_id().clone();
        room.state.push(create);
        let membership = json!({ "membership": "join" });
        let joined = room.add_state(&creator, "m.room.member", creator.as_str(), membership.clone(), &[], key)?;
        let levels = json!({ "users": {}, "users_default": 0, "events_default": 0, "state_default": 50 });
        let levels = room.add_state(&creator, "m.room.power_levels", "", levels, std::slice::from_ref(&joined), key)?;
        room.creator_auth = vec![levels.clone(), joined];
        let auth = room.creator_auth.clone();
        let rules = room.add_state(&creator, "m.room.join_rules", "", json!({ "join_rule": "public" }), &auth, key)?;
        room.join_auth = vec![levels, rules];
        let auth = room.join_auth.clone();
        for number in 1..members {
            let server = &servers[number % servers.len()];
            let member = UserId::parse(format!("@member{number}:{server}")).map_err(failed("a user id"))?;
            room.add_state(&member, "m.room.member", member.as_str(), membership.clone(), &auth, key)?;
        }
        let (state, chain) = (list(&room.state), list(room.chain()));
        room.join_answer = Bytes::from(format!(
            r#"{{"origin":"{}","members_omitted":false,"state":[{state}],"auth_chain":[{chain}]}}"#,
            room.resident
        ));
        Ok(room)
    }

    /// The event that the next one builds on.
    pub(crate) fn last(&self) -> &EventId {
        // A room without a create event is never made.
        self.state[self.state.len() - 1].event_id()
    }

    /// `/make_join`: what a joining server is to fill in.
    pub(crate) fn join_template(&self, user: &str) -> Value {
        json!({
            "room_version": VERSION.as_str(),
            "event": {
                "room_id": self.id, "type": "m.room.member", "sender": user, "state_key": user,
                "content": { "membership": "join" }, "origin_server_ts": self.now, "depth": self.depth(),
                "prev_events": [self.last()], "auth_events": self.join_auth,
            },
        })
    }

    /// `/send_join`: the state before the join and what authorises it.
    pub(crate) fn join_answer(&self) -> Bytes {
        self.join_answer.clone()
    }

    /// `/send_join` with `omit_members`.
    pub(crate) fn join_answer_without_members(&self) -> Bytes {
        let state = self.state.iter().filter(|pdu| pdu.membership().is_none()).map(Pdu::to_json).collect::<Vec<_>>();
        let servers: BTreeSet<String> = self.state.iter().map(|pdu| pdu.sender().server().to_string()).collect();
        Bytes::from(format!(
            r#"{{"origin":"{}","members_omitted":true,"servers_in_room":{},"state":[{}],"auth_chain":[{}]}}"#,
            self.resident,
            json!(servers),
            state.join(","),
            list(self.chain())
        ))
    }

    /// `/state` before a join.
    pub(crate) fn state_answer(&self) -> String {
        format!(r#"{{"auth_chain":[{}],"pdus":[{}]}}"#, list(self.chain()), list(&self.state))
    }

    /// `/state_ids` before a join.
    pub(crate) fn state_ids_answer(&self) -> String {
        let ids = |events: &[Pdu]| events.iter().map(|pdu| json!(pdu.event_id())).collect::<Value>();
        json!({ "pdu_ids": ids(&self.state), "auth_chain_ids": ids(self.chain()) }).to_string()
    }

    /// What all of the state cites.
    fn chain(&self) -> &[Pdu] {
        &self.state[..self.state.len().min(4)]
    }

    /// So many messages of the creator, each building on the one before, the first on `after`.
    pub(crate) fn messages(&self, count: usize, after: &EventId, key: &SigningKey) -> Result<Vec<Pdu>, Failure> {
        let mut messages: Vec<Pdu> = Vec::with_capacity(count);
        for number in 0..count {
            let parent = messages.last().map_or(after, Pdu::event_id).clone();
            let content = json!({ "msgtype": "m.text", "body": format!("message {number} of a long conversation") });
            let mut event =
                self.new_event(&self.creator, "m.room.message", None, content, &[parent], &self.creator_auth);
            event.depth += i64::try_from(number).unwrap_or(0);
            messages.push(event.sign(VERSION, &self.resident, key).map_err(failed("a message"))?);
        }
        Ok(messages)
    }

    fn add_state(
        &mut self,
        sender: &UserId,
        event_type: &str,
        state_key: &str,
        content: Value,
        auth: &[EventId],
        key: &SigningKey,
    ) -> Result<EventId, Failure> {
        let parent = self.last().clone();
        let event = self.new_event(sender, event_type, Some(state_key), content, &[parent], auth);
        let event = event.sign(VERSION, &sender.server(), key).map_err(failed("a state event"))?;
        let id = event.event_id().clone();
        self.state.push(event);
        Ok(id)
    }

    fn new_event(
        &self,
        sender: &UserId,
        event_type: &str,
        state_key: Option<&str>,
        content: Value,
        parents: &[EventId],
        auth: &[EventId],
    ) -> NewEvent {
        NewEvent {
            event_id: None,
            room_id: Some(self.id.clone()),
            sender: sender.clone(),
            event_type: event_type.to_owned(),
            state_key: state_key.map(str::to_owned),
            content: content.as_object().cloned().unwrap_or_else(Object::new),
            redacts: None,
            prev_events: parents.iter().cloned().map(Reference::by_id).collect(),
            auth_events: auth.iter().cloned().map(Reference::by_id).collect(),
            depth: self.depth(),
            origin_server_ts: self.now,
        }
    }

    fn depth(&self) -> i64 {
        i64::try_from(self.state.len()).unwrap_or(1) + 1
    }
}

/// Rooms by their ids.
pub(crate) type Rooms = BTreeMap<String, MadeRoom>;

fn list(events: &[Pdu]) -> String {
    events.iter().map(Pdu::to_json).collect::<Vec<_>>().join(",")
}
