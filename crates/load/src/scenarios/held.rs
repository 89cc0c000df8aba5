//! As many connections as one address may have, which say nothing or half a word, and what an honest server notices of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use events::Pdu;
use handles::Handles;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use transport::address::AllowedAddresses;
use transport::https::{HttpsConfig, client_config};

use super::attacked::send_in_turn;
use crate::althing::Althing;
use crate::client::Client;
use crate::peer::Peer;
use crate::report::{Failure, Table, failed, mib, ms};

/// As many as one public address may have. Of this machine there may be more, which makes no difference here.
const CONNECTIONS: usize = 512;
/// From where they come: not the honest server's address.
const FROM: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
/// How long the honest server sends beside them.
const LASTS: Duration = Duration::from_secs(8);
/// When all must have been closed by Althing, at the latest.
const CLOSED_MAX: Duration = Duration::from_secs(60);
/// Messages of the honest server that are made beforehand: more than it comes to send.
const MESSAGES: usize = 20_000;
/// A request that goes on.
const HALF_A_HEAD: &[u8] = b"GET /_matrix/federation/v1/version HTTP/1.1\r\nHost: ";

/// What a connection is left at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// The other side waits for the first word.
    Silent,
    /// The other side waits for the rest of a request, which is encrypted.
    AtHalfARequest,
}

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let mut table = Table::new(
        title,
        "512 connections to the federation port from one address, which is as many as a public one may have: silent ones, and such \
         that have agreed on keys and sent half the head of a request. An honest server sends one message after the other beside \
         them for eight seconds; measured is how long it waits for an answer, p50 / p99, what Althing takes for the connections, \
         and when the last of them was closed by it.",
    );
    let althing = Althing::start(binary, handles).await?;
    let (peer, mut joins) = Peer::start(1, handles).await?;
    let room = peer.make_room(1, |room| room.id.to_string())?;
    let alice = Client::register(althing.client, handles, "alice").await?;
    alice.join(&room, Some(peer.names[0].as_str())).await?;
    let join = joins.recv().await.ok_or_else(|| Failure("no join came".to_owned()))?;
    let mut messages = peer.look(&room, |room| room.messages(MESSAGES, &join, peer.key()))??.into_iter();
    for held in [None, Some(Held::Silent), Some(Held::AtHalfARequest)] {
        measure(&mut table, &althing, &peer, held, &mut messages, handles).await?;
    }
    Ok(table)
}

async fn measure(
    table: &mut Table,
    althing: &Althing,
    peer: &Peer,
    held: Option<Held>,
    messages: &mut impl Iterator<Item = Pdu>,
    handles: &Handles,
) -> Result<(), Failure> {
    let what = match held {
        None => "no connections",
        Some(Held::Silent) => "silent",
        Some(Held::AtHalfARequest) => "at half a request",
    };
    let before = althing.usage()?;
    let began = handles.clock.monotonic();
    let mut open = JoinSet::new();
    if let Some(held) = held {
        for stream in connect(althing, held).await? {
            let clock = Arc::clone(&handles.clock);
            open.spawn(async move {
                until_closed(stream).await;
                clock.monotonic() - began
            });
        }
    }
    let during = althing.usage()?;
    let times = send_in_turn(peer, althing, messages, LASTS, handles).await?;
    table.note(
        format!("{what}: the honest one waits"),
        format!("{} / {}", ms(times.percentile(50)), ms(times.percentile(99))),
    );
    if held.is_none() {
        return Ok(());
    }
    table.note(
        format!("{what}: resident more than before, and processor time to accept them"),
        format!("{} / {}", mib(during.resident.saturating_sub(before.resident)), ms(during.cpu - before.cpu)),
    );
    let mut last = Duration::ZERO;
    let all = async {
        while let Some(closed) = open.join_next().await {
            last = last.max(closed.unwrap_or_default());
        }
    };
    let limit = handles.clock.sleep(CLOSED_MAX);
    tokio::select! {
        () = all => table.note(format!("{what}: all closed after"), ms(last)),
        () = limit => return Err(Failure(format!("some connections ({what}) were still open after {CLOSED_MAX:?}"))),
    }
    Ok(())
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens all connections.
async fn connect(althing: &Althing, held: Held) -> Result<Vec<Box<dyn Stream>>, Failure> {
    let to: SocketAddr = althing.name.as_str().parse().map_err(failed("the server's address"))?;
    let config = encrypted()?;
    let mut open: Vec<Box<dyn Stream>> = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let stream = connect_from(FROM, to).await.map_err(failed("a connection"))?;
        open.push(match held {
            Held::Silent => Box::new(stream),
            Held::AtHalfARequest => {
                let name = ServerName::IpAddress(to.ip().into());
                let connecting = TlsConnector::from(Arc::clone(&config)).connect(name, stream);
                let mut stream = connecting.await.map_err(failed("a connection"))?;
                stream.write_all(HALF_A_HEAD).await.map_err(failed("half a request"))?;
                stream.flush().await.map_err(failed("half a request"))?;
                Box::new(stream)
            }
        });
    }
    Ok(open)
}

async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(to).await
}

/// HTTP/1.1, with whoever it is.
fn encrypted() -> Result<Arc<ClientConfig>, Failure> {
    let config = HttpsConfig {
        verify_certificates: false,
        extra_ca_certificates: Vec::new(),
        allowed_addresses: AllowedAddresses::new(Vec::new()),
    };
    let mut config = ClientConfig::clone(&*client_config(&config).map_err(failed("TLS"))?);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Reads until the other side has closed the connection, one way or the other.
async fn until_closed(mut stream: Box<dyn Stream>) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
}
