use super::*;
use crate::transactions::testing::in_one_transaction;

const EVENTS: &str = "SELECT COUNT(*) FROM events";
const BODIES: &str = "SELECT COUNT(*) FROM bodies";
const AUTH_EDGES: &str = "SELECT COUNT(*) FROM auth_edges";
const ROOMS: &str = "SELECT COUNT(*) FROM rooms";

fn count(tx: &ReadTx<'_>, counting: &'static str) -> i64 {
    tx.query_one(counting, &[], |row| row.get(0)).unwrap()
}

/// An invite and what ended it, each citing the one before, the first one something that was never told.
fn invite_in_vain(tx: &mut WriteTx<'_>, room: i64, events: [i64; 3]) {
    for (event, cited) in events.windows(2).map(|pair| (pair[1], pair[0])) {
        tx.execute(
            "INSERT INTO bodies (event, room, type, state_key, sender, origin_server_ts, mangled, rejected, json)
             VALUES (?1, ?2, 'm.room.member', '@ann:a.test', '@eve:b.test', 0, 0, 0, '{}')",
            &[&event, &room],
        )
        .unwrap();
        tx.execute("INSERT INTO auth_edges (event, room, auth) VALUES (?1, ?2, ?3)", &[&event, &room, &cited]).unwrap();
    }
    for event in events {
        let id = format!("$event{event}");
        tx.execute("INSERT INTO events (number, room, event_id) VALUES (?1, ?2, ?3)", &[&event, &room, &id]).unwrap();
    }
    let last = events[2];
    tx.execute(
        "INSERT INTO standings (user_id, room, membership, event, position) VALUES ('@ann:a.test', ?1, 'leave', ?2, 1)",
        &[&room, &last],
    )
    .unwrap();
}

#[tokio::test]
async fn of_a_room_that_nobody_was_in_the_events_are_found_without_looking_at_all_others() {
    in_one_transaction(|tx| {
        for (room, state) in [(1, None), (2, Some(5_i64)), (3, None)] {
            let id = format!("!room{room}:b.test");
            tx.execute(
                "INSERT INTO rooms (number, room_id, version, state) VALUES (?1, ?2, '11', ?3)",
                &[&i64::from(room), &id, &state],
            )
            .unwrap();
        }
        invite_in_vain(tx, 1, [10, 11, 12]);
        invite_in_vain(tx, 2, [20, 21, 22]);
        invite_in_vain(tx, 3, [30, 31, 32]);
        for (room, is_found) in [(1, true), (2, false)] {
            let before = count(tx, EVENTS);
            assert!(begin(tx, &RoomId::parse(format!("!room{room}:b.test")).unwrap(), 7).unwrap());
            let purge = begun(tx).unwrap()[0];
            assert_eq!(
                (purge.room, purge.looked_at, purge.found),
                (RoomNumber(room), if is_found { 32 } else { 0 }, 0)
            );
            assert_eq!(before - count(tx, EVENTS), if is_found { 3 } else { 0 });
            assert!(events(tx, &purge, 100).unwrap().len() == if is_found { 0 } else { 3 });
            finish(tx, &purge).unwrap();
        }
        assert_eq!((count(tx, BODIES), count(tx, AUTH_EDGES), count(tx, ROOMS)), (4, 4, 1));
    })
    .await;
}
