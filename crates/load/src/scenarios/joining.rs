//! Joining a large room over federation.

use std::path::Path;
use std::time::Duration;

use handles::Handles;

use crate::althing::Althing;
use crate::client::Client;
use crate::floor;
use crate::peer::Peer;
use crate::report::{Failure, Table, mib, ms, times_floor};

/// Members of the rooms.
const MEMBERS: [usize; 3] = [1_000, 5_000, 20_000];
/// Servers that they are on.
const SERVERS: usize = 200;

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "The members are on 200 servers, whose keys are fetched over TLS; each room is joined by an Althing of its own. From the \
         client's request until its answer. The floor: format, both hashes and the signature of each event on all cores, and storing \
         its body. The budgets are those of 20,000 members.",
    );
    for members in MEMBERS {
        join(&mut table, members, binary, handles).await?;
    }
    Ok(table)
}

async fn join(table: &mut Table, members: usize, binary: &Path, handles: &Handles) -> Result<(), Failure> {
    let althing = Althing::start(binary, handles).await?;
    let (peer, _joins) = Peer::start(SERVERS, handles).await?;
    let (room, events) = peer.make_room(members, |room| (room.id.to_string(), room.state.clone()))?;
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
    table.row(format!("{members}: until joined"), ms(elapsed), "2 × the floor", ms(floor));
    table.row(format!("{members}: until joined"), times_floor(elapsed, floor), "2 × the floor", "");
    table.row(format!("{members}: processor time"), ms(usage.cpu - before.cpu), "", ms((check + store) * count));
    table.row(format!("{members}: most resident"), mib(usage.peak), "300 MiB", "");
    table.note(
        format!("{members}: resident before / after"),
        format!("{} / {}", mib(before.resident), mib(usage.resident)),
    );
    let sent = handles.clock.monotonic();
    alice.send(&room, "first", "the first message").await?;
    table.note(format!("{members}: the first message after it, until answered"), ms(handles.clock.monotonic() - sent));
    let synced = handles.clock.monotonic();
    alice.sync(None, Duration::ZERO).await?;
    table.note(format!("{members}: the first /sync, with all members"), ms(handles.clock.monotonic() - synced));
    table.note(format!("{members}: most resident after these"), mib(althing.usage()?.peak));
    Ok(())
}
