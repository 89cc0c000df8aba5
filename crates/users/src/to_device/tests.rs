use persistence::Position;

use super::*;
use crate::testing::{Server, object, server, user};

fn messages(user: &UserId, device: &str, text: &str) -> Messages {
    let content = object(json!({ "text": text }));
    BTreeMap::from([(user.clone(), BTreeMap::from([(device.to_owned(), content)]))])
}

async fn inbox(server: &Server, user: &UserId, device: &str, from: i64, limit: i64) -> Vec<(Position, String)> {
    let (user, device) = (user.clone(), DeviceId::parse(device).unwrap());
    let page = move |tx: &ReadTx<'_>| to_device::page(tx, &user, &device, Position(from), Position(i64::MAX), limit);
    server.database.read(page).await.unwrap()
}

fn texts(page: &[(Position, String)]) -> Vec<String> {
    let text = |event: &str| -> String {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        event["content"]["text"].as_str().unwrap().to_owned()
    };
    page.iter().map(|(_, event)| text(event)).collect()
}

#[tokio::test]
async fn a_message_is_delivered_once_however_often_it_is_sent() {
    let server = server();
    let (alice, bob) = (server.user("alice", "A").await, server.user("bob", "B").await);
    let send = |transaction_id: &'static str, text: &'static str| {
        let messages = messages(&bob.user_id, "B", text);
        server.users.send_to_devices(&alice.user_id, &alice.device_id, "m.test", transaction_id, messages)
    };
    let waiter = server.notifier.wait(&bob.user_id);
    send("1", "one").await.unwrap();
    waiter.woken().await;
    send("1", "one again").await.unwrap();
    send("2", "two").await.unwrap();
    let page = inbox(&server, &bob.user_id, "B", 0, 10).await;
    assert_eq!(texts(&page), ["one", "two"]);
    let event: serde_json::Value = serde_json::from_str(&page[0].1).unwrap();
    assert_eq!((event["type"].as_str(), event["sender"].as_str()), (Some("m.test"), Some("@alice:a.test")));
}

#[tokio::test]
async fn messages_stay_until_the_device_asks_for_what_follows() {
    let server = server();
    let (alice, bob) = (server.user("alice", "A").await, server.user("bob", "B").await);
    for number in ["1", "2", "3"] {
        let messages = messages(&bob.user_id, "B", number);
        server.users.send_to_devices(&alice.user_id, &alice.device_id, "m.test", number, messages).await.unwrap();
    }
    let first = inbox(&server, &bob.user_id, "B", 0, 2).await;
    assert_eq!(texts(&first), ["1", "2"]);
    assert_eq!(texts(&inbox(&server, &bob.user_id, "B", 0, 2).await), ["1", "2"], "an answer may be lost");
    let last = first[1].0;
    assert_eq!(texts(&inbox(&server, &bob.user_id, "B", last.0, 2).await), ["3"]);
    let (user, device) = (bob.user_id.clone(), bob.device_id.clone());
    let deleted = server.database.write(move |tx| to_device::acknowledge(tx, &user, &device, last)).await.unwrap();
    assert_eq!(deleted, 2);
    assert_eq!(texts(&inbox(&server, &bob.user_id, "B", 0, 10).await), ["3"]);
}

#[tokio::test]
async fn a_star_reaches_all_devices_and_a_name_goes_before_it() {
    let server = server();
    let alice = server.user("alice", "A").await;
    let bob = server.user("bob", "B").await.user_id;
    server.device(&bob, "C").await;
    let mut both = messages(&bob, "*", "all");
    both.get_mut(&bob).unwrap().insert("C".to_owned(), object(json!({ "text": "only C" })));
    both.get_mut(&bob).unwrap().insert("GONE".to_owned(), object(json!({ "text": "nobody" })));
    both.extend(messages(&user("@carol:b.test"), "D", "elsewhere"));
    server.users.send_to_devices(&alice.user_id, &alice.device_id, "m.test", "1", both).await.unwrap();
    assert_eq!(texts(&inbox(&server, &bob, "B", 0, 10).await), ["all"]);
    assert_eq!(texts(&inbox(&server, &bob, "C", 0, 10).await), ["only C"]);
    assert!(inbox(&server, &bob, "GONE", 0, 10).await.is_empty());
}

#[tokio::test]
async fn a_device_that_never_asks_keeps_the_latest() {
    let server = server();
    let bob = server.user("bob", "B").await;
    let (user, device) = (bob.user_id.clone(), bob.device_id.clone());
    let put = move |tx: &mut persistence::WriteTx<'_>| -> Result<(), StoreError> {
        for number in 0..to_device::QUEUED_MAX + 2 {
            let event = json!({ "content": { "text": number.to_string() } }).to_string();
            to_device::put(tx, &user, &device, &event)?;
        }
        Ok(())
    };
    server.database.write(put).await.unwrap();
    let page = inbox(&server, &bob.user_id, "B", 0, i64::MAX).await;
    assert_eq!(i64::try_from(page.len()).unwrap(), to_device::QUEUED_MAX);
    assert_eq!(texts(&page[..1]), ["2"]);
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_refused() {
    let server = server();
    let alice = server.user("alice", "A").await;
    let send = |messages| server.users.send_to_devices(&alice.user_id, &alice.device_id, "m.test", "1", messages);
    let large = send(messages(&alice.user_id, "A", &"x".repeat(MESSAGE_SIZE_BYTES_MAX))).await;
    assert!(matches!(large, Err(SendError::TooLarge(_))));
    let devices = (0..=MESSAGES_PER_REQUEST_MAX).map(|number| (number.to_string(), Object::new())).collect();
    let many = send(BTreeMap::from([(alice.user_id.clone(), devices)])).await;
    assert!(matches!(many, Err(SendError::TooMany)));
}
