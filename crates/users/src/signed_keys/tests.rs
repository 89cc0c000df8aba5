use serde_json::json;

use super::*;
use crate::testing::{ClientKey, object, user};

/// Each broken form of device keys that a server was ever seen to let through is refused, with the field named.
#[test]
fn device_keys_that_others_would_refuse_are_refused() {
    let (alice, device) = (user("@alice:a.test"), DeviceId::parse("PHONE").unwrap());
    let key = ClientKey::new(1);
    let good = key.device_keys(&alice, &device);
    assert!(DeviceKeys::check(good.clone(), &alice, &device).is_ok());
    assert!(DeviceKeys::check(good.clone(), &user("@bob:a.test"), &device).is_err());
    assert!(DeviceKeys::check(good.clone(), &alice, &DeviceId::parse("OTHER").unwrap()).is_err());

    let changes: [(&str, Value, &str); 11] = [
        ("user_id", json!("@bob:a.test"), "user_id"),
        ("device_id", json!("OTHER"), "device_id"),
        ("device_id", json!(5), "device_id"),
        ("algorithms", json!("m.olm"), "device_keys.algorithms"),
        ("algorithms", json!([1]), "device_keys.algorithms"),
        ("keys", json!([]), "device_keys.keys"),
        ("keys", json!({}), "ed25519:PHONE"),
        ("keys", json!({ "ed25519:OTHER": key.public() }), "ed25519:OTHER"),
        ("keys", json!({ "ed25519:PHONE": "short" }), "ed25519:PHONE"),
        ("extra", json!(1.5), "device_keys"),
        ("extra", json!("x".repeat(KEY_SIZE_BYTES_MAX)), "device_keys"),
    ];
    for (field, value, named) in changes {
        let mut keys = good.clone();
        keys.insert(field.to_owned(), value);
        // Signed again, so that only the form is wrong.
        let keys = key.sign(Value::Object(keys), &alice, "ed25519:PHONE");
        match DeviceKeys::check(keys, &alice, &device) {
            Err(InvalidKeys::Format { what, .. }) => assert_eq!(what, named, "{field}"),
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn signatures_must_be_there_and_verify() {
    let (alice, device) = (user("@alice:a.test"), DeviceId::parse("PHONE").unwrap());
    let (key, other) = (ClientKey::new(1), ClientKey::new(2));
    let good = key.device_keys(&alice, &device);
    let with_signatures = |signatures: Value| {
        let mut keys = good.clone();
        keys.insert("signatures".to_owned(), signatures);
        DeviceKeys::check(keys, &alice, &device)
    };
    for signatures in [
        json!({}),
        json!([]),
        json!({ "@alice:a.test": {} }),
        json!({ "@alice:a.test": { "ed25519:PHONE": 1 } }),
        json!({ "@alice:a.test": { "ed25519:PHONE": "AAAA" } }),
        json!({ "@alice:a.test": { "ed25519:OTHER": good["signatures"]["@alice:a.test"]["ed25519:PHONE"] } }),
        json!({ "@bob:a.test": good["signatures"]["@alice:a.test"] }),
    ] {
        let result = with_signatures(signatures.clone());
        assert!(matches!(result, Err(InvalidKeys::Signature { .. })), "{signatures}: {result:?}");
    }
    let mut changed = good.clone();
    changed.insert("algorithms".to_owned(), json!([]));
    assert!(matches!(DeviceKeys::check(changed, &alice, &device), Err(InvalidKeys::Signature { .. })));
    let by_other = other.sign(Value::Object(good.clone()), &alice, "ed25519:PHONE");
    assert!(matches!(DeviceKeys::check(by_other, &alice, &device), Err(InvalidKeys::Signature { .. })));

    // What clients add without signing it is not kept.
    let mut unsigned = good.clone();
    unsigned.insert("unsigned".to_owned(), json!({ "device_display_name": "x" }));
    assert_eq!(DeviceKeys::check(unsigned, &alice, &device).unwrap().object(), &good);
}

#[test]
fn one_time_keys_are_signed_by_their_device() {
    let (alice, device) = (user("@alice:a.test"), DeviceId::parse("PHONE").unwrap());
    let (key, other) = (ClientKey::new(1), ClientKey::new(2));
    let signing = PublicKey::from_base64(&key.public()).unwrap();
    let check = |name: &str, value: &Value| check_one_time_key(name, value, &alice, &device, &signing).is_ok();
    assert!(check("signed_curve25519:A", &key.one_time_key(&alice, &device, 9)));
    assert!(check("curve25519:A", &json!(key.public())));
    assert!(!check("signed_curve25519:A", &other.one_time_key(&alice, &device, 9)));
    assert!(!check("signed_curve25519:A", &json!({ "key": key.public() })));
    assert!(!check("signed_curve25519:A", &Value::Object(key.sign(json!({}), &alice, "ed25519:PHONE"))));
    assert!(!check("curve25519:A", &json!("no key")));
    for name in ["", "signed_curve25519", ":A", "signed_curve25519:", &format!("a:{}", "b".repeat(255))] {
        assert!(!check(name, &key.one_time_key(&alice, &device, 9)), "{name}");
    }
    for value in [json!(null), json!(1), json!([]), json!(true)] {
        assert!(!check("signed_curve25519:A", &value), "{value}");
    }
}

#[test]
fn a_cross_signing_key_is_one_key_named_after_itself() {
    let alice = user("@alice:a.test");
    let public = ClientKey::new(1).public();
    let named = format!("ed25519:{public}");
    let key = |usage: Value, keys: Value| {
        let key = object(json!({ "user_id": "@alice:a.test", "usage": usage, "keys": keys }));
        CrossSigningKey::check(key, &alice, Usage::Master)
    };
    assert_eq!(key(json!(["master"]), json!({ (named.clone()): public })).unwrap().target(), public);
    let two = json!({ (named.clone()): public, (format!("ed25519:{}", ClientKey::new(2).public())): public });
    for (usage, keys) in [
        (json!(["self_signing"]), json!({ (named.clone()): public })),
        (json!("master"), json!({ (named.clone()): public })),
        (json!(["master"]), json!({})),
        (json!(["master"]), two),
        (json!(["master"]), json!({ "ed25519:other": public })),
        (json!(["master"]), json!({ (named): "other" })),
    ] {
        assert!(key(usage.clone(), keys.clone()).is_err(), "{usage} {keys}");
    }
}
