//! The work that cannot be avoided, timed in the same run on the same machine.

use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use events::{Object, ParsedPdu, Pdu, PublicKey, RoomVersion};
use handles::Handles;
use http::Method;
use persistence::Database;
use persistence::transactions::{events as event_rows, rooms};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::althing::Usage;
use crate::client::Client;
use crate::report::{Failure, Times, failed};

/// How long each is repeated.
const REPEAT: Duration = Duration::from_secs(1);
/// Bytes of the file that is overwritten: as the log of a database.
const FILE_BYTES: u64 = 4 * 1_048_576;
/// PDUs in a transaction.
pub(crate) const TRANSACTION_PDUS: usize = 50;

/// One write that the disk has confirmed: 4 KiB over others, flushed.
pub(crate) fn durable_write(handles: &Handles) -> Result<Times, Failure> {
    let folder = TempDir::with_prefix("althing-load-").map_err(failed("a temporary folder"))?;
    let path = folder.path().join("floor");
    std::fs::write(&path, vec![7; usize::try_from(FILE_BYTES).unwrap_or(0)]).map_err(failed("the disk"))?;
    let mut file = std::fs::OpenOptions::new().write(true).open(path).map_err(failed("the disk"))?;
    file.sync_all().map_err(failed("the disk"))?;
    let (mut times, end) = (Times::default(), handles.clock.monotonic() + REPEAT);
    while handles.clock.monotonic() < end {
        let at = times.count() as u64 * 4096 % FILE_BYTES;
        let began = handles.clock.monotonic();
        file.seek(SeekFrom::Start(at)).map_err(failed("the disk"))?;
        file.write_all(&[8; 4096]).map_err(failed("the disk"))?;
        file.sync_data().map_err(failed("the disk"))?;
        times.push(handles.clock.monotonic() - began);
    }
    Ok(times)
}

/// One request and its answer over HTTP, with a server and a client like those that are measured, and nothing between.
pub(crate) async fn round_trip(handles: &Handles) -> Result<Times, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed("a free port"))?;
    let address = listener.local_addr().map_err(failed("a free port"))?;
    let router = Router::new().fallback(any(async || Body::from("{}")));
    let (stop, stopped) = watch::channel(false);
    let mut serving = JoinSet::new();
    serving.spawn(transport::listener::serve(listener, router, None, handles.clone(), stopped));
    let client = Client::new(address, handles);
    let (mut times, end) = (Times::default(), handles.clock.monotonic() + REPEAT);
    while handles.clock.monotonic() < end {
        let began = handles.clock.monotonic();
        client.call(Method::PUT, "/echo", Some(&json!({ "body": "hello" }))).await?;
        times.push(handles.clock.monotonic() - began);
    }
    drop(stop);
    serving.shutdown().await;
    Ok(times)
}

/// What it takes one core to check an event: its format, both hashes and the signature. No JSON is read. Counted in processor
/// time, to 10 ms in all: others who work on the same machine do not matter.
pub(crate) fn check_event(pdus: &[Pdu], key: &PublicKey) -> Result<Duration, Failure> {
    let objects: Vec<(Object, RoomVersion)> = pdus.iter().map(|pdu| (pdu.object().clone(), pdu.version())).collect();
    let count = u32::try_from(objects.len()).unwrap_or(u32::MAX).max(1);
    let before = Usage::own()?.cpu;
    for (object, version) in objects {
        let parsed = ParsedPdu::parse(object, version).map_err(failed("an event"))?;
        parsed.verify(|_, _| Some(key.clone())).map_err(failed("an event"))?;
    }
    Ok((Usage::own()?.cpu - before) / count)
}

/// The share of one event in durable transactions of 50 events: stored, and nothing else.
pub(crate) async fn store_event(pdus: &[Pdu], handles: &Handles) -> Result<Duration, Failure> {
    let folder = TempDir::with_prefix("althing-load-").map_err(failed("a temporary folder"))?;
    let database = Database::open(&folder.path().join("floor.db")).map_err(failed("a database"))?;
    let Some(first) = pdus.first() else { return Ok(Duration::ZERO) };
    let (room, version) = (first.room_id().clone(), first.version());
    let room = database.write(move |tx| rooms::intern(tx, &room, version)).await.map_err(failed("a room"))?;
    let began = handles.clock.monotonic();
    for chunk in pdus.chunks(TRANSACTION_PDUS) {
        let chunk = chunk.to_vec();
        let stored = database
            .write(move |tx| chunk.iter().try_for_each(|pdu| event_rows::store(tx, room, pdu, false).map(drop)));
        stored.await.map_err(failed("an event"))?;
    }
    let elapsed = handles.clock.monotonic() - began;
    database.close().await;
    Ok(elapsed / u32::try_from(pdus.len()).unwrap_or(u32::MAX))
}
