//! Rooms that are joined without most of their members, until these are here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::{EventId, Pdu, RoomId, RoomVersion, Value};
use http::Method;
use pdu::limits::{PARTIAL_HORIZON, SINGLE_EVENTS_MAX, WHOLE_WAIT_MAX};
use pdu::{SendError, Step};
use persistence::transactions::graph::Outcome;
use persistence::transactions::{partial, state as snapshots};
use serde_json::json;
use transport::Request;

use crate::gaps::with_a_gap;
use crate::peer::{Peer, PeerRoom, object, objects};
use crate::receiving::until_outcome;
use crate::world::{Server, World, draft, message, state};

const V: RoomVersion = RoomVersion::V11;
pub(crate) const ALICE: &str = "@alice:a.test";
pub(crate) const EVE: &str = "@eve:evil.test";
const MALLORY: &str = "@mallory:evil.test";

pub(crate) fn member(sender: &str, user: &str, membership: &str) -> pdu::Draft {
    draft(sender, "m.room.member", Some(user), json!({ "membership": membership }))
}

/// A room of a peer with so many members beside its maker. One of them is banned.
pub(crate) async fn room_of_many(world: &World, members: usize) -> (Server, Arc<Peer>, PeerRoom) {
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room(EVE, V);
    for number in 0..members {
        let user = format!("@u{number}:evil.test");
        evil.add(&mut room, member(&user, &user, "join"));
    }
    evil.add(&mut room, member(MALLORY, MALLORY, "join"));
    evil.add(&mut room, member(EVE, MALLORY, "ban"));
    evil.host(&room);
    omits_members(&evil, &room);
    (a, evil, room)
}

/// Has the peer let everybody in without telling the members.
pub(crate) fn omits_members(evil: &Peer, room: &PeerRoom) {
    let (room, us) = (room.clone(), evil.name.clone());
    evil.answers("/v2/send_join/", move |request| {
        assert!(request.path_and_query.ends_with("?omit_members=true"), "{}", request.path_and_query);
        let event: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        let state = room.state().into_values();
        let is_told = |pdu: &Pdu| pdu.event_type() != "m.room.member" || pdu.state_key() == event["state_key"].as_str();
        let state: Vec<Pdu> = state.filter(is_told).collect();
        let chain = room.auth_chain(state.clone());
        let answer = json!({
            "event": event, "state": objects(state.iter()), "auth_chain": objects(chain.iter()),
            "members_omitted": true, "servers_in_room": [us, "good.test", "gone.test"],
        });
        (200, answer)
    });
}

pub(crate) fn refuses(evil: &Peer, what: &str) {
    evil.answers(what, |_| (503, json!({ "errcode": "M_UNKNOWN", "error": "not now" })));
}

/// Has the peer tell the state of the room before anything that is asked for.
pub(crate) fn tells_state(evil: &Peer, room: &PeerRoom) {
    let ids = |pdus: &[Pdu]| pdus.iter().map(|pdu| pdu.event_id().to_string()).collect::<Vec<_>>();
    let state: Vec<Pdu> = room.state().into_values().collect();
    let chain = room.auth_chain(state.clone());
    let named = json!({ "pdu_ids": ids(&state), "auth_chain_ids": ids(&chain) });
    let whole = json!({ "pdus": objects(state.iter()), "auth_chain": objects(chain.iter()) });
    evil.answers("/v1/state_ids/", move |_: &Request| (200, named.clone()));
    evil.answers("/v1/state/", move |_: &Request| (200, whole.clone()));
}

pub(crate) async fn is_partial(server: &Server, room: &RoomId) -> bool {
    server.read(room, |tx, room, _| Ok(partial::find(tx, room)?.is_some())).await
}

pub(crate) async fn until_whole(world: &World, server: &Server, room: &RoomId) {
    world.until("all members to be here", || async { !is_partial(server, room).await }).await;
}

/// Joins, and adds the join to what the peer knows of the room.
pub(crate) async fn join(a: &Server, evil: &Peer, room: &mut PeerRoom) -> EventId {
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    assert!(is_partial(a, &room.id).await);
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    joined.event_id
}

pub(crate) async fn has_whole_state(a: &Server, room: &PeerRoom) -> bool {
    let mut state: Vec<EventId> = room.state().into_values().map(|pdu| pdu.event_id().clone()).collect();
    let mut ours = a.current_state(&room.id).await;
    state.sort();
    ours.sort();
    state == ours
}

/// Removes the states that are of no event, and counts them.
pub(crate) async fn unused_states(server: &Server, room: &RoomId) -> usize {
    let number = server.read(room, |_, number, _| Ok(number)).await;
    server.database.write(move |tx| snapshots::sweep_room(tx, number)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_room_is_read_and_written_before_its_members_are_here() {
    for members in [3, SINGLE_EVENTS_MAX + 20] {
        let world = World::new();
        let (a, evil, mut room) = room_of_many(&world, members).await;
        let before_join = room.clone();
        refuses(&evil, "/v1/state");
        join(&a, &evil, &mut room).await;

        let said = a.say(&room.id, ALICE, "before the members are here").await;
        world.until("the message to arrive", || async { !evil.received().is_empty() }).await;
        room.line.push(a.visible(&room.id, &said).await.unwrap());
        // Somebody whom the state that we were told does not name.
        let hello = evil.add(&mut room, message("@u1:evil.test", "hello"));
        let topic = evil.add(&mut room, state(EVE, "m.room.topic", json!({ "topic": "new" })));
        evil.send(&a, &[object(&hello), object(&topic)]).await;
        for pdu in [&hello, &topic] {
            until_outcome(&world, &a, &room.id, pdu, Outcome::Accepted).await;
        }
        assert!(a.current(&room.id, "m.room.member", "@u1:evil.test").await.is_some(), "who speaks is a member");
        assert_eq!(a.current(&room.id, "m.room.member", "@u2:evil.test").await, None);
        assert!(is_partial(&a, &room.id).await);

        tells_state(&evil, &before_join);
        until_whole(&world, &a, &room.id).await;
        assert!(has_whole_state(&a, &room).await);
        assert_eq!(evil.asked("/v1/state/") > 0, members > SINGLE_EVENTS_MAX);
        assert_eq!(unused_states(&a, &room.id).await, 0);
        let events = a.state_before(&room.id, hello.event_id()).await.unwrap();
        assert!(events.len() > members);
        let a = a.restarted(&world).await;
        a.say(&room.id, ALICE, "after").await;
        assert!(has_whole_state(&a, &room).await);
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_banned_is_found_out_when_the_members_are_here() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    refuses(&evil, "/v1/state");
    join(&a, &evil, &mut room).await;
    // Mallory cites the join from before the ban.
    let once = room.line.iter().find(|pdu| pdu.state_key() == Some(MALLORY)).unwrap().event_id().clone();
    let words = message(MALLORY, "I am still here");
    let mut cited = room.auth_events(&words);
    cited.retain(|id| room.find(id.as_str()).unwrap().event_type() != "m.room.member");
    cited.push(once);
    let parent = room.line.last().unwrap().event_id().clone();
    let words = evil.sign(&room.id, V, &words, vec![parent], cited, 99);
    let redaction = pdu::Draft {
        redacts: Some(words.event_id().clone()),
        ..draft(EVE, "m.room.redaction", None, json!({ "redacts": words.event_id() }))
    };
    evil.send(&a, &[object(&words)]).await;
    until_outcome(&world, &a, &room.id, &words, Outcome::Accepted).await;
    let redaction = evil.add(&mut room, redaction);
    evil.send(&a, &[object(&redaction)]).await;
    until_outcome(&world, &a, &room.id, &redaction, Outcome::Accepted).await;
    let told = pdu::explain::explain(&a.database, &world.handles, words.event_id(), pdu::explain::Detail::Brief).await;
    assert!(told.unwrap()[0].verdict.as_ref().unwrap().provisional);

    tells_state(&evil, &before_join);
    until_whole(&world, &a, &room.id).await;
    assert_eq!(a.outcome(&room.id, words.event_id()).await, Some(Outcome::Rejected));
    assert_eq!(a.outcome(&room.id, redaction.event_id()).await, Some(Outcome::Accepted));
    let told = pdu::explain::explain(&a.database, &world.handles, words.event_id(), pdu::explain::Detail::Brief).await;
    let verdict = told.unwrap()[0].verdict.clone().unwrap();
    assert_eq!((verdict.step, verdict.provisional), (Step::StateBefore, false));
    assert!(!a.extremities(&room.id).await.contains(words.event_id()));
    assert!(has_whole_state(&a, &room).await);
}

/// They joined while everybody could, and could not join now: were they taken for gone, a resolution would not let them in again.
#[tokio::test(start_paused = true)]
async fn members_that_a_partial_state_does_not_name_are_not_gone_from_it() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    evil.add(&mut room, state(EVE, "m.room.join_rules", json!({ "join_rule": "invite" })));
    evil.add(&mut room, member("@u0:evil.test", ALICE, "invite"));
    evil.host(&room);
    omits_members(&evil, &room);
    let mut beside = room.clone();
    let join = join(&a, &evil, &mut room).await;
    // Of what lies beside our join the whole state is told.
    let (_, last) = with_a_gap(&evil, &mut beside, message("@u1:evil.test", "edge")).await;
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room.id, &last, Outcome::Accepted).await;
    assert!(is_partial(&a, &room.id).await);
    for user in ["@u0:evil.test", "@u1:evil.test", "@u2:evil.test"] {
        assert!(a.current(&room.id, "m.room.member", user).await.is_some(), "{user} is a member");
    }
    assert_eq!(a.current(&room.id, "m.room.member", ALICE).await, Some(join));
}

#[tokio::test(start_paused = true)]
async fn what_was_fetched_is_not_fetched_again_after_a_restart() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 2 * SINGLE_EVENTS_MAX).await;
    let before_join = room.clone();
    // Half of the events, then nothing more.
    tells_state(&evil, &before_join);
    let half: Vec<Value> = objects(before_join.state().values().take(150));
    evil.answers("/v1/state/", move |_| (200, json!({ "pdus": half, "auth_chain": [] })));
    join(&a, &evil, &mut room).await;
    let lacking = || async {
        let found = a.read(&room.id, |tx, room, _| partial::find(tx, room)).await.unwrap();
        found.problem.is_some() && found.lacking.is_some_and(|lacking| lacking < 100)
    };
    world.until("half of them to be here", lacking).await;
    let a = a.restarted(&world).await;
    // What is left is asked for one by one.
    let asked = evil.asked("/v1/state/");
    evil.answers("/v1/state/", |_| (500, json!({})));
    until_whole(&world, &a, &room.id).await;
    assert_eq!(evil.asked("/v1/state/"), asked);
    assert!(has_whole_state(&a, &room).await);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_contradicts_the_join_is_not_believed_and_another_server_is_asked() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let good = world.peer("good.test").await;
    let before_join = room.clone();
    let mut other = room.clone();
    evil.add(&mut other, state(EVE, "m.room.join_rules", json!({ "join_rule": "invite" })));
    for server in [&evil, &good] {
        refuses(server, "/v1/state");
    }
    join(&a, &evil, &mut room).await;
    for server in [&evil, &good] {
        server.host(&other);
        tells_state(server, &other);
    }
    let tried = || async {
        let problem = a.read(&room.id, |tx, room, _| partial::find(tx, room)).await.unwrap().problem;
        problem.is_some_and(|problem| problem.starts_with("good.test: its state has another m.room.join_rules"))
    };
    world.until("both to be asked", tried).await;
    assert!(is_partial(&a, &room.id).await);
    good.host(&before_join);
    tells_state(&good, &before_join);
    until_whole(&world, &a, &room.id).await;
    assert!(has_whole_state(&a, &room).await);
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_certain_member_waits_and_nobody_is_let_in_meanwhile() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    refuses(&evil, "/v1/state");
    let joined = join(&a, &evil, &mut room).await;
    // Alice has no power: but that is only known of whom the state names.
    let kick = member(ALICE, "@u1:evil.test", "leave");
    let began = world.handles.clock.monotonic();
    let refused = a.send(&room.id, kick.clone()).await;
    assert!(matches!(refused, Err(SendError::Partial(_))), "{refused:?}");
    assert!(world.handles.clock.monotonic() - began >= WHOLE_WAIT_MAX);

    let (id, event) = (room.id.clone(), joined.to_string());
    for path in [format!("v1/make_join/{id}/@new:evil.test?ver=11"), format!("v1/state_ids/{id}?event_id={event}")] {
        let answer = evil.ask(&a, Method::GET, &path, None).await;
        assert!(matches!(&answer, Err(transport::CallError::Refused { status: 404, .. })), "{answer:?}");
    }

    let done = AtomicBool::new(false);
    let (sent, ()) = tokio::join!(
        async {
            let sent = a.send(&room.id, kick).await;
            done.store(true, Ordering::Relaxed);
            sent
        },
        async {
            world.handles.clock.sleep(Duration::from_secs(1)).await;
            assert!(!done.load(Ordering::Relaxed), "it waits");
            tells_state(&evil, &before_join);
        }
    );
    assert!(matches!(sent, Err(SendError::Forbidden(_))), "{sent:?}");
    let path = format!("v1/make_join/{id}/@new:evil.test?ver=11");
    assert!(evil.ask(&a, Method::GET, &path, None).await.is_ok());
}

/// What builds on history from before our join came after it all the same.
#[tokio::test(start_paused = true)]
async fn what_builds_on_older_history_stays_where_the_room_goes_on() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    let joined = join(&a, &evil, &mut room).await;
    refuses(&evil, &format!("event_id=%24{}", &joined.as_str()[1..]));
    a.graph.backfill(&room.id, i64::MAX).await.unwrap();
    let older = &before_join.line[before_join.line.len() - 3];
    assert!(a.place(&room.id, older.event_id()).await.unwrap().state_after.is_some());
    let draft = message("@u0:evil.test", "on a branch of old");
    let branch = evil.sign(&room.id, V, &draft, vec![older.event_id().clone()], room.auth_events(&draft), 99);
    evil.send(&a, &[object(&branch)]).await;
    until_outcome(&world, &a, &room.id, &branch, Outcome::Accepted).await;
    let (of_branch, of_join) =
        (a.place(&room.id, branch.event_id()).await.unwrap(), a.place(&room.id, &joined).await.unwrap());
    assert!(of_branch.topological < of_join.topological);
    let heads = a.extremities(&room.id).await;
    assert!(heads.contains(branch.event_id()) && is_partial(&a, &room.id).await, "{heads:?}");
    tells_state(&evil, &before_join);
    until_whole(&world, &a, &room.id).await;
    assert_eq!(a.extremities(&room.id).await, heads);
    assert_eq!(a.outcome(&room.id, branch.event_id()).await, Some(Outcome::Accepted));
    assert!(has_whole_state(&a, &room).await);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_does_not_allow_our_join_is_not_believed() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    let mut lie = room.clone();
    evil.add(&mut lie, member(EVE, ALICE, "ban"));
    refuses(&evil, "/v1/state");
    join(&a, &evil, &mut room).await;
    evil.host(&lie);
    tells_state(&evil, &lie);
    let told = || async {
        let problem = a.graph.joins_under_way().await.unwrap()[0].problem.clone();
        problem.is_some_and(|problem| problem.contains("does not allow our join"))
    };
    let good = world.peer("good.test").await;
    good.host(&lie);
    tells_state(&good, &lie);
    world.until("it to be refused", told).await;
    a.say(&room.id, ALICE, "the room is used all the same").await;
    evil.host(&before_join);
    tells_state(&evil, &before_join);
    until_whole(&world, &a, &room.id).await;
    a.say(&room.id, ALICE, "and afterwards").await;
}

/// Whatever came meanwhile, it must not keep the room from becoming whole.
#[tokio::test(start_paused = true)]
async fn nonsense_that_came_meanwhile_is_judged_again_like_all_else() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    refuses(&evil, "/v1/state");
    join(&a, &evil, &mut room).await;
    let words = evil.add(&mut room, message(EVE, "no grounds for anything"));
    evil.send(&a, &[object(&words)]).await;
    until_outcome(&world, &a, &room.id, &words, Outcome::Accepted).await;
    // It cites a message; then a state event does, then one cites that one.
    let mut nonsense = vec![words.clone()];
    for draft in [message(EVE, "by a message"), state(EVE, "m.room.topic", json!({})), message(EVE, "by a topic")] {
        let mut cited = room.auth_events(&draft);
        cited.push(nonsense.last().unwrap().event_id().clone());
        let parent = nonsense.last().unwrap().event_id().clone();
        let event = evil.sign(&room.id, V, &draft, vec![parent], cited, 99);
        evil.send(&a, &[object(&event)]).await;
        until_outcome(&world, &a, &room.id, &event, Outcome::Rejected).await;
        nonsense.push(event);
    }
    tells_state(&evil, &before_join);
    until_whole(&world, &a, &room.id).await;
    for event in &nonsense[1..] {
        assert_eq!(a.outcome(&room.id, event.event_id()).await, Some(Outcome::Rejected));
    }
    assert!(has_whole_state(&a, &room).await);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_what_needs_all_members_waits_for_them() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    refuses(&evil, "/v1/state");
    let joined = join(&a, &evil, &mut room).await;
    let (id, event) = (room.id.clone(), joined.to_string());
    let paths = [format!("v1/make_join/{id}/@new:evil.test?ver=11"), format!("v1/state_ids/{id}?event_id={event}")];
    let began = world.handles.clock.monotonic();
    let (template, named, ()) =
        tokio::join!(evil.ask(&a, Method::GET, &paths[0], None), evil.ask(&a, Method::GET, &paths[1], None), async {
            tells_state(&evil, &before_join)
        },);
    assert!(template.is_ok(), "{template:?}");
    assert_eq!(named.unwrap()["pdu_ids"].as_array().unwrap().len(), before_join.state().len());
    assert!(world.handles.clock.monotonic() - began < WHOLE_WAIT_MAX, "nobody who waits is in the way");
}

#[tokio::test(start_paused = true)]
async fn a_room_whose_members_nobody_tells_is_given_up_and_tried_again_at_the_next_start() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    refuses(&evil, "/v1/state");
    join(&a, &evil, &mut room).await;
    world.handles.clock.sleep(PARTIAL_HORIZON - Duration::from_hours(1)).await;
    assert!(a.graph.joins_under_way().await.unwrap()[0].retry_at.is_some());
    let given_up = || async { a.graph.joins_under_way().await.unwrap()[0].retry_at.is_none() };
    world.until("it to be given up", given_up).await;
    let told = a.graph.joins_under_way().await.unwrap();
    assert!(told[0].problem.as_ref().unwrap().starts_with("good.test: "), "{told:?}");
    let before = world.handles.clock.monotonic();
    assert!(a.send(&room.id, member(ALICE, "@u1:evil.test", "leave")).await.is_err());
    assert_eq!(world.handles.clock.monotonic(), before, "nobody waits for what was given up");
    a.say(&room.id, ALICE, "the room is used all the same").await;
    tells_state(&evil, &before_join);
    let a = a.restarted(&world).await;
    until_whole(&world, &a, &room.id).await;
}

#[tokio::test(start_paused = true)]
async fn a_joining_server_that_can_do_without_is_not_told_the_members() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = a.create_room(ALICE, V).await;
    for number in 0..8 {
        evil.join(&a, &room, V, &format!("@u{number}:evil.test")).await;
    }
    let ask = async |user: &str, query: &str| {
        let path = format!("v1/make_join/{room}/{user}?ver=11");
        let template = evil.get(&a, &path).await.unwrap();
        let ids = |key: &str| {
            let ids = template["event"][key].as_array().unwrap().iter();
            ids.map(|id| EventId::parse(id.as_str().unwrap()).unwrap()).collect::<Vec<_>>()
        };
        let pdu = evil.sign(&room, V, &member(user, user, "join"), ids("prev_events"), ids("auth_events"), 99);
        let path = format!("v2/send_join/{room}/{}{query}", pdu.event_id());
        evil.ask(&a, Method::PUT, &path, Some(object(&pdu))).await.unwrap()
    };
    let members = |answer: &Value, key: &str| {
        answer[key].as_array().unwrap().iter().filter(|event| event["type"] == "m.room.member").count()
    };
    let all = ask("@all:evil.test", "").await;
    assert_eq!((members(&all, "state"), &all["members_omitted"]), (9, &json!(false)));
    // A room without a name is called after five of its members.
    let few = ask("@few:evil.test", "?omit_members=true").await;
    assert_eq!((members(&few, "state"), &few["members_omitted"]), (5, &json!(true)));
    assert_eq!(few["servers_in_room"], json!(["a.test", "evil.test"]));
    a.send(&room, state(ALICE, "m.room.name", json!({ "name": "a name" }))).await.unwrap();
    let none = ask("@none:evil.test", "?omit_members=true").await;
    assert_eq!(members(&none, "state"), 0);
    let mut known = none["state"].as_array().unwrap().clone();
    known.extend(none["auth_chain"].as_array().unwrap().iter().cloned());
    let id = |event: &Value| events::hash::event_id(event.as_object().unwrap(), V).unwrap().to_string();
    let ids: Vec<String> = known.iter().map(id).collect();
    for event in &known {
        for cited in event["auth_events"].as_array().unwrap() {
            assert!(ids.contains(&cited.as_str().unwrap().to_owned()), "the auth chain of what is told is told");
        }
    }
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "each once");
    assert!(members(&none, "auth_chain") > 0, "who made the room");
}

/// What others tell of the past is whole. Who is in one fork only was not let in by the rules of the other.
#[tokio::test(start_paused = true)]
async fn history_of_a_partial_room_is_resolved_as_if_all_were_known() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room(EVE, V);
    let forked_at = vec![room.line.last().unwrap().event_id().clone()];
    let depth = room.line.last().unwrap().depth();
    let late = member(MALLORY, MALLORY, "join");
    let late = evil.sign(&room.id, V, &late, forked_at.clone(), room.auth_events(&late), depth + 1);
    // Of two rules the later holds.
    world.handles.clock.sleep(Duration::from_secs(1)).await;
    let closed = state(EVE, "m.room.join_rules", json!({ "join_rule": "invite" }));
    let closed = evil.sign(&room.id, V, &closed, forked_at, room.auth_events(&closed), depth + 1);
    let merge = message(EVE, "merged");
    let both = vec![late.event_id().clone(), closed.event_id().clone()];
    let merge = evil.sign(&room.id, V, &merge, both, room.auth_events(&merge), depth + 2);
    room.line.extend([late.clone(), closed, merge.clone()]);
    evil.add(&mut room, member(EVE, ALICE, "invite"));
    evil.host(&room);
    omits_members(&evil, &room);
    refuses(&evil, "/v1/state");
    let before_join = room.clone();
    join(&a, &evil, &mut room).await;
    evil.host(&room);
    assert!(a.graph.backfill(&room.id, i64::MAX).await.unwrap() > 5);
    assert!(is_partial(&a, &room.id).await);
    let before = a.state_before(&room.id, merge.event_id()).await.unwrap();
    assert!(!before.contains(late.event_id()));
    // So it is told to others, too, once we tell anything.
    tells_state(&evil, &before_join);
    until_whole(&world, &a, &room.id).await;
    evil.get(&a, &format!("v1/state_ids/{}?event_id={}", room.id, merge.event_id())).await.unwrap();
}
