//! Messages from client to client over HTTP: how long one takes, how many a second.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use handles::{Clock, Handles};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::althing::Althing;
use crate::client::{Client, text, timeline};
use crate::floor;
use crate::report::{Failure, Table, Times, a_second, ms};

/// How long each measurement runs.
const RUN: Duration = Duration::from_secs(6);
/// Before that, what is thrown away.
const WARM_UP: Duration = Duration::from_secs(1);
/// How many send at once.
const SENDERS: usize = 16;
/// How long a message may take.
const ARRIVAL_MAX: Duration = Duration::from_secs(20);
/// How long a /sync waits.
const SYNC_WAIT: Duration = Duration::from_secs(30);

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "The lone sender sends the next message when the other client's /sync has shown the last. The floor of a message is \
         three requests over HTTP in one direction each and one durable write; of many, one core's share of a request.",
    );
    let disk = floor::durable_write(handles)?;
    let trip = floor::round_trip(handles).await?;
    let althing = Althing::start(binary, handles).await?;
    let alice = Client::register(althing.client, handles, "alice").await?;
    let bob = Client::register(althing.client, handles, "bob").await?;
    let room = alice.create_room().await?;
    bob.join(&room, None).await?;

    let (arrivals, mut arrived) = mpsc::unbounded_channel();
    let mut reading = JoinSet::new();
    reading.spawn(read(bob, Arc::clone(&handles.clock), arrivals));
    lone(&alice, &room, WARM_UP, &mut arrived, handles).await?;
    let before = althing.usage()?;
    let (shown, answered) = lone(&alice, &room, RUN, &mut arrived, handles).await?;
    let cpu = (althing.usage()?.cpu - before.cpu) / u32::try_from(shown.count()).unwrap_or(1);
    let floor = disk.percentile(50) + trip.percentile(50) * 3 / 2;
    table.row("until the other client has it, p50", ms(shown.percentile(50)), "2 ms", ms(floor));
    table.row("until the other client has it, p99", ms(shown.percentile(99)), "", "");
    table.note("until the sender has the answer, p50", ms(answered.percentile(50)));
    table.note("processor time for each message", ms(cpu));
    table.note(
        "one durable write of the disk, p50 / p99",
        format!("{} / {}", ms(disk.percentile(50)), ms(disk.percentile(99))),
    );
    table.note("one request over HTTP, p50", ms(trip.percentile(50)));
    reading.shutdown().await;

    let mut senders = Vec::new();
    for number in 0..SENDERS {
        let sender = Client::register(althing.client, handles, &format!("sender{number}")).await?;
        sender.join(&room, None).await?;
        let own = sender.create_room().await?;
        senders.push((sender, own));
    }
    let together: Vec<(Client, String)> = senders.iter().map(|(sender, _)| (sender.clone(), room.clone())).collect();
    for (what, senders) in [("16 senders, one room", together), ("16 senders, a room each", senders)] {
        let before = althing.usage()?;
        let times = many(senders, handles).await?;
        let cpu = (althing.usage()?.cpu - before.cpu) / u32::try_from(times.count()).unwrap_or(1);
        table.row(what, a_second(times.count(), RUN), "3,000 a second", "");
        let detail =
            format!("{} / {}, {} of processor time", ms(times.percentile(50)), ms(times.percentile(99)), ms(cpu));
        table.note(format!("{what}: p50 / p99, for each message"), detail);
    }
    Ok(table)
}

/// Sends a message when the last has been shown. Returns how long each took to be shown, and to be answered.
async fn lone(
    sender: &Client,
    room: &str,
    run: Duration,
    arrived: &mut mpsc::UnboundedReceiver<(String, Duration)>,
    handles: &Handles,
) -> Result<(Times, Times), Failure> {
    let (mut shown, mut answered) = (Times::default(), Times::default());
    let end = handles.clock.monotonic() + run;
    while handles.clock.monotonic() < end {
        let body = format!("message at {:?}", handles.clock.monotonic());
        let began = handles.clock.monotonic();
        sender.send(room, &body.replace([' ', '.'], "-"), &body).await?;
        answered.push(handles.clock.monotonic() - began);
        let at = tokio::select! {
            at = wait_for(arrived, &body) => at?,
            () = handles.clock.sleep(ARRIVAL_MAX) => return Err(Failure(format!("{body} did not arrive"))),
        };
        shown.push(at.saturating_sub(began));
    }
    Ok((shown, answered))
}

async fn wait_for(arrived: &mut mpsc::UnboundedReceiver<(String, Duration)>, body: &str) -> Result<Duration, Failure> {
    while let Some((text, at)) = arrived.recv().await {
        if text == body {
            return Ok(at);
        }
    }
    Err(Failure("the reader stopped".to_owned()))
}

/// Syncs for ever, and tells each message with the time at which it was shown.
async fn read(reader: Client, clock: Arc<dyn Clock>, arrivals: mpsc::UnboundedSender<(String, Duration)>) {
    let mut since = None;
    loop {
        let answer = match reader.sync(since.as_deref(), SYNC_WAIT).await {
            Ok(answer) => answer,
            Err(error) => {
                eprintln!("the reader stops: {error}");
                return;
            }
        };
        let at = clock.monotonic();
        for event in timeline(&answer) {
            if let Some(body) = event["content"]["body"].as_str() {
                // The last messages of a run may come when nobody waits any more.
                let _: Result<_, _> = arrivals.send((body.to_owned(), at));
            }
        }
        since = text(&answer, "next_batch").ok();
    }
}

/// Each sender sends the next message when the last was answered.
async fn many(senders: Vec<(Client, String)>, handles: &Handles) -> Result<Times, Failure> {
    let mut sending = JoinSet::new();
    let end = handles.clock.monotonic() + RUN;
    for (sender, room) in senders {
        let clock = Arc::clone(&handles.clock);
        sending.spawn(async move {
            let mut times = Vec::new();
            while clock.monotonic() < end {
                let began = clock.monotonic();
                sender.send(&room, &format!("{}", began.as_nanos()), "hello").await?;
                times.push(clock.monotonic() - began);
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut times = Times::default();
    while let Some(sent) = sending.join_next().await {
        times.extend(sent.map_err(|error| Failure(error.to_string()))??);
    }
    Ok(times)
}
