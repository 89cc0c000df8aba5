//! What was measured, as tables in Markdown.

use std::fmt;
use std::time::Duration;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(pub(crate) String);

/// Says what could not be done, with the cause.
pub(crate) fn failed<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> Failure {
    let what = what.to_owned();
    move |error| Failure(format!("{what}: {error}"))
}

/// The figures of one scenario.
pub(crate) struct Table {
    title: &'static str,
    about: &'static str,
    rows: Vec<Row>,
}

struct Row {
    what: String,
    measured: String,
    budget: String,
    floor: String,
}

impl Table {
    /// An empty table. `about` says how its figures come about.
    pub(crate) fn new(title: &'static str, about: &'static str) -> Self {
        Self { title, about, rows: Vec::new() }
    }

    /// A figure with a budget; `floor` says what the unavoidable work takes, or nothing.
    pub(crate) fn row(
        &mut self,
        what: impl Into<String>,
        measured: impl Into<String>,
        budget: impl Into<String>,
        floor: impl Into<String>,
    ) {
        self.rows.push(Row {
            what: what.into(),
            measured: measured.into(),
            budget: budget.into(),
            floor: floor.into(),
        });
    }

    /// A figure that explains others.
    pub(crate) fn note(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.row(what, measured, "", "");
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n\n{}\n", self.title, self.about)?;
        writeln!(f, "| what | measured | budget | floor |\n| --- | --- | --- | --- |")?;
        for Row { what, measured, budget, floor } in &self.rows {
            writeln!(f, "| {what} | {measured} | {budget} | {floor} |")?;
        }
        Ok(())
    }
}

/// Durations, to be asked for their percentiles.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that `percent` of all do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len().saturating_sub(1)) * percent / 100).copied().unwrap_or_default()
    }
}

impl Extend<Duration> for Times {
    fn extend<T: IntoIterator<Item = Duration>>(&mut self, times: T) {
        self.0.extend(times);
    }
}

/// A duration in milliseconds.
pub(crate) fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

/// A number of things in a time, for each second.
pub(crate) fn a_second(count: usize, time: Duration) -> String {
    format!("{:.0} a second", count as f64 / time.as_secs_f64())
}

/// Bytes in MiB.
pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}

/// How many times `floor` a time is.
pub(crate) fn times_floor(time: Duration, floor: Duration) -> String {
    format!("{:.1} × the floor", time.as_secs_f64() / floor.as_secs_f64())
}
