//! `cargo xtask bench`: measures what has a budget, and writes BENCHMARKS.md.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::stage::{Failure, cargo, command};
use crate::tools;

/// Where the result goes.
const FILE: &str = "BENCHMARKS.md";
/// How long one program may measure, without the time to build it. All together stay below a quarter of an hour.
const PROGRAM_MAX: Duration = Duration::from_secs(180);
/// Between two looks whether it has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// A program that measures, and prints Markdown or what criterion prints.
struct Program {
    /// The heading, if the program does not print its own.
    title: &'static str,
    /// What its figures are compared with.
    about: &'static str,
    /// Arguments of cargo that run it.
    run: &'static [&'static str],
    /// The same, that only build it.
    build: &'static [&'static str],
}

/// What a quiet machine has less of.
const QUIET_LOAD: f64 = 0.5;
/// How long is waited for the machine to become quiet after building.
const QUIET_MAX: Duration = Duration::from_secs(300);
/// Between two looks whether it has.
const QUIET_PAUSE: Duration = Duration::from_secs(5);

const LOAD: [&str; 7] = ["start", "sending", "inbound", "joining", "fan-out", "catching-up", "idle"];

const PROGRAMS: [Program; 3] = [
    Program {
        title: "Resolving forks of a room with 10,000 members",
        about: "The budget: 4 differing keys under 100 µs, 2 forks under 1 ms, 50 forks under 5 ms. Beside it ruma-state-res on \
                the same states. The middle figure counts.",
        run: &[
            "bench",
            "--locked",
            "--quiet",
            "-p",
            "events",
            "--bench",
            "resolution",
            "--",
            "--measurement-time",
            "1",
            "--warm-up-time",
            "0.5",
        ],
        build: &["bench", "--locked", "--quiet", "-p", "events", "--bench", "resolution", "--no-run"],
    },
    Program {
        title: "Storing state: 20,000 members, 100,000 changes",
        about: "The budget: under 200 bytes for each change, any state read in under 5 ms.",
        run: &["bench", "--locked", "--quiet", "-p", "persistence", "--bench", "state"],
        build: &["bench", "--locked", "--quiet", "-p", "persistence", "--bench", "state", "--no-run"],
    },
    Program {
        title: "Durable commits",
        about: "What the database makes of the disk, beside what the disk gives for one write.",
        run: &["bench", "--locked", "--quiet", "-p", "persistence", "--bench", "commits", "--", "2"],
        build: &["bench", "--locked", "--quiet", "-p", "persistence", "--bench", "commits", "--no-run"],
    },
];

/// Builds what is measured, measures, and writes the file. What cannot be measured is said there, and fails the command.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut build = cargo(&["build", "--locked", "--release", "-p", "althing", "-p", "load"]);
    command(root, &mut build, "mend what the compiler shows")?;
    for program in &PROGRAMS {
        command(root, &mut cargo(program.build), "mend what the compiler shows")?;
    }
    become_quiet();
    let (mut text, mut missing) = (heading(root), Vec::new());
    let release = tools::target(root).join("release");
    for scenario in LOAD {
        let mut load = Command::new(release.join("load"));
        load.arg(release.join("althing")).arg(scenario);
        text += &measured(root, scenario, load, &mut missing);
    }
    text += &beside_synapse(root, &release, &mut missing);
    for program in &PROGRAMS {
        let printed = measured(root, program.title, cargo(program.run), &mut missing);
        text += &format!("### {}\n\n{}\n\n{}\n", program.title, program.about, as_table(&printed));
    }
    let text = format!("{}\n", text.trim_end());
    std::fs::write(root.join(FILE), text).map_err(|error| Failure(format!("{FILE} cannot be written: {error}")))?;
    if missing.is_empty() {
        println!("\nwrote {FILE}");
        return Ok(());
    }
    Err(Failure(format!("wrote {FILE} without what could not be measured: {}", missing.join(", "))))
}

/// The same work for Althing and for Synapse, in the same run.
fn beside_synapse(root: &Path, release: &Path, missing: &mut Vec<String>) -> String {
    let title = "Beside Synapse";
    let table = match tempfile::NamedTempFile::new() {
        Ok(file) => file,
        Err(error) => {
            missing.push(format!("{title} ({error})"));
            return String::new();
        }
    };
    let mut run = Command::new(root.join("tests/interop/run"));
    run.args(["-q", "bench_beside.py"]).env("ALTHING_BIN", release.join("althing")).env("BENCH_OUT", table.path());
    let failed = missing.len();
    measured(root, title, run, missing);
    let measured = match std::fs::read_to_string(table.path()) {
        Ok(text) if missing.len() == failed && !text.is_empty() => text,
        Ok(_) | Err(_) => "Not measured.\n".to_owned(),
    };
    format!(
        "### {title}\n\nThe same scripted server gives both the same work, one after the other: rooms of 1,000, 5,000 and 20,000 members \
         are joined, whose members come in the background; then 2,000 messages of the room of 20,000 come in transactions of 50. Time on \
         the clock, in brackets on the processor. Synapse is as its packages set it up, with SQLite and one process.\n\n{measured}\n"
    )
}

/// Waits for the machine to become quiet. On virtual cores that were busy for a minute, as they are from the build, threads are woken
/// more slowly for a while: what waits for others then takes a quarter longer, and its floor does not.
fn become_quiet() {
    println!("\nwaiting for the machine to become quiet, {} s at most", QUIET_MAX.as_secs());
    let watch = tools::stopwatch();
    while watch.elapsed() < QUIET_MAX && load_of_machine().is_some_and(|load| load >= QUIET_LOAD) {
        std::thread::sleep(QUIET_PAUSE);
    }
}

/// The average of the last minute. `None` where it is not known.
fn load_of_machine() -> Option<f64> {
    let load = std::fs::read_to_string("/proc/loadavg").ok()?;
    load.split_whitespace().next()?.parse().ok()
}

/// The machine, the time, the command.
fn heading(root: &Path) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok());
    let gib = memory.map_or(0.0, |kib: f64| kib / 1_048_576.0);
    let load = load_of_machine().map_or_else(|| "?".to_owned(), |load| load.to_string());
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(root).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let (date, system) = (said("date", &["-u", "+%Y-%m-%d"]), said("uname", &["-sr"]));
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench`, which measures anew and overwrites this file. A floor is the time of the work that \
         cannot be avoided, measured in the same run.\n\n\
         {date}, commit {commit}, {cores} cores of {model}, {gib:.0} GiB, {system}; load of the machine at the beginning: \
         {load} (a quiet machine has less than {QUIET_LOAD}: with more, much of this is worse by a quarter).\n\n"
    )
}

/// Runs a program and returns what it printed. One that fails or does not end is ended, and named in `missing`.
fn measured(root: &Path, name: &str, mut program: Command, missing: &mut Vec<String>) -> String {
    println!("\n==== {name} ====");
    let printed = run_for(root, &mut program);
    printed.unwrap_or_else(|reason| {
        missing.push(format!("{name} ({reason})"));
        format!("Not measured: {reason}\n\n")
    })
}

fn run_for(root: &Path, program: &mut Command) -> Result<String, String> {
    let output = tempfile::tempfile().map_err(|error| error.to_string())?;
    let into = output.try_clone().map_err(|error| error.to_string())?;
    let program = program.current_dir(root).stdin(Stdio::null()).stdout(into);
    let mut child = program.spawn().map_err(|error| error.to_string())?;
    let watch = tools::stopwatch();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if watch.elapsed() < PROGRAM_MAX => std::thread::sleep(LOOK_PAUSE),
            Ok(None) | Err(_) => {
                // Whatever comes of it: it has had its time.
                let _: std::io::Result<()> = child.kill();
                let _: std::io::Result<_> = child.wait();
                return Err(format!("it did not end within {} s", PROGRAM_MAX.as_secs()));
            }
        }
    };
    let text = read(output).map_err(|error| error.to_string())?;
    print!("{text}");
    if status.success() { Ok(text) } else { Err(text.lines().last().unwrap_or("it failed").to_owned()) }
}

fn read(mut file: std::fs::File) -> std::io::Result<String> {
    use std::io::{Read, Seek};
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Makes a table of what criterion prints; other tables stay as they are.
fn as_table(printed: &str) -> String {
    if printed.contains("| --- |") {
        return printed.trim_end().to_owned() + "\n";
    }
    let mut rows = vec!["| what | low, middle, high |".to_owned(), "| --- | --- |".to_owned()];
    let mut name = "";
    for line in printed.lines() {
        let (before, times) = match line.split_once("time:") {
            Some((before, times)) => (before.trim(), Some(times.trim().trim_matches(['[', ']']))),
            None => (line.trim(), None),
        };
        // A name that is too long for its line stands on the line before.
        name = if before.is_empty() { name } else { before };
        if let Some(times) = times {
            let words: Vec<&str> = times.split_whitespace().collect();
            let times: Vec<String> = words.chunks(2).map(|pair| pair.join(" ")).collect();
            rows.push(format!("| {name} | {} |", times.join(", ")));
        }
    }
    rows.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::as_table;

    #[test]
    fn what_criterion_prints_becomes_a_table() {
        let printed = "version 12: 4 keys      time:   [88.1 µs 89.2 µs 90.0 µs]\nFound 2 outliers\n\
                       version 12: 50 forks, whole states\n                        time:   [1.1 ms 1.2 ms 1.3 ms]\n";
        let expected = "| what | low, middle, high |\n| --- | --- |\n\
                        | version 12: 4 keys | 88.1 µs, 89.2 µs, 90.0 µs |\n\
                        | version 12: 50 forks, whole states | 1.1 ms, 1.2 ms, 1.3 ms |\n";
        assert_eq!(as_table(printed), expected);
    }

    #[test]
    fn a_table_stays_one() {
        assert_eq!(as_table("| a |\n| --- |\n| 1 |\n\n"), "| a |\n| --- |\n| 1 |\n");
    }
}
