//! Explains what was decided about an event, and why: from what is stored, with the checks done again.
//!
//! [`facts`] reads, [`reasons`] judges again; here stands what comes out. Nothing is asked of other servers, so that the answer is
//! about what this server knew and did.

mod facts;
mod reasons;

use events::auth::Rejection;
use events::state_resolution::Decision;
use events::{EventId, Object, RoomId, ServerName, UserId};
use handles::Handles;
use persistence::{Database, StoreError};
use serde::Serialize;

use crate::verdict::{Step, Tellers};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Of the states only what the rules look at.
    Brief,
    /// The whole state before the event.
    WholeState,
}

/// What is known of an event in one room.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The event.
    pub event_id: EventId,
    /// Its room.
    pub room_id: RoomId,
    /// The room's version.
    pub room_version: &'static str,
    /// How far it came.
    pub condition: Condition,
    /// Where it waits, if it does.
    pub waiting: Vec<Waiting>,
    /// The event itself, if it is here.
    pub event: Option<Described>,
    /// Its place in the graph of the room.
    pub place: Option<Placed>,
    /// What was decided when it came.
    pub verdict: Option<StoredVerdict>,
    /// The checks, done again.
    pub checks: Vec<Check>,
    /// Whether they come to the verdict, by the same rule; `None` if they cannot be done again.
    pub agrees: Option<bool>,
    /// The state before it.
    pub state_before: Option<StateBefore>,
    /// What it changed in the state.
    pub change: Option<Change>,
    /// The states after its parents, if they were several and differ: how each conflict was decided.
    pub forks: Option<Forks>,
    /// Who was sent it, and what they answered.
    pub sent: Vec<Sent>,
}

/// How far an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It has its place in the graph of the room.
    Placed,
    /// It is stored for the permission it gives. Nobody sees it.
    Outlier,
    /// It is checked, and waits for what it refers to.
    Staged,
    /// Its signatures could not be checked yet.
    WaitsForKeys,
    /// Others refer to it. It is not here.
    OnlyNamed,
}

/// Where an event waits.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// Who sent it to us.
    pub from: ServerName,
    /// Since when, in milliseconds since 1970.
    pub since: i64,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried again, in milliseconds since 1970.
    pub retry_at: i64,
}

/// An event, by what decides about it.
#[derive(Debug, Clone, Serialize)]
pub struct Described {
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its state key, if it is a state event.
    pub state_key: Option<String>,
    /// Who sent it.
    pub sender: UserId,
    /// When, as its server says, in milliseconds since 1970.
    pub origin_server_ts: i64,
    /// As its server says. Decides nothing here.
    pub depth: i64,
    /// What it says, as far as it may be shown.
    pub content: Object,
    /// Whether its content is what its hash says.
    pub content_hash: ContentHash,
    /// The redaction that applies to it.
    pub redacted_by: Option<EventId>,
    /// What it redacts.
    pub redacts: Option<Redacts>,
    /// The signatures on it.
    pub signatures: Vec<Signature>,
    /// Its parents.
    pub prev_events: Vec<Named>,
    /// What it cites for its permission.
    pub auth_events: Vec<Named>,
}

/// What an event redacts.
#[derive(Debug, Clone, Serialize)]
pub struct Redacts {
    /// The target.
    pub event: EventId,
    /// Whether this redaction is the one that applies to it.
    pub acts: bool,
}

/// Whether an event's content is what its hash says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentHash {
    /// It is, computed again.
    Right,
    /// It was not when the event came: so it was taken redacted.
    WrongWhenItCame,
    /// It is not any more, though it was when the event came: the database is damaged.
    WrongNow,
}

/// A signature on an event, or one that it lacks.
#[derive(Debug, Clone, Serialize)]
pub struct Signature {
    /// In whose name.
    pub server: ServerName,
    /// With which key; `None` if there is no signature of this server.
    pub key_id: Option<String>,
    /// Whether the event needs one of this server.
    pub needed: bool,
    /// What checking it again says.
    pub result: SignatureResult,
    /// Until when the key signs, in milliseconds since 1970, if it is known here.
    pub key_valid_until: Option<i64>,
}

/// What checking a signature again says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureResult {
    /// It is right.
    Right,
    /// It is right, but the event was made when the key had ended, which the room's version forbids.
    KeyEnded,
    /// It is wrong.
    Wrong,
    /// The key is not kept here any more.
    KeyUnknown,
    /// The event needs one of this server, and has none.
    Missing,
}

/// An event that is named by another.
#[derive(Debug, Clone, Serialize)]
pub struct Named {
    /// Its id.
    pub event_id: EventId,
    /// What is known of it: `accepted`, `soft_failed`, `rejected`, `outlier`, `not_here`.
    pub known_as: &'static str,
}

/// An event's place in the graph.
#[derive(Debug, Clone, Serialize)]
pub struct Placed {
    /// Its position in the order of arrival; `None` if it was fetched as history.
    pub arrival: Option<i64>,
    /// Its number in the topological order.
    pub topological: i64,
}

/// What was decided when an event came.
#[derive(Debug, Clone, Serialize)]
pub struct StoredVerdict {
    /// `accepted`, `soft_failed` or `rejected`.
    pub outcome: &'static str,
    /// The step that decided.
    pub step: Step,
    /// The rule that refused it.
    pub rejection: Option<Rejection>,
    /// The rule in words.
    pub reason: Option<String>,
    /// The parents whose states were resolved to judge it, if they were several.
    pub resolved_from: Vec<EventId>,
    /// Who told the state before, if it did not follow from the parents.
    pub state_told_by: Option<Tellers>,
    /// The members of the room were not all known: it is decided again when they are.
    pub provisional: bool,
    /// Who sent it to us; `None` if it is ours, or came with a state.
    pub origin: Option<ServerName>,
    /// When, in milliseconds since 1970.
    pub decided_at: i64,
}

/// A check that was done again.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Which step of S2S API, "Checks performed on receipt of a PDU".
    pub step: Step,
    /// The rule that refuses the event, in words; `None` if it passes.
    pub refused: Option<String>,
    /// Why it cannot be done again, if it cannot.
    pub untold: Option<String>,
    /// The events that the rules looked at.
    pub by: Vec<Entry>,
}

/// An entry of a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The state key.
    pub state_key: String,
    /// The event.
    pub event_id: EventId,
    /// Who sent it.
    pub sender: UserId,
}

/// The state before an event.
#[derive(Debug, Clone, Serialize)]
pub struct StateBefore {
    /// Where it is from.
    pub ground: Ground,
    /// How many entries it has.
    pub size: usize,
    /// All of it, if that was asked for.
    pub entries: Option<Vec<Entry>>,
}

/// Where the state before an event is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// It is the state after all of its parents.
    Parents,
    /// It is what resolving the states after its parents gives, also now.
    Forks,
    /// It is not what its parents give now: their states are not all known, or another server told this one.
    Elsewhere,
}

/// What an event changed in the state.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// The event that held before.
    pub replaced: Option<EventId>,
}

/// Forks that met in an event.
#[derive(Debug, Clone, Serialize)]
pub struct Forks {
    /// The parents, those together after which the state is the same. A decision names the states by their place here.
    pub parents: Vec<Vec<EventId>>,
    /// Parents whose states are not known here, or are too many to be looked at: the decisions are made without them.
    pub left_out: Vec<EventId>,
    /// How each conflict was decided.
    pub decisions: Vec<Decision>,
    /// Why it cannot be told, if it cannot.
    pub untold: Option<String>,
}

/// What a server did with an event that was for it.
#[derive(Debug, Clone, Serialize)]
pub struct Sent {
    /// Which server.
    pub destination: ServerName,
    /// When it took it, in milliseconds since 1970; `None` if it still waits.
    pub delivered_at: Option<i64>,
    /// What it said against it.
    pub refused: Option<String>,
}

/// Explains an event, in each room that has one of this id: one, but for room versions 1 and 2. Nothing if it is not known here.
pub async fn explain(
    database: &Database,
    handles: &Handles,
    event_id: &EventId,
    detail: Detail,
) -> Result<Vec<Explanation>, StoreError> {
    let id = event_id.clone();
    let gathered = database.read(move |tx| facts::gather(tx, &id)).await?;
    let mut explanations = Vec::with_capacity(gathered.len());
    for facts in gathered {
        explanations.push(handles.compute.run(move || reasons::explain(facts, detail)).await);
    }
    Ok(explanations)
}
