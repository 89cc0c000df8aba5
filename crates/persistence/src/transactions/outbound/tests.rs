use super::away::{Absence, LetGo, bound, note_failing};
use super::*;
use crate::transactions::rooms::set_member;
use crate::transactions::testing::in_one_transaction;
use events::UserId;

fn server(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

fn servers(names: &[&str]) -> BTreeSet<ServerName> {
    names.iter().map(|name| server(name)).collect()
}

fn pdu(tx: &mut WriteTx<'_>, destinations: &[&str], room: i64, event: i64) {
    enqueue_pdu(tx, &servers(destinations), RoomNumber(room), EventNumber(event)).unwrap();
}

fn edu(tx: &mut WriteTx<'_>, destinations: &[&str], lane: Lane, content: &str, merge_key: Option<&str>, now: i64) {
    let edu = NewEdu { lane, edu_type: "m.test", content, merge_key };
    enqueue_edu(tx, &servers(destinations), edu, now).unwrap();
}

fn transaction(id: &str, pdus: &[i64], edus: &[i64]) -> StoredTransaction {
    let positions = |numbers: &[i64]| numbers.iter().copied().map(Position).collect();
    let (pdus, edus) = (positions(pdus), positions(edus));
    StoredTransaction { id: id.to_owned(), started_at: 1, pdus, edus, ephemeral: "[]".to_owned() }
}

/// The events that wait, with their positions.
fn waiting(tx: &ReadTx<'_>, name: &str) -> Vec<(i64, i64)> {
    let pdus = waiting_pdus(tx, &server(name), 100).unwrap();
    pdus.iter().map(|pdu| (pdu.position.0, pdu.event.0)).collect()
}

fn contents(tx: &ReadTx<'_>, name: &str) -> Vec<String> {
    waiting_edus(tx, &server(name), 100).unwrap().into_iter().map(|edu| edu.content).collect()
}

#[tokio::test]
async fn each_destination_has_positions_of_its_own_that_both_kinds_share() {
    in_one_transaction(|tx| {
        pdu(tx, &["a.test", "b.test"], 1, 10);
        edu(tx, &["b.test"], Lane::Other, "other", None, 0);
        edu(tx, &["b.test"], Lane::ToDevice, "to device", None, 0);
        pdu(tx, &["a.test", "b.test"], 1, 11);
        assert_eq!(waiting(tx, "a.test"), [(1, 10), (2, 11)]);
        assert_eq!(waiting(tx, "b.test"), [(1, 10), (4, 11)]);
        assert_eq!(contents(tx, "b.test"), ["to device", "other"], "lane by lane");
        assert!(is_waiting(tx, &server("a.test")).unwrap());
        assert!(!is_waiting(tx, &server("c.test")).unwrap());
    })
    .await;
}

#[tokio::test]
async fn what_is_on_its_way_is_not_replaced_and_what_waits_is() {
    in_one_transaction(|tx| {
        let b = server("b.test");
        edu(tx, &["b.test"], Lane::Other, "first", Some("key"), 0);
        edu(tx, &["b.test"], Lane::Other, "second", Some("key"), 0);
        edu(tx, &["b.test"], Lane::Other, "of another", Some("key 2"), 0);
        assert_eq!(contents(tx, "b.test"), ["second", "of another"]);
        // The first was read before it was replaced: it does not go.
        let begun = begin(tx, &b, transaction("1", &[], &[1, 2])).unwrap();
        assert_eq!(begun.edus, [Position(2)]);
        assert_eq!(stored(tx, &b).unwrap(), Some(begun.clone()));
        edu(tx, &["b.test"], Lane::Other, "third", Some("key"), 0);
        assert_eq!(contents(tx, "b.test"), ["second", "of another", "third"]);
        remove(tx, &b, &begun).unwrap();
        assert_eq!(contents(tx, "b.test"), ["of another", "third"]);
        assert_eq!(stored(tx, &b).unwrap(), None);
        assert_eq!(begin(tx, &b, transaction("2", &[], &[2])).unwrap().edus, []);
        assert_eq!(stored(tx, &b).unwrap(), None, "nothing was left of it");
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_is_forgotten_waits_again() {
    in_one_transaction(|tx| {
        let b = server("b.test");
        pdu(tx, &["b.test"], 1, 10);
        edu(tx, &["b.test"], Lane::Other, "first", Some("key"), 0);
        begin(tx, &b, transaction("1", &[1], &[2])).unwrap();
        forget(tx, &b).unwrap();
        assert_eq!((waiting(tx, "b.test"), stored(tx, &b).unwrap()), (vec![(1, 10)], None));
        edu(tx, &["b.test"], Lane::Other, "second", Some("key"), 0);
        assert_eq!(contents(tx, "b.test"), ["second"], "it can be replaced again");
    })
    .await;
}

#[tokio::test]
async fn of_a_destination_that_stays_away_the_newest_of_each_room_stays_and_what_is_on_its_way() {
    in_one_transaction(|tx| {
        let b = server("b.test");
        for event in 0..10 {
            pdu(tx, &["a.test", "b.test"], event % 3, event);
        }
        for number in 0..6 {
            edu(tx, &["b.test"], Lane::ToDevice, &format!("to device {number}"), None, number);
            edu(tx, &["b.test"], Lane::Other, &format!("other {number}"), None, number);
        }
        assert_eq!(bound(tx, &b, Absence::Short { pdus_max: 10 }, 10, 0).unwrap(), LetGo::default());
        begin(tx, &b, transaction("1", &[1, 2], &[11])).unwrap();
        let gone = bound(tx, &b, Absence::Short { pdus_max: 9 }, 3, 2).unwrap();
        assert_eq!(gone, LetGo { pdus: 5, unshared: 0, edus: 5 });
        assert_eq!(waiting(tx, "b.test"), [(1, 0), (2, 1), (8, 7), (9, 8), (10, 9)]);
        let kept = ["to device 0", "to device 3", "to device 4", "to device 5", "other 3", "other 4", "other 5"];
        assert_eq!(contents(tx, "b.test"), kept);
        assert_eq!(waiting(tx, "a.test").len(), 10, "of others nothing goes");
    })
    .await;
}

#[tokio::test]
async fn of_a_long_absence_the_newest_of_each_room_that_is_still_shared_stays() {
    in_one_transaction(|tx| {
        let b = server("b.test");
        let bob = UserId::parse("@bob:b.test").unwrap();
        for event in 0..8 {
            pdu(tx, &["b.test"], event % 4, event);
        }
        for room in [1, 2] {
            set_member(tx, RoomNumber(room), &bob, Some(("join", EventNumber(99)))).unwrap();
        }
        set_member(tx, RoomNumber(3), &bob, Some(("leave", EventNumber(99)))).unwrap();
        // In room 3 it is told that its user was kicked.
        let kick =
            "INSERT INTO bodies (event, room, type, state_key, sender, origin_server_ts, mangled, rejected, json)
                    VALUES (?1, 3, 'm.room.member', ?2, '@alice:a.test', 0, 0, 0, '')";
        tx.execute(kick, &[&EventNumber(3), &bob]).unwrap();
        tx.execute(kick, &[&EventNumber(7), &"@other:c.test"]).unwrap();
        let gone = bound(tx, &b, Absence::Long, 10, 0).unwrap();
        assert_eq!(gone, LetGo { pdus: 2, unshared: 3, edus: 0 });
        assert_eq!(waiting(tx, "b.test"), [(4, 3), (6, 5), (7, 6)]);
    })
    .await;
}

#[tokio::test]
async fn since_when_a_destination_is_away_is_remembered_until_it_is_reached() {
    in_one_transaction(|tx| {
        let b = server("b.test");
        pdu(tx, &["b.test"], 1, 1);
        assert_eq!(note_failing(tx, &b, 5).unwrap(), 5);
        assert_eq!(note_failing(tx, &b, 9).unwrap(), 5);
        note_delivered(tx, &b, 10).unwrap();
        assert_eq!(note_failing(tx, &b, 11).unwrap(), 11);
    })
    .await;
}

#[tokio::test]
async fn a_destination_that_is_idle_is_forgotten_and_its_positions_are_not_given_again() {
    in_one_transaction(|tx| {
        for name in ["idle.test", "busy.test", "late.test"] {
            (0..5).for_each(|event| pdu(tx, &[name], 1, event));
            note_delivered(tx, &server(name), if name == "late.test" { 2_000 } else { 1_000 }).unwrap();
        }
        let positions: Vec<Position> = (1..=5).map(Position).collect();
        remove_pdus(tx, &server("idle.test"), &positions).unwrap();
        remove_pdus(tx, &server("late.test"), &positions).unwrap();
        assert_eq!(forget_idle(tx, 2_000, 10).unwrap(), 1);
        assert_eq!(forget_idle(tx, 2_000, 10).unwrap(), 0);
        let known = known_destinations(tx, 0, "", 10).unwrap();
        let names: Vec<&str> = known.iter().map(|known| known.destination.as_str()).collect();
        assert_eq!(names, ["busy.test", "late.test"]);
        pdu(tx, &["idle.test", "late.test", "new.test"], 1, 77);
        assert_eq!(waiting(tx, "idle.test"), [(6, 77)]);
        assert_eq!(waiting(tx, "late.test"), [(6, 77)]);
        note_delivered(tx, &server("heard.test"), 3_000).unwrap();
        pdu(tx, &["heard.test"], 1, 78);
        assert_eq!(waiting(tx, "heard.test"), [(6, 78)]);
    })
    .await;
}

#[tokio::test]
async fn those_are_known_that_something_waits_for_or_that_were_reached_lately() {
    in_one_transaction(|tx| {
        pdu(tx, &["a.test"], 1, 1);
        note_failing(tx, &server("a.test"), 5).unwrap();
        note_delivered(tx, &server("b.test"), 100).unwrap();
        note_delivered(tx, &server("c.test"), 200).unwrap();
        let known = |after: &str, limit| {
            let known = known_destinations(tx, 150, after, limit).unwrap();
            known.iter().map(|k| (k.destination.to_string(), k.waiting, k.failing)).collect::<Vec<_>>()
        };
        assert_eq!(known("", 10), [("a.test".to_owned(), true, true), ("c.test".to_owned(), false, false)]);
        assert_eq!(known("", 1).len(), 1);
        assert_eq!(known("a.test", 10), [("c.test".to_owned(), false, false)]);
    })
    .await;
}
