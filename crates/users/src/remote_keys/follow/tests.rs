use std::collections::BTreeMap;

use persistence::transactions::devices::DeviceId;
use serde_json::{Value, json};

use super::*;
use crate::keys::KeyUpload;
use crate::sessions::Session;
use crate::testing::{ClientKey, Server, two_servers};

async fn upload(server: &Server, user: &UserId, device: &DeviceId, seed: u8) {
    let upload =
        KeyUpload { device_keys: Some(ClientKey::new(seed).device_keys(user, device)), ..KeyUpload::default() };
    server.users.upload_keys(user, device, upload).await.unwrap();
}

/// The devices of `user` as a client of `server` learns them.
async fn query(server: &Server, asker: &UserId, user: &UserId) -> (Vec<String>, Object) {
    let wanted = BTreeMap::from([(user.clone(), Vec::new())]);
    let body = server.users.query_all_keys(wanted, asker, Duration::from_secs(1)).await.unwrap();
    let devices = body["device_keys"][user.as_str()].as_object().unwrap();
    (devices.keys().cloned().collect(), body["failures"].as_object().unwrap().clone())
}

async fn names(server: &Server, asker: &UserId, user: &UserId) -> Vec<String> {
    query(server, asker, user).await.0
}

/// Alice has a device with keys, and Bob's server follows her list.
async fn followed() -> (Server, Session, Server, Session) {
    let (a, alice, b, bob) = two_servers().await;
    upload(&a, &alice.user_id, &alice.device_id, 1).await;
    a.world.queued();
    b.users.follow_keys();
    assert_eq!(names(&b, &bob.user_id, &alice.user_id).await, ["PHONE"]);
    (a, alice, b, bob)
}

async fn changed_since(server: &Server, from: persistence::Position) -> Vec<UserId> {
    server.database.read(move |tx| devices::changed_since(tx, from)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_list_is_asked_for_once_and_then_kept_up_to_date() {
    let (a, alice, b, bob) = followed().await;
    assert_eq!(b.world.asked(), ["query a.test"]);
    assert_eq!(names(&b, &bob.user_id, &alice.user_id).await, ["PHONE"]);
    assert_eq!(b.world.asked(), [""; 0]);

    // The first update refers to one that nobody told us: the whole list is asked for, once.
    let woken = b.notifier.wait(&bob.user_id);
    let laptop = a.device(&alice.user_id, "LAPTOP").await;
    upload(&a, &alice.user_id, &laptop, 2).await;
    assert_eq!(b.receive_from(&a).await, 1);
    woken.woken().await;
    settle().await;
    assert_eq!(b.world.asked(), ["devices @alice:a.test"]);
    assert_eq!(names(&b, &bob.user_id, &alice.user_id).await, ["LAPTOP", "PHONE"]);

    // From then on the updates are enough.
    let tablet = a.device(&alice.user_id, "TABLET").await;
    upload(&a, &alice.user_id, &tablet, 3).await;
    a.users.delete_devices(&alice.user_id, vec![laptop]).await.unwrap();
    assert_eq!(b.receive_from(&a).await, 2);
    settle().await;
    assert_eq!(names(&b, &bob.user_id, &alice.user_id).await, ["PHONE", "TABLET"]);
    assert_eq!(b.world.asked(), [""; 0]);
    assert!(changed_since(&b, persistence::Position(0)).await.contains(&alice.user_id));
}

#[tokio::test(start_paused = true)]
async fn a_missed_update_is_made_up_for_even_if_the_server_is_away_at_first() {
    let (a, alice, b, bob) = followed().await;
    let laptop = a.device(&alice.user_id, "LAPTOP").await;
    upload(&a, &alice.user_id, &laptop, 2).await;
    assert_eq!(b.receive_from(&a).await, 1);
    settle().await;
    b.world.asked();

    let tablet = a.device(&alice.user_id, "TABLET").await;
    upload(&a, &alice.user_id, &tablet, 3).await;
    a.world.queued();
    a.users.delete_devices(&alice.user_id, vec![laptop]).await.unwrap();
    b.world.cut();
    assert_eq!(b.receive_from(&a).await, 1);
    settle().await;
    assert_eq!(b.world.asked(), ["devices @alice:a.test"]);
    let (devices, failures) = query(&b, &bob.user_id, &alice.user_id).await;
    assert_eq!(devices, ["LAPTOP", "PHONE"], "what was known last is better than nothing");
    assert!(failures.contains_key("a.test"));

    b.world.connect(&a);
    let woken = b.notifier.wait(&bob.user_id);
    woken.woken().await;
    b.world.asked();
    assert_eq!(names(&b, &bob.user_id, &alice.user_id).await, ["PHONE", "TABLET"]);
    assert_eq!(b.world.asked(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_update_between_question_and_answer_is_not_lost() {
    let (a, alice, b, bob) = followed().await;
    let list = || {
        let user = alice.user_id.clone();
        b.database.read(move |tx| remote_devices::list(tx, &user))
    };
    let before = list().await.unwrap().unwrap();
    let laptop = a.device(&alice.user_id, "LAPTOP").await;
    upload(&a, &alice.user_id, &laptop, 2).await;
    b.world.cut();
    b.receive_from(&a).await;
    settle().await;
    // The answer to a question that was asked before the update.
    let (user, keys) = (alice.user_id.clone(), CheckedKeys::default());
    let is_news = b.database.write(move |tx| store_keys(tx, &user, &keys, before.generation)).await.unwrap();
    assert!(!is_news && list().await.unwrap().unwrap().is_stale);
    b.world.connect(&a);
    assert_eq!(names(&b, &bob.user_id, &alice.user_id).await, ["LAPTOP", "PHONE"]);
}

#[tokio::test(start_paused = true)]
async fn new_cross_signing_keys_arrive_and_bad_ones_make_us_ask() {
    let (a, alice, b, bob) = followed().await;
    b.world.asked();
    let key = |key: &ClientKey, usage: &str| {
        let public = key.public();
        json!({ "user_id": alice.user_id, "usage": [usage], "keys": { (format!("ed25519:{public}")): public } })
    };
    let (master, self_signing) = (ClientKey::new(10), ClientKey::new(11));
    let master_id = format!("ed25519:{}", master.public());
    let upload = crate::cross_signing::CrossSigningUpload {
        master_key: key(&master, "master").as_object().cloned(),
        self_signing_key: Some(master.sign(key(&self_signing, "self_signing"), &alice.user_id, &master_id)),
        user_signing_key: None,
    };
    a.users.upload_cross_signing_keys(&alice.user_id, upload).await.unwrap();
    assert_eq!(b.receive_from(&a).await, 1);
    settle().await;
    assert_eq!(b.world.asked(), [""; 0]);
    let wanted = || BTreeMap::from([(alice.user_id.clone(), Vec::new())]);
    let body = b.users.query_all_keys(wanted(), &bob.user_id, Duration::from_secs(1)).await.unwrap();
    for field in ["master_keys", "self_signing_keys"] {
        assert!(body[field].get(alice.user_id.as_str()).is_some(), "{field}");
    }
    let forged = json!({ "user_id": alice.user_id, "self_signing_key": key(&ClientKey::new(12), "self_signing") });
    b.receive("a.test", vec![Edu { edu_type: crate::edus::SIGNING_KEY_UPDATE.to_owned(), content: forged }]).await;
    settle().await;
    assert_eq!(b.world.asked(), ["devices @alice:a.test"]);
    let body = b.users.query_all_keys(wanted(), &bob.user_id, Duration::from_secs(1)).await.unwrap();
    assert!(
        body["self_signing_keys"][alice.user_id.as_str()]["keys"]
            .get(format!("ed25519:{}", self_signing.public()))
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_is_forgotten_when_no_room_is_shared_any_more() {
    let (a, alice, b, bob) = followed().await;
    for (leaves, expected) in [(&alice, "query a.test"), (&bob, "query a.test")] {
        b.set_membership(&leaves.user_id, "leave").await;
        b.world.asked();
        names(&b, &bob.user_id, &alice.user_id).await;
        names(&b, &bob.user_id, &alice.user_id).await;
        assert_eq!(b.world.asked(), [expected, expected], "nobody tells us of changes");
        b.set_membership(&leaves.user_id, "join").await;
        names(&b, &bob.user_id, &alice.user_id).await;
        assert_eq!(b.world.asked(), [expected]);
        names(&b, &bob.user_id, &alice.user_id).await;
        assert_eq!(b.world.asked(), [""; 0]);
    }
    b.set_membership(&alice.user_id, "leave").await;
    upload(&a, &alice.user_id, &alice.device_id, 5).await;
    let before = changed_since(&b, persistence::Position(0)).await;
    b.receive_from(&a).await;
    assert_eq!(changed_since(&b, persistence::Position(0)).await, before, "she is a stranger");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_updates_costs_one_question() {
    let (_, alice, b, _) = followed().await;
    b.world.asked();
    let update = |number: i64| {
        let content =
            json!({ "user_id": alice.user_id, "device_id": "X", "stream_id": number, "prev_id": [number - 1] });
        Edu { edu_type: DEVICE_LIST_UPDATE.to_owned(), content }
    };
    b.receive("a.test", (1_000..1_500).map(update).collect()).await;
    let waiting = b.database.read(|tx| remote_devices::staged(tx, 1_000)).await.unwrap();
    assert!(waiting.len() <= usize::try_from(remote_devices::STAGED_PER_USER_MAX).unwrap());
    settle().await;
    assert!(b.database.read(|tx| remote_devices::staged(tx, 1_000)).await.unwrap().is_empty());
    assert!(b.world.asked().len() <= 2, "one, and one more for what came while it was answered");
}

#[test]
fn waits_grow_and_end() {
    let wait = |failures: i64| retry_at(0, failures, 1.0);
    assert_eq!([wait(0), wait(1), wait(2)], [Some(30_000), Some(60_000), Some(120_000)]);
    assert_eq!(wait(FAILURES_MAX - 1), Some(i64::try_from(RETRY_MAX.as_millis()).unwrap()));
    assert_eq!(wait(FAILURES_MAX), None);
    assert_eq!(retry_at(0, 0, 0.0), Some(15_000));
}

/// Lets everything in the background come to rest: virtual time passes only when nothing else can run.
async fn settle() {
    let clock = handles::Handles::simulated(1).clock;
    clock.sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn one_time_keys_of_others_are_claimed_where_they_are() {
    let (a, alice, b, bob) = two_servers().await;
    upload(&a, &alice.user_id, &alice.device_id, 1).await;
    let key = ClientKey::new(1).one_time_key(&alice.user_id, &alice.device_id, 9);
    let one_time_keys = Object::from_iter([("signed_curve25519:AAAA".to_owned(), key.clone())]);
    let upload = KeyUpload { one_time_keys, ..KeyUpload::default() };
    a.users.upload_keys(&alice.user_id, &alice.device_id, upload).await.unwrap();
    let claims = || {
        let of_alice = BTreeMap::from([("PHONE".to_owned(), "signed_curve25519".to_owned())]);
        let of_carol = BTreeMap::from([("X".to_owned(), "signed_curve25519".to_owned())]);
        BTreeMap::from([(alice.user_id.clone(), of_alice), (crate::testing::user("@carol:c.test"), of_carol)])
    };
    let claimed = b.users.claim_all_keys(claims(), Duration::from_secs(1)).await.unwrap();
    assert_eq!(claimed.one_time_keys[alice.user_id.as_str()]["PHONE"]["signed_curve25519:AAAA"], key);
    assert_eq!(claimed.failures.keys().collect::<Vec<_>>(), ["c.test"]);
    let again = b.users.claim_all_keys(claims(), Duration::from_secs(1)).await.unwrap();
    assert_eq!(again.one_time_keys, Object::new(), "it was given to somebody else");
    assert_eq!(Value::Object(again.failures)["c.test"]["errcode"], "M_UNKNOWN");
    drop(bob);
}
