//! Rooms whose members a server names rightly, and gives spoilt.

use events::{Pdu, Value};
use pdu::limits::SINGLE_EVENTS_MAX;
use serde_json::json;

use crate::partial::{EVE, has_whole_state, join, room_of_many, tells_state, until_whole};
use crate::peer::{Peer, PeerRoom, object, objects};
use crate::world::World;

/// Has the peer give some members with a signature that is none.
fn spoils(evil: &Peer, room: &PeerRoom, is_spoilt: fn(&Pdu) -> bool) {
    let spoil = move |pdu: &Pdu| {
        let mut event = object(pdu);
        if is_spoilt(pdu) {
            let signatures = event["signatures"]["evil.test"].as_object_mut().unwrap();
            signatures.values_mut().for_each(|signature| *signature = json!("c3BvaWx0"));
        }
        event
    };
    let state: Vec<Value> = room.state().values().map(spoil).collect();
    let chain = room.auth_chain(room.state().into_values().collect());
    let whole = json!({ "pdus": state, "auth_chain": objects(chain.iter()) });
    evil.answers("/v1/state/", move |_| (200, whole.clone()));
    let all: Vec<Pdu> = room.state().into_values().chain(chain).collect();
    let events: Vec<(String, Value)> =
        all.iter().map(|pdu| (pdu.event_id().to_string(), json!({ "pdus": [spoil(pdu)] }))).collect();
    evil.answers("/v1/event/", move |request| {
        // The ids of this version need no encoding but for their first letter.
        match events.iter().find(|(id, _)| request.path_and_query.ends_with(&id[1..])) {
            Some((_, event)) => (200, event.clone()),
            None => (404, json!({ "errcode": "M_NOT_FOUND", "error": "no such event" })),
        }
    });
}

fn is_first_member(pdu: &Pdu) -> bool {
    pdu.state_key() == Some("@u0:evil.test")
}

#[tokio::test(start_paused = true)]
async fn members_that_one_server_gives_spoilt_are_asked_of_another() {
    for members in [3, SINGLE_EVENTS_MAX + 20] {
        let world = World::new();
        let (a, evil, mut room) = room_of_many(&world, members).await;
        let good = world.peer("good.test").await;
        let before_join = room.clone();
        good.host(&before_join);
        tells_state(&good, &before_join);
        tells_state(&evil, &before_join);
        spoils(&evil, &before_join, is_first_member);
        join(&a, &evil, &mut room).await;
        until_whole(&world, &a, &room.id).await;
        assert!(has_whole_state(&a, &room).await, "{members} members");
    }
}

#[tokio::test(start_paused = true)]
async fn without_what_nobody_gives_well_the_room_is_still_the_room() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    tells_state(&evil, &room.clone());
    spoils(&evil, &room.clone(), is_first_member);
    join(&a, &evil, &mut room).await;
    until_whole(&world, &a, &room.id).await;
    assert_eq!(a.current(&room.id, "m.room.member", "@u0:evil.test").await, None);
    assert!(a.current(&room.id, "m.room.member", "@u1:evil.test").await.is_some());
    assert!(a.current(&room.id, "m.room.member", EVE).await.is_some());
}
