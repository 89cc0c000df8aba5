//! The corpus, and some input that nobody has tried before, in every run of the checks.

use fuzz::{Target, all, feed, mutation};
use handles::{Random, SeededRandom, SystemRandom, Tasks};

/// Inputs that are made for a target that needs no server.
const MANY: usize = 3_000;
/// And for one that does.
const SOME: usize = 100;

fn smoke(name: &str, inputs: usize) {
    let targets = all();
    let target = targets.iter().find(|target| target.name == name).expect("it is a target");
    let examples = target.examples().expect("it has a corpus");
    assert!(!examples.is_empty(), "there are examples of {name}");
    for example in &examples {
        expect_nothing(target, example);
    }
    let mut seed = [0; 8];
    SystemRandom.fill(&mut seed);
    let seed = u64::from_le_bytes(seed);
    println!("seed {seed}");
    let random = SeededRandom::new(seed);
    for _ in 0..inputs {
        expect_nothing(target, &mutation::mutated(&random, &examples));
    }
}

#[track_caller]
fn expect_nothing(target: &Target, input: &[u8]) {
    if let Err(defect) = feed(target, input) {
        let text = String::from_utf8_lossy(input);
        panic!("{} does not take {text:.2000}\n({} bytes): {}", target.name, input.len(), defect.panic);
    }
}

#[test]
fn event() {
    smoke("event", MANY);
}

#[test]
fn canonical_json() {
    smoke("canonical_json", MANY);
}

#[test]
fn x_matrix() {
    smoke("x_matrix", MANY);
}

#[test]
fn identifier() {
    smoke("identifier", MANY);
}

#[test]
fn well_known() {
    smoke("well_known", MANY);
}

#[test]
fn federation_request() {
    smoke("federation_request", SOME);
}

#[test]
fn signed_event() {
    smoke("signed_event", SOME);
}

#[test]
fn answer() {
    smoke("answer", SOME);
}

#[test]
fn client_request() {
    smoke("client_request", SOME);
}

#[test]
fn every_target_has_its_test() {
    let tests = include_str!("smoke.rs");
    for target in all() {
        assert!(tests.contains(&format!("smoke(\"{}\"", target.name)), "{}", target.name);
    }
}

/// A panic is noticed, also one that a runtime swallows.
#[test]
fn what_panics_is_a_defect() {
    fn in_a_task(input: &[u8]) {
        let is_odd = input.len() % 2 == 1;
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async move {
            let tasks = Tasks::default();
            tasks.spawn("planted", async move { assert!(!is_odd, "an odd input") });
            tokio::task::yield_now().await;
            tasks.stop().await;
        });
    }
    let target = Target::new("planted", in_a_task);
    assert_eq!(feed(&target, b"even"), Ok(()));
    assert!(feed(&target, b"odd").unwrap_err().panic.contains("an odd input"));
    assert_eq!(feed(&target, b"even"), Ok(()), "the next one is judged by itself");
}
