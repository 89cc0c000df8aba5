use std::sync::{Arc, Mutex};

use ::events::{EventId, KeyId, RoomAlias, RoomId, RoomVersion, SigningKey, UserId};
use bytes::Bytes;
use handles::Handles;
use persistence::Database;
use serde_json::json;
use transport::exchange::BoxFuture;
use transport::questions::{Handshake, Members};
use transport::{Exchange, ExchangeError, Health, Request, Response};

use super::*;

/// Answers with the first script whose path prefix matches, else 404 `M_UNRECOGNIZED`.
struct Scripted {
    answers: Vec<(&'static str, u16, Value)>,
    asked: Mutex<Vec<(String, Value)>>,
}

impl Exchange for Scripted {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        let body = request.body.map_or(Value::Null, |body| serde_json::from_slice(&body).unwrap());
        self.asked.lock().unwrap().push((format!("{} {}", request.method, request.path_and_query), body));
        let answer = self.answers.iter().find(|(prefix, ..)| request.path_and_query.starts_with(prefix));
        let (status, body) = match answer {
            Some((_, status, body)) => (*status, body.clone()),
            None => (404, json!({ "errcode": "M_UNRECOGNIZED" })),
        };
        let body = Bytes::from(body.to_string());
        Box::pin(async move { Ok(Response { status, body, retry_after: None }) })
    }
}

async fn world(answers: Vec<(&'static str, u16, Value)>) -> (Requests, Arc<Scripted>) {
    let scripted = Arc::new(Scripted { answers, asked: Mutex::default() });
    let key = Arc::new(SigningKey::from_seed(KeyId::parse("ed25519:1").unwrap(), &[7; 32]));
    let handles = Handles::simulated(1);
    let health = Health::open(Database::open_inline(None).unwrap(), handles.clone()).await.unwrap();
    let us = ServerName::parse("a.test").unwrap();
    let client = Client::new(us, key, Arc::clone(&scripted) as _, handles, health);
    (Requests::new(client), scripted)
}

fn b() -> ServerName {
    ServerName::parse("b.test").unwrap()
}

fn room() -> RoomId {
    RoomId::parse("!r/x:b.test").unwrap()
}

fn event() -> EventId {
    EventId::parse("$e").unwrap()
}

fn object(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn paths_are_encoded_and_questions_are_those_of_the_specification() {
    let (requests, scripted) = world(Vec::new()).await;
    let (user, alias) = (UserId::parse("@u:b.test").unwrap(), RoomAlias::parse("#a:b.test").unwrap());
    // All of them are refused; here only the questions count.
    requests.missing_events(&b(), &room(), &[event()], &[event()], 1000).await.unwrap_err();
    requests.backfill(&b(), &room(), &[event(), event()], 1000).await.unwrap_err();
    requests.state_ids(&b(), &room(), &event()).await.unwrap_err();
    requests.make(&b(), Handshake::Join, &room(), &user, &["11", "12"]).await.unwrap_err();
    requests.make(&b(), Handshake::Leave, &room(), &user, &["12"]).await.unwrap_err();
    requests.query_directory(&b(), &alias).await.unwrap_err();
    let asked: Vec<String> = scripted.asked.lock().unwrap().iter().map(|(asked, _)| asked.clone()).collect();
    assert_eq!(
        asked,
        [
            "POST /_matrix/federation/v1/get_missing_events/%21r%2Fx%3Ab.test",
            "GET /_matrix/federation/v1/backfill/%21r%2Fx%3Ab.test?limit=100&v=%24e&v=%24e",
            "GET /_matrix/federation/v1/state_ids/%21r%2Fx%3Ab.test?event_id=%24e",
            "GET /_matrix/federation/v1/make_join/%21r%2Fx%3Ab.test/%40u%3Ab.test?ver=11&ver=12",
            "GET /_matrix/federation/v1/make_leave/%21r%2Fx%3Ab.test/%40u%3Ab.test",
            "GET /_matrix/federation/v1/query/directory?room_alias=%23a%3Ab.test",
        ]
    );
    assert_eq!(scripted.asked.lock().unwrap()[0].1["limit"], MISSING_EVENTS_MAX);
}

#[tokio::test]
async fn version_one_of_send_join_serves_where_that_is_all_there_is() {
    let answer = json!({ "state": [{ "n": 1 }], "auth_chain": [], "servers_in_room": ["b.test", "no server"] });
    let (requests, scripted) =
        world(vec![("/_matrix/federation/v1/send_join", 200, json!([200, answer.clone()]))]).await;
    let joined =
        requests.send_join(&b(), &room(), &event(), &object(json!({ "x": 1 })), Members::Complete).await.unwrap();
    assert_eq!((joined.state[0].get(), joined.members), ("{\"n\":1}", Members::Complete));
    assert_eq!(joined.servers_in_room, Some(vec![b()]));
    let asked = scripted.asked.lock().unwrap();
    assert!(asked[0].0.contains("/v2/send_join/") && asked[1].0.contains("/v1/send_join/"));
    assert!(asked.iter().all(|(_, body)| *body == json!({ "x": 1 })));
}

#[tokio::test]
async fn version_one_of_invite_serves_for_the_rooms_that_it_knows() {
    let event = object(json!({ "type": "m.room.member" }));
    let state = vec![json!({ "type": "m.room.create" })];
    for (room_version, serves) in [(RoomVersion::V1, true), (RoomVersion::V2, true), (RoomVersion::V3, false)] {
        let answer = json!([200, { "event": { "n": 1 } }]);
        let (requests, scripted) = world(vec![("/_matrix/federation/v1/invite", 200, answer)]).await;
        let invite = Invite { room_version, event: &event, room_state: state.clone() };
        let signed = requests.invite(&b(), &room(), &self::event(), invite).await;
        assert_eq!(signed.is_ok_and(|signed| signed.get() == "{\"n\":1}"), serves, "{room_version}");
        let asked = scripted.asked.lock().unwrap();
        assert_eq!(
            asked[0].1,
            json!({ "room_version": room_version.as_str(), "event": event, "invite_room_state": state })
        );
        let by_version_1 = json!({ "type": "m.room.member", "unsigned": { "invite_room_state": state } });
        assert_eq!(asked.get(1).map(|(_, body)| body), serves.then_some(&by_version_1));
    }
}

#[tokio::test]
async fn a_refusal_is_no_reason_to_ask_again_with_version_one() {
    for (status, errcode) in [(400, "M_UNABLE_TO_GRANT_JOIN"), (403, "M_FORBIDDEN"), (404, "M_NOT_FOUND")] {
        let refusal = json!({ "errcode": errcode, "error": "no" });
        let (requests, scripted) = world(vec![("/_matrix/federation/v2/send_join", status, refusal)]).await;
        let error = requests.send_join(&b(), &room(), &event(), &Object::new(), Members::Omitted).await.unwrap_err();
        assert_eq!(error.to_string(), format!("b.test refused: {status} {errcode}: no"));
        assert_eq!(scripted.asked.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn wrong_types_are_errors_that_name_the_server() {
    for wrong in [json!([]), json!({}), json!({ "events": 1 }), json!({ "events": { "a": 1 } })] {
        let (requests, _) = world(vec![("/_matrix/federation/v1/get_missing_events", 200, wrong)]).await;
        let error = requests.missing_events(&b(), &room(), &[], &[], 20).await.unwrap_err();
        assert!(matches!(&error, RequestError::Malformed { server, .. } if *server == b()), "{error}");
    }
}

#[tokio::test]
async fn more_events_than_asked_for_are_cut_off() {
    let many: Vec<Value> = (0..500).map(|n| json!({ "n": n })).collect();
    let (requests, _) = world(vec![
        ("/_matrix/federation/v1/get_missing_events", 200, json!({ "events": many })),
        ("/_matrix/federation/v1/backfill", 200, json!({ "pdus": many })),
    ])
    .await;
    assert_eq!(requests.missing_events(&b(), &room(), &[], &[], 1000).await.unwrap().len(), MISSING_EVENTS_MAX);
    assert_eq!(requests.backfill(&b(), &room(), &[event()], 1000).await.unwrap().len(), BACKFILL_MAX);
}
