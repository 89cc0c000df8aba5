//! A server that a test plays: it signs what the test wants, and answers as the test says.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use events::signature::hash_and_sign;
use events::{
    EventId, NewEvent, Object, Pdu, Reference, RoomId, RoomVersion, ServerName, SigningKey, Value, signature,
};
use handles::Handles;
use http::Method;
use pdu::Draft;
use serde_json::json;
use transport::{CallError, CallLimits, Client, Request, Response};

pub(crate) use crate::peer_room::PeerRoom;
use crate::world::{Server, draft, user_id};

const LIMITS: CallLimits = CallLimits { timeout: Duration::from_secs(60), response_bytes_max: 50 * 1024 * 1024 };

type Answerer = Box<dyn Fn(&Request) -> (u16, Value) + Send + Sync>;

pub(crate) struct Peer {
    pub(crate) name: ServerName,
    key: SigningKey,
    client: Client,
    handles: Handles,
    script: Mutex<Vec<(String, Answerer)>>,
    rooms: Mutex<BTreeMap<RoomId, PeerRoom>>,
    /// Everything that was asked: method, path and query.
    seen: Mutex<Vec<String>>,
    /// The PDUs that came in transactions.
    received: Mutex<Vec<Value>>,
    transactions: Mutex<u64>,
    slow: Mutex<Option<(String, Duration)>>,
    late: Mutex<Option<(String, Duration)>>,
    /// Requests that are being answered, and the most there ever were.
    at_once: Mutex<(usize, usize)>,
}

impl Peer {
    pub(crate) fn new(name: ServerName, key: SigningKey, client: Client, handles: Handles) -> Self {
        Self {
            name,
            key,
            client,
            handles,
            script: Mutex::default(),
            rooms: Mutex::default(),
            seen: Mutex::default(),
            received: Mutex::default(),
            transactions: Mutex::new(0),
            slow: Mutex::default(),
            late: Mutex::default(),
            at_once: Mutex::default(),
        }
    }

    /// From now on a request whose path has `text` in it gets this answer. The last rule that fits counts.
    pub(crate) fn answers(&self, text: &str, answer: impl Fn(&Request) -> (u16, Value) + Send + Sync + 'static) {
        self.script.lock().unwrap().push((text.to_owned(), Box::new(answer)));
    }

    /// From now on nobody gets this event by its id.
    pub(crate) fn keeps_back(&self, event: &Pdu) {
        let path = format!("v1/event/{}", event.event_id().as_str().replace('$', "%24"));
        self.answers(&path, |_| (404, json!({ "errcode": "M_NOT_FOUND", "error": "not here" })));
    }

    /// From now on requests whose path has `text` in it are answered late.
    pub(crate) fn is_slow(&self, text: &str, delay: Duration) {
        *self.slow.lock().unwrap() = Some((text.to_owned(), delay));
    }

    /// From now on the answers to requests whose path has `text` in it take long on their way.
    pub(crate) fn answers_late(&self, text: &str, delay: Duration) {
        *self.late.lock().unwrap() = Some((text.to_owned(), delay));
    }

    /// How many requests had `text` in them.
    pub(crate) fn asked(&self, text: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|request| request.contains(text)).count()
    }

    /// The most requests that were answered at the same time.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once.lock().unwrap().1
    }

    /// The PDUs that came in transactions.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }

    /// Answers honestly about a room from now on.
    pub(crate) fn host(&self, room: &PeerRoom) {
        self.rooms.lock().unwrap().insert(room.id.clone(), room.clone());
    }

    pub(crate) async fn answer(&self, request: Request) -> Response {
        let path = request.path_and_query.clone();
        self.seen.lock().unwrap().push(format!("{} {path}", request.method));
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        let slow = self.slow.lock().unwrap().clone();
        if let Some((_, delay)) = slow.filter(|(text, _)| path.contains(text.as_str())) {
            self.handles.clock.sleep(delay).await;
        }
        self.at_once.lock().unwrap().0 -= 1;
        let scripted = {
            let script = self.script.lock().unwrap();
            script.iter().rev().find(|(text, _)| path.contains(text.as_str())).map(|(_, answer)| answer(&request))
        };
        let (status, body) = scripted.unwrap_or_else(|| self.honest(&request));
        let late = self.late.lock().unwrap().clone();
        if let Some((_, delay)) = late.filter(|(text, _)| path.contains(text.as_str())) {
            self.handles.clock.sleep(delay).await;
        }
        Response { status, body: Bytes::from(body.to_string()), retry_after: None }
    }

    /// A room as it is hosted.
    pub(crate) fn hosted(&self, room: &RoomId) -> PeerRoom {
        self.rooms.lock().unwrap()[room].clone()
    }

    /// What it answers without a script.
    pub(crate) fn honest(&self, request: &Request) -> (u16, Value) {
        // In version 3 of rooms there are event ids with a slash.
        let path = request.path_and_query.split('?').next().unwrap().trim_start_matches("/_matrix/");
        let parts: Vec<String> = path.split('/').map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let body: Value = request.body.as_ref().map_or(Value::Null, |body| serde_json::from_slice(body).unwrap());
        let room = |id: &str| self.rooms.lock().unwrap().get(&RoomId::parse(id).unwrap()).cloned();
        let not_found = (404, json!({ "errcode": "M_NOT_FOUND", "error": "not here" }));
        let asked = |key: &str| asked(request, key);
        match parts.as_slice() {
            ["key", "v2", "server", ..] => (200, Value::Object(self.key_document())),
            ["federation", "v1", "version"] => (200, json!({ "server": { "name": "Played", "version": "1" } })),
            ["federation", "v1", "send", _] => {
                let pdus = body["pdus"].as_array().cloned().unwrap_or_default();
                self.received.lock().unwrap().extend(pdus);
                (200, json!({ "pdus": {} }))
            }
            ["federation", "v1", "event", id] => {
                let rooms = self.rooms.lock().unwrap();
                match rooms.values().find_map(|room| room.find(id)) {
                    Some(pdu) => (200, json!({ "pdus": [pdu.object()] })),
                    None => not_found,
                }
            }
            ["federation", "v1", "make_join", id, user] => match room(id) {
                Some(room) => {
                    (200, room.template(&draft(user, "m.room.member", Some(user), json!({ "membership": "join" }))))
                }
                None => not_found,
            },
            ["federation", "v1", "make_leave", id, user] => match room(id) {
                Some(room) if room.has_member(user) => {
                    (200, room.template(&draft(user, "m.room.member", Some(user), json!({ "membership": "leave" }))))
                }
                Some(_) => (403, json!({ "errcode": "M_FORBIDDEN", "error": "they are not in the room" })),
                None => not_found,
            },
            ["federation", "v2", "send_join", id, _] => match room(id) {
                Some(room) => {
                    let state = room.state();
                    let answer = json!({
                        "event": body, "state": objects(state.values()),
                        "auth_chain": objects(room.auth_chain(state.values().cloned().collect()).iter()),
                    });
                    (200, answer)
                }
                None => not_found,
            },
            ["federation", "v1", "event_auth", id, event] => {
                match room(id).and_then(|room| Some((room.find(event)?, room))) {
                    Some((event, room)) => {
                        let chain = room.auth_chain(vec![event]);
                        (200, json!({ "auth_chain": objects(chain.iter()) }))
                    }
                    None => not_found,
                }
            }
            ["federation", "v1", "state_ids", id] => {
                match room(id).and_then(|room| room.state_before(&asked("event_id")[0])) {
                    Some((state, chain)) => (200, json!({ "pdu_ids": ids(&state), "auth_chain_ids": ids(&chain) })),
                    None => not_found,
                }
            }
            ["federation", "v1", "state", id] => {
                match room(id).and_then(|room| room.state_before(&asked("event_id")[0])) {
                    Some((state, chain)) => {
                        (200, json!({ "pdus": objects(state.iter()), "auth_chain": objects(chain.iter()) }))
                    }
                    None => not_found,
                }
            }
            ["federation", "v1", "backfill", id] => match room(id) {
                Some(room) => self.backfill(&room, request),
                None => not_found,
            },
            ["federation", "v1", "get_missing_events", id] => match room(id) {
                Some(room) => {
                    let latest: Vec<&str> =
                        body["latest_events"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                    let earliest: Vec<&str> =
                        body["earliest_events"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                    let position =
                        |ids: &[&str]| room.line.iter().rposition(|pdu| ids.contains(&pdu.event_id().as_str()));
                    let to = position(&latest).unwrap_or(0);
                    let from = position(&earliest).map_or(0, |at| at + 1).max(to.saturating_sub(20));
                    (200, json!({ "events": objects(room.line[from.min(to)..to].iter()) }))
                }
                None => not_found,
            },
            _ => not_found,
        }
    }

    /// Gives the history of a room.
    pub(crate) fn backfill(&self, room: &PeerRoom, request: &Request) -> (u16, Value) {
        let limit = asked(request, "limit")[0].parse().unwrap();
        let from = asked(request, "v");
        let upto = room.line.iter().rposition(|pdu| from.contains(&pdu.event_id().to_string()));
        let found = room.line[..upto.map_or(0, |upto| upto + 1)].iter().rev().take(limit);
        (200, json!({ "pdus": objects(found) }))
    }

    fn key_document(&self) -> Object {
        let document = json!({
            "server_name": self.name,
            "verify_keys": { self.key.id().as_str(): { "key": self.key.public().to_base64() } },
            "old_verify_keys": {},
            "valid_until_ts": self.handles.clock.now() + 24 * 3600 * 1000,
        });
        let mut document = document.as_object().unwrap().clone();
        signature::sign_json(&mut document, &self.name, &self.key);
        document
    }

    /// A room of our own that everybody may join.
    pub(crate) fn make_room(&self, creator: &str, version: RoomVersion) -> PeerRoom {
        let mut content = json!({ "room_version": version.as_str() });
        if version.rules().auth.creator_in_content {
            content["creator"] = json!(creator);
        }
        let id = (version != RoomVersion::V12).then(|| RoomId::parse(format!("!made:{}", self.name)).unwrap());
        let create = NewEvent {
            event_id: self.chosen_id(version),
            room_id: id,
            sender: user_id(creator),
            event_type: "m.room.create".to_owned(),
            state_key: Some(String::new()),
            content: content.as_object().unwrap().clone(),
            redacts: None,
            prev_events: Vec::new(),
            auth_events: Vec::new(),
            depth: 1,
            origin_server_ts: self.handles.clock.now(),
        };
        let create = create.sign(version, &self.name, &self.key).unwrap();
        let mut room =
            PeerRoom { id: create.room_id().clone(), version, base: Vec::new(), chain: Vec::new(), line: vec![create] };
        let levels = if version == RoomVersion::V12 { json!({}) } else { json!({ "users": { creator: 100 } }) };
        for draft in [
            draft(creator, "m.room.member", Some(creator), json!({ "membership": "join" })),
            draft(creator, "m.room.power_levels", Some(""), levels),
            draft(creator, "m.room.join_rules", Some(""), json!({ "join_rule": "public" })),
        ] {
            self.add(&mut room, draft);
        }
        room
    }

    /// Joins a room of `server`.
    pub(crate) async fn join(&self, server: &Server, room: &RoomId, version: RoomVersion, user: &str) -> PeerRoom {
        let path = format!("v1/make_join/{room}/{user}?ver={}", version.as_str());
        let template = self.get(server, &path).await.unwrap();
        assert_eq!(template["room_version"], version.as_str());
        let event = &template["event"];
        let read_one = |entry: &Value| Reference::read(entry, version).unwrap().event_id;
        let references = |key: &str| event[key].as_array().unwrap().iter().map(read_one).collect();
        let draft = draft(user, "m.room.member", Some(user), json!({ "membership": "join" }));
        let depth = event["depth"].as_i64().unwrap();
        let join = self.sign(room, version, &draft, references("prev_events"), references("auth_events"), depth);
        let path = format!("v2/send_join/{room}/{}", join.event_id().as_str().replace('/', "%2F"));
        let answer = self.ask(server, Method::PUT, &path, Some(Value::Object(join.object().clone()))).await.unwrap();
        let read = |key: &str| answer[key].as_array().unwrap().iter().map(|event| checked(event, version)).collect();
        PeerRoom { id: room.clone(), version, base: read("state"), chain: read("auth_chain"), line: vec![join] }
    }

    /// An id for an event, where ids are chosen.
    fn chosen_id(&self, version: RoomVersion) -> Option<EventId> {
        let id = format!("${}:{}", self.handles.random.token(20), self.name);
        matches!(version, RoomVersion::V1 | RoomVersion::V2).then(|| EventId::parse(id).unwrap())
    }

    /// Hashes and signs an event of version 1 anew.
    pub(crate) fn signed(&self, mut event: Value) -> Value {
        hash_and_sign(event.as_object_mut().unwrap(), RoomVersion::V1, &self.name, &self.key);
        event
    }

    /// Signs any event.
    pub(crate) fn sign(
        &self,
        room: &RoomId,
        version: RoomVersion,
        draft: &Draft,
        prev_events: Vec<EventId>,
        auth_events: Vec<EventId>,
        depth: i64,
    ) -> Pdu {
        let event = NewEvent {
            event_id: self.chosen_id(version),
            room_id: Some(room.clone()),
            sender: draft.sender.clone(),
            event_type: draft.event_type.clone(),
            state_key: draft.state_key.clone(),
            content: draft.content.clone(),
            redacts: draft.redacts.clone(),
            prev_events: prev_events.into_iter().map(Reference::by_id).collect(),
            auth_events: auth_events.into_iter().map(Reference::by_id).collect(),
            depth,
            origin_server_ts: self.handles.clock.now(),
        };
        event.sign(version, &self.name, &self.key).unwrap()
    }

    /// Makes an event that follows the last one of a room, with the right citations.
    pub(crate) fn next(&self, room: &PeerRoom, draft: Draft) -> Pdu {
        let last = room.line.last().unwrap();
        let auth = room.auth_events(&draft);
        self.sign(&room.id, room.version, &draft, vec![last.event_id().clone()], auth, last.depth() + 1)
    }

    /// Makes an event like another one, with other content: in room versions 1 and 2, where ids are chosen.
    pub(crate) fn again(&self, event: &Pdu, content: Value) -> Pdu {
        let references = |ids: &[EventId]| ids.iter().cloned().map(Reference::by_id).collect();
        let event = NewEvent {
            event_id: Some(event.event_id().clone()),
            room_id: Some(event.room_id().clone()),
            sender: event.sender().clone(),
            event_type: event.event_type().to_owned(),
            state_key: event.state_key().map(str::to_owned),
            content: content.as_object().unwrap().clone(),
            redacts: event.redacts(),
            prev_events: references(event.prev_events()),
            auth_events: references(event.auth_events()),
            depth: event.depth(),
            origin_server_ts: event.origin_server_ts(),
        };
        event.sign(RoomVersion::V1, &self.name, &self.key).unwrap()
    }

    /// Makes such an event, and adds it to the room.
    pub(crate) fn add(&self, room: &mut PeerRoom, draft: Draft) -> Pdu {
        let pdu = self.next(room, draft);
        room.line.push(pdu.clone());
        pdu
    }

    /// Sends PDUs in a transaction. Returns what was said about each.
    pub(crate) async fn send(&self, server: &Server, pdus: &[Value]) -> Value {
        let number = {
            let mut transactions = self.transactions.lock().unwrap();
            *transactions += 1;
            *transactions
        };
        let body = json!({ "origin": self.name, "origin_server_ts": self.handles.clock.now(), "pdus": pdus });
        self.ask(server, Method::PUT, &format!("v1/send/t{number}"), Some(body)).await.unwrap()["pdus"].clone()
    }

    /// Asks a server anything.
    pub(crate) async fn ask(
        &self,
        server: &Server,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, CallError> {
        let path = path.replace('$', "%24").replace('!', "%21");
        let path = format!("/_matrix/federation/{path}");
        self.client.call_resting(&server.name, method, path, body.as_ref(), LIMITS).await
    }

    /// Asks with GET.
    pub(crate) async fn get(&self, server: &Server, path: &str) -> Result<Value, CallError> {
        self.ask(server, Method::GET, path, None).await
    }
}

/// An event that a real server gave.
pub(crate) fn checked(event: &Value, version: RoomVersion) -> Pdu {
    let object = event.as_object().unwrap().clone();
    let id = events::hash::event_id(&object, version).unwrap();
    Pdu::from_store(object, version, id, false).unwrap()
}

/// The values of a parameter of a request's query.
fn asked(request: &Request, key: &str) -> Vec<String> {
    let query = request.path_and_query.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| decode(name) == key).map(|(_, value)| decode(value)).collect()
}

pub(crate) fn objects<'a>(pdus: impl Iterator<Item = &'a Pdu>) -> Vec<Value> {
    pdus.map(|pdu| Value::Object(pdu.object().clone())).collect()
}

pub(crate) fn object(pdu: &Pdu) -> Value {
    Value::Object(pdu.object().clone())
}

pub(crate) fn ids(pdus: &[Pdu]) -> Vec<&EventId> {
    pdus.iter().map(Pdu::event_id).collect()
}

/// Percent-decoding, as far as our own client encodes.
pub(crate) fn decode(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
            decoded.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).unwrap()
}
