//! One database: its threads, tables, transactions, migrations and state snapshots
