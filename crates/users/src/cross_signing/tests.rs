use super::*;
use crate::keys::{Asker, KeyUpload};
use crate::testing::{ClientKey, Server, server, user};

fn key(public: &ClientKey, user: &UserId, usage: &str) -> Value {
    let public = public.public();
    json!({ "user_id": user.as_str(), "usage": [usage], "keys": { (format!("ed25519:{public}")): public } })
}

fn upload(master: &ClientKey, self_signing: &ClientKey, user_signing: &ClientKey, user: &UserId) -> CrossSigningUpload {
    let master_id = format!("ed25519:{}", master.public());
    let signed = |other: &ClientKey, usage: &str| Some(master.sign(key(other, user, usage), user, &master_id));
    CrossSigningUpload {
        master_key: key(master, user, "master").as_object().cloned(),
        self_signing_key: signed(self_signing, "self_signing"),
        user_signing_key: signed(user_signing, "user_signing"),
    }
}

/// Somebody with a device that has keys (seed), and cross-signing keys (seed + 1 to seed + 3).
async fn somebody(server: &Server, localpart: &str, seed: u8) -> (UserId, DeviceId, [ClientKey; 4]) {
    let session = server.user(localpart, "PHONE").await;
    let (user, device) = (session.user_id, session.device_id);
    let keys = [0, 1, 2, 3].map(|offset| ClientKey::new(seed + offset));
    let device_keys = KeyUpload { device_keys: Some(keys[0].device_keys(&user, &device)), ..KeyUpload::default() };
    server.users.upload_keys(&user, &device, device_keys).await.unwrap();
    let keys_of_user = upload(&keys[1], &keys[2], &keys[3], &user);
    server.users.upload_cross_signing_keys(&user, keys_of_user).await.unwrap();
    (user, device, keys)
}

async fn query(server: &Server, user: &UserId, asker: &UserId) -> Object {
    let wanted = BTreeMap::from([(user.clone(), Vec::new())]);
    server.users.query_keys(wanted, Asker::User(asker.clone())).await.unwrap()
}

#[tokio::test]
async fn only_the_first_upload_and_a_repetition_need_no_proof() {
    let server = server();
    let alice = server.user("alice", "PHONE").await.user_id;
    let keys = [1, 2, 3, 4].map(ClientKey::new);
    let first = upload(&keys[0], &keys[1], &keys[2], &alice);
    let other = upload(&keys[3], &keys[1], &keys[2], &alice);
    let users = &server.users;
    assert_eq!(users.cross_signing_change(&alice, &first).await.unwrap(), Change::First);
    users.upload_cross_signing_keys(&alice, first.clone()).await.unwrap();
    assert_eq!(users.cross_signing_change(&alice, &first).await.unwrap(), Change::None);
    assert_eq!(users.cross_signing_change(&alice, &CrossSigningUpload::default()).await.unwrap(), Change::None);
    assert_eq!(users.cross_signing_change(&alice, &other).await.unwrap(), Change::Replacement);
}

#[tokio::test]
async fn keys_must_be_signed_by_the_master_key() {
    let server = server();
    let alice = server.user("alice", "PHONE").await.user_id;
    let keys = [1, 2, 3, 4].map(ClientKey::new);
    let good = upload(&keys[0], &keys[1], &keys[2], &alice);
    let unsigned = CrossSigningUpload {
        self_signing_key: key(&keys[1], &alice, "self_signing").as_object().cloned(),
        ..good.clone()
    };
    let by_other = upload(&keys[3], &keys[1], &keys[2], &alice);
    let mixed = CrossSigningUpload { user_signing_key: by_other.user_signing_key, ..good.clone() };
    for bad in [unsigned, mixed] {
        let result = server.users.upload_cross_signing_keys(&alice, bad).await;
        assert!(matches!(result, Err(CrossSigningError::Invalid(InvalidKeys::Signature { .. }))));
    }
    let alone = CrossSigningUpload { master_key: None, ..good };
    let result = server.users.upload_cross_signing_keys(&alice, alone).await;
    assert!(matches!(result, Err(CrossSigningError::NoMasterKey)));
    assert_eq!(query(&server, &alice, &alice).await["master_keys"], json!({}));
}

#[tokio::test]
async fn the_user_signing_key_is_for_its_user_only() {
    let server = server();
    let (alice, _, _) = somebody(&server, "alice", 10).await;
    let bob = user("@bob:a.test");
    let own = query(&server, &alice, &alice).await;
    let others = query(&server, &alice, &bob).await;
    for field in ["master_keys", "self_signing_keys", "user_signing_keys"] {
        assert!(own[field].get(alice.as_str()).is_some(), "{field}");
        assert_eq!(others[field].get(alice.as_str()).is_some(), field != "user_signing_keys", "{field}");
    }
    let list = server.users.device_list(&alice).await.unwrap();
    assert!(list.contains_key("master_key") && list.contains_key("self_signing_key"));
    assert!(!list.contains_key("user_signing_key"));
}

#[tokio::test]
async fn signatures_by_the_right_keys_are_kept_and_shown_to_those_concerned() {
    let server = server();
    let (alice, device, keys) = somebody(&server, "alice", 10).await;
    let (bob, _, bobs) = somebody(&server, "bob", 20).await;
    let self_signing = format!("ed25519:{}", keys[2].public());
    let user_signing = format!("ed25519:{}", keys[3].public());
    let own_device = keys[2].sign(Value::Object(keys[0].device_keys(&alice, &device)), &alice, &self_signing);
    let own_master = keys[0].sign(key(&keys[1], &alice, "master"), &alice, "ed25519:PHONE");
    let bobs_master = keys[3].sign(key(&bobs[1], &bob, "master"), &alice, &user_signing);
    let signed = BTreeMap::from([
        (alice.clone(), BTreeMap::from([("PHONE".to_owned(), own_device), (keys[1].public(), own_master)])),
        (bob.clone(), BTreeMap::from([(bobs[1].public(), bobs_master)])),
    ]);
    assert_eq!(server.users.upload_signatures(&alice, signed).await.unwrap(), Object::new());

    let seen = query(&server, &alice, &bob).await;
    let on_device = &seen["device_keys"][alice.as_str()]["PHONE"]["signatures"][alice.as_str()];
    assert!(on_device.get(&self_signing).is_some() && on_device.get("ed25519:PHONE").is_some(), "{on_device}");
    assert!(seen["master_keys"][alice.as_str()]["signatures"][alice.as_str()].get("ed25519:PHONE").is_some());
    let on_bob = |asker: UserId| {
        let (server, bob, alice, user_signing) = (&server, &bob, &alice, &user_signing);
        async move {
            let seen = query(server, bob, &asker).await;
            let signatures = &seen["master_keys"][bob.as_str()]["signatures"];
            signatures.get(alice.as_str()).is_some_and(|by_alice| by_alice.get(user_signing).is_some())
        }
    };
    assert!(on_bob(alice.clone()).await, "whom Alice trusts, Alice knows");
    assert!(!on_bob(user("@carol:a.test")).await, "whom Alice trusts is nobody else's business");
}

#[tokio::test]
async fn every_other_signature_is_refused_with_a_reason() {
    let server = server();
    let (alice, device, keys) = somebody(&server, "alice", 10).await;
    let (bob, _, bobs) = somebody(&server, "bob", 20).await;
    let user_signing = format!("ed25519:{}", keys[3].public());
    let device_keys = Value::Object(keys[0].device_keys(&alice, &device));
    let bobs_master = key(&bobs[1], &bob, "master");
    let mut changed = bobs_master.clone();
    changed["extra"] = json!(1);
    for (owner, target, object, errcode) in [
        (&alice, "PHONE", keys[3].sign(device_keys, &alice, &user_signing), "M_INVALID_SIGNATURE"),
        (&bob, &*bobs[1].public(), keys[2].sign(bobs_master.clone(), &alice, &user_signing), "M_INVALID_SIGNATURE"),
        (&bob, &*bobs[1].public(), keys[3].sign(changed, &alice, &user_signing), "M_INVALID_PARAM"),
        (&bob, "PHONE", keys[3].sign(bobs_master.clone(), &alice, &user_signing), "M_NOT_FOUND"),
        (&user("@carol:b.test"), "x", keys[3].sign(bobs_master, &alice, &user_signing), "M_NOT_FOUND"),
    ] {
        let signed = BTreeMap::from([(owner.clone(), BTreeMap::from([(target.to_owned(), object)]))]);
        let failures = server.users.upload_signatures(&alice, signed).await.unwrap();
        assert_eq!(failures[owner.as_str()][target]["errcode"], errcode, "{owner} {target}");
    }
}

#[tokio::test]
async fn with_another_master_key_earlier_signatures_go() {
    let server = server();
    let (alice, device, keys) = somebody(&server, "alice", 10).await;
    let self_signing = format!("ed25519:{}", keys[2].public());
    let own_device = keys[2].sign(Value::Object(keys[0].device_keys(&alice, &device)), &alice, &self_signing);
    let signed = BTreeMap::from([(alice.clone(), BTreeMap::from([("PHONE".to_owned(), own_device)]))]);
    assert!(server.users.upload_signatures(&alice, signed).await.unwrap().is_empty());
    let signatures = || async {
        let seen = query(&server, &alice, &alice).await;
        seen["device_keys"][alice.as_str()]["PHONE"]["signatures"][alice.as_str()].as_object().unwrap().len()
    };
    assert_eq!(signatures().await, 2);
    let others = [50, 51, 52].map(ClientKey::new);
    let replaced = upload(&others[0], &others[1], &others[2], &alice);
    server.users.upload_cross_signing_keys(&alice, replaced).await.unwrap();
    assert_eq!(signatures().await, 1);
}
