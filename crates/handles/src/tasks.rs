use std::future::Future;
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
}

impl Default for Tasks {
    fn default() -> Self {
        let runtime = Handle::try_current().map_or_else(|_| OnceLock::new(), OnceLock::from);
        Self(Arc::new(Inner { tasks: Mutex::new(JoinSet::new()), runtime }))
    }
}

impl Tasks {
    /// Runs `task` in the background until it ends or [`Tasks::stop`] is called.
    ///
    /// # Panics
    /// If neither this handle was made on a runtime nor the caller runs on one.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
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

    /// Stops all tasks where they are, as the end of the process would, and waits until they are gone.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *self.lock());
        tasks.shutdown().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
