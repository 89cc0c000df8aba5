use persistence::Position;
use persistence::transactions::streams::{self, Stream};
use serde_json::json;

use super::*;
use crate::testing::{object, server, user};

fn room() -> RoomId {
    RoomId::parse("!r:a.test").unwrap()
}

#[tokio::test]
async fn what_is_stored_comes_back_and_wakes_the_user() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    let waiter = server.notifier.wait(&alice);
    let content = object(json!({ "@bob:a.test": ["!r:a.test"] }));
    server.users.set_account_data(&alice, None, "m.direct", &content).await.unwrap();
    waiter.woken().await;
    assert_eq!(server.users.account_data(&alice, None, "m.direct").await.unwrap(), Some(content));
    assert_eq!(server.users.account_data(&alice, Some(&room()), "m.direct").await.unwrap(), None);
    assert_eq!(server.users.account_data(&user("@bob:a.test"), None, "m.direct").await.unwrap(), None);
}

#[tokio::test]
async fn changes_follow_positions_and_a_piece_is_there_once() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    let before = position(&server.database).await;
    for number in 0..3 {
        let content = object(json!({ "n": number }));
        server.users.set_account_data(&alice, None, "org.example", &content).await.unwrap();
    }
    server.users.set_account_data(&alice, Some(&room()), "org.example", &Object::new()).await.unwrap();
    let changes = changed(&server.database, &alice, before).await;
    let shown: Vec<_> = changes
        .iter()
        .map(|datum| (datum.room_id.as_ref().map(RoomId::as_str), datum.data_type.as_str(), datum.content.as_str()))
        .collect();
    assert_eq!(shown, [(None, "org.example", r#"{"n":2}"#), (Some("!r:a.test"), "org.example", "{}")]);
    let after = position(&server.database).await;
    assert_eq!(changed(&server.database, &alice, after).await, []);
    // The push rules are there from the start.
    assert_eq!(changed(&server.database, &alice, Position(0)).await[0].data_type, "m.push_rules");
}

#[tokio::test]
async fn tags_are_one_piece_of_account_data() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    assert!(server.users.tags(&alice, &room()).await.unwrap().is_empty());
    let order = object(json!({ "order": 0.5 }));
    server.users.set_tag(&alice, &room(), "m.favourite".to_owned(), order).await.unwrap();
    server.users.set_tag(&alice, &room(), "u.work".to_owned(), Object::new()).await.unwrap();
    server.users.delete_tag(&alice, &room(), "u.gone".to_owned()).await.unwrap();
    let expected = object(json!({ "m.favourite": { "order": 0.5 }, "u.work": {} }));
    assert_eq!(server.users.tags(&alice, &room()).await.unwrap(), expected);
    let content = server.users.account_data(&alice, Some(&room()), "m.tag").await.unwrap().unwrap();
    assert_eq!(content.get("tags"), Some(&Value::Object(expected)));
    server.users.delete_tag(&alice, &room(), "m.favourite".to_owned()).await.unwrap();
    assert_eq!(server.users.tags(&alice, &room()).await.unwrap(), object(json!({ "u.work": {} })));
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    for managed in ["m.push_rules", "m.fully_read"] {
        let result = server.users.set_account_data(&alice, None, managed, &Object::new()).await;
        assert!(matches!(result, Err(AccountDataError::Managed(_))), "{managed}");
    }
    let large = object(json!({ "x": "y".repeat(CONTENT_SIZE_BYTES_MAX) }));
    let result = server.users.set_account_data(&alice, None, "org.example", &large).await;
    assert!(matches!(result, Err(AccountDataError::TooLarge)));
    let result = server.users.set_account_data(&alice, None, &"t".repeat(256), &Object::new()).await;
    assert!(matches!(result, Err(AccountDataError::TooLarge)));
    let result = server.users.set_tag(&alice, &room(), "t".repeat(256), Object::new()).await;
    assert!(matches!(result, Err(AccountDataError::TagTooLong)));
}

#[tokio::test]
async fn equal_filters_share_an_id() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    let bob = server.user("bob", "B").await.user_id;
    let (one, other) = (object(json!({ "room": {} })), object(json!({ "room": { "timeline": { "limit": 1 } } })));
    let id = server.users.store_filter(&alice, &one).await.unwrap();
    assert_eq!(server.users.store_filter(&alice, &one).await.unwrap(), id);
    assert_ne!(server.users.store_filter(&alice, &other).await.unwrap(), id);
    assert_eq!(server.users.filter(&alice, &id).await.unwrap(), Some(one));
    assert_eq!(server.users.filter(&bob, &id).await.unwrap(), None);
    assert_eq!(server.users.filter(&alice, "no number").await.unwrap(), None);
    for number in 0..crate::filters::FILTERS_PER_USER_MAX {
        server.users.store_filter(&alice, &object(json!({ "n": number }))).await.unwrap();
    }
    assert_eq!(server.users.filter(&alice, &id).await.unwrap(), None, "the oldest is forgotten");
}

async fn position(database: &persistence::Database) -> Position {
    database.read(|tx| streams::current(tx, Stream::AccountData)).await.unwrap()
}

async fn changed(database: &persistence::Database, user: &UserId, from: Position) -> Vec<account_data::AccountDatum> {
    let user = user.clone();
    database.read(move |tx| account_data::changed_since(tx, &user, from)).await.unwrap()
}
