//! What one server, one address, and all together may have of us at once: bodies in memory, and requests that are being answered; and
//! of our time.
//!
//! Whoever wants more is told to wait. Bodies count for addresses: who sends one is proved only when all of it is here.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use events::ServerName;
use handles::Clock;
use http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use super::working_time::WorkingTime;
use crate::address::limited;
use crate::error::ApiError;
use crate::limits::REQUEST_BYTES_MAX;
use crate::streamed::Streamed;
use crate::turns::Turns;

/// Bytes of all bodies that are being read, or worked on, beyond their beginnings. What JSON becomes in memory can be ten times as
/// large.
const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The beginning of a body, which is all that most have: it counts by itself, so that large ones do not keep out small ones.
const BEGINNING_BYTES: usize = 256 * 1024;
/// Bytes of all beginnings.
const BEGINNINGS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of all bodies, beginnings and beyond, that come from one public address.
const BODIES_BYTES_PER_ADDRESS_MAX: usize = 32 * 1024 * 1024;
/// Requests of one server that are answered at once. Each may keep a core busy for a while, and others share the cores with them.
const REQUESTS_PER_ORIGIN_MAX: usize = 8;
/// Requests of one server that wait for that.
const WAITING_PER_ORIGIN_MAX: usize = 256;
/// When who was sent away may come again.
const RETRY_AFTER_MS: u64 = 1_000;

const _: () = assert!(REQUEST_BYTES_MAX < BODIES_BYTES_PER_ADDRESS_MAX);
const _: () = assert!(BODIES_BYTES_PER_ADDRESS_MAX < BODIES_BYTES_MAX);

/// Who has how much. Cheap to clone; one for each server.
#[derive(Clone)]
pub struct Shares(Arc<Inner>);

struct Inner {
    bodies: Mutex<Bodies>,
    requests: Turns,
    working: WorkingTime,
}

#[derive(Default)]
struct Bodies {
    beginnings: usize,
    beyond: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// A body's part of the memory, until it is dropped.
pub(super) struct BodyShare {
    shares: Shares,
    /// `None` for an address that has no limit of its own.
    address: Option<IpAddr>,
    bytes: usize,
}

/// What a request holds until it is answered.
pub(super) struct RequestShare {
    origin: ServerName,
    /// When it was its turn, on the monotonic clock.
    began: Duration,
    body: BodyShare,
    _turn: OwnedSemaphorePermit,
}

impl Shares {
    /// Nobody has anything.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (requests, working) = (Turns::new(REQUESTS_PER_ORIGIN_MAX), WorkingTime::new(clock));
        Self(Arc::new(Inner { bodies: Mutex::default(), requests, working }))
    }

    /// Begins with a body that comes from `address`.
    pub(super) fn body(&self, address: Option<IpAddr>) -> BodyShare {
        BodyShare { shares: self.clone(), address, bytes: 0 }
    }

    /// Waits until a request of `origin`, which has proved who it is, may be answered.
    pub(super) async fn request(&self, origin: &ServerName, body: BodyShare) -> Result<RequestShare, ApiError> {
        let turn = self.0.requests.take(origin, WAITING_PER_ORIGIN_MAX).await.map_err(|_| {
            tracing::info!(server.name = %origin, "{origin} asks more at once than is answered");
            wait_a_while(format!(
                "{} requests of {origin} are being answered, or wait for that",
                REQUESTS_PER_ORIGIN_MAX + WAITING_PER_ORIGIN_MAX
            ))
        })?;
        self.0.working.wait(origin).await;
        Ok(RequestShare { origin: origin.clone(), began: self.0.working.clock().monotonic(), body, _turn: turn })
    }

    /// An answer to `origin` that is made while it is sent: its pieces are worked on without a turn, but count.
    pub(super) fn counted(&self, origin: &ServerName, answer: Streamed) -> Streamed {
        let (shares, origin) = (self.clone(), origin.clone());
        let clock = Arc::clone(self.0.working.clock());
        answer.watched(clock, move |began| shares.0.working.count(&origin, began))
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.0.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BodyShare {
    /// Takes so many bytes more, unless others have too many.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let mut bodies = self.shares.bodies();
        let of_address = self.address.and_then(|address| bodies.by_address.get(&address)).copied().unwrap_or(0);
        let (beginning, beyond) = split(self.bytes, self.bytes + bytes);
        let fits = bodies.beginnings + beginning <= BEGINNINGS_BYTES_MAX && bodies.beyond + beyond <= BODIES_BYTES_MAX;
        if !fits || of_address + bytes > BODIES_BYTES_PER_ADDRESS_MAX {
            return Err(wait_a_while("too much is being sent to this server at once".to_owned()));
        }
        bodies.beginnings += beginning;
        bodies.beyond += beyond;
        if let Some(address) = self.address {
            bodies.by_address.insert(address, of_address + bytes);
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for RequestShare {
    fn drop(&mut self) {
        self.body.shares.0.working.count(&self.origin, self.began);
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        let mut bodies = self.shares.bodies();
        let (beginning, beyond) = split(0, self.bytes);
        bodies.beginnings -= beginning;
        bodies.beyond -= beyond;
        let Some(address) = self.address else { return };
        if let Some(bytes) = bodies.by_address.get_mut(&address) {
            *bytes -= self.bytes;
            if *bytes == 0 {
                bodies.by_address.remove(&address);
            }
        }
    }
}

/// How much of what lies between two lengths of a body is of its beginning, and how much beyond.
fn split(from: usize, to: usize) -> (usize, usize) {
    let beginning = to.min(BEGINNING_BYTES) - from.min(BEGINNING_BYTES);
    (beginning, to - from - beginning)
}

/// Whom the body of a request counts for. `None` if nobody is limited by it.
pub(super) fn address_of(parts: &Parts) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    limited(peer.ip())
}

fn wait_a_while(why: String) -> ApiError {
    ApiError::new(429, "M_LIMIT_EXCEEDED", why).with("retry_after_ms", RETRY_AFTER_MS)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use bytes::Bytes;
    use futures_util::{FutureExt, StreamExt, stream};
    use handles::Handles;

    use super::*;

    fn shares() -> Shares {
        Shares::new(Handles::simulated(1).clock)
    }

    fn fill(shares: &Shares, address: Option<&str>) -> (Vec<BodyShare>, usize) {
        let address = address.map(|address| address.parse().unwrap());
        let mut held = Vec::new();
        loop {
            let mut body = shares.body(address);
            if body.grow(REQUEST_BYTES_MAX / 4).is_err() {
                let bytes = held.len() * (REQUEST_BYTES_MAX / 4);
                return (held, bytes);
            }
            held.push(body);
        }
    }

    #[tokio::test]
    async fn an_address_has_its_share_of_the_memory_and_gives_it_back() {
        let shares = shares();
        let (one, bytes) = fill(&shares, Some("192.0.2.1"));
        assert!(bytes <= BODIES_BYTES_PER_ADDRESS_MAX && bytes > BODIES_BYTES_PER_ADDRESS_MAX / 2, "{bytes}");
        let (others, more) = fill(&shares, Some("192.0.2.2"));
        assert!(more > 0 && bytes + more <= BODIES_BYTES_MAX + BEGINNINGS_BYTES_MAX);
        drop(one);
        assert_eq!(fill(&shares, Some("192.0.2.1")).1, bytes);
        drop(others);
        let bodies = shares.bodies();
        assert!(bodies.by_address.is_empty());
        assert_eq!((bodies.beginnings, bodies.beyond), (0, 0));
    }

    #[tokio::test]
    async fn behind_a_proxy_all_share_what_there_is() {
        let shares = shares();
        let (_held, bytes) = fill(&shares, None);
        assert!(bytes <= BODIES_BYTES_MAX + BEGINNINGS_BYTES_MAX && bytes > BODIES_BYTES_PER_ADDRESS_MAX, "{bytes}");
        assert!(shares.body(None).grow(BEGINNING_BYTES).is_ok(), "there is room for small ones");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_kept_us_busy_waits_before_the_next_is_worked_on() {
        let shares = shares();
        let clock = Handles::simulated(1).clock;
        let (one, other) = (ServerName::parse("a.test").unwrap(), ServerName::parse("b.test").unwrap());
        let ask = async |origin: &ServerName| shares.request(origin, shares.body(None)).await;
        let mut rounds = 0;
        loop {
            let turns = (0..REQUESTS_PER_ORIGIN_MAX).map(|_| ask(&one).now_or_never()).collect::<Vec<_>>();
            if turns.iter().any(Option::is_none) {
                break;
            }
            clock.sleep(Duration::from_millis(500)).await;
            rounds += 1;
        }
        assert!((5..20).contains(&rounds), "{rounds}");
        assert!(ask(&other).now_or_never().unwrap().is_ok());
        assert!(ask(&one).await.is_ok(), "it is only a pause");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_counts_while_it_is_made() {
        let (shares, one) = (shares(), ServerName::parse("a.test").unwrap());
        let clock = Handles::simulated(1).clock;
        let pieces = stream::iter(0..100).then(move |_| {
            let clock = Arc::clone(&clock);
            async move {
                clock.sleep(Duration::from_secs(1)).await;
                Ok(Bytes::from_static(b"[]"))
            }
        });
        let answer = shares.counted(&one, Streamed::new(pieces.boxed()));
        assert!(shares.request(&one, shares.body(None)).now_or_never().unwrap().is_ok());
        let whole = axum::body::to_bytes(answer.into_response().into_body(), 1_000).await.unwrap();
        assert_eq!(whole.len(), 200);
        assert!(shares.request(&one, shares.body(None)).now_or_never().is_none(), "it has kept us busy");
    }

    #[tokio::test]
    async fn a_server_has_its_turns_and_others_have_theirs() {
        let (shares, one, other) =
            (shares(), ServerName::parse("a.test").unwrap(), ServerName::parse("b.test").unwrap());
        let ask = async |origin: &ServerName| shares.request(origin, shares.body(None)).await;
        let mut answered = Vec::new();
        for _ in 0..REQUESTS_PER_ORIGIN_MAX {
            answered.push(ask(&one).now_or_never().unwrap().unwrap());
        }
        let mut waiting: Vec<_> = (0..WAITING_PER_ORIGIN_MAX).map(|_| Box::pin(ask(&one))).collect();
        for waiter in &mut waiting {
            assert!(waiter.now_or_never().is_none());
        }
        let refused = ask(&one).now_or_never().unwrap().err().unwrap();
        assert_eq!((refused.status, refused.errcode), (429, "M_LIMIT_EXCEEDED"));
        assert!(ask(&other).now_or_never().unwrap().is_ok());
        answered.pop();
        assert!((&mut waiting[0]).now_or_never().unwrap().is_ok());
        drop((answered, waiting));
        assert!(ask(&one).now_or_never().unwrap().is_ok());
    }
}
