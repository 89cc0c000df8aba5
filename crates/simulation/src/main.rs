//! Runs simulations from many seeds, several at once, and tells of those that fail.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Parser;
use simulation::{Detail, Minimised, Outcome, Plan, minimised, run};

/// Many homeservers in one process, with faults, from one seed
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value = "1")]
    seeds: NonZeroU64,
    /// The first of them; drawn if not given
    #[arg(long)]
    seed: Option<u64>,
    /// With a server in the room that attacks the others
    #[arg(long)]
    hostile: bool,
    /// Print what happened also where nothing is wrong
    #[arg(long)]
    trace: bool,
}

/// Seeds that fail of which a smaller plan is looked for, and the timeline printed.
const MINIMISED_MAX: usize = 1;
/// Plans that are tried for that.
const RUNS_MAX: usize = 400;
/// Problems of one seed that are printed.
const PROBLEMS_MAX: usize = 20;

/// Looks, one a second, at a seed that still runs, until it is said to hang: virtual time stands still while a task is busy for ever.
const LOOKS_MAX: u32 = 900;

/// What came of all of them.
#[derive(Default)]
struct Tally {
    /// Those that run, and how often they were looked at.
    running: BTreeMap<u64, u32>,
    done: u64,
    failures: u64,
    events: usize,
    longest: Duration,
    /// The first that failed, to be made smaller when all are done: that takes longer than many seeds.
    failing: Vec<Plan>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let first = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= arguments.seeds.get() {
                        return;
                    }
                    one(first.wrapping_add(number), &arguments, &tally);
                }
            });
        }
        scope.spawn(|| end_what_hangs(arguments.seeds.get(), &tally));
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.failing.iter().for_each(tell_minimised);
    println!(
        "seeds from {first} on: {} events; the longest took {} hours of virtual time until all agreed",
        tally.events,
        tally.longest.as_secs() / 3600
    );
    println!("{} seeds, {} failures", arguments.seeds, tally.failures);
    if tally.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends all, if one seed does not end by itself.
fn end_what_hangs(seeds: u64, tally: &Mutex<Tally>) {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let mut tally = locked(tally);
        if tally.done == seeds {
            return;
        }
        tally.running.values_mut().for_each(|looks| *looks += 1);
        if let Some((seed, _)) = tally.running.iter().find(|(_, looks)| **looks > LOOKS_MAX) {
            println!("\nseed {seed} does not end: a task is busy for ever. A profiler shows which");
            println!("{} of {seeds} seeds, {} failures", tally.done, tally.failures + 1);
            std::process::exit(1);
        }
    }
}

fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

fn one(seed: u64, arguments: &Arguments, tally: &Mutex<Tally>) {
    locked(tally).running.insert(seed, 0);
    let plan = if arguments.hostile { Plan::with_hostile_server(seed) } else { Plan::drawn(seed) };
    let outcome = run(&plan, if arguments.trace { Detail::Logs } else { Detail::Requests });
    let mut tally = locked(tally);
    match outcome {
        Ok(outcome) => {
            tally.events += outcome.events;
            tally.longest = tally.longest.max(outcome.agreed_after);
            let failed = !outcome.problems.is_empty();
            if arguments.trace {
                outcome.trace.iter().for_each(|line| println!("{line}"));
            }
            if failed {
                tally.failures += 1;
                tell(&plan, &outcome);
                if tally.failing.len() < MINIMISED_MAX {
                    tally.failing.push(plan);
                }
            }
        }
        Err(error) => {
            tally.failures += 1;
            println!("seed {seed} cannot be run: {error}");
        }
    }
    tally.running.remove(&seed);
    tally.done += 1;
    eprint!("\r{} of {} seeds, {} failures ", tally.done, arguments.seeds, tally.failures);
}

fn tell(plan: &Plan, outcome: &Outcome) {
    let versions: Vec<&str> = plan.rooms.iter().map(|version| version.as_str()).collect();
    println!(
        "\nseed {} fails: rooms of version {}, {} servers, {} events",
        plan.seed,
        versions.join(" and "),
        plan.servers,
        outcome.events
    );
    tell_problems(outcome);
}

fn tell_problems(outcome: &Outcome) {
    outcome.problems.iter().take(PROBLEMS_MAX).for_each(|problem| println!("  {problem}"));
    if outcome.problems.len() > PROBLEMS_MAX {
        println!("  and {} more", outcome.problems.len() - PROBLEMS_MAX);
    }
}

/// What it takes for a seed to fail, and what happens then.
fn tell_minimised(plan: &Plan) {
    let Some(Minimised { plan: smaller, outcome, runs }) = minimised(plan, RUNS_MAX) else {
        println!("\nSeed {} does not fail again: something in it does not follow from the seed", plan.seed);
        return;
    };
    println!(
        "\nSeed {}: of its {} steps these {} are enough, as {runs} runs have shown, with {:?}, disks that take {:?} and clocks that are \
         wrong by {:?} ms:",
        plan.seed,
        plan.steps.len(),
        smaller.steps.len(),
        smaller.weather,
        smaller.disk_delay_max,
        smaller.skews
    );
    smaller.steps.iter().for_each(|step| println!("  {:>8.3} s {:?}", step.at.as_secs_f64(), step.event));
    println!("\nThen this happens:");
    outcome.trace.iter().for_each(|line| println!("{line}"));
    println!("\nand this is wrong:");
    tell_problems(&outcome);
}
