//! What servers hold in memory, but for what SQLite does, which has a bound of its own.

use std::alloc::System;

use cap::Cap;
use simulation::{Detail, Plan, run_and_look};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What a server may hold after a simulation, in bytes, with its part of what the simulation itself remembers. It is about half of that.
const RUNNING_MAX: usize = 1 << 20;
/// What may be left when all servers are gone: what is made once for each process.
const LEFT_MAX: usize = 128 << 10;

/// Servers are killed and go on all the time here: were anything left of those that are gone, those that run would seem to hold it.
#[test]
fn servers_hold_little_and_nothing_when_they_are_gone() {
    let drawn = (1..5).map(Plan::drawn);
    for plan in drawn.chain((105..106).map(Plan::with_hostile_server)) {
        let before = MEMORY.allocated();
        let mut running = 0;
        let outcome = run_and_look(&plan, Detail::Requests, || running = MEMORY.allocated() - before).unwrap();
        let (seed, trace) = (plan.seed, outcome.trace.iter().map(String::capacity).sum::<usize>());
        let each = (running - trace) / (plan.servers + usize::from(plan.hostile().is_some()));
        assert!(each < RUNNING_MAX, "seed {seed}: each server holds {each} bytes");
        drop(outcome);
        let left = MEMORY.allocated() - before;
        assert!(left < LEFT_MAX, "seed {seed}: {left} bytes are left");
    }
}
