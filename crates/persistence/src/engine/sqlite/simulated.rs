//! A disk for simulations: it outlives the server that uses it, takes its time, fails, and loses power. Everything runs on the
//! caller's thread; the order depends on virtual time alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handles::{Clock, Handles};
use rusqlite::Connection;
use rusqlite::backup::Backup;
use tokio::sync::mpsc;

use super::{connection, group, integrity};
use crate::database::OpenError;
use crate::engine::counters::Counting;
use crate::engine::{Counters, Engine, ReadJob, WriteJob};
use crate::simulated::{CommitFate, Fate};
use crate::tx::{ReadTx, StoreError};

/// Closures that share a commit, at most.
const GROUP_MAX: usize = 64;
/// Pages that are copied at once: all.
const ALL_PAGES: i32 = -1;

/// What a simulated server has on its disk. Cheap to clone: a clone is the same disk.
#[derive(Clone)]
pub struct SimulatedDisk(Arc<Mutex<Connection>>);

impl SimulatedDisk {
    /// An empty disk.
    pub fn new() -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Mutex::new(connection::writer(None)?))))
    }

    /// Another disk with what is on this one now, as a backup has it.
    pub fn copy(&self) -> Result<Self, OpenError> {
        let from = self.lock();
        let mut to = connection::writer(None)?;
        Backup::new(&from, &mut to)
            .and_then(|backup| backup.step(ALL_PAGES))
            .map_err(|error| connection::refused(None, &error))?;
        Ok(Self(Arc::new(Mutex::new(to))))
    }

    /// How many rows each table has.
    pub fn rows_by_table(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let connection = self.lock();
        let mut rows = BTreeMap::new();
        for table in integrity::tables(&ReadTx::new(&connection))? {
            let counted = connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0));
            let count =
                counted.map_err(|error| StoreError::Inconsistent(format!("{table} cannot be counted: {error}")))?;
            rows.insert(table, count);
        }
        Ok(rows)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A database on a simulated disk. Its tasks are the server's: when they are stopped, it does nothing more.
pub(crate) struct Simulated {
    disk: SimulatedDisk,
    /// `None` once closed.
    writes: Mutex<Option<mpsc::UnboundedSender<WriteJob>>>,
    handles: Handles,
    fate: Arc<dyn Fate>,
    counting: Arc<Counting>,
}

impl Simulated {
    pub(crate) fn open(disk: &SimulatedDisk, handles: &Handles, fate: Arc<dyn Fate>) -> Self {
        let (writes, jobs) = mpsc::unbounded_channel();
        let counting = Arc::new(Counting::default());
        let writer = Writer {
            disk: disk.clone(),
            clock: Arc::clone(&handles.clock),
            fate: Arc::clone(&fate),
            counting: Arc::clone(&counting),
        };
        handles.tasks.spawn("simulated writer", writer.run(jobs));
        Self { disk: disk.clone(), writes: Mutex::new(Some(writes)), handles: handles.clone(), fate, counting }
    }

    fn writes(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<WriteJob>>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Simulated {
    fn write(&self, job: WriteJob) {
        if let Some(writes) = self.writes().as_ref() {
            // If the writer is gone the job is dropped, which reads as "closed".
            drop(writes.send(job));
        }
    }

    fn read(&self, job: ReadJob) {
        if self.writes().is_none() {
            return;
        }
        let (disk, clock, delay) = (self.disk.clone(), Arc::clone(&self.handles.clock), self.fate.delay());
        self.handles.tasks.spawn("simulated read", async move {
            clock.sleep(delay).await;
            job(Ok(&ReadTx::new(&disk.lock())));
        });
    }

    fn counters(&self) -> Counters {
        self.counting.now()
    }

    fn close(&self) {
        *self.writes() = None;
    }
}

struct Writer {
    disk: SimulatedDisk,
    clock: Arc<dyn Clock>,
    fate: Arc<dyn Fate>,
    counting: Arc<Counting>,
}

impl Writer {
    async fn run(self, mut jobs: mpsc::UnboundedReceiver<WriteJob>) {
        while let Some(first) = jobs.recv().await {
            self.clock.sleep(self.fate.delay()).await;
            let mut group = vec![first];
            while group.len() < GROUP_MAX
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            match self.fate.commit() {
                CommitFate::Kept => self.commit(group),
                CommitFate::Refused => {
                    self.refuse_commits(true);
                    self.commit(group);
                    self.refuse_commits(false);
                }
                CommitFate::LostPower => {
                    self.fate.lost_power();
                    // Whoever waits is gone, too.
                    drop(group);
                    return;
                }
                CommitFate::KeptUnsaid => {
                    self.commit(group);
                    self.fate.lost_power();
                    return;
                }
            }
        }
    }

    fn commit(&self, group: Vec<WriteJob>) {
        group::commit(&self.disk.lock(), group.into_iter(), &self.counting, None);
    }

    /// The engine undoes a commit that its hook refuses, as it does when the disk is full.
    fn refuse_commits(&self, refuse: bool) {
        let hook = refuse.then_some(|| true);
        drop(self.disk.lock().commit_hook(hook));
    }
}
