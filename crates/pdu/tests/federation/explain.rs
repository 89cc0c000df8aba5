//! What is said about events, and why.

use events::state_resolution::Outcome as Fate;
use events::{EventId, RoomVersion};
use pdu::Step;
use pdu::explain::{Condition, Detail, Explanation, SignatureResult, explain};
use persistence::transactions::graph::Outcome;
use serde_json::json;

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
        for candidate in &decision.candidates {
            assert!([&ours, theirs.event_id()].contains(&&candidate.event));
            let won = Some(&candidate.event) == decision.winner.as_ref();
            assert_eq!(candidate.outcome == Fate::Won, won, "{candidate:?}");
        }
    }
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
    assert!(!explained(&world, &a, mangled.event_id()).await.event.unwrap().content_hash_matches);

    let said = a.say(&room, ALICE, "said").await;
    let redaction = pdu::Draft {
        redacts: Some(said.clone()),
        ..draft(ALICE, "m.room.redaction", None, json!({ "redacts": said }))
    };
    let redaction = a.send(&room, redaction).await.unwrap();
    let told = explained(&world, &a, &said).await.event.unwrap();
    assert_eq!(told.redacted_by.as_ref(), Some(&redaction));
    assert!(!told.content.contains_key("body"), "what is redacted is shown to nobody");
    let told = explained(&world, &a, &redaction).await.event.unwrap().redacts.unwrap();
    assert_eq!((told.event, told.acts), (said, true));
}
