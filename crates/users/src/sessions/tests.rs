use std::time::Duration;

use super::*;
use crate::RateLimits;
use crate::accounts::{ErasedProfile, NewAccount, Role};
use crate::testing::{Server, server, server_with, user};

async fn with_password(server: &Server, localpart: &str) -> UserId {
    let new =
        NewAccount { localpart: Some(localpart.to_owned()), password: Some("right".to_owned()), role: Role::User };
    server.users.register(new, None, None).await.unwrap().0
}

fn phone() -> DeviceRequest {
    DeviceRequest { device_id: DeviceId::parse("PHONE"), display_name: Some("my phone".to_owned()) }
}

#[tokio::test]
async fn the_right_password_logs_in_under_every_spelling() {
    let server = server();
    let alice = with_password(&server, "alice").await;
    for name in ["alice", "Alice", "@alice:a.test", "@ALICE:a.test"] {
        let session = server.users.log_in(name, "right", DeviceRequest::default(), None).await.unwrap();
        assert_eq!(session.user_id, alice);
        let owner = server.users.authenticate(&session.access_token, None).await.unwrap().unwrap();
        assert_eq!((owner.user_id, owner.device_id), (alice.clone(), session.device_id));
    }
    for (name, password) in
        [("alice", "wrong"), ("alice", ""), ("nobody", "right"), ("@alice:b.test", "right"), ("", "right")]
    {
        let result = server.users.log_in(name, password, DeviceRequest::default(), None).await;
        assert!(matches!(result, Err(LoginError::Password(PasswordError::Wrong))), "{name} {password}");
    }
    assert!(server.users.authenticate("althing_made_up", None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_device_has_one_token_at_a_time() {
    let server = server();
    let alice = with_password(&server, "alice").await;
    let first = server.users.log_in("alice", "right", phone(), None).await.unwrap();
    let second = server.users.log_in("alice", "right", phone(), None).await.unwrap();
    assert_ne!(first.access_token, second.access_token);
    assert!(server.users.authenticate(&first.access_token, None).await.unwrap().is_none());
    assert!(server.users.authenticate(&second.access_token, None).await.unwrap().is_some());
    assert_eq!(server.users.devices(&alice).await.unwrap().len(), 1);

    assert_eq!(server.users.delete_devices(&alice, vec![second.device_id]).await.unwrap(), 1);
    assert!(server.users.authenticate(&second.access_token, None).await.unwrap().is_none());
}

#[tokio::test]
async fn tokens_are_stored_as_hashes_only() {
    let server = server();
    with_password(&server, "alice").await;
    let session = server.users.log_in("alice", "right", phone(), None).await.unwrap();
    let (hash, token) = (token_hash(&session.access_token), session.access_token.clone());
    let (by_hash, by_token) = server
        .database
        .read(move |tx| -> Result<_, StoreError> {
            Ok((accounts::token_owner(tx, &hash)?, accounts::token_owner(tx, token.as_bytes())?))
        })
        .await
        .unwrap();
    assert!(by_hash.is_some() && by_token.is_none());
}

#[tokio::test(start_paused = true)]
async fn failures_are_limited_per_user_and_successes_are_not() {
    let server = server_with("a.test", RateLimits::Enforced);
    with_password(&server, "alice").await;
    for _ in 0..20 {
        server.users.log_in("alice", "right", phone(), "192.0.2.1".parse().ok()).await.unwrap();
    }
    let mut limited = None;
    for attempt in 0..10 {
        // Each from an address of its own: only the user's bucket runs dry.
        let address = format!("192.0.2.{attempt}").parse().ok();
        if let Err(LoginError::Password(PasswordError::Limited(after))) =
            server.users.log_in("alice", "wrong", phone(), address).await
        {
            limited = Some((attempt, after.retry_after));
            break;
        }
    }
    let (attempt, retry_after) = limited.unwrap();
    assert_eq!((attempt, retry_after), (5, Duration::from_secs(10)));
    let right = server.users.log_in("alice", "right", phone(), None).await;
    assert!(matches!(right, Err(LoginError::Password(PasswordError::Limited(_)))), "guessing goes no faster");
    tokio::time::advance(retry_after).await;
    assert!(server.users.log_in("alice", "right", phone(), None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn failures_are_limited_per_address() {
    let server = server_with("a.test", RateLimits::Enforced);
    let mut outcomes = Vec::new();
    for attempt in 0..12 {
        let result = server.users.log_in(&format!("user{attempt}"), "x", phone(), "2001:db8::1".parse().ok()).await;
        outcomes.push(matches!(result, Err(LoginError::Password(PasswordError::Limited(_)))));
    }
    assert_eq!(outcomes.iter().filter(|limited| **limited).count(), 2, "{outcomes:?}");
    assert!(outcomes[10] && outcomes[11]);
}

#[tokio::test]
async fn a_deactivated_account_says_so() {
    let server = server();
    let alice = with_password(&server, "alice").await;
    server.users.deactivate(&alice, ErasedProfile::Keep).await.unwrap();
    let result = server.users.log_in("alice", "right", phone(), None).await;
    assert!(matches!(result, Err(LoginError::Password(PasswordError::Deactivated))));
}

#[tokio::test]
async fn a_changed_password_counts_at_once() {
    let server = server();
    let alice = with_password(&server, "alice").await;
    assert!(server.users.set_password(&alice, "better").await.unwrap());
    assert!(server.users.check_password(&alice, "right", None).await.is_err());
    assert!(server.users.check_password(&alice, "better", None).await.is_ok());
    assert!(!server.users.set_password(&alice, &"x".repeat(513)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn activity_is_noted_now_and_then() {
    let server = server();
    let session = server.user("alice", "PHONE").await;
    let device = DeviceId::parse("PHONE").unwrap();
    let alice = user("@alice:a.test");
    let before = server.users.device(&alice, &device).await.unwrap().unwrap();
    server.users.authenticate(&session.access_token, "192.0.2.7".parse().ok()).await.unwrap();
    assert_eq!(server.users.device(&alice, &device).await.unwrap().unwrap(), before);
    tokio::time::advance(Duration::from_millis(600_000)).await;
    server.users.authenticate(&session.access_token, "192.0.2.7".parse().ok()).await.unwrap();
    let after = server.users.device(&alice, &device).await.unwrap().unwrap();
    assert_eq!(after.last_seen_at, before.last_seen_at + 600_000);
    assert_eq!(after.last_seen_address.as_deref(), Some("192.0.2.7"));
}

#[tokio::test]
async fn a_user_has_a_bounded_number_of_devices() {
    let server = server();
    let alice = server.user("alice", "FIRST").await.user_id;
    for _ in 1..DEVICES_PER_USER_MAX {
        server.users.start_session(alice.clone(), DeviceRequest::default(), None).await.unwrap();
    }
    let one_more = server.users.start_session(alice.clone(), DeviceRequest::default(), None).await;
    assert!(matches!(one_more, Err(LoginError::TooManyDevices(_))));
    let known = DeviceRequest { device_id: DeviceId::parse("FIRST"), display_name: None };
    assert!(server.users.start_session(alice, known, None).await.is_ok());
}
