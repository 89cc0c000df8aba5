//! Clients that wait in /sync while nothing happens to them.

use std::path::Path;
use std::time::Duration;

use handles::Handles;
use tokio::task::JoinSet;

use crate::althing::Althing;
use crate::client::{Client, text};
use crate::report::{Failure, Table, mib, ms};

/// How many wait.
const CLIENTS: usize = 1_000;
/// How many register at once.
const AT_ONCE: usize = 8;
/// How long the server is watched.
const WATCHED: Duration = Duration::from_secs(8);
/// How long a /sync waits: longer than all of this.
const SYNC_WAIT: Duration = Duration::from_secs(120);
/// How long the server gets to come to rest.
const REST: Duration = Duration::from_secs(2);
/// Messages sent in a room that does not concern those who wait.
const MESSAGES: usize = 200;

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "1,000 users, each with a connection of its own and a /sync that waits. Processor time of the server over 8 s, less \
         what it takes without them.",
    );
    let althing = Althing::start(binary, handles).await?;
    let speaker = Client::register(althing.client, handles, "speaker").await?;
    let room = speaker.create_room().await?;
    let clients = register(&althing, handles).await?;
    handles.clock.sleep(REST).await;
    let alone = watch(&althing, handles).await?;
    let busy_alone = talk(&speaker, &room, "alone", &althing).await?;
    let before = althing.usage()?;

    let mut waiting = JoinSet::new();
    for (client, since) in clients {
        waiting.spawn(async move { client.sync(Some(&since), SYNC_WAIT).await });
    }
    handles.clock.sleep(REST).await;
    let after = althing.usage()?;
    let together = watch(&althing, handles).await?;
    let busy_together = talk(&speaker, &room, "together", &althing).await?;
    if let Some(early) = waiting.try_join_next() {
        let answer = early.map_err(|error| Failure(error.to_string()))??;
        return Err(Failure(format!("a /sync did not wait: {answer}")));
    }
    let idle = together.saturating_sub(alone);
    table.row("processor time while nothing happens", format!("{} in {} s", ms(idle), WATCHED.as_secs()), "none", "");
    let growth = after.resident.saturating_sub(before.resident);
    table.row("resident more than before", mib(growth), "60 MiB", "");
    table.note("resident before", mib(before.resident));
    table.row(
        "processor time for a message in a room of others",
        ms(busy_together / u32::try_from(MESSAGES).unwrap_or(1)),
        "as without them",
        ms(busy_alone / u32::try_from(MESSAGES).unwrap_or(1)),
    );
    waiting.shutdown().await;
    Ok(table)
}

/// Registers all, each with its position in the stream.
async fn register(althing: &Althing, handles: &Handles) -> Result<Vec<(Client, String)>, Failure> {
    let (mut registering, mut clients) = (JoinSet::new(), Vec::new());
    for number in 0..CLIENTS {
        if registering.len() >= AT_ONCE {
            clients.push(joined(registering.join_next().await)?);
        }
        let (server, handles) = (althing.client, handles.clone());
        registering.spawn(async move {
            let client = Client::register(server, &handles, &format!("idle{number}")).await?;
            let since = text(&client.sync(None, Duration::ZERO).await?, "next_batch")?;
            Ok((client, since))
        });
    }
    while !registering.is_empty() {
        clients.push(joined(registering.join_next().await)?);
    }
    Ok(clients)
}

type Registered = Result<(Client, String), Failure>;

fn joined(ended: Option<Result<Registered, tokio::task::JoinError>>) -> Registered {
    ended.ok_or_else(|| Failure("nobody registers".to_owned()))?.map_err(|error| Failure(error.to_string()))?
}

/// Processor time that the server takes while nobody does anything.
async fn watch(althing: &Althing, handles: &Handles) -> Result<Duration, Failure> {
    let before = althing.usage()?;
    handles.clock.sleep(WATCHED).await;
    Ok(althing.usage()?.cpu - before.cpu)
}

/// Processor time that the server takes for messages in a room of one.
async fn talk(speaker: &Client, room: &str, run: &str, althing: &Althing) -> Result<Duration, Failure> {
    let before = althing.usage()?;
    for number in 0..MESSAGES {
        speaker.send(room, &format!("{run}{number}"), "hello").await?;
    }
    Ok(althing.usage()?.cpu - before.cpu)
}
