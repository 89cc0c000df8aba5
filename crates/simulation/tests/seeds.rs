//! Simulations from seeds.

use simulation::{Detail, Plan, run};

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 50] {
        let plan = Plan::drawn(seed);
        let (first, second) = (run(&plan, Detail::Logs).unwrap(), run(&plan, Detail::Logs).unwrap());
        assert!(first.trace.len() > 100, "{:#?}", first.trace);
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.problems, second.problems);
    }
}

/// Seeds that showed defects, and what these were. Each has a test of its own in `crates/pdu/tests/federation`.
const REGRESSIONS: [(u64, &str); 4] = [
    (144, "a newcomer was told a state by a server that lacked keys itself"),
    (145, "nothing was sent to a server while its member was left out for want of a key"),
    (20_126, "who left while a member was left out, and came again"),
    (20_318, "a rejected event that an accepted one builds on was in no list, so that nothing behind it came in"),
];

#[test]
fn what_once_went_wrong_goes_right() {
    for (seed, what) in REGRESSIONS {
        let outcome = run(&Plan::drawn(seed), Detail::Requests).unwrap();
        assert!(outcome.problems.is_empty(), "seed {seed}, {what}: {:#?}", outcome.problems);
    }
}
