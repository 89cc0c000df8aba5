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

#[test]
fn tens_of_servers_agree() {
    let plan = Plan::drawn(73);
    assert!(plan.servers > 20, "{} servers", plan.servers);
    let outcome = run(&plan, Detail::Requests).unwrap();
    assert!(outcome.problems.is_empty(), "{:#?}", outcome.problems);
}

/// Seeds that showed defects, when there was one room, and what these were. Each has a test of its own in `crates/pdu/tests/federation`.
const REGRESSIONS: [(u64, &str); 8] = [
    (58, "history before what is beside our join came as news"),
    (66, "members who became known after a join were not told to clients while nothing happened"),
    (144, "a newcomer was told a state by a server that lacked keys itself"),
    (145, "nothing was sent to a server while its member was left out for want of a key"),
    (20_126, "who left while a member was left out, and came again"),
    (20_318, "a rejected event that an accepted one builds on was in no list, so that nothing behind it came in"),
    (500_568, "members whom a partial state does not name were taken for gone, and a server lost its own users"),
    (600_670, "the same where keys were lacking"),
];

/// The same with all that is drawn now.
const LATER_REGRESSIONS: [(u64, &str); 18] = [
    (2_000_176, "an older receipt that was told late took a newer one back"),
    (2_000_183, "an old signing key did not count any more while what it had signed was on its way"),
    (2_001_318, "who came in by another way while servers did not answer came in again"),
    (2_004_370, "a typing notice with nothing to ride with kept a core busy for ever"),
    (2_010_538, "a join without an answer that counted later was not asked about any more"),
    (2_021_613, "joins that came back late were taken for disorder"),
    (2_021_847, "a join that waited while the last of its server left stood on a state that lacked members"),
    (
        2_026_189,
        "who left and was counted in again by others, whose clocks differ, was not told and did not say so again",
    ),
    (2_030_134, "who was let in by a server that forgot it, restored from a backup, asked nobody else"),
    (2_032_394, "a key that came and went after the backup that a server goes on with was lost"),
    (2_033_507, "what came late from between two stays took the room back, and put the server's own user out"),
    (2_034_986, "what was said while a join was in doubt was never heard by who came in through a server that lagged"),
    (2_035_100, "what was fetched as history while members were unknown was an extremity when all were known"),
    (2_036_189, "a state was taken for a parent whose keys came too late, and older words came after newer ones"),
    (2_037_472, "the same"),
    (2_040_108, "who had been in a room before asked for a new join where nobody may join, though they were in it"),
    (2_044_681, "what came late on top of a fork between two stays took the room back"),
    (2_050_575, "a state was believed from a server that lacked the keys of who had signed some of it"),
];

#[test]
fn what_went_wrong_later_goes_right() {
    for (seed, what) in LATER_REGRESSIONS {
        let outcome = run(&Plan::drawn(seed), Detail::Requests).unwrap();
        assert!(outcome.problems.is_empty(), "seed {seed}, {what}: {:#?}", outcome.problems);
    }
}

#[test]
fn what_once_went_wrong_goes_right() {
    for (seed, what) in REGRESSIONS {
        let outcome = run(&Plan::of_one_room(seed), Detail::Requests).unwrap();
        assert!(outcome.problems.is_empty(), "seed {seed}, {what}: {:#?}", outcome.problems);
    }
}
