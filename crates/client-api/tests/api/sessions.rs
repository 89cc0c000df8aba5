use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Server, password, server};

fn login(user: Value, extra: &Value) -> Value {
    let mut body = json!({ "type": "m.login.password", "identifier": user, "password": "secret" });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

fn user(name: &str) -> Value {
    json!({ "type": "m.id.user", "user": name })
}

async fn devices(server: &Server, token: &str) -> Vec<String> {
    let answer = server.get("v3/devices", token).await.ok();
    answer["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| device["device_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn users_log_in_by_either_name() {
    let server = server().await;
    server.register("alice").await;
    let none = json!({});
    for name in ["alice", "@alice:a.test", "Alice"] {
        let answer = server.post("v3/login", "", login(user(name), &none)).await.ok();
        assert_eq!(answer["user_id"], "@alice:a.test");
        assert!(answer.get("refresh_token").is_none() && answer.get("expires_in_ms").is_none());
    }
    let old = json!({ "type": "m.login.password", "user": "alice", "password": "secret" });
    server.post("v3/login", "", old).await.ok();
    for (identifier, expected) in [
        (user("@alice:b.test"), (403, "M_FORBIDDEN")),
        (user("bob"), (403, "M_FORBIDDEN")),
        (json!({ "type": "m.id.thirdparty", "medium": "email", "address": "a@b" }), (403, "M_FORBIDDEN")),
        (json!({ "type": "m.id.phone" }), (403, "M_FORBIDDEN")),
        (json!({ "type": "m.id.user" }), (400, "M_MISSING_PARAM")),
    ] {
        let answer = server.post("v3/login", "", login(identifier.clone(), &none)).await;
        assert_eq!(answer.error(), expected, "{identifier}");
    }
    assert_eq!(server.post("v3/login", "", json!({ "type": "m.login.sso" })).await.error(), (400, "M_UNKNOWN"));
    assert_eq!(server.post("v3/login", "", json!({})).await.error(), (400, "M_MISSING_PARAM"));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_logs_in_again_keeps_its_name_and_loses_its_token() {
    let server = server().await;
    let first = server.register("alice").await;
    let named = json!({ "device_id": "PHONE", "initial_device_display_name": "other" });
    let second = server.post("v3/login", "", login(user("alice"), &named)).await.ok();
    assert_eq!(second["device_id"], "PHONE");
    let second = second["access_token"].as_str().unwrap();
    assert_eq!(server.get("v3/account/whoami", &first).await.error(), (401, "M_UNKNOWN_TOKEN"));
    let device = server.get("v3/devices/PHONE", second).await.ok();
    assert_eq!(device["display_name"], Value::Null, "it had none");
    assert_eq!(device["last_seen_ip"], "192.0.2.1");
    assert!(device["last_seen_ts"].as_i64().unwrap() > 0);
    server.put("v3/devices/PHONE", second, json!({ "display_name": "mine" })).await.ok();
    assert_eq!(server.get("v3/devices/PHONE", second).await.ok()["display_name"], "mine");
    for (path, body) in [("v3/devices/GONE", json!({ "display_name": "x" })), ("v3/devices/GONE", json!({}))] {
        assert_eq!(server.put(path, second, body).await.error(), (404, "M_NOT_FOUND"));
    }
    assert_eq!(server.get("v3/devices/GONE", second).await.error(), (404, "M_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn devices_are_deleted_with_a_password_and_everything_of_theirs() {
    let server = server().await;
    let token = server.register("alice").await;
    for device in ["A", "B", "C"] {
        server.post("v3/login", "", login(user("alice"), &json!({ "device_id": device }))).await.ok();
    }
    assert_eq!(server.delete("v3/devices/A", &token).await.status, 401);
    let many = |auth: Value| json!({ "devices": ["B", "C", "GONE"], "auth": auth });
    let wrong = json!({ "type": "m.login.password", "identifier": user("alice"), "password": "x" });
    assert_eq!(server.post("v3/delete_devices", &token, many(wrong)).await.error(), (401, "M_FORBIDDEN"));
    assert_eq!(devices(&server, &token).await.len(), 4);
    server.post("v3/delete_devices", &token, many(password("alice"))).await.ok();
    assert_eq!(devices(&server, &token).await, ["A", "PHONE"]);
    let body = json!({ "auth": password("alice") });
    server.ask(http::Method::DELETE, "v3/devices/A", &token, body.clone()).await.ok();
    server.ask(http::Method::DELETE, "v3/devices/A", &token, body).await.ok();
    server.post("v3/logout/all", &token, json!({})).await.ok();
    assert_eq!(server.get("v3/devices", &token).await.error(), (401, "M_UNKNOWN_TOKEN"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ended_is_refreshed_and_the_session_is_the_same() {
    let server = server().await;
    server.register("alice").await;
    let session = server.post("v3/login", "", login(user("alice"), &json!({ "refresh_token": true }))).await.ok();
    let (access, refresh) = (session["access_token"].as_str().unwrap(), session["refresh_token"].clone());
    let lifetime = Duration::from_millis(session["expires_in_ms"].as_u64().unwrap());
    server.get("v3/account/whoami", access).await.ok();
    tokio::time::advance(lifetime).await;
    let ended = server.get("v3/account/whoami", access).await;
    assert_eq!((ended.error(), &ended.body["soft_logout"]), ((401, "M_UNKNOWN_TOKEN"), &json!(true)));
    let next = server.post("v3/refresh", "", json!({ "refresh_token": refresh })).await.ok();
    let access = next["access_token"].as_str().unwrap();
    assert_eq!(server.get("v3/account/whoami", access).await.ok()["device_id"], session["device_id"]);
    let again = server.post("v3/refresh", "", json!({ "refresh_token": refresh })).await;
    assert_eq!((again.error(), again.body.get("soft_logout")), ((401, "M_UNKNOWN_TOKEN"), None));
    assert_eq!(server.post("v3/refresh", "", json!({})).await.error(), (400, "M_MISSING_PARAM"));
    server.post("v3/logout", access, json!({})).await.ok();
    let after = server.post("v3/refresh", "", json!({ "refresh_token": next["refresh_token"] })).await;
    assert_eq!(after.error(), (401, "M_UNKNOWN_TOKEN"));
}
