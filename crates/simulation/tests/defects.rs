//! Simulations notice what is wrong: defects that are switched on deliberately, one in each test, and what is to be said of it.

use std::time::Duration;

use defects::Defect;
use simulation::{Detail, Plan, run};

/// Seeds that are tried, from 1 on, until one notices.
const SEEDS: u64 = 60;
/// Those that will never agree need not be waited for so long, and mostly do nothing but fail again and again.
const PATIENCE: Duration = Duration::from_secs(3600);

fn problems(seed: u64) -> Vec<String> {
    let plan = Plan { patience: PATIENCE, ..Plan::of_one_room(seed) };
    run(&plan, Detail::Requests).expect("the servers start").problems
}

fn assert_noticed(defect: Defect, says: &str) {
    let _on = defects::switch_on(defect);
    let mut others = Vec::new();
    for seed in 1..=SEEDS {
        let problems = problems(seed);
        if problems.iter().any(|problem| problem.contains(says)) {
            println!("seed {seed} notices {defect:?}");
            return;
        }
        others.extend(problems);
    }
    panic!("{SEEDS} seeds do not notice {defect:?}, but say {others:#?}");
}

#[test]
fn nothing_is_noticed_where_nothing_is_wrong() {
    for seed in 1..=5 {
        assert_eq!(problems(seed), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn resolution_by_a_wrong_sort_key() {
    assert_noticed(Defect::WrongSortKey, "have other states before");
}

/// All servers do the same, and agree: only another implementation tells.
#[test]
fn resolution_along_the_mainline_backwards() {
    assert_noticed(Defect::MainlineBackwards, "than ruma comes to");
}

#[test]
fn no_resolution_at_all() {
    assert_noticed(Defect::FirstStateWins, "have other states before");
}

#[test]
fn no_soft_failure() {
    assert_noticed(Defect::NoSoftFailure, "was not in the room then");
}

#[test]
fn provisional_verdicts_that_are_final() {
    assert_noticed(Defect::ProvisionalIsFinal, " rejects $");
}

#[test]
fn keys_that_are_not_asked_for_again() {
    assert_noticed(Defect::KeysAreNotAskedForAgain, "have other");
}

#[test]
fn events_without_a_verdict() {
    assert_noticed(Defect::NoVerdict, "does not say why");
}

#[test]
fn acknowledgements_before_the_commit() {
    assert_noticed(Defect::AcknowledgedBeforeCommit, "was acknowledged to");
}

#[test]
fn transaction_ids_that_begin_anew() {
    assert_noticed(Defect::TransactionIdsBeginAnew, "with other content");
}

#[test]
fn two_transactions_in_flight() {
    assert_noticed(Defect::TwoInFlight, "was on its way");
}

#[test]
fn lost_wake_ups() {
    assert_noticed(Defect::LostWakeUp, "has not sent everything");
}

#[test]
fn no_deduplication() {
    assert_noticed(Defect::NoDeduplication, "has not decided about everything");
}

#[test]
fn acknowledgements_of_subscribers_that_are_lost() {
    assert_noticed(Defect::AcknowledgementLost, "came again");
}

#[test]
fn events_that_subscribers_are_not_told() {
    assert_noticed(Defect::SubscriberSkips, "did not come to a subscriber");
}

#[test]
fn syncs_that_are_not_settled() {
    assert_noticed(Defect::SyncIsNotSettled, "does not hold");
}

#[test]
fn syncs_that_tell_no_changes_of_the_state() {
    assert_noticed(Defect::SyncTellsNoChanges, "does not hold");
}
