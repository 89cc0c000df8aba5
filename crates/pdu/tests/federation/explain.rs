//! What is said about events, and why.

use std::collections::BTreeSet;

use events::state_resolution::Outcome as Fate;
use events::{EventId, RoomVersion};
use pdu::Step;
use pdu::explain::{Condition, ContentHash, Detail, Explanation, Ground, SignatureResult, explain};
use persistence::transactions::graph::Outcome;
use serde_json::json;

use crate::gaps::with_a_gap;
use crate::peer::object;
use crate::receiving::{shared, shared_in, until_outcome};
use crate::world::{Server, World, draft, message, state};

const ALICE: &str = "@alice:a.test";
const EVE: &str = "@eve:evil.test";

async fn explained(world: &World, server: &Server, event: &EventId) -> Explanation {
    let mut all = explain(&server.database, &world.handles, event, Detail::Brief).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[tokio::test(start_paused = true)]
async fn an_event_of_ours_is_told_with_its_grounds_and_who_took_it() {
    let world = World::new();
    let (a, _, room, _) = shared(&world).await;
    let topic = a.send(&room, state(ALICE, "m.room.topic", json!({ "topic": "new" }))).await.unwrap();
    let told = explained(&world, &a, &topic).await;
    assert_eq!(told.condition, Condition::Placed);
    assert!(told.sent.iter().all(|sent| sent.delivered_at.is_none()));
    let taken = || async { explained(&world, &a, &topic).await.sent.iter().any(|sent| sent.delivered_at.is_some()) };
    world.until("the other server to take it", taken).await;
    let verdict = told.verdict.unwrap();
    assert_eq!((verdict.outcome, verdict.step, verdict.origin), ("accepted", Step::Passed, None));
    assert!(told.place.unwrap().arrival.is_some());
    assert_eq!(told.change.unwrap().replaced, None);
    let [cited, before] = told.checks.as_slice() else { panic!("{:?}", told.checks) };
    assert_eq!((cited.step, &cited.refused), (Step::AuthEvents, &None));
    assert_eq!((before.step, &before.refused), (Step::StateBefore, &None));
    for check in [cited, before] {
        let types: Vec<&str> = check.by.iter().map(|entry| entry.event_type.as_str()).collect();
        for wanted in ["m.room.create", "m.room.power_levels", "m.room.member"] {
            assert!(types.contains(&wanted), "{types:?}");
        }
    }
    let whole = explain(&a.database, &world.handles, &topic, Detail::WholeState).await.unwrap().remove(0);
    let before = whole.state_before.unwrap();
    assert_eq!(before.entries.unwrap().len(), before.size);
    assert!(
        explain(&a.database, &world.handles, &EventId::parse("$none").unwrap(), Detail::Brief)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejected_event_is_told_with_its_rule_and_its_signature() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let seized = evil.next(&of_peer, state(EVE, "m.room.topic", json!({ "topic": "mine" })));
    evil.send(&a, &[object(&seized)]).await;
    until_outcome(&world, &a, &room, &seized, Outcome::Rejected).await;
    let told = explained(&world, &a, seized.event_id()).await;
    let verdict = told.verdict.unwrap();
    assert_eq!((verdict.outcome, verdict.origin.as_ref()), ("rejected", Some(&evil.name)));
    let reason = verdict.reason.unwrap();
    let again = told.checks.iter().find_map(|check| check.refused.clone()).unwrap();
    assert_eq!(reason, again);
    assert_eq!(told.agrees, Some(true));
    assert!(told.change.is_none());
    let [signature] = told.event.unwrap().signatures.try_into().unwrap();
    assert_eq!(
        (signature.server, signature.needed, signature.result),
        (evil.name.clone(), true, SignatureResult::Right)
    );
}

#[tokio::test(start_paused = true)]
async fn a_soft_failed_event_is_told_as_allowed_but_for_the_current_state() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let late = evil.next(&of_peer, message(EVE, "late"));
    a.send(&room, draft(ALICE, "m.room.member", Some(EVE), json!({ "membership": "ban" }))).await.unwrap();
    evil.send(&a, &[object(&late)]).await;
    until_outcome(&world, &a, &room, &late, Outcome::SoftFailed).await;
    let told = explained(&world, &a, late.event_id()).await;
    let verdict = told.verdict.unwrap();
    assert_eq!((verdict.outcome, verdict.step), ("soft_failed", Step::CurrentState));
    assert!(told.checks.iter().all(|check| check.refused.is_none()));
    assert_eq!(told.agrees, Some(true));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_only_the_state_before_it_refuses_is_told_so() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let said = message(EVE, "after the ban");
    let cited = of_peer.auth_events(&said);
    let ban = draft(ALICE, "m.room.member", Some(EVE), json!({ "membership": "ban" }));
    let ban = a.send(&room, ban).await.unwrap();
    let said = evil.sign(&room, RoomVersion::V11, &said, vec![ban.clone()], cited, 99);
    evil.send(&a, &[object(&said)]).await;
    until_outcome(&world, &a, &room, &said, Outcome::Rejected).await;
    let told = explained(&world, &a, said.event_id()).await;
    assert_eq!(told.verdict.as_ref().unwrap().step, Step::StateBefore);
    let [cited, before] = told.checks.as_slice() else { panic!("{:?}", told.checks) };
    assert_eq!(cited.refused, None);
    assert_eq!(before.refused, told.verdict.unwrap().reason);
    assert!(before.by.iter().any(|entry| entry.event_id == ban));
    assert_eq!((told.agrees, told.state_before.unwrap().ground), (Some(true), Ground::Parents));
}

#[tokio::test(start_paused = true)]
async fn an_id_of_two_rooms_is_told_for_each() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared_in(&world, RoomVersion::V1).await;
    let first = evil.add(&mut of_peer, message(EVE, "in the first"));
    let other = a.create_room(ALICE, RoomVersion::V1).await;
    let of_peer = evil.join(&a, &other, RoomVersion::V1, EVE).await;
    let mut second = object(&evil.next(&of_peer, message(EVE, "in the second")));
    second["event_id"] = json!(first.event_id());
    evil.send(&a, &[object(&first), evil.signed(second)]).await;
    let both = || async {
        a.outcome(&room, first.event_id()).await.is_some() && a.outcome(&other, first.event_id()).await.is_some()
    };
    world.until("both to be decided about", both).await;
    let told = explain(&a.database, &world.handles, first.event_id(), Detail::Brief).await.unwrap();
    let told: Vec<_> =
        told.into_iter().map(|told| (told.room_id, told.event.unwrap().content["body"].clone())).collect();
    assert_eq!(told, [(room, json!("in the first")), (other, json!("in the second"))]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_keys_is_told_so() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let stranger = world.peer("c.test").await;
    let said = message("@carol:c.test", "signed by who cannot be reached");
    let parent = of_peer.line.last().unwrap().event_id().clone();
    let said = stranger.sign(&room, RoomVersion::V11, &said, vec![parent], of_peer.auth_events(&said), 99);
    let _down = world.take_down("c.test");
    evil.send(&a, &[object(&said)]).await;
    let told = explained(&world, &a, said.event_id()).await;
    assert_eq!(told.condition, Condition::WaitsForKeys);
    assert_eq!((&told.waiting[0].from, told.verdict.is_none(), told.event.is_none()), (&evil.name, true, true));
}

/// What the state before an event is from, is not claimed to be known where it is not.
#[tokio::test(start_paused = true)]
async fn a_state_that_another_server_told_is_told_as_such() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let (edge, last) = with_a_gap(&evil, &mut of_peer, message(EVE, "edge")).await;
    let kept_back = edge.prev_events()[0].to_string();
    evil.answers("/backfill/", |_| (200, json!({ "pdus": [] })));
    evil.answers(&format!("/event/{kept_back}"), |_| (404, json!({ "errcode": "M_NOT_FOUND" })));
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    let told = explained(&world, &a, edge.event_id()).await;
    assert_eq!(told.state_before.unwrap().ground, Ground::Elsewhere);
    let forks = told.forks.unwrap();
    assert_eq!((forks.parents, forks.left_out.as_slice()), (Vec::new(), edge.prev_events()));
    let told = explained(&world, &a, last.event_id()).await;
    assert_eq!((told.state_before.unwrap().ground, told.forks.is_none()), (Ground::Parents, true));
}

#[tokio::test(start_paused = true)]
async fn where_forks_met_it_is_told_how_each_conflict_was_decided() {
    for version in [RoomVersion::V1, RoomVersion::V11, RoomVersion::V12] {
        let world = World::new();
        let (a, evil, room, mut of_peer) = shared_in(&world, version).await;
        let users = if version == RoomVersion::V12 { json!({ EVE: 50 }) } else { json!({ ALICE: 100, EVE: 50 }) };
        let levels = state(ALICE, "m.room.power_levels", json!({ "users": users }));
        let levels = a.send(&room, levels).await.unwrap();
        of_peer.line.push(a.visible(&room, &levels).await.unwrap());
        let theirs = evil.add(&mut of_peer, state(EVE, "m.room.topic", json!({ "topic": "theirs" })));
        let ours = a.send(&room, state(ALICE, "m.room.topic", json!({ "topic": "ours" }))).await.unwrap();
        evil.send(&a, &[object(&theirs)]).await;
        until_outcome(&world, &a, &room, &theirs, Outcome::Accepted).await;
        let joins = a.say(&room, ALICE, "joins them").await;
        let told = explained(&world, &a, &joins).await;
        let forks = told.forks.unwrap();
        assert_eq!(forks.parents.len(), 2);
        let [decision] = forks.decisions.as_slice() else { panic!("{:?}", forks.decisions) };
        assert_eq!((decision.event_type.as_str(), decision.candidates.len()), ("m.room.topic", 2));
        assert_eq!(decision.winner, a.current(&room, "m.room.topic", "").await);
        assert_eq!((told.state_before.unwrap().ground, forks.left_out.len()), (Ground::Forks, 0));
        let resolved_from: BTreeSet<EventId> = told.verdict.unwrap().resolved_from.into_iter().collect();
        assert_eq!(resolved_from, forks.parents.concat().into_iter().collect());
        for candidate in &decision.candidates {
            assert!([&ours, theirs.event_id()].contains(&&candidate.event));
            let won = Some(&candidate.event) == decision.winner.as_ref();
            assert_eq!(candidate.outcome == Fate::Won, won, "{candidate:?}");
            let sender = if candidate.event == ours { ALICE } else { EVE };
            assert_eq!(candidate.sender.as_str(), sender);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_the_resolution_refuses_is_told_with_the_rule() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let levels = json!({ "users": { ALICE: 100, EVE: 50 } });
    let levels = a.send(&room, state(ALICE, "m.room.power_levels", levels)).await.unwrap();
    of_peer.line.push(a.visible(&room, &levels).await.unwrap());
    let topic = evil.add(&mut of_peer, state(EVE, "m.room.topic", json!({ "topic": "of a banned user" })));
    let more = evil.add(&mut of_peer, state(EVE, "m.room.name", json!({ "name": "of a banned user" })));
    a.send(&room, draft(ALICE, "m.room.member", Some(EVE), json!({ "membership": "ban" }))).await.unwrap();
    evil.send(&a, &[object(&topic), object(&more)]).await;
    until_outcome(&world, &a, &room, &more, Outcome::SoftFailed).await;
    // Soft-failed events are no extremities: somebody else builds on them.
    let (good, gil) = (world.peer("good.test").await, "@gil:good.test");
    let mut of_good = good.join(&a, &room, RoomVersion::V11, gil).await;
    let said = message(gil, "joins them");
    let parents = vec![of_good.line.last().unwrap().event_id().clone(), more.event_id().clone()];
    let joins = good.sign(&room, RoomVersion::V11, &said, parents, of_good.auth_events(&said), 99);
    of_good.line.push(joins.clone());
    good.send(&a, &[object(&joins)]).await;
    until_outcome(&world, &a, &room, &joins, Outcome::Accepted).await;
    let told = explained(&world, &a, joins.event_id()).await;
    let forks = told.forks.unwrap();
    let decided = |key: &str| forks.decisions.iter().find(|decision| decision.event_type == key).unwrap();
    for event_type in ["m.room.topic", "m.room.name"] {
        let decision = decided(event_type);
        assert_eq!(decision.winner, None);
        assert!(matches!(decision.candidates[0].outcome, Fate::Refused { .. }), "{decision:?}");
    }
    assert!(decided("m.room.member").winner.is_some());
    assert_eq!(told.state_before.unwrap().ground, Ground::Forks);
}

#[tokio::test(start_paused = true)]
async fn what_waits_what_is_an_outlier_and_what_is_only_named_is_told_so() {
    let world = World::new();
    let (a, evil, _, mut of_peer) = shared(&world).await;
    let kept_back = evil.add(&mut of_peer, message(EVE, "kept back"));
    let waits = evil.add(&mut of_peer, message(EVE, "waits"));
    evil.send(&a, &[object(&waits)]).await;
    let tried = || async {
        let told = explained(&world, &a, waits.event_id()).await;
        told.condition == Condition::Staged && told.waiting[0].attempts > 0
    };
    world.until("it to be tried in vain", tried).await;
    let told = explained(&world, &a, waits.event_id()).await;
    assert_eq!(told.waiting[0].from, evil.name);
    assert_eq!(told.event.unwrap().prev_events[0].known_as, "not_here");
    assert!(told.verdict.is_none());
    assert!(explain(&a.database, &world.handles, kept_back.event_id(), Detail::Brief).await.unwrap().is_empty());

    // A room that was joined came with state events that have no place.
    let mut other = evil.make_room(EVE, RoomVersion::V11);
    evil.add(&mut other, message(EVE, "before"));
    evil.host(&other);
    a.join(&other.id, ALICE, &[&evil.name]).await.unwrap();
    let told = explained(&world, &a, other.line[0].event_id()).await;
    assert_eq!(told.condition, Condition::Outlier);
    assert_eq!(told.verdict.unwrap().outcome, "accepted");
    let named = explained(&world, &a, other.line.last().unwrap().event_id()).await;
    assert_eq!(named.condition, Condition::OnlyNamed);
    a.graph.backfill(&other.id, i64::MAX).await.unwrap();
    let told = explained(&world, &a, other.line.last().unwrap().event_id()).await;
    assert_eq!((told.condition, told.place.unwrap().arrival), (Condition::Placed, None));
}

#[tokio::test(start_paused = true)]
async fn redactions_and_mangled_content_are_told() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let mangled = evil.next(&of_peer, message(EVE, "true"));
    let mut changed = object(&mangled);
    changed["content"]["body"] = json!("false");
    evil.send(&a, &[changed]).await;
    until_outcome(&world, &a, &room, &mangled, Outcome::Accepted).await;
    let told = explained(&world, &a, mangled.event_id()).await.event.unwrap();
    assert_eq!(told.content_hash, ContentHash::WrongWhenItCame);

    let said = a.say(&room, ALICE, "said").await;
    let redaction = pdu::Draft {
        redacts: Some(said.clone()),
        ..draft(ALICE, "m.room.redaction", None, json!({ "redacts": said }))
    };
    let redaction = a.send(&room, redaction).await.unwrap();
    let told = explained(&world, &a, &said).await.event.unwrap();
    assert_eq!(told.content_hash, ContentHash::Right);
    assert_eq!(told.redacted_by.as_ref(), Some(&redaction));
    assert!(!told.content.contains_key("body"), "what is redacted is shown to nobody");
    let told = explained(&world, &a, &redaction).await.event.unwrap().redacts.unwrap();
    assert_eq!((told.event, told.acts), (said, true));
}
