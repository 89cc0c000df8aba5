use std::collections::BTreeMap;

use persistence::transactions::to_device;

use super::*;
use crate::keys::KeyUpload;
use crate::testing::{ClientKey, Server, object, two_servers};
use crate::to_device::Messages;

async fn upload(server: &Server, user: &UserId, device: &DeviceId, seed: u8) {
    let upload =
        KeyUpload { device_keys: Some(ClientKey::new(seed).device_keys(user, device)), ..KeyUpload::default() };
    server.users.upload_keys(user, device, upload).await.unwrap();
}

async fn inbox(server: &Server, user: &UserId, device: &DeviceId) -> Vec<Value> {
    let (user, device) = (user.clone(), device.clone());
    let page =
        server.database.read(move |tx| to_device::page(tx, &user, &device, Position(0), Position(i64::MAX), 100));
    page.await.unwrap().iter().map(|(_, event)| serde_json::from_str(event).unwrap()).collect()
}

#[tokio::test]
async fn each_change_of_a_device_is_told_once_and_refers_to_the_one_before() {
    let (a, alice, _, _) = two_servers().await;
    upload(&a, &alice.user_id, &alice.device_id, 1).await;
    upload(&a, &alice.user_id, &alice.device_id, 1).await;
    a.users.rename_device(&alice.user_id, &alice.device_id, "mine".to_owned()).await.unwrap();
    a.users.delete_devices(&alice.user_id, vec![alice.device_id.clone()]).await.unwrap();
    let queued = a.world.queued();
    assert!(queued.iter().all(|(to, edu)| to.as_str() == "b.test" && edu.edu_type == DEVICE_LIST_UPDATE));
    let contents: Vec<&Value> = queued.iter().map(|(_, edu)| &edu.content).collect();
    assert_eq!(contents.len(), 3);
    assert_eq!(contents[0]["keys"]["device_id"], "PHONE");
    assert_eq!(contents[0].get("prev_id"), None);
    assert_eq!(contents[1]["prev_id"], json!([contents[0]["stream_id"]]));
    assert_eq!(contents[1].get("device_display_name"), None, "what devices are called is nobody else's business");
    assert_eq!(contents[2]["prev_id"], json!([contents[1]["stream_id"]]));
    assert_eq!((&contents[2]["deleted"], contents[2].get("keys")), (&json!(true), None));
    let list = a.users.device_list(&alice.user_id).await.unwrap();
    assert_eq!(list["stream_id"], contents[2]["stream_id"], "the next update refers to what the list says");
}

#[tokio::test]
async fn nobody_is_told_who_shares_no_room() {
    let (a, alice, _, bob) = two_servers().await;
    a.set_membership(&bob.user_id, "leave").await;
    upload(&a, &alice.user_id, &alice.device_id, 1).await;
    assert!(a.world.queued().is_empty());
}

#[tokio::test]
async fn whoever_joins_is_introduced_with_each_device() {
    let (a, alice, _, _) = two_servers().await;
    upload(&a, &alice.user_id, &alice.device_id, 1).await;
    a.device(&alice.user_id, "LAPTOP").await;
    a.world.queued();
    let servers = BTreeSet::from([ServerName::parse("c.test").unwrap()]);
    a.users.introduce_devices(&alice.user_id, servers).await.unwrap();
    let queued = a.world.queued();
    let told: Vec<_> = queued.iter().map(|(to, edu)| (to.as_str(), edu.content["device_id"].as_str())).collect();
    assert_eq!(told, [("c.test", Some("LAPTOP")), ("c.test", Some("PHONE"))]);
    assert!(queued[1].1.content.get("keys").is_some() && queued[0].1.content.get("keys").is_none());
}

#[tokio::test]
async fn a_message_to_another_server_arrives_once_however_often_it_comes() {
    let (a, alice, b, bob) = two_servers().await;
    let content = object(json!({ "text": "hello" }));
    let messages =
        |device: &str| Messages::from([(bob.user_id.clone(), BTreeMap::from([(device.to_owned(), content.clone())]))]);
    for _ in 0..2 {
        let sent = a.users.send_to_devices(&alice.user_id, &alice.device_id, "m.test", "1", messages("PHONE"));
        sent.await.unwrap();
    }
    let queued = a.world.queued();
    assert_eq!(queued.len(), 1, "the transaction id of the client is the same");
    let edu = queued[0].1.clone();
    assert!(edu.content["message_id"].as_str().unwrap().len() <= 32);
    let woken = b.notifier.wait(&bob.user_id);
    b.receive("a.test", vec![edu.clone(), edu.clone()]).await;
    b.receive("a.test", vec![edu]).await;
    woken.woken().await;
    let expected = json!({ "type": "m.test", "sender": alice.user_id, "content": { "text": "hello" } });
    assert_eq!(inbox(&b, &bob.user_id, &bob.device_id).await, [expected]);

    let laptop = b.device(&bob.user_id, "LAPTOP").await;
    let sent = a.users.send_to_devices(&alice.user_id, &alice.device_id, "m.test", "2", messages("*"));
    sent.await.unwrap();
    assert_eq!(b.receive_from(&a).await, 1);
    assert_eq!(inbox(&b, &bob.user_id, &laptop).await.len(), 1, "* stands for every device");
}

#[tokio::test]
async fn a_server_speaks_for_its_own_users_only_and_nothing_broken_is_stored() {
    let (_, alice, b, bob) = two_servers().await;
    let good = json!({
        "sender": alice.user_id, "type": "m.test", "message_id": "1",
        "messages": { bob.user_id.as_str(): { "PHONE": {} } },
    });
    let changed = |field: &str, value: Value| {
        let mut content = good.clone();
        content[field] = value;
        Edu { edu_type: DIRECT_TO_DEVICE.to_owned(), content }
    };
    let too_large = "a".repeat(crate::to_device::MESSAGE_SIZE_BYTES_MAX);
    let broken = vec![
        changed("sender", json!("@mallory:c.test")),
        changed("sender", json!(1)),
        changed("type", Value::Null),
        changed("type", json!("a".repeat(256))),
        changed("message_id", json!("a".repeat(256))),
        changed("messages", json!([])),
        changed("messages", json!({ "no user": {} })),
        changed("messages", json!({ bob.user_id.as_str(): { "PHONE": "text" } })),
        changed("messages", json!({ bob.user_id.as_str(): { "PHONE": { "a": too_large } } })),
        changed("messages", json!({ "@bob:c.test": { "PHONE": {} } })),
        Edu { edu_type: DIRECT_TO_DEVICE.to_owned(), content: json!("text") },
    ];
    b.receive("a.test", broken).await;
    assert!(inbox(&b, &bob.user_id, &bob.device_id).await.is_empty());
    // The one to a user of a third server used up its id, though it had nothing for us.
    b.receive("a.test", vec![changed("message_id", json!("2"))]).await;
    assert_eq!(inbox(&b, &bob.user_id, &bob.device_id).await.len(), 1);
}

#[tokio::test]
async fn large_messages_go_in_several_edus() {
    let (a, alice, b, bob) = two_servers().await;
    let content = object(json!({ "text": "a".repeat(20_000) }));
    let devices: BTreeMap<_, _> = (0..5).map(|number| (format!("D{number}"), content.clone())).collect();
    for device in devices.keys() {
        b.device(&bob.user_id, device).await;
    }
    let messages = Messages::from([(bob.user_id.clone(), devices)]);
    a.users.send_to_devices(&alice.user_id, &alice.device_id, "m.test", "1", messages).await.unwrap();
    assert_eq!(b.receive_from(&a).await, 3);
    for number in 0..5 {
        let device = DeviceId::parse(&format!("D{number}")).unwrap();
        assert_eq!(inbox(&b, &bob.user_id, &device).await.len(), 1);
    }
}
