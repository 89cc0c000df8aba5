use events::{RoomId, RoomVersion, UserId};

use super::*;
use crate::transactions::testing::in_one_transaction;
use crate::transactions::{companions, rooms};

fn server(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

#[tokio::test]
async fn while_a_room_is_partial_the_servers_that_we_were_told_of_count_as_joined() {
    in_one_transaction(|tx| {
        let room = rooms::intern(tx, &RoomId::parse("!a:a.test").unwrap(), RoomVersion::V11).unwrap();
        let user = UserId::parse("@u:us.test").unwrap();
        rooms::set_member(tx, room, &user, Some(("join", EventNumber(7)))).unwrap();
        begin(tx, room, EventNumber(7), &server("a.test"), &["b.test", "a.test"].map(server), 5).unwrap();
        let all_servers = ["a.test", "b.test", "us.test"].map(server);
        assert_eq!(rooms::servers(tx, room).unwrap(), all_servers);
        assert_eq!(companions::servers_sharing_room(tx, &user).unwrap(), all_servers);
        assert!(companions::servers_sharing_another_room(tx, &user, room).unwrap().is_empty());
        assert!(rooms::is_server_joined(tx, room, &server("b.test")).unwrap());
        assert!(!rooms::is_server_joined(tx, room, &server("c.test")).unwrap());
        end(tx, room).unwrap();
        assert_eq!(rooms::servers(tx, room).unwrap(), [server("us.test")]);
        assert!(!rooms::is_server_joined(tx, room, &server("b.test")).unwrap());
        assert!(servers(tx, room).unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn progress_and_failures_are_kept_and_a_new_join_begins_again() {
    in_one_transaction(|tx| {
        let room = rooms::intern(tx, &RoomId::parse("!a:a.test").unwrap(), RoomVersion::V11).unwrap();
        begin(tx, room, EventNumber(7), &server("a.test"), &[server("a.test")], 5).unwrap();
        note_progress(tx, room, 100, 40).unwrap();
        postpone(tx, room, 60, "nobody answers").unwrap();
        let found = find(tx, room).unwrap().unwrap();
        assert_eq!((found.wanted, found.lacking, found.attempts, found.retry_at), (Some(100), Some(40), 1, 60));
        assert_eq!((found.problem.as_deref(), all(tx).unwrap().len()), (Some("nobody answers"), 1));
        begin(tx, room, EventNumber(9), &server("b.test"), &[server("b.test")], 70).unwrap();
        let found = find(tx, room).unwrap().unwrap();
        assert_eq!((found.event, found.wanted, found.attempts), (EventNumber(9), None, 0));
        assert_eq!(servers(tx, room).unwrap(), [server("b.test")]);
        end(tx, room).unwrap();
        assert!(all(tx).unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_whole_room_may_wait_for_keys_and_is_not_partial() {
    in_one_transaction(|tx| {
        let room = rooms::intern(tx, &RoomId::parse("!a:a.test").unwrap(), RoomVersion::V11).unwrap();
        begin(tx, room, EventNumber(7), &server("a.test"), &["b.test", "c.test"].map(server), 5).unwrap();
        postpone(tx, room, 60, "nobody answers").unwrap();
        become_whole(tx, room, "[]", &["c.test", "d.test"].map(server), 0, 90).unwrap();
        assert_eq!(find(tx, room).unwrap(), None);
        assert_eq!(servers(tx, room).unwrap(), [server("c.test")]);
        let pending = pending(tx, room).unwrap().unwrap();
        assert_eq!((pending.whole, pending.keys.as_deref(), pending.problem.as_deref()), (true, Some("[]"), None));
        assert_eq!((pending.attempts, pending.retry_at), (0, 90));
        end(tx, room).unwrap();
        assert!(all(tx).unwrap().is_empty());
    })
    .await;
}
