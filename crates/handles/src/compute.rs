use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::crew::Crew;

/// Where work runs that takes processor time: signatures, resolution, password hashes.
#[derive(Clone)]
pub struct Compute(Option<Pool>);

#[derive(Clone)]
struct Pool {
    cores: usize,
    turns: Arc<Semaphore>,
    crew: Arc<Crew>,
}

impl Compute {
    /// Runs on threads beside the runtime's, as many at once as there are cores.
    pub fn pool() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Some(Pool { cores, turns: Arc::new(Semaphore::new(cores)), crew: Arc::new(Crew::start(cores)) }))
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
        let Some(pool) = &self.0 else { return work() };
        // The semaphore is never closed.
        let _turn = pool.turns.acquire().await;
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(failure) => std::panic::resume_unwind(failure.into_panic()),
        }
    }

    /// Runs `work` on each of `items`, on as many cores as there are, and returns the results in the order of the items.
    ///
    /// # Panics
    /// If `work` panics.
    pub async fn map<T, U>(&self, items: Vec<T>, work: impl Fn(T) -> U + Clone + Send + 'static) -> Vec<U>
    where
        T: Send + 'static,
        U: Send + 'static,
    {
        let Some(pool) = &self.0 else { return items.into_iter().map(work).collect() };
        let piece = items.len().div_ceil(pool.cores).max(1);
        let mut pieces = Vec::new();
        let mut rest = items;
        while !rest.is_empty() {
            let tail = rest.split_off(piece.min(rest.len()));
            pieces.push(std::mem::replace(&mut rest, tail));
        }
        let pieces = pieces.into_iter().map(|piece| {
            let work = work.clone();
            async move {
                // The semaphore is never closed.
                let _turn = pool.turns.acquire().await;
                pool.crew.run(move || piece.into_iter().map(work).collect::<Vec<U>>()).await
            }
        });
        join_all(pieces).await.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_results_have_the_order_of_the_items() {
        for compute in [Compute::pool(), Compute::inline()] {
            for count in [0, 1, 2, 7, 100] {
                let doubled = compute.map((0..count).collect(), |number: i32| number * 2).await;
                assert_eq!(doubled, (0..count).map(|number| number * 2).collect::<Vec<_>>());
            }
        }
    }
}
