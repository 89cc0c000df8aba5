//! A room as a peer that a test plays knows it.

use std::collections::{BTreeMap, BTreeSet};

use events::auth::auth_types;
use events::{EventId, Pdu, Reference, RoomId, RoomVersion, Value};
use pdu::Draft;
use serde_json::json;

/// A room as a peer knows it: one line of events, with the state events that it builds on.
#[derive(Clone)]
pub(crate) struct PeerRoom {
    pub(crate) id: RoomId,
    pub(crate) version: RoomVersion,
    /// State from before the line began, as `/send_join` gave it.
    pub(crate) base: Vec<Pdu>,
    /// What the base cites.
    pub(crate) chain: Vec<Pdu>,
    pub(crate) line: Vec<Pdu>,
}

impl PeerRoom {
    pub(crate) fn find(&self, id: &str) -> Option<Pdu> {
        self.all().find(|pdu| pdu.event_id().as_str() == id).cloned()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Pdu> {
        self.base.iter().chain(&self.chain).chain(&self.line)
    }

    /// The state after everything.
    pub(crate) fn state(&self) -> BTreeMap<(String, String), Pdu> {
        self.state_of(self.line.len())
    }

    pub(crate) fn has_member(&self, user: &str) -> bool {
        let member = self.state().remove(&("m.room.member".to_owned(), user.to_owned()));
        member.is_some_and(|member| member.content()["membership"] == "join")
    }

    pub(crate) fn state_of(&self, events: usize) -> BTreeMap<(String, String), Pdu> {
        let mut state = BTreeMap::new();
        for pdu in self.base.iter().chain(&self.line[..events]) {
            if let Some(key) = pdu.state_key() {
                state.insert((pdu.event_type().to_owned(), key.to_owned()), pdu.clone());
            }
        }
        state
    }

    pub(crate) fn state_before(&self, event: &str) -> Option<(Vec<Pdu>, Vec<Pdu>)> {
        let at = self.line.iter().position(|pdu| pdu.event_id().as_str() == event)?;
        let state: Vec<Pdu> = self.state_of(at).into_values().collect();
        let chain = self.auth_chain(state.clone());
        Some((state, chain))
    }

    pub(crate) fn auth_chain(&self, of: Vec<Pdu>) -> Vec<Pdu> {
        let mut chain = Vec::new();
        let mut seen: BTreeSet<EventId> = BTreeSet::new();
        let mut to_walk = of;
        while let Some(pdu) = to_walk.pop() {
            for id in pdu.auth_events() {
                if seen.insert(id.clone()) {
                    let cited = self.find(id.as_str()).expect("a peer knows what it cites");
                    to_walk.push(cited.clone());
                    chain.push(cited);
                }
            }
        }
        chain
    }

    pub(crate) fn auth_events(&self, draft: &Draft) -> Vec<EventId> {
        let types = auth_types(
            self.version.rules(),
            &draft.event_type,
            &draft.sender,
            draft.state_key.as_deref(),
            &draft.content,
        );
        let state = self.state();
        types.iter().filter_map(|key| state.get(key)).map(|pdu| pdu.event_id().clone()).collect()
    }

    pub(crate) fn template(&self, draft: &Draft) -> Value {
        let last = self.line.last().unwrap();
        let reference = |id: &EventId| Reference::by_id(id.clone()).write(self.version);
        let auth_events: Vec<Value> = self.auth_events(draft).iter().map(reference).collect();
        json!({
            "room_version": self.version.as_str(),
            "event": {
                "room_id": self.id, "sender": draft.sender, "type": draft.event_type, "state_key": draft.state_key,
                "content": draft.content, "prev_events": [reference(last.event_id())], "auth_events": auth_events,
                "depth": last.depth() + 1,
            },
        })
    }
}
