use events::json::Object;
use events::{KeyId, SigningKey};
use http::Method;
use serde_json::{Value, json};

use crate::harness::{password, server};

const ALICE: &str = "@alice:a.test";

/// A client's ed25519 key.
struct Key(SigningKey);

impl Key {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_seed(KeyId::parse("ed25519:x").unwrap(), &[seed; 32]))
    }

    fn public(&self) -> String {
        self.0.public().to_base64()
    }

    fn id(&self) -> String {
        format!("ed25519:{}", self.public())
    }

    /// A cross-signing key.
    fn cross_signing(&self, usage: &str) -> Value {
        json!({ "user_id": ALICE, "usage": [usage], "keys": { self.id(): self.public() } })
    }

    fn sign(&self, mut value: Value, key_id: &str) -> Value {
        let object: Object = value.as_object().unwrap().clone();
        value["signatures"][ALICE][key_id] = json!(self.0.signature_of(&object));
        value
    }
}

fn upload(master: &Key, self_signing: &Key) -> Value {
    json!({
        "master_key": master.cross_signing("master"),
        "self_signing_key": master.sign(self_signing.cross_signing("self_signing"), &master.id()),
    })
}

#[tokio::test(start_paused = true)]
async fn the_first_cross_signing_keys_are_free_and_others_need_the_password() {
    let server = server().await;
    let token = server.register("alice").await;
    let path = "v3/keys/device_signing/upload";
    let (first, second) = (upload(&Key::new(1), &Key::new(2)), upload(&Key::new(3), &Key::new(4)));
    server.post(path, &token, first.clone()).await.ok();
    server.post(path, &token, first.clone()).await.ok();
    assert_eq!(server.post(path, &token, second.clone()).await.status, 401);
    let mut wrong = second.clone();
    wrong["auth"] = json!({ "type": "m.login.password", "password": "x" });
    assert_eq!(server.post(path, &token, wrong).await.error(), (401, "M_FORBIDDEN"));
    let mut proved = second;
    proved["auth"] = password("alice");
    server.post(path, &token, proved).await.ok();
    let query = json!({ "device_keys": { ALICE: [] } });
    let keys = server.post("v3/keys/query", &token, query).await.ok();
    assert_eq!(keys["master_keys"][ALICE]["keys"], json!({ Key::new(3).id(): Key::new(3).public() }));
    assert_eq!(keys["failures"], json!({}));

    let bob = server.register("bob").await;
    let mut of_bob = Key::new(5).cross_signing("master");
    of_bob["user_id"] = json!("@bob:a.test");
    let forged = json!({ "master_key": of_bob, "self_signing_key": { "user_id": "@bob:a.test", "usage": ["self_signing"],
        "keys": { Key::new(6).id(): Key::new(6).public() } } });
    assert_eq!(server.post(path, &bob, forged).await.error(), (400, "M_INVALID_SIGNATURE"));
    let alone = json!({ "self_signing_key": { "user_id": "@bob:a.test", "usage": ["self_signing"],
        "keys": { Key::new(6).id(): Key::new(6).public() } } });
    assert_eq!(server.post(path, &bob, alone).await.error(), (400, "M_MISSING_PARAM"));
}

#[tokio::test(start_paused = true)]
async fn signatures_are_kept_or_refused_one_by_one() {
    let server = server().await;
    let token = server.register("alice").await;
    let (device, master, self_signing) = (Key::new(1), Key::new(2), Key::new(3));
    let keys = json!({
        "user_id": ALICE, "device_id": "PHONE", "algorithms": [],
        "keys": { "ed25519:PHONE": device.public(), "curve25519:PHONE": device.public() },
    });
    let keys = device.sign(keys, "ed25519:PHONE");
    let counts = server.post("v3/keys/upload", &token, json!({ "device_keys": keys })).await.ok();
    assert_eq!(counts["one_time_key_counts"]["signed_curve25519"], 0);
    server.post("v3/keys/device_signing/upload", &token, upload(&master, &self_signing)).await.ok();
    let mut bare = keys.clone();
    bare.as_object_mut().unwrap().remove("signatures");
    let signed = self_signing.sign(bare.clone(), &self_signing.id());
    let forged = master.sign(bare, &self_signing.id());
    let path = "v3/keys/signatures/upload";
    let answer = server.post(path, &token, json!({ ALICE: { "PHONE": forged, "GONE": signed } })).await.ok();
    assert_eq!(answer["failures"][ALICE]["PHONE"]["errcode"], "M_INVALID_SIGNATURE");
    assert_eq!(answer["failures"][ALICE]["GONE"]["errcode"], "M_NOT_FOUND");
    let answer = server.post(path, &token, json!({ ALICE: { "PHONE": signed } })).await.ok();
    assert_eq!(answer["failures"], json!({}));
    let found = server.post("v3/keys/query", &token, json!({ "device_keys": { ALICE: ["PHONE"] } })).await.ok();
    assert!(found["device_keys"][ALICE]["PHONE"]["signatures"][ALICE].get(self_signing.id()).is_some());
    assert_eq!(server.post(path, &token, json!({ "nobody": {} })).await.error(), (400, "M_BAD_JSON"));
}

#[tokio::test(start_paused = true)]
async fn room_keys_are_backed_up_and_come_back() {
    let server = server().await;
    let token = server.register("alice").await;
    assert_eq!(server.get("v3/room_keys/version", &token).await.error(), (404, "M_NOT_FOUND"));
    let backup = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": "x" } });
    let version = server.post("v3/room_keys/version", &token, backup.clone()).await.ok()["version"].clone();
    let version = version.as_str().unwrap();
    let latest = server.get("v3/room_keys/version", &token).await.ok();
    assert_eq!((&latest["version"], &latest["count"]), (&json!(version), &json!(0)));

    let key = |index: u64| {
        json!({
            "first_message_index": index, "forwarded_count": 0, "is_verified": false, "session_data": { "x": index },
        })
    };
    let room = "!r:a.test";
    let at = |rest: &str| format!("v3/room_keys/keys{rest}?version={version}");
    let put = server.put(&at(&format!("/{room}/s1")), &token, key(5)).await.ok();
    assert_eq!(put["count"], 1);
    server.put(&at(&format!("/{room}")), &token, json!({ "sessions": { "s1": key(9), "s2": key(1) } })).await.ok();
    server.put(&at(""), &token, json!({ "rooms": { "!q:a.test": { "sessions": { "s3": key(2) } } } })).await.ok();
    assert_eq!(server.get(&at(&format!("/{room}/s1")), &token).await.ok(), key(5), "the better key stays");
    assert_eq!(server.get(&at(&format!("/{room}")), &token).await.ok()["sessions"].as_object().unwrap().len(), 2);
    assert_eq!(server.get(&at(""), &token).await.ok()["rooms"].as_object().unwrap().len(), 2);
    assert_eq!(server.get(&at("/!none:a.test"), &token).await.ok(), json!({ "sessions": {} }));
    assert_eq!(server.get(&at(&format!("/{room}/none")), &token).await.error(), (404, "M_NOT_FOUND"));

    let next = server.post("v3/room_keys/version", &token, backup.clone()).await.ok()["version"].clone();
    let refused = server.put(&at(&format!("/{room}/s1")), &token, key(0)).await;
    assert_eq!(refused.error(), (403, "M_WRONG_ROOM_KEYS_VERSION"));
    assert_eq!(refused.body["current_version"], next);
    assert_eq!(server.put("v3/room_keys/keys?version=77", &token, json!({ "rooms": {} })).await.status, 403);
    assert_eq!(server.get("v3/room_keys/keys", &token).await.error(), (400, "M_MISSING_PARAM"));
    assert_eq!(server.get("v3/room_keys/keys?version=77", &token).await.error(), (404, "M_NOT_FOUND"));

    server.delete(&at(&format!("/{room}/s1")), &token).await.ok();
    assert_eq!(server.delete(&at(""), &token).await.ok()["count"], 0);
    let path = format!("v3/room_keys/version/{version}");
    let mut changed = backup;
    changed["auth_data"] = json!({ "public_key": "y" });
    server.put(&path, &token, changed.clone()).await.ok();
    assert_eq!(server.get(&path, &token).await.ok()["auth_data"]["public_key"], "y");
    changed["version"] = json!("77");
    assert_eq!(server.put(&path, &token, changed.clone()).await.error(), (400, "M_INVALID_PARAM"));
    changed["version"] = json!(version);
    changed["algorithm"] = json!("other");
    assert_eq!(server.put(&path, &token, changed).await.error(), (400, "M_INVALID_PARAM"));
    server.delete(&path, &token).await.ok();
    server.delete(&path, &token).await.ok();
    assert_eq!(server.get(&path, &token).await.error(), (404, "M_NOT_FOUND"));
    assert_eq!(server.delete("v3/room_keys/version/77", &token).await.error(), (404, "M_NOT_FOUND"));
    let bob = server.register("bob").await;
    let path = format!("v3/room_keys/version/{}", next.as_str().unwrap());
    assert_eq!(server.ask(Method::GET, &path, &bob, Value::Null).await.error(), (404, "M_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_named_and_holds_nobody_up() {
    let server = server().await;
    let token = server.register("alice").await;
    let query = json!({ "device_keys": { "@bob:b.test": [], ALICE: [] }, "timeout": 100 });
    let answer = server.post("v3/keys/query", &token, query).await.ok();
    assert!(answer["failures"].get("b.test").is_some() && answer["device_keys"].get(ALICE).is_some());
    let claim = json!({ "one_time_keys": { "@bob:b.test": { "X": "signed_curve25519" } } });
    let answer = server.post("v3/keys/claim", &token, claim).await.ok();
    assert!(answer["failures"].get("b.test").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_away_is_told_whose_keys_changed() {
    let server = server().await;
    let (alice, bob, carol) =
        (server.register("alice").await, server.register("bob").await, server.register("carol").await);
    let create = json!({ "invite": [ALICE], "preset": "private_chat" });
    let room = server.post("v3/createRoom", &bob, create).await.ok()["room_id"].as_str().unwrap().to_owned();
    server.post(&format!("v3/join/{room}"), &alice, json!({})).await.ok();
    let token = || async { server.get("v3/sync", &bob).await.ok()["next_batch"].as_str().unwrap().to_owned() };
    let from = token().await;
    let changed = async |from: &str, to: &str| {
        server.get(&format!("v3/keys/changes?from={from}&to={to}"), &bob).await.ok()["changed"].clone()
    };
    assert_eq!(changed(&from, &from).await, json!([]));
    server.post("v3/keys/device_signing/upload", &alice, upload(&Key::new(1), &Key::new(2))).await.ok();
    let mut of_carol = Key::new(3).cross_signing("master");
    of_carol["user_id"] = json!("@carol:a.test");
    server.post("v3/keys/device_signing/upload", &carol, json!({ "master_key": of_carol })).await.ok();
    let to = token().await;
    assert_eq!(changed(&from, &to).await, json!([ALICE]), "nobody is told of strangers");
    assert_eq!(changed(&to, &to).await, json!([]));
    assert_eq!(server.get("v3/keys/changes?from=x&to=y", &bob).await.status, 400);
    assert_eq!(server.get("v3/keys/changes", &bob).await.error(), (400, "M_MISSING_PARAM"));
}
