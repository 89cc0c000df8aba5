//! A server that is in the room and attacks the others.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use simulation::{Attack, Detail, Event, Outcome, Plan, run};

/// Chosen such that each attack is made, and answered, at least once.
const SEEDS: [u64; 3] = [101, 118, 122];

/// Seeds that showed defects. Each has a test of its own in `crates/pdu/tests/federation`.
const REGRESSIONS: [(u64, &str); 14] = [
    (2_121_243, "an old fork that was shown to one server alone put its own user out, there only"),
    (2_121_419, "what was sent again while nobody gave the history was a fork, and put the server's own user out"),
    (
        2_121_491,
        "who was banned where others do not know was counted in for ever, while a fork without the ban was there, too",
    ),
    (2_121_735, "a resident was banned, and told by nobody"),
    (
        2_121_755,
        "who had lost their membership to a fork that others do not know, and could not come back, was counted in for ever",
    ),
    (2_121_968, "who was neither banned nor a member any more, where forks met, was counted in for ever"),
    (2_122_232, "who was out for a moment, by one fork, never asked again for the keys that lacked when they joined"),
    (
        2_122_430,
        "whose join had counted without their knowing, and who could not join anew just then, was counted in for ever",
    ),
    (2_122_436, "history that was fetched again and again left states that were of no event"),
    (2_123_398, "who was removed by somebody who had left meanwhile talked to themselves for ever"),
    (2_123_557, "what built on a leave of an undecided stay, whose parent was known by now, waited for ever"),
    (
        2_124_327,
        "who was out where forks met that only others know, by an invite that was taken back, talked to themselves for ever",
    ),
    (2_124_661, "a join that was known from an earlier stay was sent again for ever, and held up all others"),
    (2_122_858, "what claimed no depth, and built on what had just been fetched, was taken for history"),
];

fn attacked(seed: u64) -> (Plan, Outcome) {
    let plan = Plan::with_hostile_server(seed);
    let outcome = run(&plan, Detail::Requests).unwrap();
    (plan, outcome)
}

#[test]
fn whatever_a_hostile_server_sends_the_others_agree() {
    let mut made: Vec<Attack> = Vec::new();
    for seed in SEEDS {
        let (plan, outcome) = attacked(seed);
        assert!(outcome.problems.is_empty(), "seed {seed}: {:#?}", outcome.problems);
        for step in &plan.steps {
            if let Event::Attack { attack, .. } = step.event
                && outcome.trace.iter().any(|line| line.contains(&format!(" {attack:?}: ")) && line.contains("answers"))
            {
                made.push(attack);
            }
        }
    }
    for attack in Attack::ALL {
        let is_of_kind = |made: &Attack| std::mem::discriminant(made) == std::mem::discriminant(&attack);
        assert!(made.iter().any(is_of_kind), "{attack:?} is made: {made:?}");
    }
}

#[test]
fn what_once_went_wrong_goes_right() {
    for (seed, what) in REGRESSIONS {
        let problems = attacked(seed).1.problems;
        assert!(problems.is_empty(), "seed {seed}, {what}: {problems:#?}");
    }
}

#[test]
fn with_a_hostile_server_the_same_seed_gives_the_same_trace() {
    assert_eq!(attacked(3).1.trace, attacked(3).1.trace);
}
