use std::sync::Arc;

use tokio::sync::Semaphore;

/// Where work runs that takes processor time: signatures, resolution, password hashes.
#[derive(Clone)]
pub struct Compute(Option<Pool>);

#[derive(Clone)]
struct Pool {
    cores: usize,
    turns: Arc<Semaphore>,
}

impl Compute {
    /// Runs on threads beside the runtime's, as many at once as there are cores.
    pub fn pool() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Some(Pool { cores, turns: Arc::new(Semaphore::new(cores)) }))
    }

    /// Runs at once on the caller's thread.
    pub fn inline() -> Self {
        Self(None)
    }

    /// How many pieces of work run at the same time: it is no use to cut what is to be done into more.
    pub fn at_once(&self) -> usize {
        self.0.as_ref().map_or(1, |pool| pool.cores)
    }

    /// Runs `work` and returns what it returns.
    ///
    /// # Panics
    /// If `work` panics.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let Some(pool) = &self.0 else { return work() };
        // The semaphore is never closed.
        let _turn = pool.turns.acquire().await;
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(failure) => std::panic::resume_unwind(failure.into_panic()),
        }
    }
}
