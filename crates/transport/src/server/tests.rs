//! The router as a service: what reaches the layers above, and what gets which error.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::*;
use crate::client::{CallError, CallLimits};
use crate::in_process::{Network, Peer, key, name, serve};
use crate::limits::REQUEST_BYTES_MAX;
use crate::path::PathBuilder;
use crate::x_matrix::SignedRequest;

const LIMITS: CallLimits = CallLimits { timeout: Duration::from_secs(10), response_bytes_max: 100_000 };

async fn two() -> (Arc<Network>, Peer, Peer) {
    let network = Network::new();
    let (a, b) = (network.peer("a.test").await, network.peer("b.test").await);
    (network, a, b)
}

async fn call(a: &Peer, b: &Peer, method: &str, path: &str, body: Option<Value>) -> Result<Value, CallError> {
    let method = method.parse().unwrap();
    a.client.call_resting(&b.name, method, path.to_owned(), body.as_ref(), LIMITS).await
}

fn v1(path: &str) -> PathBuilder {
    PathBuilder::new(&format!("/_matrix/federation/v1/{path}"))
}

#[tokio::test(start_paused = true)]
async fn every_endpoint_reaches_its_question() {
    let (_network, a, b) = two().await;
    let (room, event, user) = ("!r/x:b.test", "$e+/x", "@u:a.test");
    let missing = json!({"earliest_events": ["$a"], "latest_events": ["$b"], "limit": 99, "min_depth": 3});
    let v2 = |path: &str| PathBuilder::new(&format!("/_matrix/federation/v2/{path}"));
    let pdu = Some(json!({"type": "m.room.member"}));
    for (method, path, body, call_made) in [
        ("PUT", v1("send").segment("t1"), Some(json!({"pdus": [1.5]})), "a.test send t1 [RawValue(1.5)] []"),
        ("GET", v1("event").segment(event), None, "a.test event $e+/x"),
        ("GET", v1("state").segment(room).query("event_id", event), None, "a.test state !r/x:b.test $e+/x"),
        ("GET", v1("state_ids").segment(room).query("event_id", event), None, "a.test state_ids !r/x:b.test $e+/x"),
        ("GET", v1("event_auth").segment(room).segment(event), None, "a.test event_auth !r/x:b.test $e+/x"),
        (
            "GET",
            v1("timestamp_to_event").segment(room).query("ts", "-5").query("dir", "b"),
            None,
            "a.test event_by_time !r/x:b.test -5 Backwards",
        ),
        (
            "GET",
            v1("backfill").segment(room).query("v", event).query("v", "$2").query("limit", "5000"),
            None,
            "a.test backfill !r/x:b.test [$e+/x, $2] 100",
        ),
        ("POST", v1("get_missing_events").segment(room), Some(missing), "a.test missing !r/x:b.test [$a] [$b] 20 3"),
        (
            "GET",
            v1("make_join").segment(room).segment(user).query("ver", "11").query("ver", "12"),
            None,
            "a.test make Join !r/x:b.test @u:a.test [\"11\", \"12\"]",
        ),
        ("GET", v1("make_leave").segment(room).segment(user), None, "a.test make Leave !r/x:b.test @u:a.test [\"1\"]"),
        (
            "GET",
            v1("make_knock").segment(room).segment(user).query("ver", "7"),
            None,
            "a.test make Knock !r/x:b.test @u:a.test [\"7\"]",
        ),
        (
            "PUT",
            v2("send_join").segment(room).segment(event),
            pdu.clone(),
            r#"a.test send Join !r/x:b.test $e+/x {"type":"m.room.member"}"#,
        ),
        (
            "PUT",
            v2("send_join").segment(room).segment(event).query("omit_members", "true"),
            pdu.clone(),
            r#"a.test send Join !r/x:b.test $e+/x {"type":"m.room.member"} without members"#,
        ),
        (
            "PUT",
            v2("send_leave").segment(room).segment(event),
            pdu.clone(),
            r#"a.test send Leave !r/x:b.test $e+/x {"type":"m.room.member"}"#,
        ),
        (
            "PUT",
            v1("send_knock").segment(room).segment(event),
            pdu.clone(),
            r#"a.test send Knock !r/x:b.test $e+/x {"type":"m.room.member"}"#,
        ),
        (
            "PUT",
            v2("invite").segment(room).segment(event),
            Some(json!({"event": {}})),
            r#"a.test invite !r/x:b.test $e+/x {"event":{}}"#,
        ),
        ("GET", v1("query/directory").query("room_alias", "#x:b.test"), None, "a.test directory #x:b.test"),
        (
            "GET",
            v1("query/profile").query("user_id", "@u:b.test").query("field", "avatar_url"),
            None,
            r#"a.test profile @u:b.test Some("avatar_url")"#,
        ),
        (
            "GET",
            v1("publicRooms").query("limit", "3").query("since", "s"),
            None,
            r#"a.test public_rooms 3 Some("s") {}"#,
        ),
        (
            "POST",
            v1("publicRooms"),
            Some(json!({"filter": {"generic_search_term": "x", "room_types": [null, "m.space"]}})),
            r#"a.test public_rooms 500 None {"generic_search_term":"x","room_types":[null,"m.space"]}"#,
        ),
        ("GET", v1("user/devices").segment("@u:b.test"), None, "a.test devices @u:b.test"),
        ("POST", v1("user/keys/query"), Some(json!({"device_keys": {}})), r#"a.test query_keys {"device_keys":{}}"#),
        ("POST", v1("user/keys/claim"), Some(json!({})), "a.test claim_keys {}"),
    ] {
        let answer = call(&a, &b, method, &path.finish(), body).await;
        assert_eq!(answer, Ok(json!({ "call": call_made })));
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_versions_answer_with_pairs() {
    let (_network, a, b) = two().await;
    for (path, call_made) in [
        ("send_join/!r/$e", "a.test send Join !r $e {}"),
        ("send_leave/!r/$e", "a.test send Leave !r $e {}"),
        ("invite/!r/$e", r#"a.test invite !r $e {"event":{},"invite_room_state":[],"room_version":"1"}"#),
    ] {
        let path = format!("/_matrix/federation/v1/{path}");
        let answer = call(&a, &b, "PUT", &path, Some(json!({}))).await;
        assert_eq!(answer, Ok(json!([200, { "call": call_made }])));
    }
}

#[tokio::test(start_paused = true)]
async fn open_endpoints_need_no_signature() {
    let (_network, _a, b) = two().await;
    let (status, body) = get(&b, "/_matrix/federation/v1/version").await;
    assert_eq!((status, body["server"]["name"].as_str()), (200, Some("Althing")));
    for path in ["/_matrix/key/v2/server", "/_matrix/key/v2/server/ed25519:1"] {
        let (status, body) = get(&b, path).await;
        assert_eq!((status, body["server_name"].as_str()), (200, Some("b.test")));
    }
    let well_known = well_known_server("b.test:443".to_owned());
    let request = http::Request::get("/.well-known/matrix/server").body(Body::empty()).unwrap();
    assert_eq!(&*serve(&well_known, request).await.1, br#"{"m.server":"b.test:443"}"#);
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_and_methods_are_unrecognized() {
    let (_network, _a, b) = two().await;
    for (method, path, status) in [
        ("GET", "/_matrix/federation/v1/nothing", 404),
        ("GET", "/_matrix/federation/v9/version", 404),
        ("GET", "/", 404),
        ("GET", "/_matrix/federation/v1/query/else", 404),
        ("POST", "/_matrix/federation/v1/version", 405),
        ("GET", "/_matrix/federation/v1/send/1", 405),
        ("DELETE", "/_matrix/key/v2/server", 405),
    ] {
        let request = http::Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let (found, body) = serve(&b.router, request).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((found, body["errcode"].as_str()), (status, Some("M_UNRECOGNIZED")), "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_prove_who_it_is_learns_why_it_stays_out() {
    let (network, a, b) = two().await;
    network.peer_with("c.test", key("2"), Vec::new(), &[]).await;
    let path = "/_matrix/federation/v1/event/$e";
    let (us, them, other) = (&a.name, &b.name, &name("c.test"));
    let sign = |origin, destination, path, key| {
        SignedRequest { method: "GET", uri: path, origin, destination }.sign(None, key)
    };
    let key = key("1");
    let good = sign(us, them, path, &key);
    for (header, said) in [
        (None, "no Authorization header"),
        (Some("Bearer abc".to_owned()), "no Authorization header"),
        (Some("X-Matrix origin=a.test".to_owned()), "has no key"),
        (Some(good.replace("sig=\"", "sig=\"A")), "does not verify"),
        (Some(sign(us, other, path, &key)), "for another server"),
        (Some(sign(us, other, path, &key).replace(r#"destination="c.test","#, "")), "does not verify"),
        (Some(sign(us, them, "/_matrix/federation/v1/event/$f", &key)), "does not verify"),
        (Some(sign(other, them, path, &key)), "c.test does not publish the key ed25519:1"),
        (Some(sign(&name("gone.test"), them, path, &key)), "gone.test could not be had"),
        (Some(sign(them, them, path, &key)), "does not ask itself"),
        (Some(good.replace("ed25519:1", "rsa:1")), "algorithm"),
    ] {
        let mut request = http::Request::get(path);
        if let Some(header) = &header {
            request = request.header("authorization", header);
        }
        let (status, body) = serve(&b.router, request.body(Body::empty()).unwrap()).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, body["errcode"].as_str()), (401, Some("M_UNAUTHORIZED")), "{header:?}");
        assert!(body["error"].as_str().unwrap().contains(said), "{header:?}: {body}");
    }
    assert!(b.calls.all().is_empty());
    let without_destination = good.replace(r#"destination="b.test","#, "");
    for header in [good, without_destination] {
        let request = http::Request::get(path).header("authorization", header).body(Body::empty()).unwrap();
        assert_eq!(serve(&b.router, request).await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn one_good_signature_of_several_suffices_and_origins_must_agree() {
    let (_network, a, b) = two().await;
    let path = "/_matrix/federation/v1/event/$e";
    let sign = |origin, version| {
        SignedRequest { method: "GET", uri: path, origin, destination: &b.name }.sign(None, &key(version))
    };
    let (good, unknown, other) = (sign(&a.name, "1"), sign(&a.name, "2"), sign(&name("c.test"), "1"));
    for (headers, expected) in
        [(vec![&unknown, &good], 200), (vec![&good, &other], 401), (vec![&unknown, &unknown], 401)]
    {
        let mut request = http::Request::get(path);
        for header in headers {
            request = request.header("authorization", header);
        }
        assert_eq!(serve(&b.router, request.body(Body::empty()).unwrap()).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_signature_covers_the_path_as_it_was_sent() {
    let (_network, a, b) = two().await;
    for path in ["/_matrix/federation/v1/event/%24e%2F1", "/_matrix/federation/v1/event/$e%2f1"] {
        assert_eq!(call(&a, &b, "GET", path, None).await, Ok(json!({"call": "a.test event $e/1"})));
    }
}

#[tokio::test(start_paused = true)]
async fn broken_requests_get_the_error_that_fits() {
    let (_network, a, b) = two().await;
    for (method, path, body, status, errcode) in [
        ("PUT", "send/1", Some(json!({})), 400, "M_BAD_JSON"),
        ("PUT", "send/1", Some(json!({"pdus": vec![json!({}); 51]})), 400, "M_INVALID_PARAM"),
        ("PUT", "send/1", Some(json!([])), 400, "M_BAD_JSON"),
        ("POST", "get_missing_events/!r", Some(json!({})), 400, "M_BAD_JSON"),
        ("GET", "event/no-event-id", None, 400, "M_INVALID_PARAM"),
        ("GET", "event/%ff", None, 400, "M_INVALID_PARAM"),
        ("GET", "state/!r", None, 400, "M_MISSING_PARAM"),
        ("GET", "backfill/!r?limit=1", None, 400, "M_MISSING_PARAM"),
        ("GET", "backfill/!r?v=$e&limit=-1", None, 400, "M_INVALID_PARAM"),
        ("GET", "backfill/!r?v=$e&limit=x", None, 400, "M_INVALID_PARAM"),
        ("GET", "timestamp_to_event/!r?dir=f", None, 400, "M_MISSING_PARAM"),
        ("GET", "timestamp_to_event/!r?ts=5", None, 400, "M_MISSING_PARAM"),
        ("GET", "timestamp_to_event/!r?ts=5&dir=x", None, 400, "M_INVALID_PARAM"),
        ("GET", "timestamp_to_event/!r?ts=x&dir=f", None, 400, "M_INVALID_PARAM"),
        ("GET", "make_join/!r/@u:b.test", None, 403, "M_FORBIDDEN"),
        ("GET", "event/$forbidden", None, 403, "M_FORBIDDEN"),
        ("GET", "event/$panic", None, 500, "M_UNKNOWN"),
    ] {
        let answer = call(&a, &b, method, &format!("/_matrix/federation/v1/{path}"), body).await;
        let Err(CallError::Refused { status: found, errcode: code, .. }) = answer else {
            panic!("{path}: {answer:?}");
        };
        assert_eq!((found, code.as_str()), (status, errcode), "{path}");
    }
    // A panic leaves the server as it was.
    assert!(call(&a, &b, "GET", "/_matrix/federation/v1/event/$e", None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_json_is_not_verified() {
    let (_network, a, b) = two().await;
    let (status, body) = send(&a, &b, Body::from("{\"pdus\":"), None).await;
    assert_eq!((status, body["errcode"].as_str()), (400, Some("M_NOT_JSON")));
    let (status, body) = send(&a, &b, Body::empty(), None).await;
    assert_eq!((status, body["errcode"].as_str()), (400, Some("M_NOT_JSON")));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let (_network, a, b) = two().await;
    let (status, body) = send(&a, &b, unread(0), Some(REQUEST_BYTES_MAX + 1)).await;
    assert_eq!((status, body["errcode"].as_str()), (413, Some("M_TOO_LARGE")));
    let (status, body) = send(&a, &b, unread(REQUEST_BYTES_MAX / 65_536 + 1), None).await;
    assert_eq!((status, body["errcode"].as_str()), (413, Some("M_TOO_LARGE")));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let (_network, a, b) = two().await;
    let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    assert_eq!(send(&a, &b, never, None).await.0, 408);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_never_end_do_not_take_all_memory() {
    let (_network, a, b) = two().await;
    let endless = || {
        let piece = Bytes::from(vec![b' '; 65_536]);
        let pieces = stream::iter(0..150).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
        Body::from_stream(pieces.chain(stream::pending()))
    };
    let statuses = futures_util::future::join_all((0..8).map(|_| send(&a, &b, endless(), None))).await;
    let statuses: Vec<u16> = statuses.into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses, [408, 408, 408, 408, 408, 408, 408, 429], "there is room for seven of them");
    assert_eq!(send(&a, &b, Body::from("{}"), None).await.0, 400, "it is read again");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_heard_once_it_has_proved_who_it_is() {
    let (_network, a, b) = two().await;
    let mut heard = b.health.listen();
    let forged =
        SignedRequest { method: "GET", uri: "/_matrix/federation/v1/event/$e", origin: &a.name, destination: &b.name };
    let forged = forged.sign(None, &key("2")).replace("ed25519:2", "ed25519:1");
    let request = http::Request::get("/_matrix/federation/v1/event/$e").header("authorization", forged);
    assert_eq!(serve(&b.router, request.body(Body::empty()).unwrap()).await.0, 401);
    assert!(heard.try_recv().is_err());
    call(&a, &b, "GET", "/_matrix/federation/v1/event/$e", None).await.unwrap();
    assert_eq!(heard.try_recv().unwrap(), a.name);
}

async fn get(peer: &Peer, path: &str) -> (u16, Value) {
    let (status, body) = serve(&peer.router, http::Request::get(path).body(Body::empty()).unwrap()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// Sends a transaction with a header that nothing can verify but whose key is known.
async fn send(a: &Peer, b: &Peer, body: Body, length: Option<usize>) -> (u16, Value) {
    let path = "/_matrix/federation/v1/send/1";
    let header = SignedRequest { method: "PUT", uri: path, origin: &a.name, destination: &b.name };
    let mut request = http::Request::put(path).header("authorization", header.sign(Some("{}"), &key("1")));
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    let (status, body) = serve(&b.router, request.body(body).unwrap()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// A body of `pieces` pieces of 65,536 bytes. Reading on is a failure of the test.
fn unread(pieces: usize) -> Body {
    let piece = Bytes::from(vec![b' '; 65_536]);
    Body::from_stream(stream::iter(0..).map(move |at| {
        assert!(at < pieces, "read past the limit");
        Ok::<_, std::io::Error>(piece.clone())
    }))
}

#[tokio::test(start_paused = true)]
async fn files_come_as_the_second_of_two_parts() {
    let (_network, a, b) = two().await;
    let ask = async |path: PathBuilder| {
        let path = path.finish();
        a.client.call_raw(&b.name, http::Method::GET, path, None, LIMITS, crate::Rest::Ignore).await
    };
    let wish = "ThumbnailQuestion { width: 32, height: 16, method: Crop, motion: Animated }";
    let thumbnail = v1("media/thumbnail").segment("x").query("width", "32").query("method", "crop");
    for (path, call_made) in [
        (
            v1("media/download").segment("id_-1").query("timeout_ms", "100"),
            "a.test download id_-1 Some(100ms)".to_owned(),
        ),
        (v1("media/download").segment("../x"), "a.test download ../x None".to_owned()),
        (thumbnail.clone().query("height", "16").query("animated", "true"), format!("a.test thumbnail x {wish} None")),
    ] {
        let body = ask(path).await.unwrap();
        let boundary = std::str::from_utf8(&body).unwrap().strip_prefix("--").unwrap().split("\r\n").next().unwrap();
        let mut parser = crate::multipart::Parser::new(boundary);
        parser.push(&body);
        let head = parser.pull().unwrap().unwrap();
        let content = parser.pull().unwrap().unwrap();
        assert!(
            matches!(head, crate::multipart::Found::Head(head) if head.content_type.as_deref() == Some("text/plain"))
        );
        assert_eq!(content, crate::multipart::Found::Content(Bytes::from(call_made)));
        assert_eq!(parser.pull().unwrap(), Some(crate::multipart::Found::End));
    }
    for path in [thumbnail.clone(), thumbnail.clone().query("height", "0"), thumbnail.clone().query("height", "x")] {
        assert!(matches!(ask(path).await, Err(CallError::Refused { status: 400, .. })));
    }
}
