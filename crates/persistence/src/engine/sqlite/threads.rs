//! The real engine: a writer thread and a few reader threads.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{connection, group};
use crate::database::OpenError;
use crate::engine::{Engine, ReadJob, WriteJob};
use crate::tx::{ReadTx, StoreError};

/// Threads that read.
const READERS: usize = 3;
/// Closures in one commit. More would make the first of them wait noticeably.
const GROUP_MAX: usize = 128;

pub(crate) struct Threads {
    writes: Mutex<Option<mpsc::Sender<WriteJob>>>,
    reads: Mutex<Option<mpsc::Sender<ReadJob>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = connection::writer(Some(path))?;
        let readers = (0..READERS).map(|_| connection::reader(path)).collect::<Result<Vec<_>, _>>()?;
        let (writes, write_jobs) = mpsc::channel();
        let (reads, read_jobs) = mpsc::channel();
        let read_jobs = Arc::new(Mutex::new(read_jobs));
        let mut threads = vec![spawn("database-writer", move || write_until_closed(&writer, &write_jobs))];
        for reader in readers {
            let jobs = Arc::clone(&read_jobs);
            threads.push(spawn("database-reader", move || read_until_closed(&reader, &jobs)));
        }
        Ok(Self { writes: Mutex::new(Some(writes)), reads: Mutex::new(Some(reads)), threads: Mutex::new(threads) })
    }
}

impl Engine for Threads {
    fn write(&self, job: WriteJob) {
        if let Some(jobs) = self.writes.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // Fails only if the thread has ended; the job is dropped, its caller reads "closed".
            drop(jobs.send(job));
        }
    }

    fn read(&self, job: ReadJob) {
        if let Some(jobs) = self.reads.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            drop(jobs.send(job));
        }
    }

    fn close(&self) {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a database thread had panicked");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).expect("the system can start a thread at start-up")
}

fn write_until_closed(connection: &Connection, jobs: &mpsc::Receiver<WriteJob>) {
    while let Ok(first) = jobs.recv() {
        group::commit(connection, std::iter::once(first).chain(jobs.try_iter()).take(GROUP_MAX));
    }
}

fn read_until_closed(connection: &Connection, jobs: &Mutex<mpsc::Receiver<ReadJob>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A read transaction, so that all queries of the closure see the same snapshot.
        match connection.execute_batch("BEGIN") {
            Ok(()) => job(Ok(&ReadTx::new(connection))),
            Err(error) => job(Err(StoreError::engine(&error))),
        }
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("COMMIT")
        {
            tracing::error!("a reader could not end its snapshot: {error}");
        }
    }
}
