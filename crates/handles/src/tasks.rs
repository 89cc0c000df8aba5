use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::Instrument;

/// The background tasks of one server: named, and stopped together. Can be spawned from any thread, also from one of the
/// database's after a commit.
#[derive(Clone)]
pub struct Tasks(Arc<Inner>);

struct Inner {
    tasks: Mutex<JoinSet<()>>,
    /// The runtime on which the tasks run: that on which the first user of this handle ran.
    runtime: OnceLock<Handle>,
    aborted: AtomicBool,
}

impl Default for Tasks {
    fn default() -> Self {
        let runtime = Handle::try_current().map_or_else(|_| OnceLock::new(), OnceLock::from);
        Self(Arc::new(Inner { tasks: Mutex::new(JoinSet::new()), runtime, aborted: AtomicBool::new(false) }))
    }
}

impl Tasks {
    /// Runs `task` in the background until it ends or [`Tasks::stop`] is called.
    ///
    /// # Panics
    /// If neither this handle was made on a runtime nor the caller runs on one.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        if self.0.aborted.load(Ordering::Relaxed) {
            return;
        }
        let runtime = self.0.runtime.get_or_init(Handle::current);
        let mut tasks = self.lock();
        // Those that have ended would otherwise be kept for ever.
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task.instrument(tracing::debug_span!("task", name)), runtime);
    }

    /// How many tasks run.
    pub fn count(&self) -> usize {
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        tasks.len()
    }

    /// Ends everything where it is, as a loss of power does, without waiting for that: whichever task calls goes on until it awaits.
    /// What is spawned later never runs.
    pub fn abort(&self) {
        self.0.aborted.store(true, Ordering::Relaxed);
        self.lock().abort_all();
    }

    /// Stops all tasks where they are, as the end of the process would, and waits until they are gone.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *self.lock());
        tasks.shutdown().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_aborted_ends_and_nothing_begins_after_it() {
        let tasks = Tasks::default();
        let (held, ended) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("waits", async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        tasks.abort();
        assert!(ended.await.is_err());
        tasks.spawn("too late", async { panic!("it runs") });
        assert_eq!(tasks.count(), 0);
    }
}
