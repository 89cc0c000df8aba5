//! Forks wider than the lists of missing events are long.

use std::collections::{BTreeMap, BTreeSet};

use events::{EventId, Pdu};
use persistence::transactions::graph::Outcome;
use serde_json::{Value, json};
use transport::Request;

use crate::peer::{Peer, PeerRoom, object};
use crate::receiving::{shared, until_outcome};
use crate::world::{World, message};

const EVE: &str = "@eve:evil.test";
/// Events that build on the same one.
const WIDE: usize = 45;
/// Events that join these, each some that lie apart.
const JOINS: usize = 9;
/// What a server lists at once. S2S API, `POST /get_missing_events/{roomId}`: by default ten.
const LISTED: usize = 20;

fn on(evil: &Peer, room: &PeerRoom, text: &str, parents: &[&Pdu]) -> Pdu {
    let draft = message(EVE, text);
    let depth = parents.iter().map(|parent| parent.depth()).max().unwrap() + 1;
    let ids = parents.iter().map(|parent| parent.event_id().clone()).collect();
    evil.sign(&room.id, room.version, &draft, ids, room.auth_events(&draft), depth)
}

/// As servers answer: from `latest_events` back to `earliest_events`, the deepest first, and of the same depth the last first.
fn missing(events: &BTreeMap<EventId, Pdu>, request: &Request) -> (u16, Value) {
    let body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
    let named = |key: &str| -> BTreeSet<EventId> {
        let ids = body[key].as_array().unwrap().iter().map(|id| EventId::parse(id.as_str().unwrap()).unwrap());
        ids.collect()
    };
    let mut seen = named("earliest_events");
    let parents = |id: &EventId| events.get(id).into_iter().flat_map(|pdu| pdu.prev_events().to_vec());
    let mut next: BTreeSet<(i64, EventId)> = BTreeSet::new();
    let push = |next: &mut BTreeSet<(i64, EventId)>, id: &EventId| {
        next.extend(parents(id).filter_map(|parent| Some((events.get(&parent)?.depth(), parent))));
    };
    named("latest_events").iter().for_each(|id| push(&mut next, id));
    let mut found = Vec::new();
    while let Some((_, id)) = next.pop_last().filter(|_| found.len() < LISTED) {
        if seen.insert(id.clone()) {
            push(&mut next, &id);
            found.push(object(&events[&id]));
        }
    }
    found.reverse();
    (200, json!({ "events": found }))
}

/// What we were told is named as what we have: else we would be told the same again and again.
#[tokio::test(start_paused = true)]
async fn a_fork_that_is_wider_than_a_list_comes_in_several() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let root = of_peer.line.last().unwrap();
    let forks: Vec<Pdu> = (0..WIDE).map(|at| on(&evil, &of_peer, &format!("fork {at}"), &[root])).collect();
    let mut by_id: Vec<&Pdu> = forks.iter().collect();
    by_id.sort_by_key(|fork| fork.event_id());
    let joins: Vec<Pdu> = (0..JOINS)
        .map(|join| {
            let parents: Vec<&Pdu> = by_id.iter().skip(join).step_by(JOINS).copied().collect();
            on(&evil, &of_peer, &format!("join {join}"), &parents)
        })
        .collect();
    let last = on(&evil, &of_peer, "last", &joins.iter().collect::<Vec<_>>());
    let all: BTreeMap<EventId, Pdu> =
        forks.iter().chain(&joins).chain([&last]).map(|pdu| (pdu.event_id().clone(), pdu.clone())).collect();
    evil.answers("get_missing_events", move |request| missing(&all, request));

    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    for fork in &forks {
        assert_eq!(a.outcome(&room, fork.event_id()).await, Some(Outcome::Accepted));
    }
    assert_eq!(evil.asked("v1/event/"), 0, "none is asked for by itself");
    assert_eq!(evil.asked("get_missing_events"), (WIDE + JOINS).div_ceil(LISTED));
}
