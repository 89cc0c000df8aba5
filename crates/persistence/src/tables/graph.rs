//! Events that have their place in the event graph of a room. An event with a body and no row here is an outlier: nobody
//! sees it, it only gives permission to others. Grows with the rooms' history; purged with the room.

pub(crate) const SCHEMA: &str = "
-- `arrival` is the position in the events stream, NULL for what was fetched from before we came (backfill).
-- `topological` is consistent with the parents. `outcome`: 0 accepted, 1 soft failed, 2 rejected.
CREATE TABLE graph (
    event INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    arrival BIGINT UNIQUE,
    topological BIGINT NOT NULL,
    state_before BIGINT,
    state_after BIGINT,
    outcome BIGINT NOT NULL
);
CREATE INDEX graph_by_arrival ON graph (room, arrival);
CREATE INDEX graph_by_topological ON graph (room, topological, event);

CREATE TABLE edges (
    event BIGINT NOT NULL,
    prev BIGINT NOT NULL,
    room BIGINT NOT NULL,
    PRIMARY KEY (event, prev)
) WITHOUT ROWID;
CREATE INDEX edges_by_prev ON edges (prev);

-- The edges to parents that have no place: where backfill goes on. Most rooms have none or a few.
CREATE TABLE gaps (
    room BIGINT NOT NULL,
    prev BIGINT NOT NULL,
    event BIGINT NOT NULL,
    topological BIGINT NOT NULL,
    PRIMARY KEY (room, prev, event)
) WITHOUT ROWID;

-- Parents without a place, behind which lies what happened while we were in the room and did not hear: fetched in the background.
-- `generations`: so many generations of ancestors may still be fetched. Bounded by a number for each room and by a horizon.
CREATE TABLE missed (
    room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    since BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    generations BIGINT NOT NULL,
    PRIMARY KEY (room, event)
) WITHOUT ROWID;
CREATE INDEX missed_by_retry ON missed (retry_at);

-- The events that have no accepted child: what the next event builds on.
CREATE TABLE extremities (
    room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (room, event)
) WITHOUT ROWID;
";
