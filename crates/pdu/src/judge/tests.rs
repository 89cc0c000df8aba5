//! What is decided about events, as tables: a line is an event, in the order of arrival.
//!
//! `label parents sender action ! step: why`; after `cites` come the labels of the auth events, where the event does not cite what
//! it should, and after `at` what its sender's clock shows. Each table is judged twice: event by event, and as one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use events::auth::auth_types;
use events::{Object, RoomId, RoomVersion, UserId, Value};
use persistence::transactions::rooms::RoomRow;
use persistence::{EventNumber, RoomNumber};
use serde_json::json;

use super::*;

/// Alice made the room and has all power; bob may set the topic and carol nothing.
const ROOM: &str = "
    create  -        alice  create
    alice   create   alice  join
    levels  alice    alice  levels
    rules   levels   alice  public
    bob     rules    bob    join
    carol   bob      carol  join";

#[test]
fn what_the_current_state_forbids_is_soft_failed() {
    let table = judge_table(
        "ban     carol    alice  ban bob
         late    carol    bob    say        ! current_state: @bob:b.test is not in the room
         own     carol    carol  say",
    );
    table.assert_heads(["ban", "own"]);
    table.assert_holds("m.room.member", "@bob:b.test", "ban");
}

#[test]
fn what_its_auth_events_forbid_is_rejected() {
    let table = judge_table(
        "topic   carol    carol  topic      ! auth_events: @carol:c.test has power level 0
         say     carol    bob    say        cites create,levels  ! auth_events: @bob:b.test is not in the room
         on      topic    alice  say",
    );
    table.assert_heads(["on"]);
    assert_eq!(table.holder("m.room.topic", ""), None);
}

#[test]
fn what_cites_something_rejected_is_rejected() {
    judge_table(
        "join    carol    dave   join  cites create,levels  ! auth_events: @dave:d.test is not invited
         say     join     dave   say   cites create,levels,join  ! auth_events: was itself rejected",
    )
    .assert_heads(["carol"]);
}

#[test]
fn what_the_state_before_it_forbids_is_rejected() {
    let table = judge_table(
        "ban     carol    alice  ban bob
         topic   ban      bob    topic  cites create,levels,bob  ! state_before: @bob:b.test is not in the room",
    );
    table.assert_heads(["ban"]);
    assert_eq!(table.holder("m.room.topic", ""), None);
}

#[test]
fn a_conflict_is_decided_against_the_order_of_arrival() {
    let table = judge_table(
        "later   carol    alice  topic  at 200
         sooner  carol    alice  topic  at 100",
    );
    table.assert_heads(["later", "sooner"]);
    table.assert_holds("m.room.topic", "", "later");

    let table = judge_table(
        "later   carol    alice  topic  at 200
         sooner  carol    alice  topic  at 100
         merge   later,sooner  carol  say",
    );
    table.assert_heads(["merge"]);
    table.assert_holds("m.room.topic", "", "later");
    assert_eq!(table.room.current.as_ref().unwrap().servers.names(&table.room.servers).len(), 3);
}

/// Bob's topic came first and was accepted; the ban that comes later is older in the eyes of state resolution.
#[test]
fn a_ban_undoes_what_the_banned_did_at_the_same_time() {
    let table = judge_table(
        "topic   carol    bob    topic
         ban     carol    alice  ban bob
         merge   topic,ban  carol  say",
    );
    table.assert_heads(["merge"]);
    table.assert_holds("m.room.member", "@bob:b.test", "ban");
    assert_eq!(table.holder("m.room.topic", ""), None);
    let servers = table.room.current.as_ref().unwrap().servers.names(&table.room.servers);
    assert_eq!(servers.iter().map(ServerName::as_str).collect::<Vec<_>>(), ["a.test", "c.test"]);
}

#[test]
fn an_event_takes_the_place_of_the_extremities_behind_a_soft_failed_one() {
    let table = judge_table(
        "quiet   carol    carol  say
         ban     carol    alice  ban bob
         late    quiet    bob    say        ! current_state: @bob:b.test is not in the room
         again   late     bob    say        ! current_state: @bob:b.test is not in the room
         on      again    carol  say",
    );
    table.assert_heads(["ban", "on"]);
}

#[test]
fn what_cannot_be_judged_leaves_no_trace() {
    let mut table = judge_table("");
    let known = table.room.graph.len();
    let good = table.event(&Line::parse("ban carol alice ban bob"));
    let lost = table.event(&Line::parse("lost carol alice topic"));
    let candidates = [good.clone(), lost].map(|pdu| Candidate { pdu, origin: None });
    let mut around = table.around();
    around.parents.clear();
    let carol = table.placed["carol"].clone();
    around.parents.insert(table.ids["carol"].clone(), carol.parent);
    assert!(judge(&mut table.room, candidates.into(), &around).is_ok());
    table.room.undo(known);
    assert_eq!(table.room.graph.index_of(good.event_id()), None);
    around.parents.clear();
    let unknown = judge(&mut table.room, vec![Candidate { pdu: good, origin: None }], &around);
    assert!(matches!(unknown, Err(JudgeError::UnknownParent { .. })));
    assert_eq!(table.room.graph.len(), known);
}

/// Judges the events of [`ROOM`] and of `lines`, one by one and all at once, and checks what is said of each.
fn judge_table(lines: &str) -> Table {
    let lines: Vec<Line<'_>> =
        ROOM.lines().chain(lines.lines()).filter(|line| !line.trim().is_empty()).map(Line::parse).collect();
    let mut single = Table::new();
    for line in &lines {
        let pdu = single.event(line);
        single.judge(vec![pdu]);
    }
    for line in &lines {
        let verdict = &single.verdicts[&single.ids[line.label]];
        match (line.refused, &verdict.rejection) {
            (None, None) => {}
            (Some((step, why)), Some(rejection)) => {
                assert_eq!(json!(verdict.step), step, "{}: {rejection}", line.label);
                assert!(rejection.to_string().contains(why), "{}: {rejection}", line.label);
            }
            (expected, found) => panic!("{}: expected {expected:?}, found {found:?}", line.label),
        }
    }
    let mut batch = Table::new();
    batch.judge(single.pdus.clone());
    assert_eq!(batch.verdicts, single.verdicts);
    let heads =
        |table: &Table| -> BTreeSet<EventId> { table.room.heads.iter().map(|head| head.event_id().clone()).collect() };
    assert_eq!(heads(&batch), heads(&single));
    assert_eq!(batch.state(), single.state());
    single
}

struct Line<'a> {
    label: &'a str,
    parents: Vec<&'a str>,
    sender: &'a str,
    action: &'a str,
    target: &'a str,
    cites: Option<Vec<&'a str>>,
    at: Option<i64>,
    /// The step, and words of the reason.
    refused: Option<(&'a str, &'a str)>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let (event, refused) = match line.split_once('!') {
            Some((event, refused)) => (event, refused.trim().split_once(": ")),
            None => (line, None),
        };
        let words: Vec<&str> = event.split_whitespace().collect();
        let after = |word: &str| words.iter().position(|other| *other == word).map(|at| words[at + 1]);
        let list = |words: &'a str| words.split(',').filter(|word| *word != "-").collect::<Vec<_>>();
        Self {
            label: words[0],
            parents: list(words[1]),
            sender: words[2],
            action: words[3],
            target: words.get(4).copied().unwrap_or_default(),
            cites: after("cites").map(list),
            at: after("at").map(|at| at.parse().unwrap()),
            refused,
        }
    }
}

#[derive(Clone)]
struct PlacedEvent {
    parent: Parent,
    number: EventNumber,
    outcome: Outcome,
    parents: Vec<EventId>,
}

/// A room without a database.
struct Table {
    room: Room,
    ids: BTreeMap<String, EventId>,
    pdus: Vec<Pdu>,
    placed: BTreeMap<String, PlacedEvent>,
    verdicts: BTreeMap<EventId, Verdict>,
}

impl Table {
    fn new() -> Self {
        let row = RoomRow {
            number: RoomNumber(1),
            room_id: RoomId::parse("!room:a.test").unwrap(),
            version: RoomVersion::V11,
            turn: 0,
            state: None,
        };
        let room = Room::empty(row.number, row.room_id, row.version, row.turn);
        let (ids, placed, verdicts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { room, ids, pdus: Vec::new(), placed, verdicts }
    }

    /// Makes the event of a line, on the states that were judged so far.
    fn event(&mut self, line: &Line<'_>) -> Pdu {
        let sender = user(line.sender);
        let (event_type, state_key, content) = match line.action {
            "create" => ("m.room.create", Some(String::new()), json!({"room_version": "11"})),
            "join" => ("m.room.member", Some(sender.to_string()), json!({"membership": "join"})),
            "ban" => ("m.room.member", Some(user(line.target).to_string()), json!({"membership": "ban"})),
            "levels" => {
                let users = json!({"@alice:a.test": 100, "@bob:b.test": 50});
                ("m.room.power_levels", Some(String::new()), json!({"users": users}))
            }
            "public" => ("m.room.join_rules", Some(String::new()), json!({"join_rule": "public"})),
            "topic" => ("m.room.topic", Some(String::new()), json!({"topic": line.label})),
            "say" => ("m.room.message", None, json!({"body": line.label})),
            other => panic!("what is to {other}?"),
        };
        let auth_events = match &line.cites {
            Some(labels) => labels.iter().map(|label| self.ids[*label].clone()).collect(),
            None => self.auth_events(line, event_type, &sender, state_key.as_deref(), &content),
        };
        let time = line.at.unwrap_or(i64::try_from(self.pdus.len()).unwrap());
        let prev: Vec<&EventId> = line.parents.iter().map(|label| &self.ids[*label]).collect();
        let mut object = json!({
            "room_id": self.room.room_id, "sender": sender, "type": event_type, "content": content, "depth": self.pdus.len(),
            "origin_server_ts": time, "prev_events": prev, "auth_events": auth_events, "hashes": {}, "signatures": {},
        });
        if let Some(state_key) = state_key {
            object["state_key"] = json!(state_key);
        }
        let object: Object = object.as_object().cloned().unwrap();
        let id = events::hash::event_id(&object, RoomVersion::V11).unwrap();
        let pdu = Pdu::from_store(object, RoomVersion::V11, id.clone(), false).unwrap();
        self.ids.insert(line.label.to_owned(), id);
        self.pdus.push(pdu.clone());
        pdu
    }

    fn auth_events(
        &mut self,
        line: &Line<'_>,
        event_type: &str,
        sender: &UserId,
        state_key: Option<&str>,
        content: &Value,
    ) -> Vec<EventId> {
        let states: Vec<Arc<State>> =
            line.parents.iter().map(|label| Arc::clone(&self.placed[*label].parent.after)).collect();
        let maps: Vec<&StateMap> = states.iter().map(|state| &state.map).collect();
        let state = self.room.resolve(&maps).unwrap().state;
        let content = content.as_object().cloned().unwrap();
        let types = auth_types(self.room.version.rules(), event_type, sender, state_key, &content);
        let view = View { graph: &self.room.graph, map: &state };
        let cited = types.iter().filter_map(|(kind, key)| events::auth::StateView::get(&view, kind, key));
        cited.map(|event| event.event_id().clone()).collect()
    }

    fn around(&self) -> Surroundings {
        let parents = self.placed.values().map(|placed| placed.parent.clone());
        let ids = self.placed.keys().map(|label| self.ids[label].clone());
        Surroundings { parents: ids.zip(parents).collect(), ..Surroundings::default() }
    }

    /// Judges and does what a commit does to the room in memory.
    fn judge(&mut self, pdus: Vec<Pdu>) {
        let candidates = pdus.into_iter().map(|pdu| Candidate { pdu, origin: None }).collect();
        let around = self.around();
        let advance = judge(&mut self.room, candidates, &around).unwrap();
        for judged in advance.judged {
            let (id, outcome) = (judged.pdu.event_id().clone(), judged.verdict.outcome());
            let number = EventNumber(i64::try_from(self.verdicts.len()).unwrap());
            let parents = judged.pdu.prev_events().to_vec();
            let accepted_ancestors = if outcome == Outcome::Accepted { Vec::new() } else { self.accepted(&parents) };
            let parent = Parent { topological: judged.topological, after: judged.after, accepted_ancestors };
            let label = self.ids.iter().find(|(_, other)| **other == id);
            let label = label.map_or_else(|| id.to_string(), |(label, _)| label.clone());
            self.ids.insert(label.clone(), id.clone());
            self.placed.insert(label, PlacedEvent { parent, number, outcome, parents });
            self.verdicts.insert(id, judged.verdict);
        }
        let numbers: BTreeMap<&EventId, EventNumber> =
            self.placed.iter().map(|(label, placed)| (&self.ids[label], placed.number)).collect();
        let head = |head: NewHead| Head {
            number: numbers[head.event_id()],
            reference: head.reference,
            depth: head.depth,
            topological: head.topological,
            after: head.after,
        };
        self.room.heads = advance.heads.into_iter().map(head).collect();
        self.room.current = Some(advance.current);
    }

    /// The nearest accepted ancestors.
    fn accepted(&self, parents: &[EventId]) -> Vec<EventNumber> {
        let of_parent = |id: &EventId| {
            let (label, _) = self.ids.iter().find(|(_, other)| *other == id).unwrap();
            let placed = &self.placed[label];
            if placed.outcome == Outcome::Accepted { vec![placed.number] } else { self.accepted(&placed.parents) }
        };
        parents.iter().flat_map(of_parent).collect()
    }

    /// The label of the event that holds in the current state.
    fn holder(&self, event_type: &str, state_key: &str) -> Option<&str> {
        let id = self.room.current_event(event_type, state_key)?.event_id();
        self.ids.iter().find(|(_, other)| *other == id).map(|(label, _)| label.as_str())
    }

    fn state(&self) -> BTreeSet<EventId> {
        let current = &self.room.current.as_ref().unwrap().map;
        current.iter().map(|(_, index)| self.room.graph.event(index).event_id().clone()).collect()
    }

    fn assert_holds(&self, event_type: &str, state_key: &str, label: &str) {
        assert_eq!(self.holder(event_type, state_key), Some(label), "{event_type} {state_key}");
    }

    fn assert_heads<const N: usize>(&self, labels: [&str; N]) {
        let heads: BTreeSet<&EventId> = self.room.heads.iter().map(Head::event_id).collect();
        let expected: BTreeSet<&EventId> = labels.iter().map(|label| &self.ids[*label]).collect();
        assert_eq!(heads, expected, "of {:#?}", self.ids);
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(format!("@{name}:{}.test", &name[..1])).unwrap()
}
