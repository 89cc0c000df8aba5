//! Transactions of 50 PDUs from other servers, as servers send them: each its next when its last is answered.

use std::path::Path;
use std::time::Duration;

use events::Pdu;
use handles::Handles;
use http::Method;
use tokio::task::JoinSet;

use crate::althing::Althing;
use crate::client::Client;
use crate::floor::{self, TRANSACTION_PDUS};
use crate::peer::{Peer, Prepared};
use crate::report::{Failure, Table, Times, a_second, failed, ms, times_floor};

/// PDUs in all.
const PDUS: usize = 20_000;
/// Servers that send at the same time, in the second part.
const ORIGINS: usize = 8;
/// PDUs that are stored to know the floor.
const FLOOR_PDUS: usize = 5_000;
/// How long it may take until the last can be read.
const SETTLED_MAX: Duration = Duration::from_secs(120);
/// Between two looks whether it can.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A server with a room of its own, and what it is going to send.
struct Origin {
    peer: Peer,
    room: String,
    messages: Vec<Pdu>,
}

/// What it takes one core to check an event, and to store it.
#[derive(Clone, Copy)]
struct Floor {
    check: Duration,
    store: Duration,
}

impl Floor {
    /// For `count` events. The engine writes with one core; who waits for an answer before it goes on cannot have the next
    /// transaction checked while this one is stored.
    fn of(self, count: u32, is_alone: bool) -> Duration {
        let cores = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
        let Self { check, store } = self;
        count * if is_alone { check / cores + store } else { ((check + store) / cores).max(store) }
    }
}

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "20,000 messages, in each room of one sender, each building on the one before, signed beforehand; from the first \
         transaction until a client can read the last message. A server sends its next transaction when the last is answered. \
         The floor: format, both hashes and the signature of each event on all cores, and storing its body, 50 in a durable \
         transaction: of one origin one after the other, of several at the same time, as far as the cores go.",
    );
    for (number, what) in [(1, "one origin"), (ORIGINS, "8 origins, a room each")] {
        measure(&mut table, binary, handles, number, what).await?;
    }
    Ok(table)
}

async fn measure(
    table: &mut Table,
    binary: &Path,
    handles: &Handles,
    number: usize,
    what: &str,
) -> Result<(), Failure> {
    let althing = Althing::start(binary, handles).await?;
    let alice = Client::register(althing.client, handles, "alice").await?;
    let mut origins = Vec::new();
    for _ in 0..number {
        origins.push(origin(&alice, handles, PDUS / number).await?);
    }
    let floor = floor_of(&origins, handles).await?;
    let lasts: Vec<(String, String)> = origins.iter().filter_map(last_of).collect();
    let all: Vec<(Peer, Vec<Prepared>)> = origins.into_iter().map(|origin| prepared(origin, &althing)).collect();

    let before = althing.usage()?;
    let began = handles.clock.monotonic();
    let mut sending = JoinSet::new();
    for (peer, transactions) in all {
        sending.spawn(send(peer, transactions, handles.clone()));
    }
    let mut times = Times::default();
    while let Some(sent) = sending.join_next().await {
        sent.map_err(failed("a sender"))??.into_iter().for_each(|time| times.push(time));
    }
    for (room, last) in &lasts {
        until_readable(&alice, handles, room, last).await?;
    }
    let elapsed = handles.clock.monotonic() - began;
    let usage = althing.usage()?;
    let count = u32::try_from(PDUS).unwrap_or(1);
    let least = floor.of(count, number == 1);
    table.row(format!("{what}: sustained"), a_second(PDUS, elapsed), "5,000 a second", a_second(PDUS, least));
    table.row(format!("{what}: time"), times_floor(elapsed, least), "2 × the floor", "");
    let work = us(floor.check + floor.store);
    table.row(format!("{what}: processor time for each PDU"), us((usage.cpu - before.cpu) / count), "", work);
    table.note(
        format!("{what}: of the floor: checking / storing"),
        format!("{} / {}", us(floor.check), us(floor.store)),
    );
    table.note(
        format!("{what}: a transaction until it is answered, p50 / p99"),
        format!("{} / {}", ms(times.percentile(50)), ms(times.percentile(99))),
    );
    table.note(format!("{what}: most resident"), crate::report::mib(usage.peak));
    Ok(())
}

/// A server with a room that `alice` is in.
async fn origin(alice: &Client, handles: &Handles, messages: usize) -> Result<Origin, Failure> {
    let (peer, mut joins) = Peer::start(1, handles).await?;
    let room = peer.make_room(1, |room| room.id.to_string())?;
    alice.join(&room, Some(peer.names[0].as_str())).await?;
    let join = joins.recv().await.ok_or_else(|| Failure("no join came".to_owned()))?;
    let messages = peer.look(&room, |room| room.messages(messages, &join, peer.key()))??;
    Ok(Origin { peer, room, messages })
}

async fn floor_of(origins: &[Origin], handles: &Handles) -> Result<Floor, Failure> {
    let first = origins.first().ok_or_else(|| Failure("nobody sends".to_owned()))?;
    let check = floor::check_event(&first.messages, &first.peer.key().public())?;
    let store = floor::store_event(&first.messages[..FLOOR_PDUS.min(first.messages.len())], handles).await?;
    Ok(Floor { check, store })
}

/// The room, and the event that comes last there.
fn last_of(origin: &Origin) -> Option<(String, String)> {
    Some((origin.room.clone(), origin.messages.last()?.event_id().to_string()))
}

fn prepared(origin: Origin, althing: &Althing) -> (Peer, Vec<Prepared>) {
    let Origin { peer, messages, .. } = origin;
    let transactions = messages
        .chunks(TRANSACTION_PDUS)
        .enumerate()
        .map(|(number, pdus)| peer.prepare(&althing.name, &format!("t{number}"), pdus))
        .collect();
    (peer, transactions)
}

/// Sends one transaction after the other. Returns how long each took.
async fn send(peer: Peer, transactions: Vec<Prepared>, handles: Handles) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::with_capacity(transactions.len());
    for transaction in transactions {
        let sent = handles.clock.monotonic();
        peer.send(transaction).await?;
        times.push(handles.clock.monotonic() - sent);
    }
    Ok(times)
}

async fn until_readable(alice: &Client, handles: &Handles, room: &str, event: &str) -> Result<(), Failure> {
    let path = format!("/_matrix/client/v3/rooms/{room}/event/{event}");
    let began = handles.clock.monotonic();
    while let Err(error) = alice.call(Method::GET, &path, None).await {
        if handles.clock.monotonic() - began > SETTLED_MAX {
            return Err(Failure(format!("the last message of {room} cannot be read: {error}")));
        }
        handles.clock.sleep(LOOK_PAUSE).await;
    }
    Ok(())
}

fn us(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}
