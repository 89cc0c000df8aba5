//! The answers given to other servers' transactions.
//!
//! Bounded by `transaction::Inbound`: per origin by count, with every new answer; altogether by age, once an hour.

/// Made with the first migration.
pub(crate) const SCHEMA: &str = "
CREATE TABLE received_transactions (
    origin TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (origin, transaction_id)
);
CREATE UNIQUE INDEX received_transactions_by_sequence ON received_transactions (origin, sequence);
CREATE INDEX received_transactions_by_age ON received_transactions (received_at);
";
