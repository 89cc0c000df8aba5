//! State resolution in a room with 10,000 members, beside ruma's on the same states.
//!
//! Timed from what a room in memory holds: a base of its current state, and the states after its extremities; finding out what
//! differs, the auth difference and the conflicted subgraph are part of it. ruma is given the last two.
//!
//! `cargo bench -p events --bench resolution`. The budget of the design: 4 differing keys under 100 µs, 2 forks under 1 ms, 50
//! forks under 5 ms. As in the measurements of `dependencies.md`, each fork differs in 200 keys: power levels (five in a row),
//! join rules, the topic and 197 members, of whom one in five is kicked, one in five banned, the others change their profile.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use events::RoomVersion;
use events::auth_graph::{AuthGraph, StateMap};
use events::state_resolution::{Base, resolve_forks, resolve_on};
use support::big_room::BigRoom;

#[path = "../tests/support/mod.rs"]
mod support;

fn benchmark(criterion: &mut Criterion) {
    for version in [RoomVersion::V11, RoomVersion::V12] {
        bench_version(criterion, version);
    }
}

fn bench_version(criterion: &mut Criterion, version: RoomVersion) {
    let mut room = BigRoom::new(version, 10_000);
    let base = Base::new(&room.graph, room.state.clone());
    criterion.bench_function(&format!("version {version}: prepare a base"), |bencher| {
        bencher.iter(|| Base::new(&room.graph, black_box(room.state.clone())));
    });
    let difference = room.forks(1);
    let next = room.state.with(&difference[0]);
    criterion.bench_function(&format!("version {version}: move a base by 200 keys and back"), |bencher| {
        let mut base = base.clone();
        bencher.iter(|| [&next, &room.state].map(|state| base.move_to(&room.graph, black_box(state))));
    });

    let few = room.forks_of_few_keys();
    let two = room.forks(2);
    let fifty = room.forks(50);
    for (name, forks) in [("4 differing keys", few), ("2 forks", two), ("50 forks", fifty)] {
        let states: Vec<StateMap> = forks.iter().map(|fork| room.state.with(fork)).collect();
        let resolved = resolve_forks(&room.graph, &base, &forks).expect("within the budget");
        let decisions = resolved.decisions(&room.graph, &base);
        let refused = decisions.iter().flat_map(|decision| &decision.candidates);
        let refused =
            refused.filter(|candidate| matches!(candidate.outcome, events::state_resolution::Outcome::Refused { .. }));
        println!("{name}: {} conflicts, {} events refused", decisions.len(), refused.count());
        bench_ours(criterion, &format!("version {version}: {name}"), &room.graph, &base, &states);

        let naive: Vec<_> = states.iter().map(|state| room.naive(state)).collect();
        let prepared = room.oracle.prepare(&naive);
        let mut group =
            criterion.benchmark_group(format!("version {version}: {name}, ruma, auth chains and subgraph given"));
        group
            .sample_size(10)
            .bench_function("resolve", |bencher| bencher.iter(|| room.oracle.run(black_box(&prepared))));
        group.finish();
        assert_eq!(
            room.naive(&room.state.with(&resolved.changes)),
            room.oracle.resolve(&naive).expect("ruma resolves"),
            "the same result"
        );
    }
}

fn bench_ours(criterion: &mut Criterion, name: &str, graph: &AuthGraph, base: &Base, states: &[StateMap]) {
    let states: Vec<&StateMap> = states.iter().collect();
    criterion.bench_function(name, |bencher| bencher.iter(|| resolve_on(graph, base, black_box(&states))));
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
