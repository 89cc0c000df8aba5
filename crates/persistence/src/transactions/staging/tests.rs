use super::*;
use crate::transactions::testing::in_one_transaction;

const ROOM: RoomNumber = RoomNumber(1);

fn server(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

fn pdu(number: i64, body: &str, mangled: bool) -> Pdu {
    let object = serde_json::json!({
        "auth_events": [], "content": { "body": body, "msgtype": "m.text" }, "depth": 1, "hashes": { "sha256": "" },
        "origin_server_ts": 1, "prev_events": [], "room_id": "!a:a.test", "sender": "@ann:a.test", "signatures": {},
        "type": "m.room.message"
    });
    let object: Object = serde_json::from_value(object).unwrap();
    let id = EventId::parse(format!("${number:043}")).unwrap();
    Pdu::from_store(object, RoomVersion::V11, id, mangled).unwrap()
}

fn due_numbers(tx: &ReadTx<'_>, origin: &str, now: i64, limit: u32) -> Vec<i64> {
    let due = due(tx, ROOM, RoomVersion::V11, &server(origin), now, limit).unwrap();
    due.iter().map(|staged| staged.number).collect()
}

#[tokio::test]
async fn an_event_is_staged_once_and_a_full_copy_takes_the_place_of_a_mangled_one() {
    in_one_transaction(|tx| {
        let body = |tx: &WriteTx<'_>| {
            let staged = find(tx, ROOM, RoomVersion::V11, pdu(1, "", false).event_id()).unwrap().unwrap();
            let content = staged.pdu.to_json();
            (staged.origin.to_string(), staged.pdu.is_mangled(), content.contains("full"))
        };
        insert(tx, ROOM, &server("a.test"), &pdu(1, "mangled", true), 10).unwrap();
        insert(tx, ROOM, &server("b.test"), &pdu(1, "full", false), 20).unwrap();
        assert_eq!(body(tx), ("a.test".to_owned(), false, true));
        insert(tx, ROOM, &server("b.test"), &pdu(1, "mangled", true), 30).unwrap();
        assert_eq!(body(tx), ("a.test".to_owned(), false, true));
        assert_eq!((count_of(tx, &server("a.test")).unwrap(), count_of(tx, &server("b.test")).unwrap()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn an_event_is_found_in_every_room_that_it_is_staged_in() {
    in_one_transaction(|tx| {
        let mut rooms = Vec::new();
        for name in ["!a:a.test", "!b:a.test", "!c:a.test"] {
            let room = events::RoomId::parse(name).unwrap();
            rooms.push(crate::transactions::rooms::intern(tx, &room, RoomVersion::V1).unwrap());
        }
        for room in [rooms[2], rooms[0]] {
            insert(tx, room, &server("a.test"), &pdu(1, "", false), 10).unwrap();
        }
        insert(tx, rooms[1], &server("a.test"), &pdu(2, "", false), 10).unwrap();
        assert_eq!(rooms_of_id(tx, pdu(1, "", false).event_id()).unwrap(), [rooms[0], rooms[2]]);
        let staged = find(tx, rooms[0], RoomVersion::V11, pdu(1, "", false).event_id()).unwrap().unwrap();
        assert_eq!((staged.attempts, staged.retry_at), (0, 10));
        postpone(tx, staged.number, 70).unwrap();
        let staged = find(tx, rooms[0], RoomVersion::V11, pdu(1, "", false).event_id()).unwrap().unwrap();
        assert_eq!((staged.attempts, staged.retry_at), (1, 70));
    })
    .await;
}

#[tokio::test]
async fn each_origin_has_a_queue_in_which_what_is_due_comes_oldest_first() {
    in_one_transaction(|tx| {
        for number in 1..=6 {
            let origin = if number == 4 { "b.test" } else { "a.test" };
            insert(tx, ROOM, &server(origin), &pdu(number, "", false), 10).unwrap();
        }
        assert_eq!(due_numbers(tx, "a.test", 10, 3), [1, 2, 3]);
        assert!(due_numbers(tx, "a.test", 9, 3).is_empty());
        postpone(tx, 1, 100).unwrap();
        postpone(tx, 3, 50).unwrap();
        remove(tx, ROOM, pdu(2, "", false).event_id()).unwrap();
        assert_eq!(due_numbers(tx, "a.test", 10, 10), [5, 6]);
        assert_eq!(due_numbers(tx, "a.test", 100, 10), [1, 3, 5, 6]);
        let tried = due(tx, ROOM, RoomVersion::V11, &server("a.test"), 100, 1).unwrap();
        assert_eq!((tried[0].attempts, tried[0].received), (1, 10));
        for number in [5, 6] {
            remove(tx, ROOM, pdu(number, "", false).event_id()).unwrap();
        }
        assert_eq!(next_due(tx, ROOM, &server("a.test")).unwrap(), Some(50));
        assert_eq!(next_due(tx, ROOM, &server("c.test")).unwrap(), None);
        assert_eq!(queues(tx).unwrap(), [(ROOM, server("a.test")), (ROOM, server("b.test"))]);
    })
    .await;
}
