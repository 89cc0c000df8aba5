use std::sync::Arc;

use tokio::sync::Semaphore;

/// Where work runs that takes processor time: signatures, resolution, password hashes.
#[derive(Clone)]
pub struct Compute(Option<Arc<Semaphore>>);

impl Compute {
    /// Runs on threads beside the runtime's, as many at once as there are cores.
    pub fn pool() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Some(Arc::new(Semaphore::new(cores))))
    }

    /// Runs at once on the caller's thread.
    pub fn inline() -> Self {
        Self(None)
    }

    /// Runs `work` and returns what it returns.
    ///
    /// # Panics
    /// If `work` panics.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let Some(cores) = &self.0 else { return work() };
        // The semaphore is never closed.
        let _turn = cores.acquire().await;
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(failure) => std::panic::resume_unwind(failure.into_panic()),
        }
    }
}
