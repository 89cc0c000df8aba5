use serde_json::json;

use crate::harness::server;

#[tokio::test(start_paused = true)]
async fn profiles_have_the_fields_that_users_give_them() {
    let server = server().await;
    let token = server.register("alice").await;
    let path = |field: &str| format!("v3/profile/@alice:a.test/{field}");
    for (field, value) in [
        ("displayname", json!("Alice")),
        ("avatar_url", json!("mxc://a.test/x")),
        ("m.tz", json!("Europe/Paris")),
        ("org.example.mood", json!({ "happy": true })),
    ] {
        server.put(&path(field), &token, json!({ field: value })).await.ok();
        assert_eq!(server.get(&path(field), "").await.ok(), json!({ field: value }));
    }
    assert_eq!(server.get("v3/profile/@alice:a.test", "").await.ok().as_object().unwrap().len(), 4);
    for _ in 0..2 {
        server.delete(&path("org.example.mood"), &token).await.ok();
    }
    assert_eq!(server.get(&path("org.example.mood"), "").await.error(), (404, "M_NOT_FOUND"));
    assert_eq!(server.get("v3/profile/@nobody:a.test", "").await.error(), (404, "M_NOT_FOUND"));
    assert_eq!(server.get("v3/profile/nobody", "").await.error(), (400, "M_INVALID_PARAM"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_field_is_refused_by_name() {
    let server = server().await;
    let token = server.register("alice").await;
    let long = "a".repeat(256);
    for (field, body, expected) in [
        ("org.example.x", json!({ "org.example.y": 1 }), (400, "M_MISSING_PARAM")),
        ("org.example.x", json!({ "org.example.x": "a".repeat(70_000) }), (400, "M_PROFILE_TOO_LARGE")),
        (long.as_str(), json!({ &long: 1 }), (400, "M_KEY_TOO_LARGE")),
        ("nonsense", json!({ "nonsense": 1 }), (400, "M_INVALID_PARAM")),
        ("displayname", json!({ "displayname": 1 }), (400, "M_INVALID_PARAM")),
        ("displayname", json!({ "displayname": "a".repeat(300) }), (400, "M_INVALID_PARAM")),
        ("m.tz", json!({ "m.tz": 1 }), (400, "M_INVALID_PARAM")),
    ] {
        let answer = server.put(&format!("v3/profile/@alice:a.test/{field}"), &token, body).await;
        assert_eq!(answer.error(), expected, "{field}");
    }
    let other = server.put("v3/profile/@bob:a.test/displayname", &token, json!({ "displayname": "x" })).await;
    assert_eq!(other.error(), (403, "M_FORBIDDEN"));
    assert_eq!(server.delete("v3/profile/@bob:a.test/displayname", &token).await.error(), (403, "M_FORBIDDEN"));
    assert_eq!(server.delete("v3/profile/@alice:a.test/nonsense", &token).await.error(), (400, "M_INVALID_PARAM"));
    assert_eq!(server.get("v3/profile/@carol:b.test", "").await.status, 502, "nobody can be asked");
}

#[tokio::test(start_paused = true)]
async fn people_are_found_by_name() {
    let server = server().await;
    let token = server.register("alice").await;
    server.register("alicia").await;
    let ending = server.register("alistair").await;
    server.put("v3/profile/@alice:a.test/displayname", &token, json!({ "displayname": "Wonder" })).await.ok();
    let body = json!({ "auth": crate::harness::password("alistair") });
    server.post("v3/account/deactivate", &ending, body).await.ok();
    let search = |body: serde_json::Value| server.post("v3/user_directory/search", &token, body);
    let found = search(json!({ "search_term": "ALI" })).await.ok();
    let expected = json!([
        { "user_id": "@alice:a.test", "display_name": "Wonder" },
        { "user_id": "@alicia:a.test", "display_name": "alicia" },
    ]);
    assert_eq!((&found["results"], &found["limited"]), (&expected, &json!(false)));
    let one = search(json!({ "search_term": "ali", "limit": 1 })).await.ok();
    assert_eq!((one["results"].as_array().unwrap().len(), &one["limited"]), (1, &json!(true)));
    assert_eq!(search(json!({ "search_term": "wonder" })).await.ok()["results"][0]["user_id"], "@alice:a.test");
    assert_eq!(search(json!({ "search_term": "" })).await.ok()["results"], json!([]));
    assert_eq!(search(json!({})).await.error(), (400, "M_MISSING_PARAM"));
}
