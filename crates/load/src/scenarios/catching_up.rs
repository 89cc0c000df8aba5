//! A server comes back after an outage, in which another one went on.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use handles::Handles;
use http::Method;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::althing::Althing;
use crate::client::{Client, text};
use crate::report::{Failure, Table, mib, ms};

/// Messages that are missed, in each of the two parts.
const MISSED: usize = 10_000;
/// Rooms that they are in, in the first part. In the second it is one.
const ROOMS: usize = 500;
/// Messages that are sent at once.
const SENDERS: usize = 16;
/// How long all may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(300);
/// How long one /sync waits.
const SYNC_WAIT: Duration = Duration::from_secs(1);
/// Events in a page of history.
const PAGE: usize = 100;
/// Before history that did not come yet is looked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// Two servers: on one somebody speaks, on the other somebody listens.
struct Pair {
    speaker: Althing,
    listener: Althing,
    alice: Client,
    bob: Client,
    rooms: Vec<String>,
}

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "Two Althings. One is killed; on the other 10,000 messages are sent; the first is started again. From then until its user \
         has the newest message of every room by /sync, and until all messages are in the history of the rooms. The floor of \
         these is the row of inbound PDUs.",
    );
    for (what, rooms) in [("500 rooms, 20 messages each", ROOMS), ("one room", 1)] {
        let mut pair = Pair::start(binary, rooms, handles).await?;
        let since = text(&pair.bob.sync(None, Duration::ZERO).await?, "next_batch")?;
        pair.listener.kill()?;
        let sent = pair.send(handles).await?;
        let before = pair.speaker.usage()?;
        pair.listener.start_again(handles).await?;
        let began = handles.clock.monotonic();
        pair.see_newest(&sent, since, handles).await?;
        table.row(format!("{what}: until the newest has come"), ms(handles.clock.monotonic() - began), "", "");
        pair.see_all(&sent, handles).await?;
        table.row(format!("{what}: until all have come"), ms(handles.clock.monotonic() - began), "", "");
        let (there, here) = (pair.listener.usage()?, pair.speaker.usage()?);
        table.note(
            format!("{what}: processor time of the two"),
            format!("{} / {}", ms(there.cpu), ms(here.cpu - before.cpu)),
        );
        table.note(format!("{what}: most resident of the two"), format!("{} / {}", mib(there.peak), mib(here.peak)));
    }
    Ok(table)
}

impl Pair {
    /// Two servers that share so many rooms.
    async fn start(binary: &Path, rooms: usize, handles: &Handles) -> Result<Self, Failure> {
        let speaker = Althing::start(binary, handles).await?;
        let listener = Althing::start(binary, handles).await?;
        let alice = Client::register(speaker.client, handles, "alice").await?;
        let bob = Client::register(listener.client, handles, "bob").await?;
        let mut pair = Self { speaker, listener, alice, bob, rooms: Vec::new() };
        for _ in 0..rooms {
            let room = pair.alice.create_room().await?;
            pair.bob.join(&room, Some(pair.speaker.name.as_str())).await?;
            pair.rooms.push(room);
        }
        Ok(pair)
    }

    /// Sends the messages, to all rooms in turn. Returns the ids for each room, in order.
    async fn send(&self, handles: &Handles) -> Result<Vec<Vec<String>>, Failure> {
        let each = MISSED / self.rooms.len();
        let mut sending = JoinSet::new();
        let mut sent = vec![Vec::new(); self.rooms.len()];
        for (number, room) in self.rooms.iter().enumerate() {
            if sending.len() >= SENDERS {
                let (number, ids) = joined(sending.join_next().await)?;
                sent[number] = ids;
            }
            let (alice, room, handles) = (self.alice.clone(), room.clone(), handles.clone());
            sending.spawn(async move {
                let mut ids = Vec::with_capacity(each);
                for message in 0..each {
                    let transaction = format!("{number}-{message}-{}", handles.clock.monotonic().as_nanos());
                    ids.push(alice.send(&room, &transaction, &format!("message {message}")).await?);
                }
                Ok((number, ids))
            });
        }
        while let Some(done) = sending.join_next().await {
            let (number, ids) = joined(Some(done))?;
            sent[number] = ids;
        }
        Ok(sent)
    }

    /// Syncs until the newest message of each room has come.
    async fn see_newest(&self, sent: &[Vec<String>], since: String, handles: &Handles) -> Result<(), Failure> {
        let mut waiting: BTreeSet<&str> = sent.iter().filter_map(|ids| ids.last()).map(String::as_str).collect();
        let (mut since, began) = (since, handles.clock.monotonic());
        while !waiting.is_empty() {
            if handles.clock.monotonic() - began > ARRIVAL_MAX {
                return Err(Failure(format!("{} newest messages did not come", waiting.len())));
            }
            let answer = self.bob.sync(Some(&since), SYNC_WAIT).await?;
            for event in crate::client::timeline(&answer) {
                waiting.remove(event["event_id"].as_str().unwrap_or_default());
            }
            since = text(&answer, "next_batch")?;
        }
        Ok(())
    }

    /// Reads the rooms' histories until nothing is missing.
    async fn see_all(&self, sent: &[Vec<String>], handles: &Handles) -> Result<(), Failure> {
        let began = handles.clock.monotonic();
        for (room, ids) in self.rooms.iter().zip(sent) {
            loop {
                let found = self.history(room, ids.len()).await?;
                let missing = ids.iter().filter(|id| !found.contains(*id)).count();
                if missing == 0 {
                    break;
                }
                if handles.clock.monotonic() - began > ARRIVAL_MAX {
                    return Err(Failure(format!("{missing} of {} messages did not come", ids.len())));
                }
                handles.clock.sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// The ids of the newest events of a room, at least `wanted` if there are so many.
    async fn history(&self, room: &str, wanted: usize) -> Result<BTreeSet<String>, Failure> {
        let mut found = BTreeSet::new();
        let mut from = String::new();
        while found.len() < wanted {
            let path = format!("/_matrix/client/v3/rooms/{room}/messages?dir=b&limit={PAGE}{from}");
            let page: Value = self.bob.call(Method::GET, &path, None).await?;
            let events = page["chunk"].as_array().into_iter().flatten();
            found.extend(events.filter_map(|event| event["event_id"].as_str().map(str::to_owned)));
            match page["end"].as_str() {
                Some(end) => from = format!("&from={end}"),
                None => break,
            }
        }
        Ok(found)
    }
}

fn joined<T>(done: Option<Result<Result<T, Failure>, tokio::task::JoinError>>) -> Result<T, Failure> {
    let done = done.ok_or_else(|| Failure("a sender is gone".to_owned()))?;
    done.map_err(|error| Failure(error.to_string()))?
}
