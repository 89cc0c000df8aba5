use serde_json::json;

use super::*;
use crate::testing::{Server, object, server, user};

#[tokio::test]
async fn a_new_user_is_seen_under_the_localpart() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    assert_eq!(server.users.profile(&alice, None).await.unwrap(), object(json!({ "displayname": "alice" })));
    let missing = server.users.profile(&alice, Some("avatar_url")).await;
    assert!(matches!(missing, Err(ProfileError::NotFound)));
    let nobody = server.users.profile(&user("@nobody:a.test"), None).await;
    assert!(matches!(nobody, Err(ProfileError::NotFound)));
    let elsewhere = server.users.profile(&user("@bob:b.test"), None).await;
    assert!(matches!(elsewhere, Err(ProfileError::Remote { .. })));
}

#[tokio::test]
async fn rooms_hear_of_names_and_avatars_and_of_nothing_else() {
    let Server { users, heard, .. } = &server();
    let alice = users.register(new("alice"), None, None).await.unwrap().0;
    for (field, value) in [
        ("displayname", json!("Alice")),
        ("avatar_url", json!("mxc://a.test/x")),
        ("m.tz", json!("Atlantic/Reykjavik")),
        ("org.example.pronouns", json!([{ "summary": "she" }])),
    ] {
        users.set_profile_field(&alice, field, value).await.unwrap();
    }
    assert_eq!(heard.take(), ["profile of @alice:a.test", "profile of @alice:a.test"]);
    let expected = json!({
        "displayname": "Alice",
        "avatar_url": "mxc://a.test/x",
        "m.tz": "Atlantic/Reykjavik",
        "org.example.pronouns": [{ "summary": "she" }],
    });
    assert_eq!(users.profile(&alice, None).await.unwrap(), object(expected));

    users.set_profile_field(&alice, "displayname", json!("")).await.unwrap();
    users.delete_profile_field(&alice, "avatar_url").await.unwrap();
    users.delete_profile_field(&alice, "m.tz").await.unwrap();
    let left = users.profile(&alice, None).await.unwrap();
    assert_eq!(left, object(json!({ "org.example.pronouns": [{ "summary": "she" }] })));
    assert_eq!(heard.take().len(), 2);
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    let long_name = format!("a.{}", "b".repeat(255));
    let too_large = "x".repeat(PROFILE_SIZE_BYTES_MAX);
    for (field, value, refusal) in [
        ("displayname", json!(5), "displayname must be a text"),
        ("displayname", json!("x".repeat(257)), "displayname must be a text"),
        ("avatar_url", json!({}), "avatar_url must be a text"),
        ("m.tz", json!(1), "m.tz must be the name of a time zone"),
        ("nickname", json!("x"), "a profile field is"),
        ("Org.example", json!("x"), "a profile field is"),
        ("org..example", json!("x"), "a profile field is"),
        (long_name.as_str(), json!("x"), "the name of a profile field"),
        ("org.example.large", json!(too_large), "a profile has at most"),
    ] {
        let error = server.users.set_profile_field(&alice, field, value).await.unwrap_err();
        assert!(error.to_string().starts_with(refusal), "{field}: {error}");
    }
    assert_eq!(server.users.profile(&alice, None).await.unwrap(), object(json!({ "displayname": "alice" })));
    assert!(server.heard.take().is_empty());
}

fn new(localpart: &str) -> crate::accounts::NewAccount {
    let localpart = Some(localpart.to_owned());
    crate::accounts::NewAccount { localpart, password: None, role: crate::accounts::Role::User }
}

#[tokio::test(start_paused = true)]
async fn the_profile_of_another_servers_user_is_asked_for_once_in_a_while() {
    let (a, _, b, bob) = crate::testing::two_servers().await;
    let ask = || a.users.profile(&bob.user_id, None);
    assert_eq!(ask().await.unwrap()["displayname"], "bob");
    assert_eq!(a.users.profile(&bob.user_id, Some("displayname")).await.unwrap()["displayname"], "bob");
    b.users.set_profile_field(&bob.user_id, "displayname", json!("Bob")).await.unwrap();
    assert_eq!(ask().await.unwrap()["displayname"], "bob");
    assert_eq!(a.world.asked().len(), 2);
    tokio::time::advance(CACHED_PROFILE_AGE_MAX).await;
    assert_eq!(ask().await.unwrap()["displayname"], "Bob");
    a.world.cut();
    tokio::time::advance(CACHED_PROFILE_AGE_MAX).await;
    assert!(matches!(ask().await, Err(ProfileError::Remote { .. })));
}

#[test]
fn few_and_small_profiles_are_kept() {
    let cache = RemoteProfiles::default();
    let key = |number: usize| (crate::testing::user(&format!("@u{number}:b.test")), None);
    let profile = |size: usize| Object::from_iter([("displayname".to_owned(), json!("x".repeat(size)))]);
    cache.put(key(0), profile(CACHED_PROFILE_BYTES_MAX), Duration::ZERO);
    assert_eq!(cache.get(&key(0), Duration::ZERO), None);
    for number in 0..CACHED_PROFILES_MAX + 10 {
        cache.put(key(number), profile(1), Duration::ZERO);
    }
    assert_eq!(cache.0.lock().unwrap().len(), CACHED_PROFILES_MAX);
}
