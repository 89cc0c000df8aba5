//! Feeds mutated input to everything that parses what strangers send.
//!
//! A [`Target`] takes bytes and does with them what a server does. Its corpus is what it is fed as it is, and what [`mutation`] makes
//! other input of. An input is a defect if something panics, in the target or in a task that it started, or if the target says so by
//! panicking itself: what was parsed and written again must be the same.
//!
//! Without guidance by what code an input reaches: the mutations know JSON, and what is odd in Matrix.

pub mod corpus;
pub mod mutation;
mod panics;
mod targets;

pub use panics::{Defect, feed};
pub use targets::{Target, all};
