use serde_json::json;

use super::*;

fn room_events(filter: Value) -> RoomEventFilter {
    RoomEventFilter::parse(filter.as_object().unwrap()).unwrap()
}

/// Whether a message of `sender` with `content` in `!r:a.test` passes.
fn passes(filter: Value, event_type: &str, sender: &str, content: Value) -> bool {
    let filter = room_events(filter);
    filter.allows_room(&RoomId::parse("!r:a.test").unwrap())
        && filter.allows(event_type, &UserId::parse(sender).unwrap(), content.as_object().unwrap())
}

#[test]
fn each_condition_counts_and_exclusions_win() {
    let (alice, bob) = ("@alice:a.test", "@bob:a.test");
    for (filter, event_type, sender, content, expected) in [
        (json!({}), "m.room.message", alice, json!({}), true),
        (json!({ "types": ["m.room.*"] }), "m.room.name", alice, json!({}), true),
        (json!({ "types": ["m.room.*"], "not_types": ["*.name"] }), "m.room.name", alice, json!({}), false),
        (json!({ "types": [] }), "m.room.name", alice, json!({}), false),
        (json!({ "senders": [alice] }), "m.x", alice, json!({}), true),
        (json!({ "senders": [alice] }), "m.x", bob, json!({}), false),
        (json!({ "senders": [alice], "not_senders": [alice] }), "m.x", alice, json!({}), false),
        (json!({ "contains_url": true }), "m.x", alice, json!({ "url": "mxc://a/b" }), true),
        (json!({ "contains_url": true }), "m.x", alice, json!({}), false),
        (json!({ "contains_url": false }), "m.x", alice, json!({ "url": "mxc://a/b" }), false),
        (json!({ "rooms": ["!r:a.test"] }), "m.x", alice, json!({}), true),
        (json!({ "rooms": ["!other:a.test"] }), "m.x", alice, json!({}), false),
        (json!({ "rooms": ["!r:a.test"], "not_rooms": ["!r:a.test"] }), "m.x", alice, json!({}), false),
        (json!({ "senders": null, "limit": null }), "m.x", alice, json!({}), true),
    ] {
        assert_eq!(passes(filter.clone(), event_type, sender, content.clone()), expected, "{filter} {content}");
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    for filter in [
        json!({ "room": [] }),
        json!({ "room": { "timeline": { "limit": -1 } } }),
        json!({ "room": { "timeline": { "limit": "10" } } }),
        json!({ "room": { "timeline": { "types": "m.room.message" } } }),
        json!({ "room": { "state": { "lazy_load_members": 1 } } }),
        json!({ "room": { "rooms": ["no room"] } }),
        json!({ "presence": { "senders": ["nobody"] } }),
        json!({ "event_format": "other" }),
        json!({ "event_fields": [1] }),
    ] {
        assert!(Filter::parse(filter.as_object().unwrap()).is_err(), "{filter}");
    }
}

#[test]
fn keys_of_newer_versions_are_let_through() {
    let filter = json!({ "org.example.x": 1, "room": { "timeline": { "limit": 5, "org.example.y": [] } } });
    assert_eq!(Filter::parse(filter.as_object().unwrap()).unwrap().room.timeline.events.limit, Some(5));
}
