//! `althing room`: rooms, from the command line of the machine that the server runs on.

use std::path::Path;
use std::time::Duration;

use events::{RoomId, ServerName};
use handles::Handles;
use messaging::membership::Occupants;
use messaging::{Messaging, MessagingError};
use pdu::{JoinInDoubt, JoinProgress, PurgeError};
use persistence::{Database, StoreError};
use serde::{Deserialize, Serialize};

use crate::dates::time;
use crate::running::{self, AccessError, Request};
use crate::terminal::harmless;

/// Servers that a line names.
const SERVERS_NAMED_MAX: usize = 5;
/// How long a running server is given to delete all rows of a room. After that it goes on by itself.
const PURGE_WAIT: Duration = Duration::from_secs(60);

/// One thing to do with a room.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Removes it completely.
    Purge {
        room: RoomId,
        /// Whether our users leave it first.
        leave: bool,
    },
    /// Tells of the joins whose members are being fetched, and of those that nobody has answered.
    Joins {
        /// As JSON, one object a line.
        json: bool,
    },
}

/// It was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoomError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}; with --leave they do, while the server runs")]
    InUse(PurgeError),
    #[error(transparent)]
    Purge(PurgeError),
    #[error("--leave tells other servers, so it needs a server that runs: start it, and run this again")]
    NobodyToTell,
}

/// Does `order` with the rooms that `file` leads to.
pub(crate) async fn run(file: &Path, order: Order) -> Result<(), RoomError> {
    for line in running::here_or_there(file, order, Request::Room, alone).await? {
        println!("{line}");
    }
    Ok(())
}

/// Does `order` while no server runs.
async fn alone(database: &Database, order: Order) -> Result<Vec<String>, RoomError> {
    let (room, leave) = match order {
        Order::Purge { room, leave } => (room, leave),
        Order::Joins { json } => {
            let (under_way, in_doubt) = (pdu::joins_under_way(database).await?, pdu::joins_in_doubt(database).await?);
            return Ok(told(&under_way, &in_doubt, json));
        }
    };
    if leave {
        return Err(RoomError::NobodyToTell);
    }
    match pdu::purge_alone(database, &Handles::system(), &room).await {
        Ok(()) => Ok(vec![format!("{room} is purged")]),
        Err(error @ PurgeError::InUse { .. }) => Err(RoomError::InUse(error)),
        Err(error) => Err(RoomError::Purge(error)),
    }
}

impl Order {
    /// Does it in the server that runs, and returns the lines to print.
    pub(crate) async fn perform(self, messaging: &Messaging) -> Result<Vec<String>, MessagingError> {
        let (room, leave) = match self {
            Self::Purge { room, leave } => (room, leave),
            Self::Joins { json } => {
                let (under_way, in_doubt) = (messaging.joins_under_way().await?, messaging.joins_in_doubt().await?);
                return Ok(told(&under_way, &in_doubt, json));
            }
        };
        messaging.purge(&room, if leave { Occupants::Leave } else { Occupants::Stay }).await?;
        let line = if messaging.until_purged(PURGE_WAIT).await? {
            format!("{room} is purged")
        } else {
            format!(
                "{room} is out of sight; its rows go in the background, once other servers have heard that our users left"
            )
        };
        Ok(vec![line])
    }
}

/// What a join waits for, for programs.
#[derive(Serialize)]
#[serde(tag = "waits_for", rename_all = "snake_case")]
enum Told<'a> {
    Members(&'a JoinProgress),
    Answer(&'a JoinInDoubt),
}

/// The joins under way, and those that nobody has answered, a line each.
fn told(under_way: &[JoinProgress], in_doubt: &[JoinInDoubt], json: bool) -> Vec<String> {
    if json {
        let all = under_way.iter().map(Told::Members).chain(in_doubt.iter().map(Told::Answer));
        return all.map(|join| serde_json::to_string(&join).expect("a join is plain data")).collect();
    }
    if under_way.is_empty() && in_doubt.is_empty() {
        return vec!["the members of all rooms are here".to_owned()];
    }
    under_way.iter().map(line).chain(in_doubt.iter().map(line_in_doubt)).map(|line| harmless(&line)).collect()
}

fn line_in_doubt(join: &JoinInDoubt) -> String {
    let JoinInDoubt { room_id, user, event_id: _, servers, since, attempts, retry_at } = join;
    let asked = servers.first().map_or("nobody", ServerName::as_str);
    format!(
        "{room_id}: {asked} has not said whether it let {user} in, who asked at {}; looked what became of it {attempts} times, \
         again at {}",
        time(*since),
        time(*retry_at)
    )
}

/// Why a room that is whole lacks some of its state.
fn without_keys(servers: &[ServerName]) -> String {
    let named: Vec<&str> = servers.iter().take(SERVERS_NAMED_MAX).map(ServerName::as_str).collect();
    let more = servers.len() - named.len();
    let more = if more > 0 { format!(" and {more} more servers") } else { String::new() };
    format!("all is here but for what {}{more} signed, whose keys cannot be had", named.join(", "))
}

fn line(join: &JoinProgress) -> String {
    let JoinProgress { room_id, given_by, since, wanted, lacking, attempts, retry_at, problem, whole, lacking_keys_of } =
        join;
    let far = match (wanted, lacking) {
        _ if *whole => without_keys(lacking_keys_of),
        (Some(wanted), Some(lacking)) => format!("{} of {wanted} events are here", wanted - lacking),
        (None, _) | (_, None) => "nobody has named its members yet".to_owned(),
    };
    let mut line = format!("{room_id}, joined through {given_by} at {}: {far}", time(*since));
    if let Some(problem) = problem {
        let next = retry_at.map_or("given up until the next start".to_owned(), |at| format!("again at {}", time(at)));
        line += &format!("; {attempts} attempts failed, {next}: {problem}");
    }
    line
}

#[cfg(test)]
mod tests {
    use events::{EventId, UserId};
    use serde_json::Value;

    use super::*;

    fn joins() -> (JoinProgress, JoinInDoubt) {
        let room_id = RoomId::parse("!r:b.test").unwrap();
        let server = ServerName::parse("b.test").unwrap();
        let under_way = JoinProgress {
            room_id: room_id.clone(),
            given_by: server.clone(),
            since: 0,
            wanted: Some(9),
            lacking: Some(2),
            attempts: 0,
            retry_at: None,
            problem: None,
            whole: false,
            lacking_keys_of: Vec::new(),
        };
        let in_doubt = JoinInDoubt {
            room_id,
            user: UserId::parse("@alice:a.test").unwrap(),
            event_id: EventId::parse("$join").unwrap(),
            servers: vec![server],
            since: 0,
            attempts: 3,
            retry_at: 3_600_000,
        };
        (under_way, in_doubt)
    }

    #[test]
    fn people_read_of_each_join_what_it_waits_for() {
        let (under_way, in_doubt) = joins();
        let lines = told(&[under_way], &[in_doubt], false);
        assert_eq!(
            lines[0],
            "!r:b.test, joined through b.test at Thu, 01 Jan 1970 00:00:00 GMT: 7 of 9 events are here"
        );
        assert!(lines[1].starts_with("!r:b.test: b.test has not said whether it let @alice:a.test in"), "{}", lines[1]);
        assert!(
            lines[1].ends_with("looked what became of it 3 times, again at Thu, 01 Jan 1970 01:00:00 GMT"),
            "{}",
            lines[1]
        );
        assert_eq!(told(&[], &[], false), ["the members of all rooms are here"]);
    }

    #[test]
    fn programs_are_told_what_a_join_waits_for() {
        let (under_way, in_doubt) = joins();
        let lines = told(&[under_way], &[in_doubt], true);
        let read: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&read[0]["waits_for"], &read[0]["lacking"]), (&"members".into(), &2.into()));
        assert_eq!((&read[1]["waits_for"], &read[1]["user"]), (&"answer".into(), &"@alice:a.test".into()));
        assert!(told(&[], &[], true).is_empty());
    }
}
