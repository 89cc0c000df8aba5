//! What state resolution decides, and how it tells.

mod support;

use events::auth::{self, AuthEvent, Rejection};
use events::auth_graph::{AppendError, AuthGraph, EventIndex, Standing, StateMap};
use events::state_resolution::{Decision, Outcome, resolve};
use events::{EventId, Pdu, RoomVersion, Value};
use serde_json::json;
use support::{Draft, room_id, user};

#[test]
fn a_ban_beats_what_the_banned_did_meanwhile() {
    for version in [RoomVersion::V6, RoomVersion::V11, RoomVersion::V12] {
        let mut room = Room::new(version);
        let (mut one, mut other) = (room.state.clone(), room.state.clone());
        let ban = room.add(&mut one, "alice", "m.room.member", "@bob:a.test", json!({"membership": "ban"}));
        let topic = room.add(&mut other, "bob", "m.room.topic", "", json!({"topic": "mine"}));

        let resolution = resolve(&room.graph, &[&one, &other]).expect("within the budget");
        let decisions = resolution.decisions(&room.graph);
        let [member, topics] = decisions.as_slice() else { panic!("{decisions:#?}") };
        assert_eq!(member.winner, Some(room.id(ban)));
        let refused = Rejection::NotJoined {
            user: user("bob"),
            membership: Some(events::Membership::Ban),
            member: Some(room.id(ban)),
        };
        assert_eq!(outcome_of(topics, &room.id(topic)), &Outcome::Refused { rejection: refused });
        assert_eq!(topics.winner, None);
        assert_eq!(topics.candidates[0].states, [1]);
    }
}

#[test]
fn the_later_of_two_topics_holds() {
    let mut room = Room::new(RoomVersion::V11);
    let (mut one, mut other) = (room.state.clone(), room.state.clone());
    let earlier = room.add(&mut one, "alice", "m.room.topic", "", json!({"topic": "earlier"}));
    let later = room.add(&mut other, "bob", "m.room.topic", "", json!({"topic": "later"}));

    let resolution = resolve(&room.graph, &[&one, &other]).expect("within the budget");
    assert_eq!(resolution.state, other);
    let decisions = resolution.decisions(&room.graph);
    assert_eq!(outcome_of(&decisions[0], &room.id(earlier)), &Outcome::Overridden { by: room.id(later) });
    assert_eq!(outcome_of(&decisions[0], &room.id(later)), &Outcome::Won);
}

/// Bob's membership is in all forks, and but one of them cites it. Counted to the difference, it would come after all that those
/// with power did, and what bob did with power after it.
#[test]
fn what_all_forks_hold_is_not_in_the_auth_difference() {
    let mut room = Room::new(RoomVersion::V11);
    let mut state = room.state.clone();
    let levels = json!({"users": {"@alice:a.test": 100, "@bob:a.test": 100}});
    room.add(&mut state, "alice", "m.room.power_levels", "", levels);
    let (mut one, mut other) = (state.clone(), state);
    room.add(&mut one, "bob", "m.room.join_rules", "", json!({"join_rule": "invite"}));
    let later = room.add(&mut other, "alice", "m.room.join_rules", "", json!({"join_rule": "public"}));

    let resolution = resolve(&room.graph, &[&one, &other]).expect("within the budget");
    assert_eq!(resolution.decisions(&room.graph)[0].winner, Some(room.id(later)));
}

/// CVE-2022-39374: what was rejected does not come back by a fork.
#[test]
fn a_rejected_event_does_not_win() {
    let mut room = Room::new(RoomVersion::V11);
    let (one, mut other) = (room.state.clone(), room.state.clone());
    room.standing = Standing::Rejected;
    let rejected = room.add(&mut other, "alice", "m.room.topic", "", json!({"topic": "rejected"}));

    let resolution = resolve(&room.graph, &[&one, &other]).expect("within the budget");
    assert_eq!(resolution.state, one);
    let decisions = resolution.decisions(&room.graph);
    assert_eq!(outcome_of(&decisions[0], &room.id(rejected)), &Outcome::RejectedBefore);
}

/// "If a key that is required for checking the authorisation rules is not present in the state, then the appropriate state
/// event from the event's `auth_events` is used if the auth event is not rejected."
#[test]
fn a_rejected_auth_event_gives_no_permission() {
    for standing in [Standing::Accepted, Standing::Rejected] {
        let mut room = Room::new(RoomVersion::V11);
        let (mut one, other) = (room.state.clone(), room.state.clone());
        let key = room.graph.state_key_index("m.room.member", "@carol:a.test");
        assert_eq!(key, None, "carol is not in the room");
        room.standing = standing;
        room.add(&mut one, "carol", "m.room.member", "@carol:a.test", json!({"membership": "join"}));
        room.standing = Standing::Accepted;
        let own = room.add(&mut one, "carol", "m.room.topic", "", json!({}));
        let carol = room.graph.state_key_index("m.room.member", "@carol:a.test").expect("carol is known");
        one.remove(carol);

        let resolution = resolve(&room.graph, &[&one, &other]).expect("within the budget");
        let decisions = resolution.decisions(&room.graph);
        let passes = *outcome_of(&decisions[0], &room.id(own)) == Outcome::Won;
        assert_eq!(passes, standing == Standing::Accepted);
    }
}

#[test]
fn decisions_can_be_stored() {
    let mut room = Room::new(RoomVersion::V11);
    let (mut one, mut other) = (room.state.clone(), room.state.clone());
    room.add(&mut one, "alice", "m.room.member", "@bob:a.test", json!({"membership": "ban"}));
    room.add(&mut other, "bob", "m.room.topic", "", json!({"topic": "mine"}));
    let resolution = resolve(&room.graph, &[&one, &other]).expect("within the budget");
    let decisions = resolution.decisions(&room.graph);
    let stored = serde_json::to_value(&decisions).expect("decisions are JSON");
    assert_eq!(stored[1]["candidates"][0]["outcome"], "refused");
    assert_eq!(stored[1]["candidates"][0]["rejection"]["rule"], "not_joined");
    assert_eq!(serde_json::from_value::<Vec<Decision>>(stored).expect("and back"), decisions);
}

#[test]
fn nothing_resolves_to_nothing_and_one_state_to_itself() {
    let room = Room::new(RoomVersion::V11);
    assert!(resolve(&room.graph, &[]).expect("within the budget").state.is_empty());
    assert_eq!(resolve(&room.graph, &[&room.state]).expect("within the budget").state, room.state);
}

#[test]
fn events_enter_the_graph_after_what_they_cite() {
    let room = Room::new(RoomVersion::V11);
    let mut empty = AuthGraph::new(RoomVersion::V11);
    let member = room.graph.events().find(|event| event.event_type() == "m.room.member").expect("somebody is in");
    let missing =
        AppendError::MissingAuthEvent { event: member.event_id().clone(), cited: member.auth_events()[0].clone() };
    assert_eq!(empty.append(member.clone(), Standing::Accepted), Err(missing));
    let mut other = AuthGraph::new(RoomVersion::V6);
    let refused = AppendError::OtherVersion(member.event_id().clone());
    assert_eq!(other.append(member.clone(), Standing::Accepted), Err(refused));
}

/// Base citations of events that are taken out are none: an event that gets the number of one is counted afresh.
#[test]
fn events_that_were_taken_out_leave_no_trace() {
    let mut room = Room::new(RoomVersion::V11);
    let (before, len) = (room.state.clone(), room.graph.len());
    let mut base = events::state_resolution::Base::new(&room.graph, before.clone());
    let mut one = before.clone();
    let gone = room.add(&mut one, "bob", "m.room.topic", "", json!({"topic": "gone"}));
    let gone = room.id(gone);
    room.graph.truncate(len);
    assert_eq!(room.graph.index_of(&gone), None);
    let mut other = before;
    room.add(&mut other, "alice", "m.room.member", "@bob:a.test", json!({"membership": "ban"}));
    room.add(&mut other, "alice", "m.room.name", "", json!({"name": "after"}));
    base.move_to(&room.graph, &other);
    assert_eq!(base, events::state_resolution::Base::new(&room.graph, other));
}

fn outcome_of<'a>(decision: &'a Decision, event: &EventId) -> &'a Outcome {
    let candidate = decision.candidates.iter().find(|candidate| candidate.event == *event);
    &candidate.unwrap_or_else(|| panic!("{event} is no candidate of {decision:#?}")).outcome
}

/// A room with alice, who has all power, and bob, who may set the topic.
struct Room {
    version: RoomVersion,
    graph: AuthGraph,
    state: StateMap,
    room_id: events::RoomId,
    standing: Standing,
    clock: i64,
}

impl Room {
    fn new(version: RoomVersion) -> Self {
        let mut room = Self {
            version,
            graph: AuthGraph::new(version),
            state: StateMap::default(),
            room_id: room_id(version, None),
            standing: Standing::Accepted,
            clock: 0,
        };
        let mut state = StateMap::default();
        let create = room.add(&mut state, "alice", "m.room.create", "", json!({"creator": "@alice:a.test"}));
        room.room_id = room_id(version, Some(&room.id(create)));
        room.add(&mut state, "alice", "m.room.member", "@alice:a.test", json!({"membership": "join"}));
        let mut levels = json!({"users": {"@alice:a.test": 100}, "events": {"m.room.topic": 0}});
        if version == RoomVersion::V12 {
            levels["users"] = json!({});
        }
        room.add(&mut state, "alice", "m.room.power_levels", "", levels);
        room.add(&mut state, "alice", "m.room.join_rules", "", json!({"join_rule": "public"}));
        room.add(&mut state, "bob", "m.room.member", "@bob:a.test", json!({"membership": "join"}));
        room.state = state;
        room
    }

    fn id(&self, event: EventIndex) -> EventId {
        self.graph.event(event).event_id().clone()
    }

    fn add(
        &mut self,
        state: &mut StateMap,
        sender: &str,
        event_type: &str,
        state_key: &str,
        content: Value,
    ) -> EventIndex {
        self.clock += 1;
        let sender = user(sender);
        let object = content.as_object().cloned().unwrap_or_default();
        let types = auth::auth_types(self.version.rules(), event_type, &sender, Some(state_key), &object);
        let key = |(kind, key): &(String, String)| self.graph.state_key_index(kind, key);
        let cited = types.iter().filter_map(key).filter_map(|key| state.get(key));
        let draft = Draft {
            sender: &sender,
            event_type,
            state_key: Some(state_key),
            content,
            prev_events: Vec::new(),
            auth_events: cited.map(|event| self.id(event)).collect(),
            origin_server_ts: self.clock,
            redacts: None,
        };
        let pdu: Pdu = draft.make(self.version, &self.room_id);
        let index = self.graph.append(AuthEvent::new(&pdu), self.standing).expect("what it cites is there");
        state.insert(self.graph.state_key_of(index), index);
        index
    }
}
