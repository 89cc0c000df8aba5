//! Feeds targets for some time each, several at once, and keeps what is a defect.

use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use fuzz::{Target, all, corpus, feed, mutation};
use handles::{Clock, SeededRandom, SystemClock};

/// Mutated input for everything that parses what strangers send
#[derive(Debug, Parser)]
#[command(name = "fuzz")]
struct Arguments {
    /// Which target; all if not given
    #[arg(long)]
    target: Option<String>,
    /// Seconds for each
    #[arg(long, default_value = "60")]
    seconds: NonZeroU64,
    /// Where the mutations start; drawn if not given
    #[arg(long)]
    seed: Option<u64>,
}

/// Defects of one target after which it is left alone.
const DEFECTS_MAX: usize = 5;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let targets: Vec<Target> = all()
        .into_iter()
        .filter(|target| arguments.target.as_deref().is_none_or(|wanted| wanted == target.name))
        .collect();
    if targets.is_empty() {
        let names: Vec<&str> = all().iter().map(|target| target.name).collect();
        eprintln!("there is no such target; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("seed {seed}");
    let (next, defects) = (AtomicUsize::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let printing = Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let told = fuzz(target, seed, Duration::from_secs(arguments.seconds.get()));
                    let _turn = printing.lock();
                    match told {
                        Ok((told, found)) => {
                            defects.fetch_add(found, Ordering::Relaxed);
                            println!("{told}");
                        }
                        Err(error) => {
                            defects.fetch_add(1, Ordering::Relaxed);
                            println!("{}: {error}", target.name);
                        }
                    }
                }
            });
        }
    });
    match defects.into_inner() {
        0 => ExitCode::SUCCESS,
        found => {
            println!("{found} defects; their inputs are in the corpus");
            ExitCode::FAILURE
        }
    }
}

/// Feeds one target. Returns what there is to tell, and how many defects there were.
fn fuzz(target: &Target, seed: u64, time: Duration) -> std::io::Result<(String, u64)> {
    let examples = target.examples()?;
    let random = SeededRandom::new(seed);
    let clock = SystemClock::default();
    let began = clock.monotonic();
    let mut fed = 0_u64;
    let mut slowest = (Duration::ZERO, 0);
    let mut found = Vec::new();
    while clock.monotonic() - began < time && found.len() < DEFECTS_MAX {
        let input = usize::try_from(fed).ok().and_then(|at| examples.get(at).cloned());
        let input = input.unwrap_or_else(|| mutation::mutated(&random, &examples));
        let began = clock.monotonic();
        if let Err(defect) = feed(target, &input) {
            let path = corpus::keep(target.name, &format!("found-{seed}-{fed}"), &input)?;
            found.push(format!("\n  {}: {}", path.display(), defect.panic));
        }
        slowest = slowest.max((clock.monotonic() - began, input.len()));
        fed += 1;
    }
    let (time, length) = slowest;
    let told = format!(
        "{}: {fed} inputs in {} s, the slowest {} ms for {length} bytes, {} defects{}",
        target.name,
        (clock.monotonic() - began).as_secs(),
        time.as_millis(),
        found.len(),
        found.concat()
    );
    Ok((told, u64::try_from(found.len()).unwrap_or(u64::MAX)))
}
