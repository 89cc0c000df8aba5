//! Simulations from seeds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use simulation::{Plan, run};

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 50] {
        let plan = Plan::drawn(seed);
        let (first, second) = (run(&plan).unwrap(), run(&plan).unwrap());
        assert!(first.trace.len() > 100, "{:#?}", first.trace);
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.problems, second.problems);
    }
}

/// An answer about missing events reached back to before a server had joined, which took the old events for news: the room went back
/// to where it was before the join.
#[test]
fn history_that_comes_as_news_takes_no_room_back() {
    agrees(55);
}

/// The keys of a member's server could not be had for a moment while the room was joined: the member was missing for ever, and whatever
/// they said was rejected.
#[test]
fn who_was_away_while_a_room_was_joined_is_a_member_in_the_end() {
    agrees(41);
}

fn agrees(seed: u64) {
    let outcome = run(&Plan::drawn(seed)).unwrap();
    assert!(outcome.problems.is_empty(), "seed {seed}: {:#?}\n{}", outcome.problems, outcome.trace.join("\n"));
}
