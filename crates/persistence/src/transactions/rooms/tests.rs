use super::*;
use crate::transactions::news;
use crate::transactions::testing::in_one_transaction;

fn user(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

fn make(tx: &mut WriteTx<'_>, id: &str) -> RoomNumber {
    intern(tx, &RoomId::parse(id).unwrap(), RoomVersion::V11).unwrap()
}

#[tokio::test]
async fn a_room_is_made_once_and_advances_from_the_turn_that_was_seen() {
    in_one_transaction(|tx| {
        let room = make(tx, "!a:a.test");
        assert_eq!(make(tx, "!a:a.test"), room);
        assert_ne!(make(tx, "!b:a.test"), room);
        assert!(advance(tx, room, 0, Some(SnapshotNumber(7))).unwrap());
        assert!(!advance(tx, room, 0, Some(SnapshotNumber(8))).unwrap(), "somebody was faster");
        let row = by_number(tx, room).unwrap();
        assert_eq!((row.turn, row.state, row.version), (1, Some(SnapshotNumber(7)), RoomVersion::V11));
        assert_eq!(by_id(tx, &row.room_id).unwrap().unwrap().number, room);
        assert!(by_id(tx, &RoomId::parse("!c:a.test").unwrap()).unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn of_several_changes_to_an_entry_in_one_commit_the_last_is_told() {
    in_one_transaction(|tx| {
        let (room, other) = (make(tx, "!a:a.test"), make(tx, "!b:a.test"));
        let mut set = |room, position, event_type: &str, event: Option<i64>| {
            set_current(tx, room, Position(position), event_type, "", event.map(EventNumber)).unwrap();
        };
        set(room, 1, "topic", Some(10));
        set(room, 2, "name", Some(11));
        set(room, 3, "topic", Some(12));
        set(other, 3, "topic", Some(99));
        set(room, 4, "name", None);
        set(room, 5, "topic", Some(13));
        // Twice in one commit.
        set(room, 5, "topic", Some(14));
        let between = |from, to| {
            let changes = news::state_changes(tx, room, Position(from), Position(to)).unwrap();
            changes.into_iter().map(|c| (c.event_type, c.event.map(|event| event.0))).collect::<Vec<_>>()
        };
        let told = |entry: &str, event| (entry.to_owned(), event);
        let first = [told("topic", Some(10)), told("name", Some(11)), told("topic", Some(12))];
        assert_eq!(between(0, 3), first);
        assert_eq!(between(3, 5), [told("name", None), told("topic", Some(14))]);
        assert_eq!(between(3, 4), [told("name", None)]);
        assert_eq!(between(5, 5), []);
        assert_eq!(current(tx, room, "topic", "").unwrap(), Some(EventNumber(14)));
        assert_eq!(current_state(tx, room).unwrap(), [("topic".to_owned(), String::new(), EventNumber(14))]);
    })
    .await;
}

#[tokio::test]
async fn members_are_counted_by_room_server_and_membership() {
    in_one_transaction(|tx| {
        let (room, other) = (make(tx, "!a:a.test"), make(tx, "!b:a.test"));
        for (number, (room, name, membership)) in [
            (room, "@ann:a.test", "join"),
            (room, "@bob:b.test", "join"),
            (room, "@cleo:b.test", "leave"),
            (other, "@ann:a.test", "join"),
            (other, "@dan:d.test", "join"),
        ]
        .into_iter()
        .enumerate()
        {
            set_member(tx, room, &user(name), Some((membership, EventNumber(number as i64)))).unwrap();
        }
        let servers = |tx: &WriteTx<'_>, room| {
            servers(tx, room).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(servers(tx, room), "a.test b.test");
        assert!(is_server_joined(tx, room, &ServerName::parse("b.test").unwrap()).unwrap());
        set_member(tx, room, &user("@bob:b.test"), Some(("leave", EventNumber(9)))).unwrap();
        assert_eq!(servers(tx, room), "a.test");
        assert!(!is_server_joined(tx, room, &ServerName::parse("b.test").unwrap()).unwrap());
        assert_eq!((count_members(tx, room, "join").unwrap(), count_members(tx, room, "leave").unwrap()), (1, 2));
        assert_eq!(rooms_of_member(tx, &user("@ann:a.test"), "join").unwrap(), [room, other]);
        set_member(tx, room, &user("@ann:a.test"), None).unwrap();
        assert_eq!(membership(tx, room, &user("@ann:a.test")).unwrap(), None);
        assert_eq!(rooms_of_member(tx, &user("@ann:a.test"), "join").unwrap(), [other]);
    })
    .await;
}

#[tokio::test]
async fn a_room_that_was_forgotten_is_remembered_with_the_next_membership() {
    in_one_transaction(|tx| {
        let (room, ann) = (make(tx, "!a:a.test"), user("@ann:a.test"));
        set_standing(tx, &ann, room, "invite", EventNumber(1), Position(1), Some("[]")).unwrap();
        forget(tx, &ann, room).unwrap();
        let standing = standing_in(tx, &ann, room).unwrap().unwrap();
        assert!(standing.forgotten && standing.stripped.as_deref() == Some("[]"));
        set_standing(tx, &ann, room, "join", EventNumber(2), Position(5), None).unwrap();
        let all = standings(tx, &ann).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].membership.as_str(), all[0].position, all[0].forgotten), ("join", Position(5), false));
        assert_eq!(all[0].stripped, None);
        assert!(standing_in(tx, &user("@bob:a.test"), room).unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn the_transaction_ids_of_all_clients_are_forgotten_when_they_are_old() {
    in_one_transaction(|tx| {
        let (ann, bob) = (user("@ann:a.test"), user("@bob:a.test"));
        let event = |number: i64| EventId::parse(format!("${number:043}")).unwrap();
        let mut remember = |who: &UserId, id: &str, number, now| {
            remember_client_transaction(tx, who, "DEVICE", "scope", id, &event(number), now, now - 100).unwrap();
        };
        remember(&ann, "first", 1, 1_000);
        remember(&ann, "first", 2, 1_050);
        remember(&bob, "first", 3, 1_101);
        let seen = |who: &UserId, id: &str| client_transaction(tx, who, "DEVICE", "scope", id).unwrap();
        assert_eq!(seen(&ann, "first"), None, "Ann's device sends no more, and yet hers is gone");
        assert_eq!(seen(&bob, "first"), Some(event(3)));
        assert_eq!(transaction_of_event(tx, &bob, "DEVICE", &event(3)).unwrap().as_deref(), Some("first"));
        assert_eq!(transaction_of_event(tx, &bob, "OTHER", &event(3)).unwrap(), None);
    })
    .await;
}

/// In the order of their names, so that the engine is tempted to walk all members of the room in that order.
#[test]
fn the_users_of_a_server_are_found_without_reading_the_other_members() {
    let connection = rusqlite::Connection::open_in_memory().expect("memory");
    connection.execute_batch(&crate::tables::all()).expect("the schema is valid");
    let explain = format!("EXPLAIN QUERY PLAN {MEMBERS_OF_SERVER}");
    let mut statement = connection.prepare(&explain).expect("the statement is valid");
    let plan = statement.query_map((1, "join", "a.test"), |row| row.get::<_, String>(3)).expect("a plan");
    let plan: Vec<String> = plan.map(|step| step.expect("a step")).collect();
    let [step] = plan.as_slice() else { panic!("{plan:?}") };
    assert!(step.contains("COVERING INDEX members_by_server (room=? AND membership=? AND server=?)"), "{step}");
}
