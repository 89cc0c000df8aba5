//! The authorisation rules one by one: what each refuses, beside what it lets pass.
//!
//! A test is a room's history, one event a line: who does what. `! words` behind a line says that the event is refused, with
//! these words in the reason; all others must pass. [`history::check_auth`] explains the actions.

mod auth_events;
mod create;
mod history;
mod join;
mod membership;
mod power_levels;
mod sending;
#[path = "../support/mod.rs"]
mod support;
