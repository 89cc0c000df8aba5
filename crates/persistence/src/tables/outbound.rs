//! What waits to be sent to other servers.
//!
//! `outbound_destinations` has one row for each server that something waits for, or that took something within
//! `IDLE_AGE_MAX` (in `transaction`). The rows of the other tables go when they are delivered. What waits for a server that stays away is bounded by `transaction::Outbound` whenever an attempt
//! fails: of PDUs the newest of each room stays, of EDUs the newest up to a count and an age.

/// Made with the first migration.
///
/// PDUs and EDUs of one destination share its positions, so that they say what came after what. A position is never given
/// twice. `lane` orders EDUs before their positions do. `in_flight` marks the EDUs of the transaction on its way, which a
/// newer one must not replace: what was sent under an id stays what it was.
pub(crate) const SCHEMA: &str = "
CREATE TABLE outbound_destinations (
    destination TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    delivered_at BIGINT,
    failing_since BIGINT,
    -- How many transactions it took, and whether it is a server that asks again for what it lost.
    deliveries BIGINT NOT NULL DEFAULT 0,
    asks_again BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX outbound_destinations_by_delivery ON outbound_destinations (delivered_at);

-- The highest position of any destination that was forgotten: where those start that come back. One row.
CREATE TABLE outbound_forgotten (
    id INTEGER PRIMARY KEY,
    highest BIGINT NOT NULL
);
INSERT INTO outbound_forgotten (id, highest) VALUES (1, 0);

CREATE TABLE outbound_pdus (
    destination TEXT NOT NULL,
    position BIGINT NOT NULL,
    room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (destination, position)
) WITHOUT ROWID;
CREATE INDEX outbound_pdus_by_room ON outbound_pdus (room);
CREATE TABLE outbound_edus (
    destination TEXT NOT NULL,
    lane BIGINT NOT NULL,
    position BIGINT NOT NULL,
    merge_key TEXT,
    in_flight BIGINT NOT NULL,
    queued_at BIGINT NOT NULL,
    edu_type TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (destination, lane, position)
);
CREATE INDEX outbound_edus_by_merge_key ON outbound_edus (merge_key, destination) WHERE merge_key IS NOT NULL;
CREATE TABLE outbound_transactions (
    destination TEXT NOT NULL PRIMARY KEY,
    transaction_id TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    pdus TEXT NOT NULL,
    edus TEXT NOT NULL,
    ephemeral TEXT NOT NULL
);

-- What each destination took, in the order in which it did. `events`: their numbers, between commas. `edus`: as JSON, for those
-- who ask again; `refused`: what it said against single events, as JSON. Of each the newest, for a while.
CREATE TABLE outbound_delivered (
    destination TEXT NOT NULL,
    number BIGINT NOT NULL,
    transaction_id TEXT NOT NULL,
    delivered_at BIGINT NOT NULL,
    events TEXT NOT NULL,
    edus TEXT,
    refused TEXT,
    PRIMARY KEY (destination, number)
) WITHOUT ROWID;
CREATE INDEX outbound_delivered_by_age ON outbound_delivered (delivered_at);
";
