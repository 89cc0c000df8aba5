//! Servers that turn out to be in a room, after we said something there.

use events::RoomVersion;
use serde_json::json;

use crate::partial::member;
use crate::peer::object;
use crate::world::{World, message, state};

const V: RoomVersion = RoomVersion::V11;
const ALICE: &str = "@alice:a.test";
const EVE: &str = "@eve:evil.test";
const BOB: &str = "@bob:evil.test";
const GIL: &str = "@gil:good.test";

/// Bob kicked Gil, and then it turns out that he had lost the power to do so before: Gil was there all the time, and would not hear
/// what Alice said meanwhile until somebody says something more.
#[tokio::test(start_paused = true)]
async fn who_turns_out_to_be_there_is_told_what_we_said_last() {
    let world = World::new();
    let (a, evil, good) = (world.server("a.test").await, world.peer("evil.test").await, world.peer("good.test").await);
    let mut room = evil.make_room(EVE, V);
    evil.add(&mut room, member(BOB, BOB, "join"));
    evil.add(&mut room, state(EVE, "m.room.power_levels", json!({ "users": { EVE: 100, BOB: 50 } })));
    room.line.push(good.next(&room, member(GIL, GIL, "join")));
    evil.host(&room);
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    let join = a.current(&room.id, "m.room.member", ALICE).await.unwrap();
    room.line.push(a.visible(&room.id, &join).await.unwrap());
    let mut fork = room.clone();
    let kick = evil.add(&mut room, member(BOB, GIL, "leave"));
    evil.send(&a, &[object(&kick)]).await;
    world
        .until("the kick", || async {
            a.current(&room.id, "m.room.member", GIL).await.as_ref() == Some(kick.event_id())
        })
        .await;
    let said = a.send(&room.id, message(ALICE, "he is gone")).await.unwrap();
    world.until("it to be sent", || async { !evil.received().is_empty() }).await;
    assert!(good.received().is_empty());

    let levels = evil.add(&mut fork, state(EVE, "m.room.power_levels", json!({ "users": { EVE: 100 } })));
    evil.send(&a, &[object(&levels)]).await;
    world.until("it to be told", || async { !good.received().is_empty() }).await;
    assert_ne!(a.current(&room.id, "m.room.member", GIL).await.as_ref(), Some(kick.event_id()));
    let told = a.visible(&room.id, &said).await.unwrap();
    assert_eq!(good.received(), [object(&told)]);
    assert_eq!(evil.received().len(), 1, "who was there has it");
}
