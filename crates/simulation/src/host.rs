//! A machine that is switched off and on again, with what goes wrong with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::{ServerName, SigningKey};
use handles::{Clock, Compute, Handles, Random, SeededRandom, Tasks, Timestamp};
use messaging::Messaging;
use persistence::transactions::restoring;
use persistence::{Database, SimulatedDisk, StoreError};

use crate::disk::{Sound, Trouble, Troubled};
use crate::subscriber::Heard;
use crate::{Machine, Network, SimulatedServer, StartError};

/// Between two attempts to start, when the disk does not allow it.
const START_AGAIN: Duration = Duration::from_secs(5);

/// A server of a simulation. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Host(Arc<Inner>);

struct Inner {
    name: ServerName,
    network: Network,
    clock: Arc<dyn Clock>,
    /// Draws what else is drawn from.
    random: Arc<dyn Random>,
    disk_delay_max: Duration,
    trouble: Arc<Trouble>,
    /// What came to those who follow its events.
    heard: Heard,
    state: Mutex<State>,
}

struct State {
    machine: Machine,
    running: Option<SimulatedServer>,
    backup: Option<SimulatedDisk>,
    /// What becomes of the machine when it is off the next time.
    next: Next,
    /// How often it went on with a backup.
    restored: usize,
}

struct Next {
    off_for: Duration,
    restores: bool,
    new_key: bool,
}

impl Next {
    const SHORTLY: Self = Self { off_for: Duration::from_secs(1), restores: false, new_key: false };
}

impl Host {
    /// A machine that is off. Its clock is `skew` milliseconds before the true time.
    pub(crate) fn new(
        name: &ServerName,
        network: &Network,
        clock: &Arc<dyn Clock>,
        skew: i64,
        random: Arc<dyn Random>,
        disk_delay_max: Duration,
    ) -> Result<Self, StartError> {
        let machine = Machine::new(name, &*random)?;
        Ok(Self(Arc::new(Inner {
            name: name.clone(),
            network: network.clone(),
            clock: Arc::new(SkewedClock { clock: Arc::clone(clock), skew }),
            random,
            disk_delay_max,
            trouble: Arc::default(),
            heard: Heard::default(),
            state: Mutex::new(State { machine, running: None, backup: None, next: Next::SHORTLY, restored: 0 }),
        })))
    }

    pub(crate) fn name(&self) -> &ServerName {
        &self.0.name
    }

    /// What it signs with.
    pub(crate) fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.state().machine.key)
    }

    pub(crate) fn trouble(&self) -> &Trouble {
        &self.0.trouble
    }

    /// Its rooms and tasks, if it is on.
    pub(crate) fn running(&self) -> Option<(Messaging, Tasks)> {
        self.state().running.as_ref().map(|server| (server.messaging().clone(), server.handles().tasks.clone()))
    }

    /// Its database, if it is on.
    pub(crate) fn database(&self) -> Option<Database> {
        self.state().running.as_ref().map(|server| server.database().clone())
    }

    /// How often it went on with a backup.
    pub(crate) fn restored(&self) -> usize {
        self.state().restored
    }

    /// What came to those who follow its events.
    pub(crate) fn heard(&self) -> &Heard {
        &self.0.heard
    }

    /// What becomes of it when it loses its power the next time.
    pub(crate) fn when_off(&self, off_for: Duration, restores: bool, new_key: bool) {
        self.state().next = Next { off_for, restores, new_key };
    }

    /// How many rows each table of its database has.
    pub(crate) fn rows_by_table(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let disk = self.state().machine.disk.clone();
        disk.rows_by_table()
    }

    /// Copies its disk.
    pub(crate) fn back_up(&self) -> Result<(), StartError> {
        let mut state = self.state();
        state.backup = Some(state.machine.disk.copy()?);
        Ok(())
    }

    /// Nobody reaches it from here on.
    pub(crate) fn leave_network(&self) {
        self.0.network.detach(&self.0.name);
    }

    /// Keeps the machine on, whatever happens to it.
    pub(crate) async fn keep_on(self) {
        loop {
            self.start().await;
            self.0.trouble.lost_power().await;
            let next = self.switch_off();
            self.0.network.note(self.0.name.as_str(), &format!("is off for {} s", next.off_for.as_secs()));
            self.0.clock.sleep(next.off_for).await;
            if let Err(error) = self.prepare(&next).await {
                self.0.network.note(self.0.name.as_str(), &format!("cannot be restored: {error}"));
            }
        }
    }

    async fn start(&self) {
        loop {
            match self.try_to_start().await {
                Ok(()) => return self.0.network.note(self.0.name.as_str(), "is on"),
                Err(error) => {
                    self.0.network.note(self.0.name.as_str(), &format!("does not start: {error}"));
                    self.0.clock.sleep(START_AGAIN).await;
                }
            }
        }
    }

    async fn try_to_start(&self) -> Result<(), StartError> {
        let handles = self.handles();
        let fate = Troubled {
            trouble: Arc::clone(&self.0.trouble),
            random: Arc::clone(&handles.random),
            delay_max: self.0.disk_delay_max,
            tasks: handles.tasks.clone(),
        };
        let machine = self.state().machine.clone();
        let tasks = handles.tasks.clone();
        match SimulatedServer::start_machine(&self.0.network, &machine, handles, Arc::new(fate)).await {
            Ok(server) => {
                let heard = self.0.heard.clone();
                tasks.spawn(
                    "subscriber",
                    heard.listen(server.messaging().clone(), self.restored(), Arc::clone(&self.0.clock)),
                );
                self.state().running = Some(server);
                Ok(())
            }
            Err(error) => {
                self.0.network.detach(&self.0.name);
                tasks.abort();
                Err(error)
            }
        }
    }

    /// What one run of the server has of the world.
    fn handles(&self) -> Handles {
        Handles {
            clock: Arc::clone(&self.0.clock),
            random: Arc::new(SeededRandom::new(self.0.random.number())),
            compute: Compute::inline(),
            tasks: Tasks::default(),
        }
    }

    fn switch_off(&self) -> Next {
        let mut state = self.state();
        if let Some(server) = state.running.take() {
            server.switch_off();
        }
        std::mem::replace(&mut state.next, Next::SHORTLY)
    }

    /// Does with the machine what is done while it is off.
    async fn prepare(&self, next: &Next) -> Result<(), StartError> {
        if next.new_key {
            let key = Machine::new_key(&*self.0.random);
            self.state().machine.key = Arc::new(key);
            self.0.network.note(self.0.name.as_str(), "has another key");
        }
        let backup =
            if next.restores { self.state().backup.as_ref().map(SimulatedDisk::copy).transpose()? } else { None };
        if let Some(disk) = backup {
            let handles = self.handles();
            let fate = Sound { random: Arc::clone(&handles.random), delay_max: self.0.disk_delay_max };
            let database = Database::on_simulated_disk(&disk, &handles, Arc::new(fate));
            // Nobody knows when it was made, as with a file that was copied while the server was off.
            database.write::<_, StoreError>(restoring::mark_as_copied).await?;
            handles.tasks.abort();
            let mut state = self.state();
            state.machine.disk = disk;
            state.restored += 1;
            self.0.network.note(self.0.name.as_str(), "goes on with its backup");
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that goes wrong by a constant.
struct SkewedClock {
    clock: Arc<dyn Clock>,
    skew: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        self.clock.now() + self.skew
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep(duration)
    }
}
