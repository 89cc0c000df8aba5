//! Events that no honest server makes.

use std::collections::BTreeMap;

use events::auth::auth_types;
use events::signature::hash_and_sign;
use events::{EventId, NewEvent, Object, Pdu, Reference, RoomId, RoomVersion, ServerName, SigningKey, UserId, Value};
use handles::Handles;
use serde_json::json;

use crate::plan::Attack;

/// Parents of an event that nobody could ever look up.
const CROWD: usize = 10_000;
/// Levels of lists within lists.
const DEEP: usize = 300;
/// Events of one attack that build on the same one.
const FORKS: u64 = 20;
/// Among how many lists of an attack the victims are shared out.
const SIDES: usize = 3;
/// Above the power that its user may come to have.
const POWER: u64 = 51;
/// EDUs of a transaction. S2S API, "Transactions".
const EDUS: usize = 100;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// What a server knows of a room.
pub(super) struct Known {
    room: RoomId,
    version: RoomVersion,
    pub(super) extremities: Vec<Pdu>,
    /// The current state.
    pub(super) state: BTreeMap<(String, String), EventId>,
    /// All events, parents first.
    pub(super) events: Vec<Pdu>,
    /// Events of the room beside it.
    pub(super) elsewhere: Vec<EventId>,
}

impl Known {
    pub(super) fn new(room: RoomId, version: RoomVersion) -> Self {
        Self {
            room,
            version,
            extremities: Vec::new(),
            state: BTreeMap::new(),
            events: Vec::new(),
            elsewhere: Vec::new(),
        }
    }
}

/// Makes the events.
pub(super) struct Forger<'a> {
    pub(super) known: &'a Known,
    pub(super) name: &'a ServerName,
    pub(super) key: &'a SigningKey,
    pub(super) handles: &'a Handles,
}

impl Forger<'_> {
    /// The events of an attack: one list for all, or several among which the victims are shared out.
    pub(super) fn forge(&self, attack: Attack, number: usize) -> Vec<Vec<Object>> {
        let says = || self.says(&format!("attack {number}"));
        match attack {
            Attack::Equivocate => (0..2).map(|side| self.signed(self.says(&format!("{number} to {side}")))).collect(),
            Attack::Fork => {
                let Some(old) = self.any_event() else { return Vec::new() };
                let forks = 1 + self.handles.random.below(FORKS);
                let fork = |fork| self.on(self.says(&format!("{number} fork {fork}")), &[old]);
                (0..forks).map(|number| self.signed(fork(number))).collect()
            }
            Attack::EquivocateState => (0..SIDES).filter_map(|_| Some(self.signed(self.any_state()?))).collect(),
            Attack::ForkState => {
                let Some(old) = self.any_event() else { return Vec::new() };
                (0..SIDES).filter_map(|_| Some(self.signed(self.on(self.any_state()?, &[old])))).collect()
            }
            Attack::Usurp => vec![self.signed(self.usurps())],
            Attack::BuildOnRejected => {
                let Some(usurps) = self.sign(self.usurps()) else { return Vec::new() };
                let id = events::hash::event_id(&usurps, self.known.version);
                let Some(id) = id else { return Vec::new() };
                let mut child = says();
                child.prev_events.push(Reference::by_id(id));
                child.depth += 1;
                vec![std::iter::once(usurps).chain(self.sign(child)).collect()]
            }
            Attack::Impersonate => {
                let mut event = says();
                let Some(other) = self.somebody_else() else { return Vec::new() };
                event.sender = other.clone();
                let signed = event.sign(self.known.version, &other.server(), self.key);
                vec![signed.map(Pdu::into_object).into_iter().collect()]
            }
            Attack::Mangle => {
                let of_others = self.known.events.iter().filter(|event| event.sender().server() != *self.name);
                let Some(target) = self.one_of(&of_others.collect::<Vec<_>>()).copied() else { return Vec::new() };
                let mut mangled = target.object().clone();
                mangled.insert("content".to_owned(), json!({ "body": "censored", "membership": "ban" }));
                vec![vec![mangled]]
            }
            Attack::Depth(depth) => self.told(NewEvent { depth, ..says() }),
            Attack::Dangle => {
                let mut event = says();
                event.prev_events = vec![Reference::by_id(self.unknown_id())];
                self.told(event)
            }
            Attack::CiteUnknown => {
                let mut event = says();
                event.auth_events.push(Reference::by_id(self.unknown_id()));
                self.told(event)
            }
            Attack::CiteAnything => {
                let mut event = says();
                event.auth_events.extend(self.any_event().map(|any| Reference::by_id(any.event_id().clone())));
                self.told(event)
            }
            Attack::CiteElsewhere => {
                let Some(other) = self.one_of(&self.known.elsewhere) else { return Vec::new() };
                let mut event = says();
                event.auth_events.push(Reference::by_id(other.clone()));
                self.told(event)
            }
            Attack::BuildElsewhere => {
                let Some(other) = self.one_of(&self.known.elsewhere) else { return Vec::new() };
                self.told(NewEvent { prev_events: vec![Reference::by_id(other.clone())], ..says() })
            }
            Attack::CiteTooLittle => {
                let mut event = says();
                event.auth_events.pop();
                self.told(event)
            }
            Attack::Crowd => self.altered(says(), |event| {
                let parent = |_| Reference::by_id(self.unknown_id()).write(self.known.version);
                event.insert("prev_events".to_owned(), (0..CROWD).map(parent).collect());
            }),
            Attack::Replay => self.told(says()),
            Attack::OtherTime(days) => {
                self.told(NewEvent { origin_server_ts: self.handles.clock.now() + days * DAY_MS, ..says() })
            }
            Attack::PutInto => match self.somebody_else() {
                Some(other) => self.told(self.member(other.as_str(), "join")),
                None => Vec::new(),
            },
            Attack::BanEverybody => {
                let members = self.known.state.keys().filter(|(event_type, _)| event_type == "m.room.member");
                let bans = members.filter_map(|(_, user)| self.sign(self.member(user, "ban")));
                vec![bans.collect()]
            }
            Attack::SecondCreate => {
                let content = json!({ "room_version": self.known.version.as_str(), "creator": self.user() });
                self.told(self.event("m.room.create", Some(""), &content))
            }
            Attack::OddNumbers => self.altered(says(), |event| {
                event["content"]["odd"] = json!([u64::MAX, i64::MIN, 1e300, -0.0]);
            }),
            Attack::Deep => self.altered(says(), |event| {
                event["content"]["deep"] = (0..DEEP).fold(json!(1), |inner, _| json!([inner]));
            }),
            Attack::Redact => {
                let Some(target) = self.any_event() else { return Vec::new() };
                let mut event = self.event("m.room.redaction", None, &json!({}));
                event.redacts = Some(target.event_id().clone());
                self.told(event)
            }
            Attack::SendEdus => vec![self.told(says()).concat()],
        }
    }

    /// The EDUs that go with the events of an attack.
    pub(super) fn edus(&self, attack: Attack) -> Vec<Value> {
        if attack == Attack::SendEdus { (0..EDUS).map(|_| self.edu()).collect() } else { Vec::new() }
    }

    /// What another user has read or types, or nonsense.
    fn edu(&self) -> Value {
        let user = self.somebody_else().unwrap_or_else(|| self.user());
        let event = self.any_event().map(|event| event.event_id().to_string());
        let (edu_type, content) = match self.handles.random.below(5) {
            0 => ("m.typing", json!({ "room_id": self.known.room, "user_id": user, "typing": true })),
            1 => {
                // Later than whatever the user says themselves.
                let data = json!({ "ts": self.handles.clock.now() + DAY_MS });
                let receipt = json!({ user.as_str(): { "event_ids": [event], "data": data } });
                ("m.receipt", json!({ self.known.room.as_str(): { "m.read": receipt } }))
            }
            2 => ("m.receipt", json!({ self.known.room.as_str(): { "m.read": [[user]] } })),
            3 => ("m.direct_to_device", json!({ "sender": user, "messages": { user.as_str(): { "*": event } } })),
            _ => ("org.test.nonsense", json!([event])),
        };
        json!({ "edu_type": edu_type, "content": content })
    }

    fn told(&self, event: NewEvent) -> Vec<Vec<Object>> {
        vec![self.signed(event)]
    }

    fn signed(&self, event: NewEvent) -> Vec<Object> {
        self.sign(event).into_iter().collect()
    }

    fn sign(&self, event: NewEvent) -> Option<Object> {
        event.sign(self.known.version, self.name, self.key).ok().map(Pdu::into_object)
    }

    /// What no honest server would sign: hashed and signed after it was altered.
    fn altered(&self, event: NewEvent, alter: impl FnOnce(&mut Object)) -> Vec<Vec<Object>> {
        let Some(mut event) = self.sign(event) else { return Vec::new() };
        alter(&mut event);
        hash_and_sign(&mut event, self.known.version, self.name, self.key);
        vec![vec![event]]
    }

    fn says(&self, text: &str) -> NewEvent {
        self.event("m.room.message", None, &json!({ "msgtype": "m.text", "body": text }))
    }

    /// All power to its own user.
    fn usurps(&self) -> NewEvent {
        let levels = json!({ "users": { self.user().as_str(): 100 }, "events_default": 100, "state_default": 100 });
        self.event("m.room.power_levels", Some(""), &levels)
    }

    /// State that somebody with some power may set.
    fn any_state(&self) -> Option<NewEvent> {
        let random = &self.handles.random;
        Some(match random.below(4) {
            0 => {
                let rule = *self.one_of(&["public", "invite", "knock"])?;
                self.event("m.room.join_rules", Some(""), &json!({ "join_rule": rule }))
            }
            1 => {
                let mut levels = self.current_levels()?;
                levels.insert("state_default".to_owned(), json!(random.below(POWER)));
                let users = levels.entry("users".to_owned()).or_insert_with(|| json!({})).as_object_mut()?;
                users.insert(self.somebody_else()?.to_string(), json!(random.below(POWER)));
                self.event("m.room.power_levels", Some(""), &Value::Object(levels))
            }
            2 => self.member(self.somebody_else()?.as_str(), self.one_of(&["ban", "leave"])?),
            _ => self.event("m.room.topic", Some(""), &json!({ "topic": random.token(8) })),
        })
    }

    /// Who has which power now.
    fn current_levels(&self) -> Option<Object> {
        let id = self.known.state.get(&("m.room.power_levels".to_owned(), String::new()))?;
        let event = self.known.events.iter().find(|event| event.event_id() == id)?;
        event.object().get("content").and_then(Value::as_object).cloned()
    }

    fn member(&self, user: &str, membership: &str) -> NewEvent {
        self.event("m.room.member", Some(user), &json!({ "membership": membership }))
    }

    /// An event with the right citations, of one of its own users.
    fn event(&self, event_type: &str, state_key: Option<&str>, content: &Value) -> NewEvent {
        let (sender, content) = (self.user(), content.as_object().cloned().unwrap_or_default());
        let types = auth_types(self.known.version.rules(), event_type, &sender, state_key, &content);
        let cited = types.iter().filter_map(|key| self.known.state.get(key));
        let event = NewEvent {
            event_id: self.chosen_id(),
            room_id: Some(self.known.room.clone()),
            sender,
            event_type: event_type.to_owned(),
            state_key: state_key.map(str::to_owned),
            redacts: None,
            prev_events: Vec::new(),
            auth_events: cited.cloned().map(Reference::by_id).collect(),
            content,
            depth: 0,
            origin_server_ts: self.handles.clock.now(),
        };
        self.on(event, &self.known.extremities.iter().collect::<Vec<_>>())
    }

    /// The event as it is if it builds on `parents`.
    fn on(&self, event: NewEvent, parents: &[&Pdu]) -> NewEvent {
        let parents_depth = parents.iter().map(|parent| parent.depth()).max().unwrap_or(0);
        let prev_events = parents.iter().map(|parent| Reference::by_id(parent.event_id().clone())).collect();
        NewEvent { prev_events, depth: parents_depth.saturating_add(1), ..event }
    }

    fn user(&self) -> UserId {
        UserId::parse(format!("@u0:{}", self.name)).expect("it follows the grammar")
    }

    /// A user of another server who is or was in the room.
    fn somebody_else(&self) -> Option<UserId> {
        let others = self.known.events.iter().map(Pdu::sender).filter(|sender| sender.server() != *self.name);
        let others: Vec<&UserId> = others.collect();
        self.one_of(&others).map(|other| (*other).clone())
    }

    fn any_event(&self) -> Option<&Pdu> {
        self.one_of(&self.known.events)
    }

    fn one_of<'t, T>(&self, of: &'t [T]) -> Option<&'t T> {
        let at = self.handles.random.below((of.len() as u64).max(1));
        of.get(usize::try_from(at).unwrap_or(0))
    }

    /// An id for an event, where ids are chosen.
    fn chosen_id(&self) -> Option<EventId> {
        matches!(self.known.version, RoomVersion::V1 | RoomVersion::V2).then(|| self.unknown_id())
    }

    /// An id that nobody knows.
    fn unknown_id(&self) -> EventId {
        let random = &self.handles.random;
        let id = match self.known.version {
            RoomVersion::V1 | RoomVersion::V2 => format!("${}:{}", random.token(20), self.name),
            RoomVersion::V3
            | RoomVersion::V4
            | RoomVersion::V5
            | RoomVersion::V6
            | RoomVersion::V7
            | RoomVersion::V8
            | RoomVersion::V9
            | RoomVersion::V10
            | RoomVersion::V11
            | RoomVersion::V12 => format!("${}", random.token(43)),
        };
        EventId::parse(id).expect("it follows the grammar")
    }
}
