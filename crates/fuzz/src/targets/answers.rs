//! What another server answers: to keys, joins, states, histories.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use events::{Object, RoomVersion};
use serde_json::json;

use super::world::{World, in_runtime};

/// Kinds of questions, by what their paths contain.
const KINDS: [&str; 11] = [
    "/key/v2/",
    "/make_join/",
    "/send_join/",
    "/state_ids/",
    "/state/",
    "/event/",
    "/event_auth/",
    "/backfill/",
    "/get_missing_events/",
    "/version",
    "/org.althing.delivered",
];

/// A kind of question, then how it is answered.
pub(super) fn answer(input: &[u8]) {
    let Some(line) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (kind, body) =
        (String::from_utf8_lossy(&input[..line]).into_owned(), Bytes::copy_from_slice(&input[line + 1..]));
    if !KINDS.contains(&kind.as_str()) {
        return;
    }
    in_runtime(async move |world| {
        let lie = move |path: &str, honest: Bytes| if path.contains(&kind) { body.clone() } else { honest };
        world.network.tamper(world.peer.name(), Arc::new(lie));
        visit(&world).await;
        world.aftermath().await;
    });
}

/// The answers of an honest server to all that is asked.
pub(super) fn honest() -> Vec<Vec<u8>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&heard);
    in_runtime(async move |world| {
        let listen = move |path: &str, honest: Bytes| {
            if let Some(kind) = KINDS.iter().find(|kind| path.contains(**kind)) {
                let answer = [kind.as_bytes(), b"\n", &honest].concat();
                into.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
            }
            honest
        };
        world.network.tamper(world.peer.name(), Arc::new(listen));
        visit(&world).await;
    });
    let mut heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    heard.sort();
    heard.dedup();
    heard
}

/// Joins a room of the peer, misses something, hears what comes after it, and reads back.
async fn visit(world: &World) {
    let room = World::room(&world.peer, &world.eve, RoomVersion::V11).await;
    let say = async |text: &str| {
        let content = Object::from_iter([("body".to_owned(), json!(text)), ("msgtype".to_owned(), json!("m.text"))]);
        drop(world.peer.messaging().send_message(&world.eve, &room, "m.room.message", content, None).await);
    };
    say("before").await;
    if !World::join(&world.victim, &world.alice, &room, &world.peer).await {
        return;
    }
    world.handles.clock.sleep(Duration::from_secs(5)).await;
    for text in ["one", "two", "three"] {
        say(text).await;
        world.handles.clock.sleep(Duration::from_secs(1)).await;
    }
    world.network.cut(world.peer.name(), world.victim.name());
    for number in 0..30 {
        say(&format!("missed {number}")).await;
    }
    world.network.heal();
    world.handles.clock.sleep(Duration::from_secs(700)).await;
    drop(world.victim.messaging().graph().backfill(&room, i64::MAX).await);
}
