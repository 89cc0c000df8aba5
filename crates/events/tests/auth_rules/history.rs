//! Rooms as a few lines of text.

use std::collections::BTreeMap;

use events::RoomVersion::{self, V3, V5, V6, V7, V8, V9, V10, V11, V12};
use events::auth::{self, AuthEvent, Cited, Rejection};
use events::{EventId, Object, Pdu, SigningKey, UserId, Value};
use serde_json::json;

use crate::support::{Draft, State, room_id, select_auth_events, user};

/// Versions 3 to 12.
pub(crate) const FROM_3: [RoomVersion; 10] = [V3, RoomVersion::V4, V5, V6, V7, V8, V9, V10, V11, V12];

/// Runs a room's history. Actions:
///
/// - `create [JSON]`, `levels JSON`, `rule NAME`
/// - `join [unsigned] [via USER]`, `leave`, `knock`, `invite USER`, `kick USER`, `ban USER`, `unban USER`,
///   `member USER MEMBERSHIP`
/// - `send TYPE`, `state TYPE [KEY]`, `raw TYPE KEY JSON` (the key `/` is the empty one, `-` is none), `redact EVENT`
/// - `offer TOKEN KEY` and `accept USER[:MXID] TOKEN KEY` for third-party invites
pub(crate) fn check_auth(version: RoomVersion, history: &str) {
    Room::new(version).run(history);
}

pub(crate) struct Room {
    version: RoomVersion,
    state: State,
    last: Option<EventId>,
    known: BTreeMap<EventId, AuthEvent>,
    clock: i64,
}

impl Room {
    pub(crate) fn new(version: RoomVersion) -> Self {
        Self { version, state: State::new(), last: None, known: BTreeMap::new(), clock: 0 }
    }

    pub(crate) fn run(&mut self, history: &str) {
        for line in history.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (action, refused) = match line.split_once(" ! ") {
                Some((action, words)) => (action, Some(words.trim())),
                None => (line, None),
            };
            let words: Vec<&str> = action.split_whitespace().collect();
            let event = self.make(words[0], &words[1..]).unwrap_or_else(|| panic!("no such action: {line}"));
            let by_auth_events = self.judge(&event);
            let state: Vec<AuthEvent> = self.state.values().cloned().collect();
            let is_create = event.event_type() == "m.room.create";
            let by_state = auth::check_state(&AuthEvent::new(&event), &state);
            if !is_create {
                assert_eq!(by_auth_events, by_state, "{line} (version {}): two opinions", self.version);
            }
            match (by_auth_events, refused) {
                (Ok(()), None) => self.advance(&event),
                (Err(rejection), Some(words)) => {
                    let reason = rejection.to_string();
                    assert!(reason.contains(words), "{line} (version {}): refused, but: {reason}", self.version);
                }
                (Ok(()), Some(_)) => panic!("{line} (version {}): was not refused", self.version),
                (Err(rejection), None) => panic!("{line} (version {}): refused: {rejection}", self.version),
            }
        }
    }

    pub(crate) fn make(&self, sender: &str, action: &[&str]) -> Option<Pdu> {
        let member = |who: &str, membership: &str| {
            Some(self.plain(sender, "m.room.member", Some(user(who).as_str()), json!({"membership": membership})))
        };
        match action {
            ["create", rest @ ..] => {
                let mut content = if rest.is_empty() { json!({}) } else { parse(rest) };
                if self.version.rules().auth.creator_in_content && content.get("creator").is_none() {
                    content["creator"] = json!(user(sender));
                }
                Some(self.plain(sender, "m.room.create", Some(""), content))
            }
            ["levels", rest @ ..] => {
                Some(self.plain(sender, "m.room.power_levels", Some(""), self.levels(parse(rest))))
            }
            ["rule", name] => Some(self.plain(sender, "m.room.join_rules", Some(""), json!({"join_rule": name}))),
            ["join", "unsigned", "via", authoriser] => Some(self.join_unsigned(sender, authoriser)),
            ["join", "via", authoriser] => {
                let content = json!({"membership": "join", "join_authorised_via_users_server": user(authoriser)});
                Some(self.plain(sender, "m.room.member", Some(user(sender).as_str()), content))
            }
            [membership @ ("join" | "leave" | "knock")] => member(sender, membership),
            ["invite", who] => member(who, "invite"),
            ["kick" | "unban", who] => member(who, "leave"),
            ["ban", who] => member(who, "ban"),
            ["member", who, membership] => member(who, membership),
            ["send", event_type] => Some(self.plain(sender, event_type, None, json!({}))),
            ["state", event_type] => Some(self.plain(sender, event_type, Some(""), json!({}))),
            ["state", event_type, key] => Some(self.plain(sender, event_type, Some(key), json!({}))),
            ["raw", event_type, key, rest @ ..] => {
                let key = Some(*key).filter(|key| *key != "-").map(|key| if key == "/" { "" } else { key });
                Some(self.plain(sender, event_type, key, parse(rest)))
            }
            ["redact", event] => {
                let content = if self.version >= V11 { json!({"redacts": event}) } else { json!({}) };
                let draft = self.draft(sender, "m.room.redaction", None, content);
                let redacts = Some(*event).filter(|_| self.version < V11);
                Some(Draft { redacts, ..draft }.make(self.version, &self.room_id()))
            }
            ["offer", token, key] => {
                let content = json!({"public_keys": [{"public_key": "not a key"}, {"public_key": key_of(key).public().to_base64()}]});
                Some(self.plain(sender, "m.room.third_party_invite", Some(token), content))
            }
            ["accept", who, token, key] => Some(self.accept(sender, who, token, key)),
            _ => None,
        }
    }

    /// In version 12 the creators have no entry, and elsewhere whoever is not listed is lost: so alice is, with 100.
    fn levels(&self, mut content: Value) -> Value {
        if let Some(users) = content.get_mut("users").and_then(Value::as_object_mut)
            && self.version != V12
            && !users.contains_key("@alice:a.test")
        {
            users.insert("@alice:a.test".to_owned(), json!(100));
        }
        content
    }

    fn accept(&self, sender: &str, who: &str, token: &str, key: &str) -> Pdu {
        let (who, mxid) = who.split_once(':').unwrap_or((who, who));
        let mut signed =
            Object::from_iter([("mxid".to_owned(), json!(user(mxid))), ("token".to_owned(), json!(token))]);
        if key != "nokey" {
            events::signature::sign_json(&mut signed, &user(sender).server(), &key_of(key));
        }
        let content = json!({"membership": "invite", "third_party_invite": {"display_name": "b", "signed": signed}});
        self.plain(sender, "m.room.member", Some(user(who).as_str()), content)
    }

    /// A join that only the sender's server has signed.
    fn join_unsigned(&self, sender: &str, authoriser: &str) -> Pdu {
        let content = json!({"membership": "join", "join_authorised_via_users_server": user(authoriser)});
        let state_key = user(sender).to_string();
        let draft = self.draft(sender, "m.room.member", Some(&state_key), content);
        let references = |ids: &[EventId]| ids.iter().cloned().map(events::Reference::by_id).collect();
        let event = events::NewEvent {
            event_id: EventId::parse("$unsigned:a.test").ok(),
            room_id: Some(self.room_id()),
            sender: user(sender),
            event_type: draft.event_type.to_owned(),
            state_key: Some(state_key.clone()),
            content: Object::from_iter([
                ("membership".to_owned(), json!("join")),
                ("join_authorised_via_users_server".to_owned(), json!(user(authoriser))),
            ]),
            redacts: None,
            prev_events: references(&draft.prev_events),
            auth_events: references(&draft.auth_events),
            depth: 5,
            origin_server_ts: draft.origin_server_ts,
        };
        event.sign(self.version, &user(sender).server(), &key_of("server")).expect("the event is well-formed")
    }

    fn plain(&self, sender: &str, event_type: &str, state_key: Option<&str>, content: Value) -> Pdu {
        self.draft(sender, event_type, state_key, content).make(self.version, &self.room_id())
    }

    pub(crate) fn draft<'a>(
        &self,
        sender: &str,
        event_type: &'a str,
        state_key: Option<&'a str>,
        content: Value,
    ) -> Draft<'a> {
        let sender: &'static UserId = Box::leak(Box::new(user(sender)));
        let mut draft = Draft {
            sender,
            event_type,
            state_key,
            content,
            prev_events: self.last.clone().into_iter().collect(),
            auth_events: Vec::new(),
            origin_server_ts: self.clock,
            redacts: None,
        };
        draft.auth_events = select_auth_events(self.version, &self.state, &draft);
        draft
    }

    pub(crate) fn room_id(&self) -> events::RoomId {
        let create = self.state.get(&("m.room.create".to_owned(), String::new()));
        room_id(self.version, create.map(AuthEvent::event_id))
    }

    pub(crate) fn event(&self, event_type: &str, state_key: &str) -> &AuthEvent {
        &self.state[&(event_type.to_owned(), state_key.to_owned())]
    }

    pub(crate) fn cited(&self, event: &Pdu) -> Vec<Cited> {
        let cite = |id: &EventId| Cited { event: self.known[id].clone(), rejected: false };
        event.auth_events().iter().map(cite).collect()
    }

    pub(crate) fn judge(&self, event: &Pdu) -> Result<(), Rejection> {
        let create = self.state.get(&("m.room.create".to_owned(), String::new()));
        auth::check_auth_events(&AuthEvent::new(event), &self.cited(event), create)
    }

    fn advance(&mut self, event: &Pdu) {
        let judged = AuthEvent::new(event);
        self.clock += 1;
        self.last = Some(event.event_id().clone());
        self.known.insert(event.event_id().clone(), judged.clone());
        if let Some(key) = event.state_key() {
            self.state.insert((event.event_type().to_owned(), key.to_owned()), judged);
        }
    }
}

fn parse(words: &[&str]) -> Value {
    serde_json::from_str(&words.join(" ")).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn key_of(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_seed(events::KeyId::parse("ed25519:1").expect("a key id"), &seed)
}
