//! Who shares a room with whom, by the current state.

use events::{ServerName, UserId};

use crate::numbers::{EventNumber, RoomNumber};
use crate::tx::{ReadTx, StoreError};

/// Returns the servers that share a room with `user`, also those of which only who let us into a room told.
pub fn servers_sharing_room(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<ServerName>, StoreError> {
    tx.query_all(
        "SELECT other.server AS server
           FROM members AS own
           JOIN members AS other ON other.room = own.room AND other.membership = 'join'
          WHERE own.user_id = ?1 AND own.membership = 'join'
          UNION
         SELECT partial.server
           FROM members AS own
           JOIN partial_servers AS partial ON partial.room = own.room
          WHERE own.user_id = ?1 AND own.membership = 'join'
          ORDER BY server",
        &[user],
        |row| row.get(0),
    )
}

/// Returns the servers that share a room with `user`, other than `room`.
pub fn servers_sharing_another_room(
    tx: &ReadTx<'_>,
    user: &UserId,
    room: RoomNumber,
) -> Result<Vec<ServerName>, StoreError> {
    tx.query_all(
        "SELECT other.server AS server
           FROM members AS own
           JOIN members AS other ON other.room = own.room AND other.membership = 'join'
          WHERE own.user_id = ?1 AND own.membership = 'join' AND own.room <> ?2
          UNION
         SELECT partial.server
           FROM members AS own
           JOIN partial_servers AS partial ON partial.room = own.room
          WHERE own.user_id = ?1 AND own.membership = 'join' AND own.room <> ?2
          ORDER BY server",
        &[user, &room],
        |row| row.get(0),
    )
}

/// Returns the users of `server` that share a room with `user`, and `user` themself if they are one of them.
pub fn companions_of_server(tx: &ReadTx<'_>, user: &UserId, server: &ServerName) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT DISTINCT other.user_id
           FROM members AS own
           JOIN members AS other ON other.room = own.room AND other.membership = 'join' AND other.server = ?2
          WHERE own.user_id = ?1 AND own.membership = 'join'
          ORDER BY other.user_id",
        &[user, server],
        |row| row.get(0),
    )
}

/// Returns users of other servers than `us` that share a room with `user` or are in a published one, and their member events,
/// by user and the newest first; at most `limit` of them.
pub fn visible_elsewhere(
    tx: &ReadTx<'_>,
    user: &UserId,
    us: &ServerName,
    limit: i64,
) -> Result<Vec<(UserId, RoomNumber, EventNumber)>, StoreError> {
    tx.query_all(
        "SELECT other.user_id, other.room, other.event
           FROM (SELECT room FROM members WHERE user_id = ?1 AND membership = 'join'
                 UNION
                 SELECT room.number AS room
                   FROM published_rooms AS published
                   JOIN rooms AS room ON room.room_id = published.room_id) AS visible
           JOIN members AS other ON other.room = visible.room AND other.membership = 'join' AND other.server <> ?2
          ORDER BY other.user_id, other.event DESC
          LIMIT ?3",
        &[user, us, &limit],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Says whether `user` shares a room with a user of `server`.
pub fn shares_room_with_server(tx: &ReadTx<'_>, user: &UserId, server: &ServerName) -> Result<bool, StoreError> {
    let found = tx.query_optional(
        "SELECT 1
           FROM members AS own
           JOIN members AS other ON other.room = own.room AND other.membership = 'join' AND other.server = ?2
          WHERE own.user_id = ?1 AND own.membership = 'join'
          LIMIT 1",
        &[user, server],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Says whether two users share a room.
pub fn share_room(tx: &ReadTx<'_>, one: &UserId, other: &UserId) -> Result<bool, StoreError> {
    let found = tx.query_optional(
        "SELECT 1
           FROM members AS own
           JOIN members AS theirs ON theirs.room = own.room AND theirs.membership = 'join' AND theirs.user_id = ?2
          WHERE own.user_id = ?1 AND own.membership = 'join'
          LIMIT 1",
        &[one, other],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests {
    use events::{RoomId, RoomVersion};

    use super::*;
    use crate::Database;
    use crate::transactions::{aliases, rooms};

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn server(name: &str) -> ServerName {
        ServerName::parse(name).unwrap()
    }

    #[tokio::test]
    async fn only_those_who_are_joined_share_a_room() {
        let database = Database::open_inline(None).unwrap();
        database
            .write(|tx| -> Result<(), StoreError> {
                for (number, (room, members)) in [
                    (
                        "!one:a.test",
                        &[("@alice:a.test", "join"), ("@bob:b.test", "join"), ("@carl:a.test", "join")][..],
                    ),
                    ("!two:a.test", &[("@alice:a.test", "join"), ("@dora:c.test", "join"), ("@bob:b.test", "leave")]),
                    ("!left:a.test", &[("@alice:a.test", "leave"), ("@emil:d.test", "join")]),
                    ("!open:a.test", &[("@finn:e.test", "join"), ("@gina:f.test", "invite")]),
                ]
                .into_iter()
                .enumerate()
                {
                    let room = rooms::intern(tx, &RoomId::parse(room).unwrap(), RoomVersion::V11)?;
                    for (member, membership) in members {
                        let event = EventNumber(i64::try_from(number).unwrap() + 1);
                        rooms::set_member(tx, room, &user(member), Some((membership, event)))?;
                    }
                }
                aliases::publish(tx, &RoomId::parse("!open:a.test").unwrap())
            })
            .await
            .unwrap();
        database
            .read(|tx| -> Result<(), StoreError> {
                let (alice, us) = (user("@alice:a.test"), server("a.test"));
                let names = |servers: Vec<ServerName>| servers.iter().map(ToString::to_string).collect::<Vec<_>>();
                assert_eq!(names(servers_sharing_room(tx, &alice)?), ["a.test", "b.test", "c.test"]);
                let one = rooms::by_id(tx, &RoomId::parse("!one:a.test").unwrap())?.unwrap().number;
                assert_eq!(names(servers_sharing_another_room(tx, &alice, one)?), ["a.test", "c.test"]);
                let ours = companions_of_server(tx, &user("@bob:b.test"), &us)?;
                assert_eq!(ours, [alice.clone(), user("@carl:a.test")]);
                let visible = visible_elsewhere(tx, &alice, &us, 10)?;
                let visible: Vec<String> = visible.iter().map(|(user, ..)| user.to_string()).collect();
                assert_eq!(visible, ["@bob:b.test", "@dora:c.test", "@finn:e.test"]);
                for (name, shares) in [("@bob:b.test", true), ("@emil:d.test", false), ("@finn:e.test", false)] {
                    assert_eq!(shares_room_with_server(tx, &user(name), &us)?, shares, "{name}");
                    assert_eq!(share_room(tx, &alice, &user(name))?, shares, "{name}");
                }
                Ok(())
            })
            .await
            .unwrap();
    }
}
