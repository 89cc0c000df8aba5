//! Room aliases of this server, and the rooms it publishes. Grows by users' wish.

pub(crate) const SCHEMA: &str = "
CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    creator TEXT NOT NULL
);
CREATE INDEX aliases_by_room ON aliases (room_id);

CREATE TABLE published_rooms (
    room_id TEXT PRIMARY KEY
);
";
