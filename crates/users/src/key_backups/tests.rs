use super::*;
use crate::testing::{Server, object, server};

fn room() -> RoomId {
    RoomId::parse("!r:a.test").unwrap()
}

fn entry(is_verified: bool, first: i64, forwarded: i64, data: &str) -> Object {
    object(json!({
        "is_verified": is_verified,
        "first_message_index": first,
        "forwarded_count": forwarded,
        "session_data": { "ciphertext": data },
    }))
}

fn keys(session: &str, entry: Object) -> Keys {
    BTreeMap::from([(room(), BTreeMap::from([(session.to_owned(), entry)]))])
}

async fn backup(server: &Server, user: &UserId) -> String {
    let auth_data = object(json!({ "public_key": "x" }));
    server.users.create_key_backup(user, "m.megolm_backup.v1".to_owned(), &auth_data).await.unwrap()
}

#[tokio::test]
async fn a_backup_begins_is_changed_and_ends() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    let users = &server.users;
    assert!(matches!(users.key_backup(&alice, None).await, Err(BackupError::NotFound)));
    let first = backup(&server, &alice).await;
    let second = backup(&server, &alice).await;
    assert_eq!((first.as_str(), second.as_str()), ("1", "2"));
    let latest = users.key_backup(&alice, None).await.unwrap();
    assert_eq!((&latest["version"], &latest["count"]), (&json!("2"), &json!(0)));

    let changed = object(json!({ "public_key": "y" }));
    let update = |algorithm: &str| users.update_key_backup(&alice, second.clone(), algorithm.to_owned(), &changed);
    update("m.megolm_backup.v1").await.unwrap();
    assert!(matches!(update("other").await, Err(BackupError::Invalid(_))));
    assert_eq!(
        users.key_backup(&alice, Some("2".to_owned())).await.unwrap()["auth_data"],
        json!({ "public_key": "y" })
    );

    users.delete_key_backup(&alice, second.clone()).await.unwrap();
    users.delete_key_backup(&alice, second).await.unwrap();
    assert!(matches!(users.delete_key_backup(&alice, "77".to_owned()).await, Err(BackupError::NotFound)));
    assert_eq!(users.key_backup(&alice, None).await.unwrap()["version"], "1");
    assert_eq!(backup(&server, &alice).await, "3", "a version is given out once");
    assert!(matches!(users.key_backup(&alice, Some("x".to_owned())).await, Err(BackupError::NotFound)));
}

#[tokio::test]
async fn a_key_gives_way_only_to_a_better_one() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    let version = backup(&server, &alice).await;
    for (offer, kept) in [
        (entry(false, 5, 5, "a"), "a"),
        (entry(false, 6, 0, "b"), "a"),
        (entry(false, 5, 4, "c"), "c"),
        (entry(false, 4, 9, "d"), "d"),
        (entry(true, 9, 9, "e"), "e"),
        (entry(false, 0, 0, "f"), "e"),
    ] {
        server.users.put_backed_up_keys(&alice, version.clone(), keys("s", offer)).await.unwrap();
        let part = Part::Session(room(), "s".to_owned());
        let found = server.users.backed_up_keys(&alice, version.clone(), part).await.unwrap();
        assert_eq!(found[&room()]["s"]["session_data"]["ciphertext"], kept);
    }
}

#[tokio::test]
async fn count_and_etag_follow_the_keys() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    let version = backup(&server, &alice).await;
    let put = |session: &'static str| {
        server.users.put_backed_up_keys(&alice, version.clone(), keys(session, entry(true, 0, 0, "x")))
    };
    let one = put("one").await.unwrap();
    let again = put("one").await.unwrap();
    let two = put("two").await.unwrap();
    assert_eq!((&one["count"], &again["count"], &two["count"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!(one["etag"], again["etag"]);
    assert_ne!(one["etag"], two["etag"]);
    let delete = |part| server.users.delete_backed_up_keys(&alice, version.clone(), part);
    assert_eq!(delete(Part::Session(room(), "one".to_owned())).await.unwrap()["count"], 1);
    assert_eq!(delete(Part::Room(room())).await.unwrap()["count"], 0);
    put("three").await.unwrap();
    assert_eq!(delete(Part::All).await.unwrap()["count"], 0);
    assert!(server.users.backed_up_keys(&alice, version.clone(), Part::All).await.unwrap().is_empty());
}

#[tokio::test]
async fn keys_go_into_the_latest_backup_and_must_be_whole() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    let none = server.users.put_backed_up_keys(&alice, "1".to_owned(), Keys::new()).await;
    assert!(matches!(none, Err(BackupError::NotFound)));
    let old = backup(&server, &alice).await;
    let version = backup(&server, &alice).await;
    let wrong = server.users.put_backed_up_keys(&alice, old, keys("s", entry(true, 0, 0, "x"))).await;
    assert!(matches!(wrong, Err(BackupError::WrongVersion { current: 2 })));
    for field in ["is_verified", "first_message_index", "forwarded_count", "session_data"] {
        let mut broken = entry(true, 0, 0, "x");
        broken.remove(field);
        let result = server.users.put_backed_up_keys(&alice, version.clone(), keys("s", broken)).await;
        assert!(matches!(&result, Err(BackupError::Invalid(reason)) if reason.contains(field)), "{field}: {result:?}");
    }
    let large = entry(true, 0, 0, &"x".repeat(KEY_SIZE_BYTES_MAX));
    let result = server.users.put_backed_up_keys(&alice, version, keys("s", large)).await;
    assert!(matches!(result, Err(BackupError::Invalid(_))));
}
