//! What we said last goes to servers that turn out to be in the room, too.
//!
//! Our events are sent to the servers that are in the room as we know it just then. A join may count for us only later: it was
//! soft-failed here, or lost where forks met, and counts since others met; or it happened beside what we said. Nobody else sends what is
//! ours, and the server would hear of it only when somebody says something more.

use std::collections::BTreeSet;

use events::ServerName;
use persistence::transactions::{events as event_rows, graph as graph_rows, rooms as room_rows};
use persistence::{RoomNumber, StoreError, WriteTx};

use crate::commit::Committed;
use crate::graph::Graph;

impl Graph {
    /// Queues those forward extremities that are our own events for servers that were not in the room before what was `just_written`.
    /// Whatever lies before them is asked for by who lacks it.
    pub(crate) fn tell_newcomers(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        newcomers: &BTreeSet<ServerName>,
        just_written: &[Committed],
    ) -> Result<(), StoreError> {
        if newcomers.is_empty() {
            return Ok(());
        }
        let version = room_rows::by_number(tx, room)?.version;
        for event in graph_rows::extremities(tx, room)? {
            // What is new goes where the state before it says.
            if just_written.iter().any(|committed| committed.number == event) {
                continue;
            }
            let Some(stored) = event_rows::load(tx, version, event)? else { continue };
            if stored.pdu.sender().server() == *self.server_name() {
                self.outbound().enqueue_pdu(tx, newcomers, room, event)?;
            }
        }
        Ok(())
    }
}
