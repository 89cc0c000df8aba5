//! Watches the transactions that servers send: one in flight for each destination, and an id never with other content.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use events::ServerName;
use http::Method;
use transport::exchange::Request;

const PATH: &str = "/_matrix/federation/v1/send/";

/// Origin and destination.
type Way = (ServerName, ServerName);

/// What was seen of transactions.
#[derive(Default)]
pub(crate) struct TransactionWatch {
    /// What each id was sent with.
    bodies: BTreeMap<(Way, String), Bytes>,
    /// The transaction that is being processed.
    in_flight: BTreeMap<Way, String>,
    /// Who is not watched.
    hostile: BTreeSet<ServerName>,
    problems: Vec<String>,
}

/// A transaction on its way.
pub(crate) struct Flight {
    way: Way,
    id: String,
}

impl TransactionWatch {
    /// A request arrives. `None` if it is no transaction.
    pub(crate) fn begins(&mut self, from: &ServerName, request: &Request) -> Option<Flight> {
        let id = request.path_and_query.strip_prefix(PATH).filter(|_| request.method == Method::PUT)?.to_owned();
        if self.hostile.contains(from) {
            return None;
        }
        let way = (from.clone(), request.destination.clone());
        let body = request.body.clone().unwrap_or_default();
        let before = self.bodies.entry((way.clone(), id.clone())).or_insert_with(|| body.clone());
        if what_counts(before) != what_counts(&body) {
            self.problems.push(format!("{from} sent the transaction {id} to {} with other content", way.1));
        }
        if let Some(other) = self.in_flight.insert(way.clone(), id.clone())
            && other != id
        {
            self.problems.push(format!("{from} sent {id} to {} while {other} was on its way", way.1));
        }
        Some(Flight { way, id })
    }

    /// From now on a server may send what it wants.
    pub(crate) fn expect_anything_of(&mut self, server: &ServerName) {
        self.hostile.insert(server.clone());
    }

    /// Its answer leaves.
    pub(crate) fn ends(&mut self, flight: &Flight) {
        if self.in_flight.get(&flight.way) == Some(&flight.id) {
            self.in_flight.remove(&flight.way);
        }
    }

    /// The sender was switched off: what it had on its way it may send again, or not.
    pub(crate) fn sender_ended(&mut self, name: &ServerName) {
        self.in_flight.retain(|(from, _), _| from != name);
    }

    /// What was wrong.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// What has to stay the same of a transaction. When it was sent may differ, and an event may have been redacted meanwhile: its hash
/// and its signature say that it is the same one. S2S API, "Redactions": what goes is the content and, of a redaction, its target.
fn what_counts(body: &Bytes) -> Option<serde_json::Value> {
    let mut body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.as_object_mut()?.remove("origin_server_ts");
    for pdu in body.get_mut("pdus").and_then(serde_json::Value::as_array_mut).into_iter().flatten() {
        let pdu = pdu.as_object_mut()?;
        pdu.remove("content");
        pdu.remove("redacts");
    }
    Some(body)
}
