//! Who this server is: its name, and the signing keys that it has used. One row, and one for each key; nothing is ever deleted,
//! since other servers need old keys to verify old events.

pub(crate) const SCHEMA: &str = "
CREATE TABLE own_name (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    server_name TEXT NOT NULL
);

-- When this database was made as a copy of another one. No row: it is none, or it has been served from since.
CREATE TABLE copies (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    made_at BIGINT NOT NULL
);

CREATE TABLE own_keys (
    key_id TEXT PRIMARY KEY,
    public_key TEXT NOT NULL,
    -- When the server stopped to use it, in milliseconds since 1970. NULL: it is in use.
    expired BIGINT
);
";
