//! Transactions of 50 PDUs from another server, one after the other, as servers send them.

use std::path::Path;
use std::time::Duration;

use handles::Handles;
use http::Method;

use crate::althing::Althing;
use crate::client::Client;
use crate::floor::{self, TRANSACTION_PDUS};
use crate::peer::Peer;
use crate::report::{Failure, Table, Times, a_second, ms, times_floor};

/// PDUs in all.
const PDUS: usize = 20_000;
/// How long it may take until the last can be read.
const SETTLED_MAX: Duration = Duration::from_secs(120);
/// Between two looks whether it can.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "20,000 messages of one sender, each building on the one before, signed beforehand; from the first transaction until \
         a client can read the last message. The floor: format, both hashes and the signature of each event on two cores, and \
         storing its body, 50 in a durable transaction.",
    );
    let althing = Althing::start(binary, handles).await?;
    let (peer, mut joins) = Peer::start(1, handles).await?;
    let room = peer.make_room(1, |room| room.id.to_string())?;
    let alice = Client::register(althing.client, handles, "alice").await?;
    alice.join(&room, Some(peer.names[0].as_str())).await?;
    let join = joins.recv().await.ok_or_else(|| Failure("no join came".to_owned()))?;
    let messages = peer.look(&room, |room| room.messages(PDUS, &join, peer.key()))??;
    let check = floor::check_event(&messages, &peer.key().public())?;
    let store = floor::store_event(&messages[..5_000], handles).await?;
    let prepared: Vec<_> = messages
        .chunks(TRANSACTION_PDUS)
        .enumerate()
        .map(|(number, pdus)| peer.prepare(&althing.name, &format!("t{number}"), pdus))
        .collect();
    let last = messages.last().map(|last| last.event_id().to_string()).unwrap_or_default();

    let before = althing.usage()?;
    let (mut times, began) = (Times::default(), handles.clock.monotonic());
    for request in prepared {
        let sent = handles.clock.monotonic();
        peer.send(request).await?;
        times.push(handles.clock.monotonic() - sent);
    }
    let path = format!("/_matrix/client/v3/rooms/{room}/event/{last}");
    while let Err(error) = alice.call(Method::GET, &path, None).await {
        if handles.clock.monotonic() - began > SETTLED_MAX {
            return Err(Failure(format!("the last message cannot be read: {error}; {}", althing.last_words())));
        }
        handles.clock.sleep(LOOK_PAUSE).await;
    }
    let elapsed = handles.clock.monotonic() - began;
    let usage = althing.usage()?;
    let count = u32::try_from(PDUS).unwrap_or(1);
    let cores = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    let floor = (check + store) * count / cores;
    table.row("sustained", a_second(PDUS, elapsed), "5,000 a second", a_second(PDUS, floor));
    table.row("time", times_floor(elapsed, floor), "2 × the floor", "");
    table.row("processor time for each PDU", us((usage.cpu - before.cpu) / count), "", us(check + store));
    table.note("of the floor: checking / storing", format!("{} / {}", us(check), us(store)));
    table.note(
        "a transaction until it is answered, p50 / p99",
        format!("{} / {}", ms(times.percentile(50)), ms(times.percentile(99))),
    );
    table.note("most resident", crate::report::mib(usage.peak));
    Ok(table)
}

fn us(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}
