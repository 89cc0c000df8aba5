use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::task::{Id, JoinSet};
use tracing::Instrument;

/// The background tasks of one server: named, and stopped together. Can be spawned from any thread, also from one of the
/// database's after a commit.
#[derive(Clone)]
pub struct Tasks(Arc<Inner>);

struct Inner {
    running: Mutex<Running>,
    /// The runtime on which the tasks run: that on which the first user of this handle ran.
    runtime: OnceLock<Handle>,
    aborted: AtomicBool,
}

#[derive(Default)]
struct Running {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Running {
    /// Forgets those that have ended: they would otherwise be kept for ever.
    fn forget_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = ended.map_or_else(|failure| failure.id(), |(id, ())| id);
            self.names.remove(&id);
        }
    }
}

impl Default for Tasks {
    fn default() -> Self {
        let runtime = Handle::try_current().map_or_else(|_| OnceLock::new(), OnceLock::from);
        Self(Arc::new(Inner { running: Mutex::default(), runtime, aborted: AtomicBool::new(false) }))
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
        let mut running = self.lock();
        running.forget_ended();
        let handle = running.tasks.spawn_on(task.instrument(tracing::debug_span!("task", name)), runtime);
        running.names.insert(handle.id(), name);
    }

    /// How many tasks run.
    pub fn count(&self) -> usize {
        let mut running = self.lock();
        running.forget_ended();
        running.tasks.len()
    }

    /// How many tasks of each name run.
    pub fn by_name(&self) -> BTreeMap<&'static str, usize> {
        let mut running = self.lock();
        running.forget_ended();
        let mut by_name = BTreeMap::new();
        for name in running.names.values() {
            *by_name.entry(*name).or_default() += 1;
        }
        by_name
    }

    /// Ends everything where it is, as a loss of power does, without waiting for that: whichever task calls goes on until it awaits.
    /// What is spawned later never runs.
    pub fn abort(&self) {
        self.0.aborted.store(true, Ordering::Relaxed);
        self.lock().tasks.abort_all();
    }

    /// Stops all tasks where they are, as the end of the process would, and waits until they are gone.
    pub async fn stop(&self) {
        let mut running = std::mem::take(&mut *self.lock());
        running.tasks.shutdown().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(tasks.by_name(), BTreeMap::from([("waits", 1)]));
        tasks.abort();
        assert!(ended.await.is_err());
        tasks.spawn("too late", async { panic!("it runs") });
        assert_eq!((tasks.count(), tasks.by_name()), (0, BTreeMap::new()));
    }
}
