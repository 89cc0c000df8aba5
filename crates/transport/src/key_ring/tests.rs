//! The key ring among servers of one process, under virtual time.

use axum::Json;
use axum::routing::get;
use serde_json::{Value, json};

use super::*;
use crate::in_process::{Network, Peer, key, key_id, name};

const DAY: Timestamp = 24 * 60 * 60 * 1000;

fn old(version: &str, expired: Timestamp) -> OldKey {
    OldKey { id: key_id(version), public: key(version).public(), expired }
}

async fn pass(network: &Network, seconds: u64) {
    network.handles().clock.sleep(Duration::from_secs(seconds)).await;
}

async fn for_request(peer: &Peer, server: &str, version: &str) -> Result<PublicKey, KeyError> {
    peer.key_ring.for_request(&name(server), &key_id(version)).await
}

#[tokio::test(start_paused = true)]
async fn a_key_is_fetched_once_however_many_wait() {
    let network = Network::new();
    let a = network.peer("a.test").await;
    network.peer("b.test").await;
    let (b, id) = (name("b.test"), key_id("1"));
    let found = join_all((0..100).map(|_| a.key_ring.for_request(&b, &id))).await;
    assert!(found.iter().all(|found| found.as_ref() == Ok(&key("1").public())));
    assert_eq!(network.count("b.test /_matrix/key"), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_a_restart_and_the_server_they_belong_to() {
    let network = Network::new();
    network.peer("b.test").await;
    let a = network.peer("a.test").await;
    for_request(&a, "b.test", "1").await.unwrap();
    network.take_down("b.test");
    let restarted = network.peer_over("a.test", a.database.clone(), key("1"), Vec::new(), &[]).await;
    assert_eq!(for_request(&restarted, "b.test", "1").await, Ok(key("1").public()));
    assert_eq!(network.count("/_matrix/key"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_asked_for_again_when_its_validity_ends() {
    let network = Network::new();
    let a = network.peer("a.test").await;
    network.peer("b.test").await;
    for_request(&a, "b.test", "1").await.unwrap();
    pass(&network, 25 * 60 * 60).await;
    for_request(&a, "b.test", "1").await.unwrap();
    assert_eq!(network.count("b.test /_matrix/key"), 2);
    network.take_down("b.test");
    pass(&network, 25 * 60 * 60).await;
    assert!(matches!(for_request(&a, "b.test", "1").await, Err(KeyError::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn our_own_keys_need_no_request() {
    let network = Network::new();
    let a = network.peer_with("a.test", key("2"), vec![old("1", 500)], &[]).await;
    assert_eq!(for_request(&a, "a.test", "2").await, Ok(key("2").public()));
    assert!(matches!(for_request(&a, "a.test", "1").await, Err(KeyError::Expired { .. })));
    let wanted = [(name("a.test"), key_id("2"), i64::MAX), (name("a.test"), key_id("1"), 500)];
    let keys = a.key_ring.for_events(&wanted).await;
    assert!(keys.missing().is_empty());
    assert!(wanted.iter().all(|(server, id, at)| keys.get(server, id, *at, true).is_some()));
    assert_eq!(keys.get(&name("a.test"), &key_id("1"), 501, true), None);
    assert!(network.seen.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_old_key_signs_no_requests() {
    let network = Network::new();
    let a = network.peer("a.test").await;
    network.peer_with("b.test", key("2"), vec![old("1", 500)], &[]).await;
    assert_eq!(
        for_request(&a, "b.test", "1").await,
        Err(KeyError::Expired { server: name("b.test"), key: key_id("1") })
    );
    let keys = a.key_ring.for_events(&[(name("b.test"), key_id("1"), 500)]).await;
    assert!(keys.get(&name("b.test"), &key_id("1"), 500, true).is_some());
    assert!(keys.get(&name("b.test"), &key_id("1"), 501, true).is_none());
    assert!(keys.get(&name("b.test"), &key_id("1"), 501, false).is_some(), "before version 5 any time will do");
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_had_are_missing_and_keys_that_do_not_exist_are_not() {
    let network = Network::new();
    let a = network.peer("a.test").await;
    network.peer("b.test").await;
    let now = network.handles().clock.now();
    let wanted =
        [(name("b.test"), key_id("1"), now), (name("b.test"), key_id("9"), now), (name("gone.test"), key_id("1"), now)];
    let keys = a.key_ring.for_events(&wanted).await;
    assert!(keys.get(&name("b.test"), &key_id("1"), now, true).is_some());
    assert!(keys.get(&name("b.test"), &key_id("9"), now, true).is_none());
    assert_eq!(keys.missing().iter().map(ServerName::as_str).collect::<Vec<_>>(), ["gone.test"]);
    pass(&network, 1).await;
    // A moment later nobody is asked, so b.test may have a new key by then.
    let later = a.key_ring.for_events(&wanted).await;
    assert_eq!(later.missing().iter().map(ServerName::as_str).collect::<Vec<_>>(), ["b.test", "gone.test"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_asked_at_every_question() {
    let network = Network::new();
    let a = network.peer("a.test").await;
    network.peer("b.test").await;
    for version in ["2", "3", "4", "5"] {
        assert!(matches!(for_request(&a, "b.test", version).await, Err(KeyError::Unknown { .. })));
    }
    assert_eq!(network.count("b.test /_matrix/key"), 1);
    network.peer_with("b.test", key("2"), vec![old("1", network.handles().clock.now())], &[]).await;
    pass(&network, 31).await;
    assert_eq!(for_request(&a, "b.test", "2").await, Ok(key("2").public()));
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_asked_less_and_less_for_events_but_at_least_every_half_minute_for_requests() {
    let network = Network::new();
    let a = network.peer("a.test").await;
    for _ in 0..600 {
        a.key_ring.for_events(&[(name("gone.test"), key_id("1"), 0)]).await;
        pass(&network, 30).await;
    }
    let asked = network.count("gone.test");
    assert!((8..=16).contains(&asked), "asked {asked} times in five hours");
    network.peer("gone.test").await;
    pass(&network, 30).await;
    assert!(for_request(&a, "gone.test", "1").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_costs_a_bounded_wait() {
    let network = Network::new();
    let a = network.peer("a.test").await;
    let never = axum::Router::new().fallback(async || std::future::pending::<()>().await);
    network.put_router("slow.test", never);
    let began = network.handles().clock.monotonic();
    let error = for_request(&a, "slow.test", "1").await.unwrap_err();
    assert!(error.to_string().contains("has not answered yet"), "{error}");
    assert_eq!(network.handles().clock.monotonic() - began, KEY_WAIT);
}

#[tokio::test(start_paused = true)]
async fn a_document_of_somebody_else_is_refused() {
    let network = Network::new();
    let (a, c) = (network.peer("a.test").await, network.peer("c.test").await);
    let document = c.key_ring.own_document();
    let liar = axum::Router::new().route("/_matrix/key/v2/server", get(async || Json(Value::Object(document))));
    network.put_router("b.test", liar);
    assert!(matches!(for_request(&a, "b.test", "1").await, Err(KeyError::Unavailable { .. })));
}

/// In a large room most of the servers may be gone for ever.
#[tokio::test(start_paused = true)]
async fn who_is_patient_gets_the_keys_that_stand_behind_many_dead_servers() {
    let network = Network::new();
    let dead: Vec<String> = (0..3 * REQUESTS_MAX).map(|number| format!("a{number}.test")).collect();
    for server in &dead {
        // The exchange gives a request up after this time.
        let clock = Arc::clone(&network.handles().clock);
        let slow = async move || {
            clock.sleep(Duration::from_secs(10)).await;
            http::StatusCode::GATEWAY_TIMEOUT
        };
        network.put_router(server, axum::Router::new().fallback(slow));
    }
    network.peer("z.test").await;
    let a = network.peer_with("a.test", key("1"), Vec::new(), &[]).await;
    let servers = dead.iter().map(String::as_str).chain(["z.test"]);
    let wanted: Vec<_> = servers.map(|server| (name(server), key_id("1"), 0)).collect();
    let keys = a.key_ring.for_events_within(&wanted, 4 * KEY_WAIT).await;
    assert!(keys.get(&name("z.test"), &key_id("1"), 0, true).is_some());
    assert_eq!(keys.missing().len(), dead.len());
}

#[tokio::test(start_paused = true)]
async fn a_notary_helps_when_the_server_is_gone() {
    let network = Network::new();
    let notary = network.peer_with("n.test", key("3"), Vec::new(), &[]).await;
    network.peer("b.test").await;
    for_request(&notary, "b.test", "1").await.unwrap();
    network.take_down("b.test");
    let a = network.peer_with("a.test", key("1"), Vec::new(), &["a.test", "n.test"]).await;
    assert_eq!(for_request(&a, "b.test", "1").await, Ok(key("1").public()));
    assert_eq!(network.count("POST n.test /_matrix/key/v2/query"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_notary_knows_keys_that_their_server_forgot() {
    let network = Network::new();
    let notary = network.peer_with("n.test", key("3"), Vec::new(), &[]).await;
    network.peer("b.test").await;
    for_request(&notary, "b.test", "1").await.unwrap();
    let signed_at = network.handles().clock.now();
    network.peer_with("b.test", key("2"), Vec::new(), &[]).await;
    let a = network.peer_with("a.test", key("1"), Vec::new(), &["n.test"]).await;
    let wanted = [(name("b.test"), key_id("1"), signed_at)];
    let keys = a.key_ring.for_events(&wanted).await;
    assert!(keys.missing().is_empty());
    assert!(keys.get(&wanted[0].0, &wanted[0].1, signed_at, true).is_some());
    assert!(for_request(&a, "b.test", "2").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_a_notary_says_needs_both_signatures() {
    let network = Network::new();
    let b = network.peer("b.test").await;
    let notary = network.peer_with("n.test", key("3"), Vec::new(), &[]).await;
    network.take_down("b.test");
    let by_server_only = b.key_ring.own_document();
    let mut by_notary_only = by_server_only.clone();
    by_notary_only.remove("signatures");
    events::signature::sign_json(&mut by_notary_only, &name("n.test"), &key("3"));
    let mut by_both = by_server_only.clone();
    events::signature::sign_json(&mut by_both, &name("n.test"), &key("3"));
    for (document, accepted) in [(by_server_only, false), (by_notary_only, false), (by_both, true)] {
        let answer = json!({ "server_keys": [document] });
        let own = Value::Object(notary.key_ring.own_document());
        let router = axum::Router::new()
            .route("/_matrix/key/v2/query", axum::routing::post(async || Json(answer)))
            .route("/_matrix/key/v2/server", get(async || Json(own)));
        network.put_router("n.test", router);
        let a = network.peer_with("a.test", key("1"), Vec::new(), &["n.test"]).await;
        assert_eq!(for_request(&a, "b.test", "1").await.is_ok(), accepted);
    }
}

#[tokio::test(start_paused = true)]
async fn as_a_notary_we_pass_on_what_we_have_and_get_what_we_have_not() {
    let network = Network::new();
    let a = network.peer_with("a.test", key("3"), Vec::new(), &[]).await;
    network.peer("b.test").await;
    let now = network.handles().clock.now();
    let ask = |servers: &[&str]| {
        let questions = servers.iter().map(|server| (name(server), now)).collect();
        let ring = a.key_ring.clone();
        async move { ring.countersigned(questions).await.unwrap() }
    };
    let signers = |document: &Value| {
        let signatures = document["signatures"].as_object().unwrap();
        signatures.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let documents = ask(&["a.test", "b.test", "gone.test"]).await;
    assert_eq!(documents.iter().map(signers).collect::<Vec<_>>(), ["a.test b.test", "a.test"]);
    network.take_down("b.test");
    pass(&network, 20 * 60 * 60).await;
    assert_eq!(ask(&["b.test"]).await.len(), 1, "half of its life is over, but it is all there is");
    assert!(network.count("b.test /_matrix/key") >= 2, "a younger one was asked for");
}

#[tokio::test(start_paused = true)]
async fn two_notaries_do_not_ask_each_other_in_circles() {
    let network = Network::new();
    let a = network.peer_with("a.test", key("1"), Vec::new(), &["b.test"]).await;
    network.peer_with("b.test", key("1"), Vec::new(), &["a.test"]).await;
    assert!(for_request(&a, "gone.test", "1").await.is_err());
    assert_eq!(network.count("a.test /_matrix/key/v2/query"), 0);
    assert_eq!(network.count("gone.test"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_from_the_future_needs_a_key_that_reaches_there() {
    let network = Network::new();
    let a = network.peer("a.test").await;
    network.peer("b.test").await;
    let now = network.handles().clock.now();
    let wanted = [(name("b.test"), key_id("1"), now + 2 * DAY)];
    let keys = a.key_ring.for_events(&wanted).await;
    assert_eq!(keys.get(&wanted[0].0, &wanted[0].1, wanted[0].2, true), None);
    assert!(keys.get(&wanted[0].0, &wanted[0].1, wanted[0].2, false).is_some());
}
