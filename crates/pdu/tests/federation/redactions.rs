//! Redactions, before and after what they are for.

use events::RoomVersion;
use persistence::transactions::graph::Outcome;
use serde_json::json;

use crate::peer::object;
use crate::receiving::{shared, shared_in, until_outcome};
use crate::world::{World, draft, message};

#[tokio::test(start_paused = true)]
async fn a_redaction_may_come_before_its_target() {
    for version in [RoomVersion::V10, RoomVersion::V11, RoomVersion::V12] {
        let world = World::new();
        let (a, evil, room, mut of_peer) = shared_in(&world, version).await;
        let target = evil.next(&of_peer, message("@eve:evil.test", "words"));
        let mut redaction = draft("@eve:evil.test", "m.room.redaction", None, json!({}));
        redaction.redacts = Some(target.event_id().clone());
        let redaction = evil.add(&mut of_peer, redaction);
        let place = if version == RoomVersion::V10 { redaction.object() } else { redaction.content() };
        assert_eq!(place["redacts"], target.event_id().as_str());
        evil.send(&a, &[object(&redaction)]).await;
        until_outcome(&world, &a, &room, &redaction, Outcome::Accepted).await;
        evil.send(&a, &[object(&target)]).await;
        until_outcome(&world, &a, &room, &target, Outcome::Accepted).await;
        assert!(a.visible(&room, target.event_id()).await.unwrap().content().is_empty(), "{version:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redaction_without_the_power_or_that_is_refused_has_no_effect() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let said = a.say(&room, "@alice:a.test", "words").await;
    let redaction =
        || pdu::Draft { redacts: Some(said.clone()), ..draft("@eve:evil.test", "m.room.redaction", None, json!({})) };
    // Accepted, but neither of the same server nor with the level for redactions.
    let powerless = evil.add(&mut of_peer, redaction());
    evil.send(&a, &[object(&powerless)]).await;
    until_outcome(&world, &a, &room, &powerless, Outcome::Accepted).await;
    assert!(!a.visible(&room, &said).await.unwrap().content().is_empty());
    // Eve's own words, redacted by her after she was banned, on a part of the graph from before the ban.
    let own = evil.add(&mut of_peer, message("@eve:evil.test", "own words"));
    evil.send(&a, &[object(&own)]).await;
    until_outcome(&world, &a, &room, &own, Outcome::Accepted).await;
    a.send(&room, draft("@alice:a.test", "m.room.member", Some("@eve:evil.test"), json!({ "membership": "ban" })))
        .await
        .unwrap();
    let late = evil.add(&mut of_peer, pdu::Draft { redacts: Some(own.event_id().clone()), ..redaction() });
    evil.send(&a, &[object(&late)]).await;
    until_outcome(&world, &a, &room, &late, Outcome::SoftFailed).await;
    assert!(!a.visible(&room, own.event_id()).await.unwrap().content().is_empty());
}
