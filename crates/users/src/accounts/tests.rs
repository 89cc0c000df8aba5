use std::net::IpAddr;

use events::ServerName;
use handles::{Handles, Notifier};
use persistence::Database;

use super::*;
use crate::rate_limits::Rates;
use crate::testing::{Server, server, server_with, user};
use crate::{Neighbours, UsersConfig};

fn named(localpart: &str) -> NewAccount {
    NewAccount { localpart: Some(localpart.to_owned()), password: None, role: Role::User }
}

#[tokio::test]
async fn names_follow_the_grammar_of_new_user_ids() {
    let Server { users, .. } = server();
    for good in ["alice", "a", "a.b_c=d-e/f+g", "1234", "_bridge"] {
        assert!(users.check_available(good).await.is_ok(), "{good}");
    }
    let long = "a".repeat(255 - "@:a.test".len());
    assert!(users.check_available(&long).await.is_ok());
    for bad in ["", "Alice", "al ice", "alice:a.test", "@alice", "älice", "a\0", &format!("{long}a")] {
        let result = users.check_available(bad).await;
        assert!(matches!(result, Err(RegistrationError::InvalidUsername(_))), "{bad}: {result:?}");
        let result = users.register(named(bad), None, None).await;
        assert!(matches!(result, Err(RegistrationError::InvalidUsername(_))), "{bad}");
    }
}

#[tokio::test]
async fn a_name_is_given_out_once_even_after_deactivation() {
    let Server { users, heard, .. } = server();
    let (alice, session) = users.register(named("alice"), Some(DeviceRequest::default()), None).await.unwrap();
    assert_eq!(alice, user("@alice:a.test"));
    let session = session.unwrap();
    assert!(matches!(users.register(named("alice"), None, None).await, Err(RegistrationError::Taken(_))));

    users.deactivate(&alice, ErasedProfile::Erase).await.unwrap();
    assert_eq!(heard.take(), ["end of @alice:a.test"]);
    assert!(matches!(users.check_available("alice").await, Err(RegistrationError::Taken(_))));
    assert!(matches!(users.register(named("alice"), None, None).await, Err(RegistrationError::Taken(_))));
    let ended = users.authenticate(&session.access_token, None).await.unwrap();
    assert_eq!(ended, crate::sessions::Authentication::Unknown);
    assert_eq!(users.devices(&alice).await.unwrap(), []);
    assert!(users.local_profile(&alice).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn without_a_name_it_gets_one() {
    let Server { users, .. } = server();
    let new = NewAccount { localpart: None, password: None, role: Role::User };
    let (first, session) = users.register(new.clone(), None, None).await.unwrap();
    let (second, _) = users.register(new, None, None).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(session.map(|session| session.access_token), None);
}

#[tokio::test(start_paused = true)]
async fn registrations_from_one_address_are_limited() {
    let Server { users, .. } = server_with("a.test", Rates::default());
    let address: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
    let mut outcomes = Vec::new();
    for number in 0..7 {
        outcomes.push(users.register(named(&format!("user{number}")), None, address).await.is_ok());
    }
    assert_eq!(outcomes, [true, true, true, true, true, false, false]);
    let other: Option<IpAddr> = Some("192.0.2.2".parse().unwrap());
    assert!(users.register(named("other"), None, other).await.is_ok());
    assert!(users.register(named("operator"), None, None).await.is_ok());
}

#[tokio::test]
async fn tokens_let_register_only_where_they_are_asked_for() {
    let users = |registration| {
        let config = UsersConfig { registration, shared_secret: None, rates: Rates::off() };
        let database = Database::open_inline(None).unwrap();
        let (name, handles) = (ServerName::parse("a.test").unwrap(), Handles::simulated(1));
        Users::new(name, database, handles, Notifier::default(), config, Neighbours::default())
    };
    let with_tokens = users(Registration::Token(vec!["one".to_owned(), "two".to_owned()]));
    assert!(with_tokens.registration_token_is_valid("one") && with_tokens.registration_token_is_valid("two"));
    assert!(!with_tokens.registration_token_is_valid("") && !with_tokens.registration_token_is_valid("three"));
    assert!(!users(Registration::Open).registration_token_is_valid("one"));
    assert!(with_tokens.registration_nonce().is_none(), "no shared secret is configured");
}

fn request(nonce: &str, username: &str, role: Role, mac: &str) -> SharedSecretRequest {
    SharedSecretRequest {
        nonce: nonce.to_owned(),
        username: username.to_owned(),
        password: "pizza".to_owned(),
        role,
        user_type: None,
        mac: mac.to_owned(),
    }
}

/// Made with Python: `hmac.new(b"shared", b"nonce\0pepper\0pizza\0admin", hashlib.sha1).hexdigest()`.
#[test]
fn the_mac_is_that_of_synapse() {
    let admin = request("nonce", "pepper", Role::Admin, "");
    assert_eq!(shared_secret_mac("shared", &admin), "70b98db717b37e70aa5d330f7c807ebce83166b4");
    let bot = SharedSecretRequest { role: Role::User, user_type: Some("bot".to_owned()), ..admin };
    assert_eq!(shared_secret_mac("shared", &bot), "95daaf205d68fee774585710580251d7796cfa93");
}

#[tokio::test(start_paused = true)]
async fn who_knows_the_shared_secret_registers_once_a_nonce() {
    let Server { users, .. } = server();
    let nonce = users.registration_nonce().unwrap();
    let mut signed = request(&nonce, "pepper", Role::Admin, "");
    signed.mac = shared_secret_mac("shared", &signed);

    let wrong = SharedSecretRequest { mac: "0".repeat(40), ..signed.clone() };
    assert!(matches!(users.register_with_shared_secret(wrong, None).await, Err(SharedSecretError::WrongMac)));
    let used = users.register_with_shared_secret(signed.clone(), None).await;
    assert!(matches!(used, Err(SharedSecretError::UnknownNonce)), "a failure uses the nonce up");

    let nonce = users.registration_nonce().unwrap();
    let mut signed = SharedSecretRequest { nonce, ..signed };
    signed.mac = shared_secret_mac("shared", &signed);
    let (pepper, _) = users.register_with_shared_secret(signed.clone(), None).await.unwrap();
    assert!(users.account(&pepper).await.unwrap().unwrap().is_admin);
    assert!(users.check_password(&pepper, "pizza", None).await.is_ok());

    let nonce = users.registration_nonce().unwrap();
    let mut late = SharedSecretRequest { nonce, username: "late".to_owned(), ..signed };
    late.mac = shared_secret_mac("shared", &late);
    tokio::time::advance(NONCE_LIFETIME).await;
    assert!(matches!(users.register_with_shared_secret(late, None).await, Err(SharedSecretError::UnknownNonce)));
}

#[tokio::test(start_paused = true)]
async fn whoever_was_deactivated_while_no_server_ran_leaves_at_its_start() {
    let server = server();
    let alice = server.user("alice", "A").await.user_id;
    server.user("bob", "B").await;
    let (id, user) = (events::RoomId::parse("!r:a.test").unwrap(), alice.clone());
    let write = server.database.write(move |tx| -> Result<(), StoreError> {
        let room = persistence::transactions::rooms::intern(tx, &id, events::RoomVersion::V11)?;
        let (event, position) = (persistence::EventNumber(1), persistence::Position(1));
        persistence::transactions::rooms::set_standing(tx, &user, room, "join", event, position, None)?;
        accounts::deactivate(tx, &user, 1)
    });
    write.await.unwrap();
    server.users.start();
    server.users.0.handles.clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(server.heard.take(), ["end of @alice:a.test"]);
}
