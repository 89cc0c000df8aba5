//! Joining a large room over federation.

use std::path::Path;
use std::time::Duration;

use handles::Handles;

use crate::althing::Althing;
use crate::client::Client;
use crate::floor;
use crate::peer::Peer;
use crate::report::{Failure, Table, mib, ms, times_floor};

/// Members of the room.
const MEMBERS: usize = 20_000;
/// Servers that they are on.
const SERVERS: usize = 200;

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "The members are on 200 servers, whose keys are fetched over TLS. From the client's request until its answer. The \
         floor: format, both hashes and the signature of each event on all cores, and storing its body.",
    );
    let althing = Althing::start(binary, handles).await?;
    let (peer, _joins) = Peer::start(SERVERS, handles).await?;
    let (room, events) = peer.make_room(MEMBERS, |room| (room.id.to_string(), room.state.clone()))?;
    let check = floor::check_event(&events, &peer.key().public())?;
    let store = floor::store_event(&events, handles).await?;
    let count = u32::try_from(events.len()).unwrap_or(1);
    drop(events);
    let alice = Client::register(althing.client, handles, "alice").await?;
    let before = althing.usage()?;
    let began = handles.clock.monotonic();
    alice.join(&room, Some(peer.names[0].as_str())).await?;
    let elapsed = handles.clock.monotonic() - began;
    let usage = althing.usage()?;
    let cores = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    let floor = (check + store) * count / cores;
    table.row("until joined", ms(elapsed), "2 × the floor", ms(floor));
    table.row("until joined", times_floor(elapsed, floor), "2 × the floor", "");
    table.row("processor time", ms(usage.cpu - before.cpu), "", ms((check + store) * count));
    table.row("most resident", mib(usage.peak), "300 MiB", "");
    table.note("resident before / after", format!("{} / {}", mib(before.resident), mib(usage.resident)));
    let sent = handles.clock.monotonic();
    alice.send(&room, "first", "the first message").await?;
    table.note("the first message after it, until answered", ms(handles.clock.monotonic() - sent));
    let synced = handles.clock.monotonic();
    alice.sync(None, Duration::ZERO).await?;
    table.note("the first /sync, with all members", ms(handles.clock.monotonic() - synced));
    table.note("most resident after these", mib(althing.usage()?.peak));
    Ok(table)
}
