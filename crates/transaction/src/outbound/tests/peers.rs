//! Servers that answer transactions as they are told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use handles::Handles;
use serde_json::{Value, json};
use transport::exchange::BoxFuture;
use transport::{Exchange, ExchangeError, Request, Response};

/// How a server answers.
#[derive(Clone)]
pub(super) enum Manner {
    /// 200, after a while.
    Accepts(Duration),
    /// It processes the transaction, but the answer is lost.
    AnswerIsLost,
    /// It takes its time-out.
    Hangs,
    /// It cannot be reached.
    IsDown,
    /// An error of Matrix, whatever is sent.
    Refuses(u16),
    /// 429, with `Retry-After` in seconds.
    WantsRest(u64),
    /// An error of something on the way, whatever is sent.
    ProxyRefuses(u16),
    /// This status for what contains this text.
    Chokes(u16, &'static str),
}

/// A transaction as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) destination: String,
    pub(super) id: String,
    pub(super) body: Value,
    pub(super) at: Duration,
}

type Hook = Arc<dyn Fn(&Seen) + Send + Sync>;

pub(super) struct Peers {
    handles: Handles,
    manners: Mutex<BTreeMap<String, Manner>>,
    seen: Mutex<Vec<Seen>>,
    accepted: Mutex<Vec<Seen>>,
    in_flight: Mutex<BTreeMap<String, usize>>,
    in_flight_most: Mutex<usize>,
    hook: Mutex<Option<Hook>>,
}

impl Peers {
    pub(super) fn new(handles: Handles) -> Self {
        Self {
            handles,
            manners: Mutex::default(),
            seen: Mutex::default(),
            accepted: Mutex::default(),
            in_flight: Mutex::default(),
            in_flight_most: Mutex::default(),
            hook: Mutex::default(),
        }
    }

    pub(super) fn set(&self, destination: &str, manner: Manner) {
        self.manners.lock().unwrap().insert(destination.to_owned(), manner);
    }

    /// Calls `hook` with each transaction that arrives, before it is answered.
    pub(super) fn on_arrival(&self, hook: impl Fn(&Seen) + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(hook));
    }

    /// Every attempt at `destination`.
    pub(super) fn seen(&self, destination: &str) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| seen.destination == destination).cloned().collect()
    }

    /// The transactions that `destination` accepted.
    pub(super) fn accepted(&self, destination: &str) -> Vec<Seen> {
        self.accepted.lock().unwrap().iter().filter(|seen| seen.destination == destination).cloned().collect()
    }

    /// The events that `destination` accepted, in order.
    pub(super) fn events(&self, destination: &str) -> Vec<i64> {
        self.accepted(destination).iter().flat_map(Seen::events).collect()
    }

    /// The EDUs that `destination` accepted, in order.
    pub(super) fn edus(&self, destination: &str) -> Vec<(String, i64)> {
        self.accepted(destination).iter().flat_map(Seen::edus).collect()
    }

    /// The most requests that were ever in flight at once.
    pub(super) fn in_flight_most(&self) -> usize {
        *self.in_flight_most.lock().unwrap()
    }

    fn arrive(&self, request: &Request) -> Seen {
        let id = request.path_and_query.strip_prefix("/_matrix/federation/v1/send/").unwrap().to_owned();
        let body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        assert_eq!(body["origin"], "a.test");
        assert!(request.authorization.is_some());
        let destination = request.destination.to_string();
        let seen = Seen { destination: destination.clone(), id, body, at: self.handles.clock.monotonic() };
        self.seen.lock().unwrap().push(seen.clone());
        let mut in_flight = self.in_flight.lock().unwrap();
        *in_flight.entry(destination).or_default() += 1;
        assert!(in_flight.values().all(|count| *count <= 1), "two transactions in flight to {}", seen.destination);
        let mut most = self.in_flight_most.lock().unwrap();
        *most = (*most).max(in_flight.values().sum());
        seen
    }

    async fn answer(&self, request: &Request, seen: &Seen) -> Result<Response, ExchangeError> {
        let manner = self.manners.lock().unwrap().get(&seen.destination).cloned();
        let server = request.destination.clone();
        match manner.unwrap_or(Manner::Accepts(Duration::from_millis(50))) {
            Manner::Accepts(latency) => {
                self.handles.clock.sleep(latency).await;
                self.accepted.lock().unwrap().push(seen.clone());
                Ok(response(200, &json!({ "pdus": { "$x": { "error": "no" } } }).to_string()))
            }
            Manner::AnswerIsLost => {
                self.accepted.lock().unwrap().push(seen.clone());
                self.handles.clock.sleep(request.timeout).await;
                Err(ExchangeError::TimedOut(server))
            }
            Manner::Hangs => {
                self.handles.clock.sleep(request.timeout).await;
                Err(ExchangeError::TimedOut(server))
            }
            Manner::IsDown => Err(ExchangeError::Unreachable { server, reason: "connection refused".to_owned() }),
            Manner::Refuses(status) => Ok(response(status, r#"{"errcode":"M_BAD_JSON","error":"no"}"#)),
            Manner::WantsRest(seconds) => {
                let response = response(429, r#"{"errcode":"M_LIMIT_EXCEEDED","error":"later"}"#);
                Ok(Response { retry_after: Some(seconds), ..response })
            }
            Manner::ProxyRefuses(status) => Ok(response(status, "<html>")),
            Manner::Chokes(status, text) if seen.body.to_string().contains(text) => {
                Ok(response(status, r#"{"errcode":"M_UNKNOWN","error":"I choke"}"#))
            }
            Manner::Chokes(..) => {
                self.accepted.lock().unwrap().push(seen.clone());
                Ok(response(200, r#"{"pdus":{}}"#))
            }
        }
    }
}

impl Exchange for Peers {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        Box::pin(async move {
            let seen = self.arrive(&request);
            let hook = self.hook.lock().unwrap().clone();
            if let Some(hook) = hook {
                hook(&seen);
            }
            let answer = self.answer(&request, &seen).await;
            *self.in_flight.lock().unwrap().get_mut(&seen.destination).unwrap() -= 1;
            answer
        })
    }
}

impl Seen {
    /// The numbers of its events.
    pub(super) fn events(&self) -> Vec<i64> {
        self.body["pdus"].as_array().unwrap().iter().map(|pdu| pdu["event"].as_i64().unwrap()).collect()
    }

    /// The types and numbers of its EDUs.
    pub(super) fn edus(&self) -> Vec<(String, i64)> {
        let edus = self.body["edus"].as_array().unwrap().iter();
        edus.map(|edu| (edu["edu_type"].as_str().unwrap().to_owned(), edu["content"]["n"].as_i64().unwrap())).collect()
    }
}

fn response(status: u16, body: &str) -> Response {
    Response { status, body: Bytes::from(body.to_owned()), retry_after: None }
}
