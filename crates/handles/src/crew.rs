//! Threads for work that is cut into pieces: one on each core.
//!
//! A system with few cores, of which one is idle, may leave a thread that is woken on the core of who wakes it: the pieces would be
//! worked on one after the other. So these threads stay where they are.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::oneshot;

type Piece = Box<dyn FnOnce() + Send>;

/// The threads. They end when this is dropped, after what was handed to them.
pub(crate) struct Crew(Sender<Piece>);

impl Crew {
    /// Starts `count` threads. Each has a core of its own, if the process may use just so many.
    ///
    /// # Panics
    /// If the system starts no more threads.
    pub(crate) fn start(count: usize) -> Self {
        let (pieces, to_do) = unbounded();
        let cores = affinity::cores();
        for number in 0..count {
            let (to_do, core) = (to_do.clone(), cores.get(number).copied().filter(|_| cores.len() == count));
            let work = move || work(core, &to_do);
            let thread = std::thread::Builder::new().name("compute".to_owned()).spawn(work);
            drop(thread.expect("the system can start a thread at start-up"));
        }
        Self(pieces)
    }

    /// Runs `work` on the next thread that is free, and returns what it returns.
    ///
    /// # Panics
    /// If `work` panics.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (reply, answer) = oneshot::channel();
        let piece: Piece = Box::new(move || drop(reply.send(catch_unwind(AssertUnwindSafe(work)))));
        // The threads wait for as long as there is somebody to hand them a piece.
        drop(self.0.send(piece));
        match answer.await.expect("a thread of the crew answers") {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }
}

fn work(core: Option<usize>, to_do: &Receiver<Piece>) {
    if let Some(core) = core {
        affinity::stay_on(core);
    }
    to_do.iter().for_each(|piece| piece());
}

#[cfg(target_os = "linux")]
mod affinity {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// The cores that the process may use.
    pub(super) fn cores() -> Vec<usize> {
        let Ok(allowed) = sched_getaffinity(None) else { return Vec::new() };
        (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect()
    }

    /// Keeps the calling thread on a core, if the system allows that. It works elsewhere, too.
    pub(super) fn stay_on(core: usize) {
        let mut only = CpuSet::new();
        only.set(core);
        if let Err(error) = sched_setaffinity(None, &only) {
            tracing::debug!("A thread does not stay on core {core}: {error}");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod affinity {
    /// Which there are, other systems do not tell.
    pub(super) fn cores() -> Vec<usize> {
        Vec::new()
    }

    pub(super) fn stay_on(_core: usize) {}
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn pieces_are_worked_on_at_the_same_time() {
        let crew = Crew::start(2);
        let (one, other) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        // Each waits for the other.
        let meet = |tell: std::sync::mpsc::Sender<()>, hear: std::sync::mpsc::Receiver<()>| {
            move || {
                tell.send(()).unwrap();
                hear.recv_timeout(Duration::from_secs(60)).is_ok()
            }
        };
        let met = tokio::join!(crew.run(meet(one.0, other.1)), crew.run(meet(other.0, one.1)));
        assert_eq!(met, (true, true));
    }

    #[tokio::test]
    async fn a_panic_is_the_callers() {
        let crew = Crew::start(1);
        let panics = || -> u32 { panic!("on purpose") };
        assert!(AssertUnwindSafe(crew.run(panics)).catch_unwind().await.is_err());
        assert_eq!(crew.run(|| 7).await, 7, "the thread goes on");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn each_thread_has_a_core() {
        let cores = affinity::cores();
        assert!(!cores.is_empty());
        let crew = Crew::start(cores.len());
        let all = (0..cores.len()).map(|_| crew.run(affinity::cores));
        for on in futures_util::future::join_all(all).await {
            assert_eq!(on.len(), 1, "{on:?}");
        }
    }
}
