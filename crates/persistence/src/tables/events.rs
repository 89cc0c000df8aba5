//! Events and what they contain. Grows with the rooms' history; purged with the room.

pub(crate) const SCHEMA: &str = "
-- Every event id that we have seen or seen referred to. In room versions 1 and 2 the same id may be in two rooms.
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    UNIQUE (event_id, room)
);

-- The checked content of an event. `rejected`: it gives no permission and is in no state.
-- `redacted_by` is the redaction that applies to it.
CREATE TABLE bodies (
    event INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT,
    sender TEXT NOT NULL,
    origin_server_ts BIGINT NOT NULL,
    mangled BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    redacted_by BIGINT,
    json TEXT NOT NULL
);
CREATE INDEX bodies_by_time ON bodies (room, origin_server_ts);
CREATE INDEX bodies_state_by_room ON bodies (room) WHERE state_key IS NOT NULL;

CREATE TABLE auth_edges (
    event BIGINT NOT NULL,
    room BIGINT NOT NULL,
    auth BIGINT NOT NULL,
    PRIMARY KEY (event, auth)
) WITHOUT ROWID;

-- What was decided about an event, and why, as JSON.
CREATE TABLE verdicts (
    event INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    verdict TEXT NOT NULL
);

-- Redactions whose target has not come, or that were checked against it.
CREATE TABLE redactions (
    redaction INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    target BIGINT NOT NULL
);
CREATE INDEX redactions_by_target ON redactions (target);

-- The transaction ids of clients, so that a repeated send returns the first event. Bounded by TRANSACTION_IDS_AGE_MAX (in
-- `messaging`): whoever sends forgets what is older, whosever it is.
CREATE TABLE client_transactions (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, scope, transaction_id)
);
CREATE INDEX client_transactions_by_age ON client_transactions (at);
CREATE INDEX client_transactions_by_event ON client_transactions (user_id, device_id, event_id);
";
