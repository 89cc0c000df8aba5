use super::*;
use crate::testing::{ClientKey, Server, server, user};

/// Alice with a device that has keys, two one-time keys and a fallback key.
async fn alice(server: &Server) -> (UserId, DeviceId, ClientKey) {
    let alice = server.user("alice", "PHONE").await;
    let key = ClientKey::new(1);
    let (user, device) = (alice.user_id, alice.device_id);
    let upload = KeyUpload {
        device_keys: Some(key.device_keys(&user, &device)),
        one_time_keys: one_time_keys(&key, &user, &device, &[("A", 10), ("B", 11)]),
        fallback_keys: one_time_keys(&key, &user, &device, &[("F", 12)]),
    };
    let counts = server.users.upload_keys(&user, &device, upload).await.unwrap();
    assert_eq!(counts, json!({ "signed_curve25519": 2 }));
    (user, device, key)
}

fn one_time_keys(key: &ClientKey, user: &UserId, device: &DeviceId, keys: &[(&str, u8)]) -> Object {
    let named = |(id, seed): &(&str, u8)| (format!("signed_curve25519:{id}"), key.one_time_key(user, device, *seed));
    keys.iter().map(named).collect()
}

async fn claim_from(server: &Server, user: &UserId, device: &str) -> Object {
    let wanted = BTreeMap::from([(device.to_owned(), "signed_curve25519".to_owned())]);
    server.users.claim_keys(BTreeMap::from([(user.clone(), wanted)])).await.unwrap()
}

async fn unused_fallback_keys(server: &Server, user: &UserId, device: &DeviceId) -> Vec<String> {
    let (user, device) = (user.clone(), device.clone());
    server.database.read(move |tx| device_keys::unused_fallback_key_types(tx, &user, &device)).await.unwrap()
}

#[tokio::test]
async fn each_one_time_key_goes_to_one_asker_and_then_the_fallback_key_to_all() {
    let server = server();
    let (alice, device, _) = alice(&server).await;
    assert_eq!(unused_fallback_keys(&server, &alice, &device).await, ["signed_curve25519"]);
    let mut claimed = Vec::new();
    for _ in 0..4 {
        let keys = claim_from(&server, &alice, "PHONE").await;
        claimed.extend(keys[alice.as_str()]["PHONE"].as_object().unwrap().keys().cloned());
    }
    let expected = ["A", "B", "F", "F"].map(|id| format!("signed_curve25519:{id}"));
    assert_eq!(claimed, expected);
    assert!(unused_fallback_keys(&server, &alice, &device).await.is_empty());
    assert!(claim_from(&server, &alice, "NONE").await.is_empty());
    assert!(claim_from(&server, &user("@bob:b.test"), "PHONE").await.is_empty());
}

#[tokio::test]
async fn the_same_fallback_key_again_stays_used_and_another_is_fresh() {
    let server = server();
    let (alice, device, key) = alice(&server).await;
    for _ in 0..3 {
        claim_from(&server, &alice, "PHONE").await;
    }
    for (seed, unused) in [(12, 0), (13, 1)] {
        let fallback_keys = one_time_keys(&key, &alice, &device, &[("F", seed)]);
        let upload = KeyUpload { fallback_keys, ..KeyUpload::default() };
        server.users.upload_keys(&alice, &device, upload).await.unwrap();
        assert_eq!(unused_fallback_keys(&server, &alice, &device).await.len(), unused, "seed {seed}");
    }
}

#[tokio::test]
async fn a_bad_upload_leaves_nothing_behind() {
    let server = server();
    let (alice, device, key) = alice(&server).await;
    let taken = one_time_keys(&key, &alice, &device, &[("0", 20), ("A", 21)]);
    let forged = one_time_keys(&ClientKey::new(2), &alice, &device, &[("C", 22)]);
    let many = (0..=ONE_TIME_KEYS_MAX).map(|number| (format!("x:{number}"), Value::Null)).collect();
    for (keys, expected) in [(taken, "taken"), (forged, "invalid"), (many, "too many")] {
        let upload = KeyUpload { one_time_keys: keys, ..KeyUpload::default() };
        let refusal = match server.users.upload_keys(&alice, &device, upload).await.unwrap_err() {
            KeyUploadError::Taken(_) => "taken",
            KeyUploadError::Invalid(_) => "invalid",
            KeyUploadError::TooMany => "too many",
            KeyUploadError::NoIdentityKeys(_) => "no identity keys",
            KeyUploadError::Store(_) => "store",
        };
        assert_eq!(refusal, expected);
    }
    let again = one_time_keys(&key, &alice, &device, &[("A", 10)]);
    let upload = KeyUpload { one_time_keys: again, ..KeyUpload::default() };
    let counts = server.users.upload_keys(&alice, &device, upload).await.unwrap();
    assert_eq!(counts, json!({ "signed_curve25519": 2 }), "the same key again is no other key");

    let tablet = server.device(&alice, "TABLET").await;
    let early = one_time_keys(&key, &alice, &tablet, &[("A", 10)]);
    let upload = KeyUpload { one_time_keys: early, ..KeyUpload::default() };
    let refused = server.users.upload_keys(&alice, &tablet, upload).await;
    assert!(matches!(refused, Err(KeyUploadError::NoIdentityKeys(_))));
}

#[tokio::test]
async fn a_query_answers_for_all_devices_or_those_named() {
    let server = server();
    let (alice, _, _) = alice(&server).await;
    let tablet = server.device(&alice, "TABLET").await;
    let key = ClientKey::new(2);
    let upload = KeyUpload { device_keys: Some(key.device_keys(&alice, &tablet)), ..KeyUpload::default() };
    server.users.upload_keys(&alice, &tablet, upload).await.unwrap();
    server.device(&alice, "KEYLESS").await;
    let asker = Asker::User(user("@bob:a.test"));
    for (wanted, expected) in [(vec![], vec!["PHONE", "TABLET"]), (vec!["TABLET".to_owned()], vec!["TABLET"])] {
        let wanted = BTreeMap::from([(alice.clone(), wanted), (user("@carol:b.test"), vec![])]);
        let answer = server.users.query_keys(wanted, asker.clone()).await.unwrap();
        let devices = answer["device_keys"][alice.as_str()].as_object().unwrap();
        assert_eq!(devices.keys().collect::<Vec<_>>(), expected);
        assert_eq!(devices["TABLET"]["unsigned"]["device_display_name"], "TABLET of mine");
        assert!(answer["device_keys"].get("@carol:b.test").is_none());
    }
}

#[tokio::test]
async fn only_changed_identity_keys_change_the_device_list() {
    let server = server();
    let (alice, device, key) = alice(&server).await;
    let changed = || {
        let before = Position(0);
        server.database.read(move |tx| devices::changed_since(tx, before))
    };
    assert_eq!(changed().await.unwrap(), std::slice::from_ref(&alice));
    let at = |user: UserId| server.database.read(move |tx| devices::announced(tx, &user));
    let before = at(alice.clone()).await.unwrap();
    let same = KeyUpload { device_keys: Some(key.device_keys(&alice, &device)), ..KeyUpload::default() };
    server.users.upload_keys(&alice, &device, same).await.unwrap();
    assert_eq!(at(alice.clone()).await.unwrap(), before);
    let other = KeyUpload { device_keys: Some(ClientKey::new(5).device_keys(&alice, &device)), ..KeyUpload::default() };
    server.users.upload_keys(&alice, &device, other).await.unwrap();
    assert!(at(alice).await.unwrap() > before);
}

#[tokio::test]
async fn keys_go_with_their_device() {
    let server = server();
    let (alice, device, _) = alice(&server).await;
    server.users.delete_devices(&alice, vec![device.clone()]).await.unwrap();
    server.device(&alice, "PHONE").await;
    assert!(claim_from(&server, &alice, "PHONE").await.is_empty());
    assert!(unused_fallback_keys(&server, &alice, &device).await.is_empty());
}
