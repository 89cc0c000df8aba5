//! Rooms that grow at random, with forks: users join, ban, take and give power, each on one branch without knowing of the others.

use std::collections::BTreeMap;

use events::auth::{self, AuthEvent, Cited, Rejection};
use events::auth_graph::{AuthGraph, EventIndex, Standing, StateMap};
use events::{EventId, Pdu, RoomId, RoomVersion, UserId, Value};
use second_opinion::NaiveState;
use serde_json::json;

use super::{Draft, Random, State, room_id, select_auth_events, user};

const USERS: [&str; 7] = ["alice", "bob:b", "carol:c", "dave:d", "erin:b", "frank:a", "grace:c"];
const JOIN_RULES: [&str; 6] = ["public", "public", "invite", "knock", "restricted", "knock_restricted"];

/// A room under construction. Each head is the end of a branch.
pub(crate) struct GeneratedRoom {
    pub(crate) version: RoomVersion,
    pub(crate) graph: AuthGraph,
    pub(crate) heads: Vec<Head>,
    known: BTreeMap<EventId, AuthEvent>,
    /// The contents of power levels.
    contents: BTreeMap<EventId, Value>,
    room_id: RoomId,
    create: Option<AuthEvent>,
    random: Random,
    users: Vec<UserId>,
    clock: i64,
}

/// The end of a branch, with the state there.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) event: EventId,
    pub(crate) state: StateMap,
}

/// An event that somebody made on a branch, with what we say of it.
pub(crate) struct Attempt {
    pub(crate) pdu: Pdu,
    pub(crate) state: StateMap,
    pub(crate) by_auth_events: Result<(), Rejection>,
    pub(crate) by_state: Result<(), Rejection>,
}

impl Attempt {
    fn passes(&self) -> bool {
        self.by_auth_events.is_ok() && self.by_state.is_ok()
    }
}

impl GeneratedRoom {
    /// A room with one branch, on which its creator is alone.
    pub(crate) fn new(version: RoomVersion, seed: u64, mut on_event: impl FnMut(&Pdu)) -> Self {
        let mut room = Self {
            version,
            graph: AuthGraph::new(version),
            heads: Vec::new(),
            known: BTreeMap::new(),
            contents: BTreeMap::new(),
            room_id: room_id(version, None),
            create: None,
            random: Random(seed),
            users: USERS.iter().map(|name| user(name)).collect(),
            clock: 1_000,
        };
        let alice = room.users[0].clone();
        let additional = if room.random.one_in(2) { json!([room.users[1]]) } else { json!([]) };
        let content = json!({"creator": alice, "room_version": version.as_str(), "additional_creators": additional});
        let join = json!({"membership": "join"});
        let mut beginning = vec![
            (0, "m.room.create", String::new(), content),
            (0, "m.room.member", alice.to_string(), join.clone()),
            (0, "m.room.join_rules", String::new(), room.join_rules()),
        ];
        if !room.random.one_in(5) {
            beginning.push((0, "m.room.power_levels", String::new(), room.first_levels(&alice)));
        }
        if !room.random.one_in(4) {
            beginning[2].3 = json!({"join_rule": "public"});
            let users = room.users.iter().enumerate().skip(1);
            beginning.extend(users.map(|(at, user)| (at, "m.room.member", user.to_string(), join.clone())));
        }
        for (sender, event_type, state_key, content) in beginning {
            let before = room.heads.pop();
            let sender = room.users[sender].clone();
            let attempt = room.attempt(before.as_slice(), &sender, event_type, Some(&state_key), content);
            on_event(&attempt.pdu);
            attempt.by_auth_events.as_ref().expect("the beginning of a room passes");
            room.accept(&attempt);
        }
        room
    }

    /// Makes a random event at the end of a random branch, and another branch of it if it passes. Most pass.
    pub(crate) fn step(&mut self) -> Attempt {
        let at = self.random.below(self.heads.len());
        let head = self.heads[at].clone();
        let mut attempt = self.random_attempt(&head);
        while !attempt.passes() && !self.random.one_in(5) {
            attempt = self.random_attempt(&head);
        }
        if attempt.passes() && attempt.pdu.state_key().is_some() {
            // Often the branch goes on, sometimes another begins beside it.
            if self.heads.len() > 6 || !self.random.one_in(3) {
                self.heads.swap_remove(at);
            }
            self.accept(&attempt);
        }
        attempt
    }

    fn random_attempt(&mut self, head: &Head) -> Attempt {
        let sender = self.users[self.random.below(self.users.len())].clone();
        let target = self.users[self.random.below(self.users.len())].clone();
        let (event_type, state_key, content) = self.action(&sender, &target, &head.state);
        self.attempt(std::slice::from_ref(head), &sender, event_type, state_key.as_deref(), content)
    }

    /// Some of the heads, at least two, if there are as many.
    pub(crate) fn some_heads(&mut self) -> Vec<Head> {
        let count = 2 + self.random.below(3);
        let mut heads = self.heads.clone();
        while heads.len() > count {
            let at = self.random.below(heads.len());
            heads.swap_remove(at);
        }
        heads
    }

    /// Joins branches whose states resolve in `state`, by a message there.
    pub(crate) fn join_branches(&mut self, joined: &[Head], state: StateMap) {
        self.heads.retain(|head| joined.iter().all(|joined| joined.event != head.event));
        self.clock += 1;
        let sender = self.users[0].clone();
        let prev_events = joined.iter().map(|head| head.event.clone()).collect();
        let draft = Draft {
            sender: &sender,
            event_type: "org.example.merge",
            state_key: None,
            content: json!({}),
            prev_events,
            auth_events: Vec::new(),
            origin_server_ts: self.clock,
            redacts: None,
        };
        let event = draft.make(self.version, &self.room_id).event_id().clone();
        self.heads.push(Head { event, state });
    }

    pub(crate) fn naive(&self, state: &StateMap) -> NaiveState {
        let entry = |(key, event)| {
            let (event_type, state_key) = self.graph.state_key(key);
            ((event_type.to_owned(), state_key.to_owned()), self.graph.event(event).event_id().clone())
        };
        state.iter().map(entry).collect()
    }

    fn attempt(
        &mut self,
        heads: &[Head],
        sender: &UserId,
        event_type: &str,
        state_key: Option<&str>,
        content: Value,
    ) -> Attempt {
        // Clocks stand still, jump, and go back.
        self.clock = (self.clock + [0, 0, 1, 10, 100, -50][self.random.below(6)]).max(1);
        let head = heads.first();
        let state = head.map(|head| head.state.clone()).unwrap_or_default();
        let by_key: State = state
            .iter()
            .map(|(key, event)| {
                let (event_type, state_key) = self.graph.state_key(key);
                ((event_type.to_owned(), state_key.to_owned()), self.graph.event(event).clone())
            })
            .collect();
        let mut draft = Draft {
            sender,
            event_type,
            state_key,
            content,
            prev_events: head.map(|head| head.event.clone()).into_iter().collect(),
            auth_events: Vec::new(),
            origin_server_ts: self.clock,
            redacts: None,
        };
        draft.auth_events = select_auth_events(self.version, &by_key, &draft);
        let pdu = draft.make(self.version, &self.room_id);
        let event = AuthEvent::new(&pdu);
        let cite = |id: &EventId| Cited { event: self.known[id].clone(), rejected: false };
        let cited: Vec<Cited> = event.auth_events().iter().map(cite).collect();
        let view: Vec<AuthEvent> = by_key.into_values().collect();
        let by_auth_events = auth::check_auth_events(&event, &cited, self.create.as_ref());
        let by_state = auth::check_state(&event, &view);
        Attempt { pdu, state, by_auth_events, by_state }
    }

    fn accept(&mut self, attempt: &Attempt) {
        let event = AuthEvent::new(&attempt.pdu);
        if event.event_type() == "m.room.create" {
            self.room_id = room_id(self.version, Some(event.event_id()));
            self.create = Some(event.clone());
        }
        self.known.insert(event.event_id().clone(), event.clone());
        if event.event_type() == "m.room.power_levels" {
            self.contents.insert(event.event_id().clone(), Value::Object(attempt.pdu.content().clone()));
        }
        let index: EventIndex = self.graph.append(event, Standing::Accepted).expect("what it cites is there");
        let mut state = attempt.state.clone();
        state.insert(self.graph.state_key_of(index), index);
        self.heads.push(Head { event: attempt.pdu.event_id().clone(), state });
    }

    fn action(&mut self, sender: &UserId, target: &UserId, state: &StateMap) -> (&'static str, Option<String>, Value) {
        let member = |who: &UserId, membership: &str| {
            ("m.room.member", Some(who.to_string()), json!({"membership": membership}))
        };
        match self.random.below(20) {
            0..=4 => member(sender, "join"),
            5 => {
                let content = json!({"membership": "join", "join_authorised_via_users_server": target});
                ("m.room.member", Some(sender.to_string()), content)
            }
            6 => member(sender, "knock"),
            7 => member(sender, "leave"),
            8..=9 => member(target, "invite"),
            10..=11 => member(target, "ban"),
            12..=13 => member(target, "leave"),
            14..=15 => ("m.room.power_levels", Some(String::new()), self.levels(sender, state)),
            16 => ("m.room.join_rules", Some(String::new()), self.join_rules()),
            17 => ("m.room.topic", Some(String::new()), json!({"topic": self.random.next().to_string()})),
            18 => ("org.example.own", Some(target.to_string()), json!({})),
            _ => ("m.room.message", None, json!({})),
        }
    }

    fn join_rules(&mut self) -> Value {
        json!({"join_rule": self.random.pick(&JOIN_RULES), "allow": []})
    }

    /// The levels of `state` with some changes.
    ///
    /// All named levels stand there always: where one comes or goes we follow Synapse, and ruma does not (see
    /// `auth/power_levels.rs`).
    fn levels(&mut self, sender: &UserId, state: &StateMap) -> Value {
        let mut levels = self.current_levels(state).unwrap_or_else(|| self.first_levels(sender));
        // Nobody else has made the same event.
        levels["unique"] = json!(self.clock);
        for _ in 0..=self.random.below(3) {
            let level = json!([0, 0, 10, 20, 50, 50, 75, 100][self.random.below(8)]);
            let user = self.users[self.random.below(self.users.len())].clone();
            match self.random.below(8) {
                0..=3 => levels["users"][user.as_str()] = level,
                4 => {
                    levels["users"].as_object_mut().and_then(|users| users.remove(user.as_str()));
                }
                5 => levels["events"][*self.random.pick(&["m.room.topic", "m.room.power_levels"])] = level,
                6 => levels[*self.random.pick(&["ban", "kick", "invite", "state_default"])] = level,
                _ => levels["notifications"]["room"] = level,
            }
        }
        levels
    }

    fn first_levels(&self, sender: &UserId) -> Value {
        let mut users = json!({"@carol:c.test": 50, "@dave:d.test": 50, "@erin:b.test": 20});
        if self.version != RoomVersion::V12 {
            users["@bob:b.test"] = json!(100);
            users[sender.as_str()] = json!(100);
        }

        json!({
            "users": users, "users_default": 0, "events_default": 0, "state_default": 50, "ban": 50, "kick": 50, "redact": 50,
            "invite": 0, "events": {"m.room.topic": 20}, "notifications": {"room": 50}, "unique": 0,
        })
    }

    fn current_levels(&self, state: &StateMap) -> Option<Value> {
        let key = self.graph.state_key_index("m.room.power_levels", "")?;
        let id = self.graph.event(state.get(key)?).event_id();
        self.contents.get(id).cloned()
    }
}
