//! Joining a large room over federation.

use std::path::Path;
use std::time::Duration;

use handles::Handles;
use http::Method;
use serde_json::Value;

use crate::althing::Althing;
use crate::client::Client;
use crate::floor;
use crate::peer::Peer;
use crate::report::{Failure, Table, mib, ms, times_floor};

/// Members of the rooms.
const MEMBERS: [usize; 3] = [1_000, 5_000, 20_000];
/// Members of a room that no old server would tell of in one answer.
const MANY_MEMBERS: usize = 100_000;
/// How often somebody asks for the members who are told to try again later.
const ATTEMPTS_MAX: usize = 20;
/// Servers that they are on.
const SERVERS: usize = 200;

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "The members are on 200 servers, whose keys are fetched over TLS; each room is joined by an Althing of its own. `Omitted`: the \
         resident leaves the members out when we join (`omit_members`), and they come in the background. `Told`: it does not, as old \
         servers, and has its answer ready beforehand. Times are from the client's request on. The floor: format, both hashes and the \
         signature of each event on all cores, and storing its body. The budgets are those of 20,000 members.",
    );
    for members in MEMBERS {
        omitted(&mut table, members, binary, handles).await?;
        told(&mut table, members, binary, handles).await?;
    }
    omitted(&mut table, MANY_MEMBERS, binary, handles).await?;
    Ok(table)
}

/// What is there to be joined, and what it would take at least.
struct Place {
    althing: Althing,
    peer: Peer,
    room: String,
    alice: Client,
    floor: Duration,
    processor_floor: Duration,
}

async fn place(members: usize, binary: &Path, handles: &Handles) -> Result<Place, Failure> {
    let althing = Althing::start(binary, handles).await?;
    let (peer, _joins) = Peer::start(SERVERS, handles).await?;
    let (room, events) = peer.make_room(members, |room| (room.id.to_string(), room.state.clone()))?;
    let check = floor::check_event(&events, &peer.key().public())?;
    let store = floor::store_event(&events, handles).await?;
    let processor_floor = (check + store) * u32::try_from(events.len()).unwrap_or(1);
    let cores = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    let alice = Client::register(althing.client, handles, "alice").await?;
    Ok(Place { althing, peer, room, alice, floor: processor_floor / cores, processor_floor })
}

/// The members come in the background.
async fn omitted(table: &mut Table, members: usize, binary: &Path, handles: &Handles) -> Result<(), Failure> {
    let Place { althing, mut peer, room, alice, floor, processor_floor } = place(members, binary, handles).await?;
    peer.omit_members();
    let before = althing.usage()?;
    let began = handles.clock.monotonic();
    let elapsed = || handles.clock.monotonic() - began;
    alice.join(&room, Some(peer.names[0].as_str())).await?;
    let joined = elapsed();
    alice.send(&room, "first", "the first message").await?;
    let said = elapsed();
    loop {
        let arrival = peer.arrivals.recv().await.ok_or_else(|| Failure("the peer has ended".to_owned()))?;
        if String::from_utf8_lossy(&arrival.body).contains("the first message") {
            table.row(format!("{members}, omitted: until joined"), ms(joined), "", "");
            table.row(format!("{members}, omitted: until the first message is accepted"), ms(said), "1 s", "");
            table.row(format!("{members}, omitted: until it is at a server there"), ms(arrival.at - began), "1 s", "");
            break;
        }
    }
    // Answered when all members are here. Meanwhile she goes on.
    let known = all_members(&alice, &room);
    tokio::pin!(known);
    let (mut meanwhile, mut slowest) = (0, Duration::ZERO);
    let known = loop {
        let began = handles.clock.monotonic();
        let transaction = format!("meanwhile-{meanwhile}");
        let said = alice.send(&room, &transaction, "meanwhile");
        tokio::pin!(said);
        tokio::select! {
            biased;
            sent = &mut said => {
                sent?;
                meanwhile += 1;
                slowest = slowest.max(handles.clock.monotonic() - began);
            }
            known = &mut known => {
                said.await?;
                slowest = slowest.max(handles.clock.monotonic() - began);
                break known?;
            }
        }
    };
    if known["joined"].as_object().map(serde_json::Map::len) != Some(members + 1) {
        return Err(Failure(format!("of {members} members not all have come")));
    }
    let (whole, usage) = (elapsed(), althing.usage()?);
    table.row(format!("{members}, omitted: until all members are here"), ms(whole), "", ms(floor));
    let cpu = usage.cpu - before.cpu;
    table.row(format!("{members}, omitted: processor time until then"), ms(cpu), "", ms(processor_floor));
    table.row(format!("{members}, omitted: most resident"), mib(usage.peak), "300 MiB", "");
    table.note(format!("{members}, omitted: messages sent meanwhile"), meanwhile.to_string());
    table.note(format!("{members}, omitted: the slowest of them"), ms(slowest));
    Ok(())
}

/// The members of a room, as soon as all are here.
async fn all_members(alice: &Client, room: &str) -> Result<Value, Failure> {
    let path = format!("/_matrix/client/v3/rooms/{room}/joined_members");
    let mut attempts = 0;
    loop {
        match alice.call(Method::GET, &path, None).await {
            // It waits for a while, and no longer.
            Err(Failure(reason)) if reason.contains("still being fetched") && attempts < ATTEMPTS_MAX => attempts += 1,
            answered => return answered,
        }
    }
}

/// All members are told at once.
async fn told(table: &mut Table, members: usize, binary: &Path, handles: &Handles) -> Result<(), Failure> {
    let Place { althing, peer, room, alice, floor, processor_floor } = place(members, binary, handles).await?;
    let before = althing.usage()?;
    let began = handles.clock.monotonic();
    alice.join(&room, Some(peer.names[0].as_str())).await?;
    let elapsed = handles.clock.monotonic() - began;
    let usage = althing.usage()?;
    table.row(format!("{members}, told: until joined"), ms(elapsed), "2 × the floor", ms(floor));
    table.row(format!("{members}, told: until joined"), times_floor(elapsed, floor), "2 × the floor", "");
    table.row(format!("{members}, told: processor time"), ms(usage.cpu - before.cpu), "", ms(processor_floor));
    table.row(format!("{members}, told: most resident"), mib(usage.peak), "300 MiB", "");
    table.note(
        format!("{members}, told: resident before / after"),
        format!("{} / {}", mib(before.resident), mib(usage.resident)),
    );
    let sent = handles.clock.monotonic();
    alice.send(&room, "first", "the first message").await?;
    table.note(
        format!("{members}, told: the first message after it, until answered"),
        ms(handles.clock.monotonic() - sent),
    );
    let synced = handles.clock.monotonic();
    alice.sync(None, Duration::ZERO).await?;
    table.note(format!("{members}, told: the first /sync, with all members"), ms(handles.clock.monotonic() - synced));
    table.note(format!("{members}, told: most resident after these"), mib(althing.usage()?.peak));
    Ok(())
}
