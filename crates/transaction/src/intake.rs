//! What this layer asks of those above.

use std::collections::BTreeMap;

use events::{EventId, ServerName};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError, WriteTx};
use serde_json::value::RawValue;
use transport::exchange::BoxFuture;
use transport::questions::Edu;

/// Takes the PDUs of transactions. The PDU layer implements it.
pub trait PduIntake: Send + Sync {
    /// Parses and checks everything that can be checked outside of a database transaction: format, room version, event id,
    /// ACL, hash, signatures; may judge what can be judged at once. Waits for missing keys, but not long: the origin waits for the answer. An
    /// error is one of our database; what is wrong with a PDU is in its result.
    fn check<'a>(
        &'a self,
        origin: &'a ServerName,
        pdus: Vec<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<CheckedPdus, StoreError>>;
}

/// PDUs that are ready to be staged, and what to say about each.
pub struct CheckedPdus {
    /// `None` if all is well, else what is wrong, for people. PDUs whose id cannot be computed are not here.
    pub results: BTreeMap<EventId, Option<String>>,
    /// Those to be written.
    pub staging: Box<dyn Staging>,
}

/// PDUs on their way into the intake's own table.
pub trait Staging: Send {
    /// Writes them, in the transaction that stores the answer. Staging an event that is staged already is no error.
    fn stage(self: Box<Self>, tx: &mut WriteTx<'_>) -> Result<(), StoreError>;
}

/// Takes EDUs of some types. `messaging` and `users` implement it.
pub trait EduIntake: Send + Sync {
    /// Says whether it understands `edu_type`. The first intake that does gets the EDU.
    fn handles(&self, edu_type: &str) -> bool;

    /// Applies an EDU, in the transaction that stores the answer. What is wrong with the EDU is logged and ignored: an error
    /// would make the origin send the same transaction again and again.
    fn apply(&self, tx: &mut WriteTx<'_>, origin: &ServerName, edu: &Edu) -> Result<(), StoreError>;
}

/// Gives events as they go over the wire. The PDU layer implements it.
pub trait EventBodies: Send + Sync {
    /// Returns the JSON of an event, or `None` if it was purged: then nothing is sent in its place.
    fn body(&self, tx: &ReadTx<'_>, room: RoomNumber, event: EventNumber) -> Result<Option<Box<RawValue>>, StoreError>;
}
