//! A room with many members, whose forks differ in a known number of keys.

use events::auth::AuthEvent;
use events::auth_graph::{AuthGraph, Difference, EventIndex, Standing, StateKeyIndex, StateMap};
use events::{EventId, RoomId, RoomVersion, UserId, Value};
use second_opinion::{NaiveState, Oracle};
use serde_json::json;

use super::{Draft, Random, room_id};

const MODERATORS: usize = 50;

pub(crate) struct BigRoom {
    version: RoomVersion,
    pub(crate) graph: AuthGraph,
    pub(crate) state: StateMap,
    pub(crate) oracle: Oracle,
    room_id: RoomId,
    members: Vec<UserId>,
    random: Random,
    clock: i64,
}

impl BigRoom {
    /// A public room with so many members, of whom the first 50 are moderators. The invited half came in by an invitation.
    pub(crate) fn new(version: RoomVersion, members: usize) -> Self {
        let member = |at: usize| UserId::parse(format!("@member{at}:s{}.test", at % 300)).unwrap();
        let mut room = Self {
            version,
            graph: AuthGraph::new(version),
            state: StateMap::default(),
            oracle: Oracle::new(version),
            room_id: RoomId::parse("!big:s0.test").unwrap(),
            members: (0..members).map(member).collect(),
            random: Random(1),
            clock: 1,
        };
        let creator = room.members[0].clone();
        let mut state = StateMap::default();
        let content = json!({"creator": creator, "room_version": version.as_str()});
        let create = room.add(&mut state, &creator, "m.room.create", "", content);
        if version == RoomVersion::V12 {
            room.room_id = room_id(version, Some(room.graph.event(create).event_id()));
        }
        let join = json!({"membership": "join"});
        room.add(&mut state, &creator, "m.room.member", creator.as_str(), join.clone());
        let levels = room.levels(0);
        room.add(&mut state, &creator, "m.room.power_levels", "", levels);
        room.add(&mut state, &creator, "m.room.join_rules", "", json!({"join_rule": "public"}));
        room.add(&mut state, &creator, "m.room.topic", "", json!({"topic": "0"}));
        for (at, member) in room.members.clone().iter().enumerate().skip(1) {
            if at % 2 == 0 {
                room.add(&mut state, &creator, "m.room.member", member.as_str(), json!({"membership": "invite"}));
            }
            room.add(&mut state, member, "m.room.member", member.as_str(), join.clone());
        }
        room.state = state;
        room
    }

    /// Two forks that differ from each other in four keys.
    pub(crate) fn forks_of_few_keys(&mut self) -> Vec<Difference> {
        let (mut one, mut other) = (self.state.clone(), self.state.clone());
        let moderator = self.members[1].clone();
        self.add(&mut one, &moderator, "m.room.topic", "", json!({"topic": "1"}));
        self.ban(&mut one, 100);
        self.rename(&mut other, 100);
        self.rename(&mut one, 101);
        self.kick(&mut other, 102);
        vec![self.state.diff(&one), self.state.diff(&other)]
    }

    /// Forks that each differ from the room's state in 200 keys.
    pub(crate) fn forks(&mut self, count: usize) -> Vec<Difference> {
        (0..count).map(|_| self.fork()).collect()
    }

    fn fork(&mut self) -> Difference {
        let mut state = self.state.clone();
        let creator = self.members[0].clone();
        let moderator = self.members[1 + self.random.below(MODERATORS - 1)].clone();
        for _ in 0..5 {
            let removed = self.random.below(10);
            let levels = self.levels(removed);
            self.add(&mut state, &creator, "m.room.power_levels", "", levels);
        }
        self.add(&mut state, &creator, "m.room.join_rules", "", json!({"join_rule": "public"}));
        self.add(&mut state, &creator, "m.room.topic", "", json!({"topic": moderator}));
        let first = MODERATORS + self.random.below(self.members.len() - MODERATORS - 197);
        for at in first..first + 197 {
            match at % 5 {
                0 => self.kick(&mut state, at),
                1 => self.ban(&mut state, at),
                _ => self.rename(&mut state, at),
            }
        }
        self.state.diff(&state)
    }

    fn kick(&mut self, state: &mut StateMap, at: usize) {
        self.remove(state, at, "leave");
    }

    fn ban(&mut self, state: &mut StateMap, at: usize) {
        self.remove(state, at, "ban");
    }

    fn remove(&mut self, state: &mut StateMap, at: usize, membership: &str) {
        let moderator = self.members[11 + self.random.below(MODERATORS - 11)].clone();
        let member = self.members[at].to_string();
        self.add(state, &moderator, "m.room.member", &member, json!({"membership": membership}));
    }

    fn rename(&mut self, state: &mut StateMap, at: usize) {
        let member = self.members[at].clone();
        let content = json!({"membership": "join", "displayname": self.random.next().to_string()});
        self.add(state, &member, "m.room.member", member.as_str(), content);
    }

    /// The levels of the room, without the moderators 1 to `removed`.
    fn levels(&mut self, removed: usize) -> Value {
        let mut users = json!({});
        for moderator in &self.members[1 + removed..MODERATORS] {
            users[moderator.as_str()] = json!(50);
        }
        if self.version != RoomVersion::V12 {
            users[self.members[0].as_str()] = json!(100);
        }
        json!({
            "users": users, "users_default": 0, "events_default": 0, "state_default": 50, "ban": 50, "kick": 50, "redact": 50,
            "invite": 0, "events": {}, "notifications": {"room": 50}, "unique": self.random.next() >> 12,
        })
    }

    fn add(
        &mut self,
        state: &mut StateMap,
        sender: &UserId,
        event_type: &str,
        state_key: &str,
        content: Value,
    ) -> EventIndex {
        self.clock += 1;
        let object = content.as_object().cloned().unwrap_or_default();
        let types = events::auth::auth_types(self.version.rules(), event_type, sender, Some(state_key), &object);
        let key = |(kind, key): &(String, String)| self.graph.state_key_index(kind, key);
        let held: Vec<(StateKeyIndex, EventIndex)> =
            types.iter().filter_map(key).filter_map(|key| Some((key, state.get(key)?))).collect();
        let auth_events: Vec<EventId> =
            held.iter().map(|(_, event)| self.graph.event(*event).event_id().clone()).collect();
        let draft = Draft {
            sender,
            event_type,
            state_key: Some(state_key),
            content,
            prev_events: auth_events.iter().take(1).cloned().collect(),
            auth_events,
            origin_server_ts: self.clock,
            redacts: None,
        };
        let pdu = draft.make(self.version, &self.room_id);
        self.oracle.add(&pdu, false);
        let index = self.graph.append(AuthEvent::new(&pdu), Standing::Accepted).unwrap();
        state.insert(self.graph.state_key_of(index), index);
        index
    }

    pub(crate) fn naive(&self, state: &StateMap) -> NaiveState {
        let entry = |(key, event)| {
            let (event_type, state_key) = self.graph.state_key(key);
            ((event_type.to_owned(), state_key.to_owned()), self.graph.event(event).event_id().clone())
        };
        state.iter().map(entry).collect()
    }
}
