use std::time::Duration;

use super::*;
use crate::accounts::{ErasedProfile, NewAccount, Role};
use crate::rate_limits::Rates;
use crate::testing::{Server, server, server_with, user};

async fn with_password(server: &Server, localpart: &str) -> UserId {
    let new =
        NewAccount { localpart: Some(localpart.to_owned()), password: Some("right".to_owned()), role: Role::User };
    server.users.register(new, None, None).await.unwrap().0
}

fn phone() -> DeviceRequest {
    DeviceRequest {
        device_id: DeviceId::parse("PHONE"),
        display_name: Some("my phone".to_owned()),
        ..DeviceRequest::default()
    }
}

#[tokio::test]
async fn the_right_password_logs_in_under_every_spelling() {
    let server = server();
    let alice = with_password(&server, "alice").await;
    for name in ["alice", "Alice", "@alice:a.test", "@ALICE:a.test"] {
        let session = server.users.log_in(name, "right", DeviceRequest::default(), None).await.unwrap();
        assert_eq!(session.user_id, alice);
        let owner = server.owner(&session.access_token).await.unwrap();
        assert_eq!((owner.user_id, owner.device_id), (alice.clone(), session.device_id));
    }
    for (name, password) in
        [("alice", "wrong"), ("alice", ""), ("nobody", "right"), ("@alice:b.test", "right"), ("", "right")]
    {
        let result = server.users.log_in(name, password, DeviceRequest::default(), None).await;
        assert!(matches!(result, Err(LoginError::Password(PasswordError::Wrong))), "{name} {password}");
    }
    assert!(server.owner("althing_made_up").await.is_none());
}

#[tokio::test]
async fn a_device_has_one_token_at_a_time() {
    let server = server();
    let alice = with_password(&server, "alice").await;
    let first = server.users.log_in("alice", "right", phone(), None).await.unwrap();
    let second = server.users.log_in("alice", "right", phone(), None).await.unwrap();
    assert_ne!(first.access_token, second.access_token);
    assert!(server.owner(&first.access_token).await.is_none());
    assert!(server.owner(&second.access_token).await.is_some());
    assert_eq!(server.users.devices(&alice).await.unwrap().len(), 1);

    assert_eq!(server.users.delete_devices(&alice, vec![second.device_id]).await.unwrap(), 1);
    assert!(server.owner(&second.access_token).await.is_none());
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
    let server = server_with("a.test", Rates::default());
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
    let server = server_with("a.test", Rates::default());
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
    let known = DeviceRequest { device_id: DeviceId::parse("FIRST"), display_name: None, ..DeviceRequest::default() };
    assert!(server.users.start_session(alice, known, None).await.is_ok());
}

fn refreshable() -> DeviceRequest {
    DeviceRequest { lifetime: Lifetime::Refreshable, ..phone() }
}

#[tokio::test(start_paused = true)]
async fn a_refreshable_token_ends_and_the_device_gets_another_one() {
    let server = server();
    with_password(&server, "alice").await;
    let session = server.users.log_in("alice", "right", refreshable(), None).await.unwrap();
    let first = session.refresh_token.clone().unwrap();
    assert!(server.owner(&session.access_token).await.is_some());
    server.users.0.handles.clock.sleep(Duration::from_millis(u64::try_from(REFRESHABLE_LIFETIME_MS).unwrap())).await;
    let expired = server.users.authenticate(&session.access_token, None).await.unwrap();
    assert_eq!(expired, Authentication::Expired, "the device is not logged out");

    let lost = server.users.refresh_session(&first).await.unwrap().unwrap();
    let second = server.users.refresh_session(&first).await.unwrap().unwrap();
    assert_eq!(second.device_id, session.device_id);
    assert!(server.owner(&lost.access_token).await.is_none(), "a device has one token");
    assert!(server.users.refresh_session(&lost.refresh_token.unwrap()).await.unwrap().is_none());
    let again = server.users.refresh_session(&first).await.unwrap().unwrap();
    assert!(server.owner(&again.access_token).await.is_some());
    assert!(
        server.users.refresh_session(&first).await.unwrap().is_none(),
        "the device has shown that it has the new ones"
    );
    let third = server.users.refresh_session(&again.refresh_token.clone().unwrap()).await.unwrap().unwrap();
    let fourth = server.users.refresh_session(&third.refresh_token.unwrap()).await.unwrap().unwrap();
    assert!(server.users.refresh_session(&again.refresh_token.unwrap()).await.unwrap().is_none());

    server.users.delete_devices(&fourth.user_id, vec![fourth.device_id.clone()]).await.unwrap();
    assert!(server.users.refresh_session(&fourth.refresh_token.unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_new_login_ends_what_the_device_had_before() {
    let server = server();
    with_password(&server, "alice").await;
    let before = server.users.log_in("alice", "right", refreshable(), None).await.unwrap();
    let after = server.users.log_in("alice", "right", phone(), None).await.unwrap();
    assert_eq!(after.refresh_token, None);
    assert!(server.users.refresh_session(&before.refresh_token.unwrap()).await.unwrap().is_none());
    assert!(server.users.refresh_session("made up").await.unwrap().is_none());
}

#[tokio::test]
async fn no_device_is_called_like_a_key_and_no_key_like_a_device() {
    let server = server();
    let alice = server.user("alice", "PHONE").await.user_id;
    let key = |seed: u8| {
        let public = crate::testing::ClientKey::new(seed).public();
        let key = serde_json::json!({
            "user_id": alice, "usage": ["master"], "keys": { (format!("ed25519:{public}")): public },
        });
        let upload =
            crate::cross_signing::CrossSigningUpload { master_key: key.as_object().cloned(), ..Default::default() };
        (public, upload)
    };
    let (public, upload) = key(1);
    let device = || DeviceRequest { device_id: DeviceId::parse(&public), ..DeviceRequest::default() };
    server.users.start_session(alice.clone(), device(), None).await.unwrap();
    let refused = server.users.upload_cross_signing_keys(&alice, upload).await;
    assert!(matches!(refused, Err(crate::cross_signing::CrossSigningError::KeyIsDevice(_))));
    let (public, upload) = key(2);
    server.users.upload_cross_signing_keys(&alice, upload).await.unwrap();
    let device = DeviceRequest { device_id: DeviceId::parse(&public), ..DeviceRequest::default() };
    assert!(matches!(server.users.start_session(alice, device, None).await, Err(LoginError::DeviceIsKey)));
}
