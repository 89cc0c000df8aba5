//! Making rooms, their names, the directory: what is refused, and how.

use serde_json::{Value, json};

use crate::harness::{Server, server, servers};

async fn create(server: &Server, token: &str, body: Value) -> String {
    server.post("v3/createRoom", token, body).await.ok()["room_id"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn rooms_that_cannot_be_made_are_refused_as_the_specification_says() {
    let server = server().await;
    let token = server.register("alice").await;
    create(&server, &token, json!({ "room_alias_name": "taken" })).await;
    let third_party =
        json!([{ "id_server": "id.test", "id_access_token": "t", "medium": "email", "address": "a@b.test" }]);
    for (body, expected) in [
        (json!({ "room_alias_name": "taken" }), (400, "M_ROOM_IN_USE")),
        (json!({ "room_version": "none" }), (400, "M_UNSUPPORTED_ROOM_VERSION")),
        (json!({ "name": "n", "power_level_content_override": { "users": {} } }), (400, "M_INVALID_ROOM_STATE")),
        (json!({ "invite_3pid": third_party }), (403, "M_THREEPID_DENIED")),
        (json!({ "preset": "none" }), (400, "M_INVALID_PARAM")),
        (
            json!({ "room_version": "12", "creation_content": { "additional_creators": ["nobody"] } }),
            (400, "M_INVALID_PARAM"),
        ),
        (json!({ "invite": ["nobody"] }), (400, "M_BAD_JSON")),
    ] {
        assert_eq!(server.post("v3/createRoom", &token, body.clone()).await.error(), expected, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn aliases_that_are_taken_or_lead_elsewhere_are_refused() {
    let server = server().await;
    let token = server.register("alice").await;
    let one = create(&server, &token, json!({ "room_alias_name": "one" })).await;
    let two = create(&server, &token, json!({})).await;
    let taken = server.put("v3/directory/room/%23one:a.test", &token, json!({ "room_id": two })).await;
    assert_eq!(taken.error(), (409, "M_UNKNOWN"));
    let set = async |room: &str, alias: &str| {
        server.put(&format!("v3/rooms/{room}/state/m.room.canonical_alias/"), &token, json!({ "alias": alias })).await
    };
    assert_eq!(set(&two, "#one:a.test").await.error(), (400, "M_BAD_ALIAS"));
    assert_eq!(set(&two, "#none:a.test").await.error(), (400, "M_BAD_ALIAS"));
    assert_eq!(set(&two, "none").await.error(), (400, "M_INVALID_PARAM"));
    set(&one, "#one:a.test").await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_not_known_has_no_visibility_and_one_that_was_not_left_is_not_forgotten() {
    let server = server().await;
    let token = server.register("alice").await;
    let path = "v3/directory/list/room/!unknown:a.test";
    assert_eq!(server.get(path, "").await.error(), (404, "M_NOT_FOUND"));
    assert_eq!(server.put(path, &token, json!({ "visibility": "public" })).await.error(), (404, "M_NOT_FOUND"));
    let room = create(&server, &token, json!({})).await;
    let visibility = server.get(&format!("v3/directory/list/room/{room}"), "").await.ok();
    assert_eq!(visibility, json!({ "visibility": "private" }));
    let forgotten = server.post(&format!("v3/rooms/{room}/forget"), &token, json!({})).await;
    assert_eq!(forgotten.error(), (400, "M_UNKNOWN"));
    let by_address = json!({ "id_server": "id.test", "medium": "email", "address": "a@b.test" });
    let invited = server.post(&format!("v3/rooms/{room}/invite"), &token, by_address).await;
    assert_eq!(invited.error(), (403, "M_THREEPID_DENIED"));
    let signed =
        json!({ "third_party_signed": { "mxid": "@u:a.test", "sender": "@v:a.test", "token": "t", "signatures": {} } });
    assert_eq!(server.post(&format!("v3/join/{room}"), &token, signed).await.error(), (403, "M_THREEPID_DENIED"));
}

#[tokio::test(start_paused = true)]
async fn a_room_whose_state_breaks_its_own_rules_leaves_nothing() {
    let server = server().await;
    let token = server.register("alice").await;
    let mut wish = json!({
        "visibility": "public", "room_alias_name": "hall", "room_version": "11",
        "power_level_content_override": { "users": { "@alice:a.test": 10 } },
    });
    assert_eq!(server.post("v3/createRoom", &token, wish.clone()).await.error(), (400, "M_INVALID_ROOM_STATE"));
    assert_eq!(server.get("v3/joined_rooms", &token).await.ok(), json!({ "joined_rooms": [] }));
    assert_eq!(server.get("v3/publicRooms", &token).await.ok()["chunk"], json!([]));
    assert_eq!(server.get("v3/directory/room/%23hall:a.test", &token).await.error(), (404, "M_NOT_FOUND"));
    wish["power_level_content_override"] = json!({});
    let room = create(&server, &token, wish.clone()).await;
    assert_eq!(server.get("v3/directory/room/%23hall:a.test", &token).await.ok()["room_id"], json!(room));
    assert_eq!(server.post("v3/createRoom", &token, wish).await.error(), (400, "M_ROOM_IN_USE"));
    assert_eq!(server.get("v3/joined_rooms", &token).await.ok(), json!({ "joined_rooms": [room] }));
}

#[tokio::test(start_paused = true)]
async fn the_directory_shows_the_types_of_rooms_that_are_wanted() {
    let [a, b] = servers(["a.test", "b.test"]).await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    create(&a, &alice, json!({ "visibility": "public", "name": "room" })).await;
    let space = json!({ "visibility": "public", "name": "space", "creation_content": { "type": "m.space" } });
    create(&a, &alice, space).await;
    for (wanted, found) in [
        (json!(["m.space"]), &["space"][..]),
        (json!([null]), &["room"]),
        (json!([null, "m.space"]), &["room", "space"]),
        (json!(["other"]), &[]),
        (json!([]), &[]),
        (json!(null), &["room", "space"]),
    ] {
        let search = json!({ "filter": { "room_types": wanted } });
        for answer in [
            a.post("v3/publicRooms", &alice, search.clone()).await.ok(),
            b.post("v3/publicRooms?server=a.test", &bob, search.clone()).await.ok(),
        ] {
            let chunk = answer["chunk"].as_array().unwrap();
            let mut names: Vec<&str> = chunk.iter().map(|room| room["name"].as_str().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, found, "{search}");
        }
    }
    for filter in [json!("text"), json!({ "room_types": "m.space" }), json!({ "generic_search_term": 1 })] {
        let refused = a.post("v3/publicRooms", &alice, json!({ "filter": filter })).await;
        assert_eq!(refused.error(), (400, "M_BAD_JSON"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_directory_of_another_server_is_read_through_ours() {
    let [a, b] = servers(["a.test", "b.test"]).await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    for name in ["first", "second"] {
        create(&a, &alice, json!({ "visibility": "public", "name": name })).await;
    }
    let names = |answer: &Value| -> Vec<String> {
        answer["chunk"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap().to_owned()).collect()
    };
    let page = b.get("v3/publicRooms?server=a.test&limit=1", &bob).await.ok();
    let since = page["next_batch"].as_str().unwrap();
    let rest = b.get(&format!("v3/publicRooms?server=a.test&limit=1&since={since}"), &bob).await.ok();
    let mut all = [names(&page), names(&rest)].concat();
    all.sort_unstable();
    assert_eq!((all, &page["total_room_count_estimate"]), (vec!["first".to_owned(), "second".to_owned()], &json!(2)));
    let search = json!({ "filter": { "generic_search_term": "SECOND" } });
    assert_eq!(names(&b.post("v3/publicRooms?server=a.test", &bob, search).await.ok()), ["second"]);
    assert_eq!(b.get("v3/publicRooms?server=a.test", "").await.error(), (401, "M_MISSING_TOKEN"));
    assert_eq!(names(&b.get("v3/publicRooms", "").await.ok()), [""; 0]);
    assert_eq!(b.get("v3/publicRooms?server=gone.test", &bob).await.error(), (502, "M_UNKNOWN"));
}
