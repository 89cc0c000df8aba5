//! One message into a room whose members are on many servers.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use handles::Handles;

use crate::althing::Althing;
use crate::client::Client;
use crate::peer::{Arrival, Peer};
use crate::report::{Failure, Table, mib, ms};

/// Servers in the room beside ours.
const SERVERS: usize = 1_000;
/// Messages, one after the other; the first finds no connections of ours to most servers' inboxes.
const MESSAGES: usize = 5;
/// How long a message may take to all of them.
const ARRIVAL_MAX: Duration = Duration::from_secs(60);

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "1,000 servers at as many addresses, played by one process on the same machine, whose TLS costs as much processor time \
         again. From the client's request until the transaction of the last of them has arrived.",
    );
    let althing = Althing::start(binary, handles).await?;
    let (mut peer, _joins) = Peer::start(SERVERS, handles).await?;
    let room = peer.make_room(SERVERS, |room| room.id.to_string())?;
    let alice = Client::register(althing.client, handles, "alice").await?;
    alice.join(&room, Some(peer.names[0].as_str())).await?;
    let before = althing.usage()?;
    for number in 1..=MESSAGES {
        let used = althing.usage()?;
        let body = format!("message {number} to all");
        let began = handles.clock.monotonic();
        alice.send(&room, &number.to_string(), &body).await?;
        let queued = handles.clock.monotonic() - began;
        let last = tokio::select! {
            last = all_have(&mut peer, &body) => last?,
            () = handles.clock.sleep(ARRIVAL_MAX) => {
                return Err(Failure(format!("{body} did not reach all; {}", althing.last_words())));
            }
        };
        let usage = althing.usage()?;
        table.row(format!("message {number}: queued for all, and answered"), ms(queued), "one commit", "");
        table.row(format!("message {number}: arrived everywhere"), ms(last.saturating_sub(began)), "2 s", "");
        table.note(format!("message {number}: processor time"), ms(usage.cpu - used.cpu));
    }
    let after = althing.usage()?;
    let growth = after.resident.saturating_sub(before.resident);
    table.row("resident more than before", mib(growth), "flat", mib(before.resident));
    table.note("most resident", mib(after.peak));
    Ok(table)
}

/// Waits until each server has got a transaction with `body`; returns when the last came.
async fn all_have(peer: &mut Peer, body: &str) -> Result<Duration, Failure> {
    let mut have = BTreeSet::new();
    while let Some(Arrival { at, destination, body: content }) = peer.arrivals.recv().await {
        if String::from_utf8_lossy(&content).contains(body) {
            have.insert(destination);
        }
        if have.len() == SERVERS {
            return Ok(at);
        }
    }
    Err(Failure("the peer stopped".to_owned()))
}
