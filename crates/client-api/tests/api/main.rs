//! The endpoints as clients meet them: requests to the router, on a whole server in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod encryption;
mod harness;
mod limits;
mod profiles;
mod push_rules;
mod sessions;
