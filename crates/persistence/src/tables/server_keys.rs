//! The signing keys of other servers, and the documents they came in, which we pass on as a notary.
//!
//! At most one document and a bounded number of keys a server; `server_keys::prune` bounds the servers. A key that was dropped
//! is fetched again when it is needed.

pub(crate) const SCHEMA: &str = "
CREATE TABLE server_keys (
    server_name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    valid_until BIGINT NOT NULL,
    expired BIGINT,
    PRIMARY KEY (server_name, key_id)
);

CREATE TABLE server_key_documents (
    server_name TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    valid_until BIGINT NOT NULL,
    fetched BIGINT NOT NULL
);
CREATE INDEX server_key_documents_by_age ON server_key_documents (fetched);
";
