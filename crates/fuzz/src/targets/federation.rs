//! What another server sends: requests of any kind, and events that are well signed and else may be anything.

use events::signature::hash_and_sign;
use events::{Object, RoomId, RoomVersion, Value};
use http::Method;
use persistence::StoreError;
use persistence::transactions::{events as event_rows, graph as graph_rows, rooms as room_rows, state as state_rows};
use serde_json::json;
use simulation::SimulatedServer;
use transport::exchange::Request;

use super::world::{LIMITS, World, in_runtime};

/// Versions of which the events are formed differently.
const VERSIONS: [RoomVersion; 4] = [RoomVersion::V1, RoomVersion::V3, RoomVersion::V11, RoomVersion::V12];

/// A method and a path, then a body. `{room}`, `{event}` and `{eve}` are what they are in a room that both servers are in.
pub(super) fn request(input: &[u8]) {
    let text = String::from_utf8_lossy(input).into_owned();
    in_runtime(async move |world| {
        let (room, event) = shared_room(&world, RoomVersion::V11).await;
        let text =
            text.replace("{room}", room.as_str()).replace("{event}", &event).replace("{eve}", world.eve.as_str());
        let (head, body) = text.split_once('\n').unwrap_or((&text, ""));
        let Some((method, path)) = head.split_once(' ') else { return };
        let (Ok(method), Ok(uri)) = (method.parse::<Method>(), path.parse::<http::Uri>()) else { return };
        let Some(path) = uri.path_and_query().map(ToString::to_string) else { return };
        match (body, serde_json::from_str::<Value>(body)) {
            ("", _) => drop(world.client().await.call(world.victim.name(), method, path, None, LIMITS).await),
            (_, Ok(body)) => {
                drop(world.client().await.call(world.victim.name(), method, path, Some(&body), LIMITS).await)
            }
            (body, Err(_)) => unsigned(&world, method, path, body).await,
        }
        world.aftermath().await;
    });
}

/// What is no JSON cannot be signed.
async fn unsigned(world: &World, method: Method, path_and_query: String, body: &str) {
    let authorization = "X-Matrix origin=\"peer.test\",destination=\"victim.test\",key=\"ed25519:1\",sig=\"c2ln\"";
    let request = Request {
        destination: world.victim.name().clone(),
        method,
        path_and_query,
        authorization: Some(authorization.to_owned()),
        body: Some(body.as_bytes().to_vec().into()),
        timeout: LIMITS.timeout,
        response_bytes_max: LIMITS.response_bytes_max,
    };
    drop(world.network.outlet(world.peer.name()).send(request).await);
}

/// A room version, then an event, which is hashed, signed and sent.
pub(super) fn signed_event(input: &[u8]) {
    let Some((version, event)) = std::str::from_utf8(input).ok().and_then(|text| text.split_once('\n')) else { return };
    let (Some(version), Ok(mut event)) = (RoomVersion::parse(version), serde_json::from_str::<Object>(event)) else {
        return;
    };
    in_runtime(async move |world| {
        shared_room(&world, version).await;
        hash_and_sign(&mut event, version, world.peer.name(), &world.key);
        let transaction = json!({ "origin": world.peer.name(), "origin_server_ts": 1, "pdus": [event] });
        let path = "/_matrix/federation/v1/send/fuzz".to_owned();
        let client = world.client().await;
        let sent = client.call_resting(world.victim.name(), Method::PUT, path, Some(&transaction), LIMITS).await;
        assert!(sent.is_ok(), "one event never breaks a transaction: {sent:?}");
        world.aftermath().await;
    });
}

/// The events of a room that both servers are in, with those that the peer may send among them.
pub(super) fn events() -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    for version in VERSIONS {
        in_runtime(async |world| {
            let (room, _) = shared_room(&world, version).await;
            for event in stored(&world.peer, &room).await {
                events.push(format!("{version}\n{}", Value::Object(event)).into_bytes());
            }
        });
    }
    events
}

/// The victim's room, which the peer has joined and where it has said something: that event's id.
async fn shared_room(world: &World, version: RoomVersion) -> (RoomId, String) {
    let room = World::room(&world.victim, &world.alice, version).await;
    assert!(World::join(&world.peer, &world.eve, &room, &world.victim).await, "nothing is wrong yet");
    let content = Object::from_iter([("body".to_owned(), json!("hello")), ("msgtype".to_owned(), json!("m.text"))]);
    let said = world.peer.messaging().send_message(&world.eve, &room, "m.room.message", content, None).await;
    (room, said.expect("nothing is wrong yet").event_id.to_string())
}

/// The current state and the forward extremities of a room, as they are stored.
async fn stored(server: &SimulatedServer, room: &RoomId) -> Vec<Object> {
    let room = room.clone();
    let stored = server.database().read(move |tx| {
        let Some(row) = room_rows::by_id(tx, &room)? else { return Ok(Vec::new()) };
        let state = row.state.map(|state| state_rows::load(tx, state)).transpose()?;
        let mut numbers = graph_rows::extremities(tx, row.number)?;
        numbers.extend(state.iter().flat_map(|state| state.iter()).map(|(_, event)| event));
        let mut events = Vec::new();
        for number in numbers {
            events.extend(event_rows::load(tx, row.version, number)?.map(|stored| stored.pdu.into_object()));
        }
        Ok::<_, StoreError>(events)
    });
    stored.await.expect("the database is in memory")
}
