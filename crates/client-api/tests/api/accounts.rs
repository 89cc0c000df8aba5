use http::Method;
use serde_json::json;
use users::Registration;
use users::rate_limits::Rates;

use crate::harness::{password, server, server_with};

#[tokio::test(start_paused = true)]
async fn registration_asks_for_its_stage_first() {
    let server = server().await;
    let body = json!({ "username": "alice", "password": "secret" });
    let challenge = server.post("v3/register", "", body.clone()).await;
    assert_eq!(challenge.status, 401);
    assert_eq!(challenge.body["flows"], json!([{ "stages": ["m.login.dummy"] }]));
    assert_eq!(challenge.body.get("errcode"), None, "nothing has failed yet");
    let session = challenge.body["session"].clone();
    let mut wrong = body.clone();
    wrong["auth"] = json!({ "type": "m.login.password", "session": session });
    let refused = server.post("v3/register", "", wrong).await;
    assert_eq!(refused.error(), (401, "M_UNAUTHORIZED"));
    assert_eq!((&refused.body["session"], refused.body["flows"].is_array()), (&session, true));
    let mut good = body;
    good["auth"] = json!({ "type": "m.login.dummy", "session": session });
    good["inhibit_login"] = json!(true);
    let answer = server.post("v3/register", "", good.clone()).await.ok();
    assert_eq!(answer["user_id"], "@alice:a.test");
    assert!(answer.get("access_token").is_none() && answer.get("device_id").is_none());
    assert_eq!(server.post("v3/register", "", good).await.error(), (400, "M_USER_IN_USE"));
}

#[tokio::test(start_paused = true)]
async fn names_are_checked_before_anything_else() {
    let server = server().await;
    server.register("taken").await;
    for (name, errcode) in [
        ("taken", "M_USER_IN_USE"),
        ("Capital", "M_INVALID_USERNAME"),
        ("with space", "M_INVALID_USERNAME"),
        ("", "M_INVALID_USERNAME"),
        ("_bridge", "M_INVALID_USERNAME"),
        ("12345", "M_INVALID_USERNAME"),
        (&"a".repeat(250), "M_INVALID_USERNAME"),
    ] {
        let answer = server.post("v3/register", "", json!({ "username": name })).await;
        assert_eq!(answer.error(), (400, errcode), "{name}");
        let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let answer = server.get(&format!("v3/register/available?username={encoded}"), "").await;
        assert_eq!(answer.error(), (400, errcode), "{name}");
    }
    assert_eq!(server.get("v3/register/available?username=free", "").await.ok(), json!({ "available": true }));
    assert_eq!(server.get("v3/register/available", "").await.error(), (400, "M_MISSING_PARAM"));
}

#[tokio::test(start_paused = true)]
async fn guests_and_closed_doors_are_said_so() {
    let server = server().await;
    assert_eq!(server.post("v3/register?kind=guest", "", json!({})).await.error(), (403, "M_FORBIDDEN"));
    assert_eq!(server.post("v3/register?kind=robot", "", json!({})).await.error(), (400, "M_INVALID_PARAM"));
    let closed = server_with(Registration::Closed, Rates::off()).await;
    assert_eq!(closed.post("v3/register", "", json!({})).await.error(), (403, "M_FORBIDDEN"));
    let validity = "v1/register/m.login.registration_token/validity?token=x";
    assert_eq!(closed.get(validity, "").await.error(), (403, "M_FORBIDDEN"));
}

#[tokio::test(start_paused = true)]
async fn a_token_opens_the_door() {
    let server = server_with(Registration::Token(vec!["sesame".to_owned()]), Rates::off()).await;
    let validity = |token: &str| format!("v1/register/m.login.registration_token/validity?token={token}");
    assert_eq!(server.get(&validity("sesame"), "").await.ok(), json!({ "valid": true }));
    assert_eq!(server.get(&validity("guess"), "").await.ok(), json!({ "valid": false }));
    let register =
        |auth: serde_json::Value| server.post("v3/register", "", json!({ "username": "alice", "auth": auth }));
    let guess = register(json!({ "type": "m.login.registration_token", "token": "guess" })).await;
    assert_eq!(guess.error(), (401, "M_UNAUTHORIZED"));
    assert_eq!(register(json!({ "type": "m.login.dummy" })).await.error(), (401, "M_UNAUTHORIZED"));
    assert_eq!(register(json!({ "session": "x" })).await.error(), (401, ""), "a client looks how far it is");
    let auth = json!({ "type": "m.login.registration_token", "token": "sesame" });
    assert_eq!(register(auth).await.ok()["user_id"], "@alice:a.test");
}

#[tokio::test(start_paused = true)]
async fn an_account_ends_for_good_but_only_with_its_password() {
    let server = server().await;
    let token = server.register("alice").await;
    let challenge = server.post("v3/account/deactivate", &token, json!({})).await;
    assert_eq!((challenge.status, &challenge.body["flows"]), (401, &json!([{ "stages": ["m.login.password"] }])));
    for auth in [
        json!({ "type": "m.login.password", "password": "wrong" }),
        json!({ "type": "m.login.password", "user": "@bob:a.test", "password": "secret" }),
    ] {
        let refused = server.post("v3/account/deactivate", &token, json!({ "auth": auth })).await;
        assert_eq!(refused.error(), (401, "M_FORBIDDEN"));
        assert!(refused.body["flows"].is_array() && refused.body["session"].is_string());
    }
    let other = json!({ "auth": { "type": "m.login.dummy" } });
    assert_eq!(server.post("v3/account/deactivate", &token, other).await.error(), (401, "M_UNRECOGNIZED"));
    let body = json!({ "auth": password("alice"), "erase": true });
    let answer = server.post("v3/account/deactivate", &token, body).await.ok();
    assert_eq!(answer["id_server_unbind_result"], "success");
    assert_eq!(server.get("v3/account/whoami", &token).await.error(), (401, "M_UNKNOWN_TOKEN"));
    let login = json!({
        "type": "m.login.password", "identifier": { "type": "m.id.user", "user": "alice" }, "password": "secret",
    });
    assert_eq!(server.post("v3/login", "", login).await.status, 403);
    assert_eq!(server.get("v3/register/available?username=alice", "").await.error(), (400, "M_USER_IN_USE"));
    assert_eq!(server.get("v3/profile/@alice:a.test/displayname", "").await.error(), (404, "M_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn there_are_no_third_party_identifiers_and_nobody_pretends() {
    let server = server().await;
    let token = server.register("alice").await;
    assert_eq!(server.get("v3/account/3pid", &token).await.ok(), json!({ "threepids": [] }));
    for path in ["", "/add", "/bind", "/delete", "/unbind"] {
        let answer = server.post(&format!("v3/account/3pid{path}"), &token, json!({})).await;
        assert_eq!(answer.error(), (403, "M_FORBIDDEN"), "{path}");
    }
    for path in ["register/email", "register/msisdn", "account/password/email", "account/3pid/msisdn"] {
        let answer = server.post(&format!("v3/{path}/requestToken"), "", json!({})).await;
        assert_eq!(answer.error(), (403, "M_THREEPID_DENIED"), "{path}");
    }
    let capabilities = server.get("v3/capabilities", &token).await.ok();
    let enabled = |name: &str| capabilities["capabilities"][name]["enabled"].clone();
    for (name, expected) in [
        ("m.change_password", true),
        ("m.profile_fields", true),
        ("m.set_displayname", true),
        ("m.set_avatar_url", true),
        ("m.3pid_changes", false),
        ("m.get_login_token", false),
        ("m.forget_forced_upon_leave", false),
    ] {
        assert_eq!(enabled(name), json!(expected), "{name}");
    }
    let versions = &capabilities["capabilities"]["m.room_versions"];
    assert_eq!(versions["available"][versions["default"].as_str().unwrap()], "stable");
}

#[tokio::test(start_paused = true)]
async fn a_new_password_logs_the_other_devices_out() {
    let server = server().await;
    let phone = server.register("alice").await;
    let login = |password: &str| {
        let identifier = json!({ "type": "m.id.user", "user": "@alice:a.test" });
        server.post(
            "v3/login",
            "",
            json!({ "type": "m.login.password", "identifier": identifier, "password": password }),
        )
    };
    let laptop = login("secret").await.ok()["access_token"].as_str().unwrap().to_owned();
    let body = json!({ "new_password": "better", "auth": password("alice") });
    server.post("v3/account/password", &phone, body).await.ok();
    assert_eq!(server.get("v3/account/whoami", &phone).await.ok()["is_guest"], false);
    assert_eq!(server.get("v3/account/whoami", &laptop).await.error(), (401, "M_UNKNOWN_TOKEN"));
    assert_eq!(login("secret").await.error(), (403, "M_FORBIDDEN"));
    login("better").await.ok();
    assert_eq!(
        server.ask(Method::PATCH, "v3/account/password", &phone, json!({})).await.error(),
        (405, "M_UNRECOGNIZED")
    );
}
