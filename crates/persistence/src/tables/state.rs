//! The state of rooms: numbered (type, state key) pairs, and snapshots as differences on differences on whole states.
//!
//! Growth: `state_keys` gains at most one row for a stored state event; rooms share its rows, so that they stay when a room is
//! purged. `state_snapshots` gains one row for each state that a room has had, of a size that does not depend on the room's
//! (see `transactions::state`), `state_chunks` some pages every few thousand changes. Purging the room removes both.
//! `state_snapshots_purged` has one row.
//!
//! A snapshot is referred to by the places of events (`graph.state_before`, `graph.state_after`), by its room
//! (`rooms.state`) and by snapshots that rest on it (`base`). All are stored in the transaction that stores the snapshot, so
//! that none is ever stored for nothing. Only the state that the extremities of a room resolve to may lose its one reference,
//! when the room advances: at most one snapshot for each advance of a forked room, of the size of any other change. It stays
//! until the room is purged, or all its states are looked through: to know that nothing rests on it takes three more indexes in the way
//! of every event. When states are decided anew, since the members of a room have become known, those of before lose all their
//! references: then they are looked through.

pub(crate) const SCHEMA: &str = "
CREATE TABLE state_keys (
    number INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    UNIQUE (type, state_key)
);

-- `content` is laid out in transactions/state/record.rs.
CREATE TABLE state_snapshots (
    number INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    base BIGINT,
    level BIGINT NOT NULL,
    content BYTEA NOT NULL
);
CREATE INDEX state_snapshots_by_room ON state_snapshots (room);

-- The whole states that are too large for one row, cut by key. Laid out in transactions/state/chunk.rs.
CREATE TABLE state_chunks (
    snapshot BIGINT NOT NULL,
    first_key BIGINT NOT NULL,
    room BIGINT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (snapshot, first_key)
);
CREATE INDEX state_chunks_by_room ON state_chunks (room);

-- The highest number that a purged snapshot had: numbers are never given twice, because caches are keyed by them.
CREATE TABLE state_snapshots_purged (
    id INTEGER PRIMARY KEY,
    highest BIGINT NOT NULL
);
INSERT INTO state_snapshots_purged (id, highest) VALUES (1, 0);
";
