use serde_json::json;

use super::*;
use crate::testing::{ClientKey, object, user};

fn list(base: i64, seen: &[i64]) -> RemoteList {
    RemoteList { base, seen: seen.to_vec(), generation: 1, is_stale: false, failures: 0, next_try_at: None }
}

#[test]
fn an_update_follows_if_all_that_it_refers_to_are_there() {
    for (base, seen, stream_id, prev_ids, expected) in [
        (5, &[][..], 6, &[5][..], Sequel::Follows),
        (5, &[], 9, &[5], Sequel::Follows),
        (5, &[9], 12, &[9], Sequel::Follows),
        (5, &[9, 11], 12, &[9, 11], Sequel::Follows),
        (5, &[9], 12, &[3], Sequel::Follows),
        (5, &[9], 12, &[10], Sequel::Gap),
        (5, &[9], 12, &[9, 10], Sequel::Gap),
        (5, &[], 6, &[], Sequel::Gap),
        (-1, &[], 6, &[5], Sequel::Gap),
        (5, &[9], 5, &[4], Sequel::Known),
        (5, &[9], 9, &[5], Sequel::Known),
    ] {
        assert_eq!(
            sequel(&list(base, seen), stream_id, prev_ids),
            expected,
            "{base} {seen:?} {stream_id} {prev_ids:?}"
        );
    }
}

#[test]
fn only_good_keys_are_taken_over() {
    let alice = user("@alice:b.test");
    let device = |name: &str| DeviceId::parse(name).unwrap();
    let good = Value::Object(ClientKey::new(1).device_keys(&alice, &device("GOOD")));
    let mut unsigned = Value::Object(ClientKey::new(2).device_keys(&alice, &device("BAD")));
    unsigned["signatures"] = json!({});
    let of_other = Value::Object(ClientKey::new(3).device_keys(&user("@bob:b.test"), &device("BAD")));
    let answer = object(json!({
        "user_id": alice, "stream_id": 7,
        "devices": [
            { "device_id": "GOOD", "keys": good, "device_display_name": "a".repeat(1_000) },
            { "device_id": "BAD", "keys": unsigned },
            { "device_id": "BAD", "keys": of_other },
            { "device_id": "OTHER", "keys": good },
            { "device_id": "*", "keys": good },
            { "keys": good },
            7,
        ],
        "master_key": { "user_id": alice, "usage": ["master"], "keys": { "ed25519:x": "x" } },
    }));
    let keys = CheckedKeys::from_devices(&alice, &answer).unwrap();
    assert_eq!(keys.stream_id, Some(7));
    let names: Vec<&str> = keys.list.devices.iter().map(|device| device.device_id.as_str()).collect();
    assert_eq!(names, ["GOOD"]);
    assert_eq!(keys.list.devices[0].display_name.as_ref().unwrap().len(), DISPLAY_NAME_CHARS_MAX);
    assert!(keys.list.cross_signing.is_empty());
    assert!(CheckedKeys::from_devices(&alice, &object(json!({ "devices": 1 }))).is_err());
}

#[test]
fn a_self_signing_key_is_signed_by_the_master_key() {
    let alice = user("@alice:b.test");
    let key = |key: &ClientKey, usage: &str| {
        let public = key.public();
        json!({ "user_id": alice, "usage": [usage], "keys": { (format!("ed25519:{public}")): public } })
    };
    let (master, self_signing, other) = (ClientKey::new(1), ClientKey::new(2), ClientKey::new(3));
    let signed =
        |by: &ClientKey| by.sign(key(&self_signing, "self_signing"), &alice, &format!("ed25519:{}", by.public()));
    let update = |content: Value, before: Option<&ClientKey>| {
        let before = before.map(|before| key(before, "master").to_string());
        let update = Update::of_signing_keys(&alice, &object(content), before.as_deref());
        update.map(|update| match update {
            Update::Signing(keys) => keys.into_keys().collect::<Vec<_>>(),
            Update::Device { .. } => Vec::new(),
        })
    };
    let both = json!({ "master_key": key(&master, "master"), "self_signing_key": signed(&master) });
    assert_eq!(update(both, None), Ok(vec![Usage::Master, Usage::SelfSigning]));
    let alone = json!({ "self_signing_key": signed(&master) });
    assert_eq!(update(alone.clone(), Some(&master)), Ok(vec![Usage::SelfSigning]));
    assert!(update(alone.clone(), None).is_err());
    assert!(update(alone, Some(&other)).is_err());
    let by_other = json!({ "master_key": key(&master, "master"), "self_signing_key": signed(&other) });
    assert!(update(by_other, Some(&other)).is_err(), "the new master key counts, not the old one");
}

#[test]
fn updates_that_make_no_sense_are_refused() {
    let alice = user("@alice:b.test");
    let keys = Value::Object(ClientKey::new(1).device_keys(&alice, &DeviceId::parse("D").unwrap()));
    for (content, is_good) in [
        (json!({ "device_id": "D", "stream_id": 2, "prev_id": [1], "keys": keys }), true),
        (json!({ "device_id": "D", "stream_id": 2 }), true),
        (json!({ "device_id": "D", "stream_id": 2, "deleted": true, "keys": 7 }), true),
        (json!({ "device_id": "E", "stream_id": 2, "keys": keys }), false),
        (json!({ "device_id": "D", "stream_id": "2" }), false),
        (json!({ "device_id": "D", "stream_id": 2, "prev_id": ["1"] }), false),
        (json!({ "device_id": "D", "stream_id": 2, "prev_id": 1 }), false),
        (json!({ "stream_id": 2 }), false),
    ] {
        assert_eq!(Update::of_device(&alice, &object(content.clone())).is_ok(), is_good, "{content}");
    }
}
