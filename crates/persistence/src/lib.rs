//! One database: its threads, its tables, and every query on them.
//!
//! [`Database`] runs closures: [`Database::write`] on the one writer thread, several of them in one commit;
//! [`Database::read`] on a reader thread, on a consistent snapshot. [`tables`] says what is stored, one concern a file;
//! [`transactions`] has the queries, one concern a file, as functions of a [`WriteTx`] or a [`ReadTx`].
//!
//! **Invariant:** no SQL outside this crate, and nothing of an engine in its signatures.
//! **Invariant:** what a closure wrote is on disk before [`Database::write`] returns.
//! **Invariant:** a closure holds no work for the processor: it reads, decides little, writes.

mod database;
mod engine;
mod numbers;
pub mod simulated;
pub mod tables;
pub mod transactions;
mod tx;
mod value;

pub use database::{Database, OpenError, Soundness};
pub use engine::{Counters, SimulatedDisk};
pub use numbers::{EventNumber, Position, RoomNumber, SnapshotNumber, StateKeyNumber};
pub use tx::{ReadTx, StoreError, WriteTx};
pub use value::{FromValue, Row, ToValue, ValueRef};
