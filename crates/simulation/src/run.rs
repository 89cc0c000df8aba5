//! Runs a simulation: lets it all happen, lets all be well again, and looks whether the servers agree.

mod agree;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use events::{EventId, Object, RoomId, RoomVersion, ServerName, Value};
use handles::{Handles, Random, SeededRandom};
use messaging::membership::RoomRef;
use messaging::rooms::{InitialState, NewRoom, Preset};
use messaging::{Messaging, MessagingError};
use serde_json::json;

use crate::clients::Client;
use crate::deeds::{Actor, Ledger, join_rule, server_name, user_id};
use crate::host::Host;
use crate::hostile::{self, Attacker};
use crate::network::Weather;
use crate::plan::{Attack, Event, Fault, Plan, Step, User};
use crate::{Network, StartError, log, portrait};

/// The longest that a user waits for anything.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks whether the servers agree: the first pause, and the longest.
const LOOKS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(3600));
/// The task of a user who does something.
const DEED: &str = "simulated user";
/// Users whose level is 100 from the beginning.
const ADMINS: usize = 3;
/// The longest that the servers have for coming into the room.
const GATHER_MAX: Duration = Duration::from_secs(600);

/// What came of a simulation.
pub struct Outcome {
    /// What is wrong; nothing if all is right.
    pub problems: Vec<String>,
    /// What happened, in its order.
    pub trace: Vec<String>,
    /// How long it took until all agreed, in virtual time.
    pub agreed_after: Duration,
    /// Events of the rooms, as the first server knows them.
    pub events: usize,
}

/// What is in the trace of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What users did, what went wrong, and every request.
    Requests,
    /// Also what the servers logged.
    Logs,
}

/// Runs it on a runtime of its own, whose clock is virtual.
pub fn run(plan: &Plan, detail: Detail) -> Result<Outcome, StartError> {
    run_and_look(plan, detail, || {})
}

/// The same; looks at the process when all is over, and the servers still run.
pub fn run_and_look(plan: &Plan, detail: Detail, look: impl FnOnce()) -> Result<Outcome, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let world = World::new(plan)?;
        let _log = (detail == Detail::Logs).then(|| log::into_trace(&world.network));
        let outcome = world.run().await;
        look();
        world.handles.tasks.stop().await;
        // Servers know the network, and it knows them: they would hold each other in memory for ever.
        for host in &world.hosts {
            host.leave_network();
        }
        Ok(outcome)
    })
}

/// A room of a simulation.
struct Room {
    id: RoomId,
    /// By which the residents came into it.
    joins: BTreeSet<EventId>,
}

struct World<'a> {
    plan: &'a Plan,
    /// Of the world, not of one server.
    handles: Handles,
    network: Network,
    hosts: Vec<Host>,
    ledger: Ledger,
    /// The first is the hall.
    rooms: OnceLock<Vec<Room>>,
    /// One for each resident.
    clients: Vec<Client>,
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan) -> Result<Self, StartError> {
        let handles = Handles::simulated(plan.seed ^ 1);
        let network = Network::new(handles.clone());
        let host = |number: usize| {
            let random: Arc<dyn Random> = Arc::new(SeededRandom::new(plan.seed ^ (2 + number as u64) << 32));
            let skew = plan.skews.get(number).copied().unwrap_or(0);
            Host::new(&server_name(number), &network, &handles.clock, skew, random, plan.disk_delay_max)
        };
        let hosts: Vec<Host> = (0..=plan.hostile().unwrap_or(plan.servers - 1)).map(host).collect::<Result<_, _>>()?;
        let client = |server: usize| {
            let seed = plan.seed ^ (1_000 + server as u64) << 32;
            Client::new(&hosts[server], User { server, number: 0 }, &handles.clock, seed)
        };
        let clients = (0..plan.residents).map(client).collect();
        if let Some(number) = plan.hostile() {
            let random: Arc<dyn Random> = Arc::new(SeededRandom::new(plan.seed ^ 3));
            network.expect_anything_of(&server_name(number));
            network.tamper(&server_name(number), hostile::liar(random));
        }
        Ok(Self { plan, handles, network, hosts, ledger: Ledger::default(), rooms: OnceLock::new(), clients })
    }

    async fn run(&self) -> Outcome {
        let mut problems = Vec::new();
        for host in &self.hosts {
            self.handles.tasks.spawn("simulated machine", host.clone().keep_on());
        }
        for client in &self.clients {
            self.handles.tasks.spawn("simulated client", client.clone().keep_following());
        }
        let events = match self.happen().await {
            Ok(()) => self.agree(&mut problems).await,
            Err(problem) => {
                problems.push(problem);
                0
            }
        };
        problems.extend(self.network.wrong_transactions());
        if !problems.is_empty() {
            self.describe().await;
        }
        Outcome { problems, trace: self.network.trace(), agreed_after: self.handles.clock.monotonic(), events }
    }

    /// Makes the rooms, lets the servers come, and lets happen what is planned. What cannot begin is a problem.
    async fn happen(&self) -> Result<(), String> {
        let mut rooms: Vec<Room> = Vec::new();
        for version in &self.plan.rooms {
            let beside = rooms.first().map(|hall| hall.id.clone());
            rooms.push(self.gather(*version, beside).await?);
        }
        drop(self.rooms.set(rooms));
        let start = self.handles.clock.monotonic();
        self.network.set_weather(self.plan.weather);
        for (number, step) in self.plan.steps.iter().enumerate() {
            let at = start + step.at;
            self.handles.clock.sleep(at.saturating_sub(self.handles.clock.monotonic())).await;
            self.begin(number, step);
        }
        self.network.note("world", "all is well from here on");
        self.network.set_weather(Weather::FAIR);
        self.network.heal();
        for host in &self.hosts {
            host.trouble().end();
        }
        Ok(())
    }

    fn rooms(&self) -> &[Room] {
        self.rooms.get().map_or(&[], Vec::as_slice)
    }

    /// Makes a room, beside the hall if it is not that, and has all residents come.
    async fn gather(&self, version: RoomVersion, hall: Option<RoomId>) -> Result<Room, String> {
        let began = self.handles.clock.monotonic();
        let founder = User { server: 0, number: 0 };
        let id = loop {
            if let Some((messaging, _)) = self.hosts[0].running() {
                let new = self.new_room(founder, version, hall.as_ref());
                break messaging.create_room(new).await.map_err(|error| error.to_string())?;
            }
            self.pause(LOOKS.0).await;
        };
        let mut joins = BTreeSet::new();
        for server in 0..self.plan.residents {
            let user = User { server, number: 0 };
            loop {
                match self.come(user, &id).await {
                    Ok(join) => {
                        joins.extend(join);
                        break;
                    }
                    Err(error) if self.handles.clock.monotonic() - began > GATHER_MAX => {
                        return Err(format!("{user} does not come into the room: {error}"));
                    }
                    Err(_) => self.pause(LOOKS.0).await,
                }
            }
        }
        if let Some(server) = self.plan.hostile() {
            self.come(User { server, number: 0 }, &id).await.map_err(|error| error.to_string())?;
        }
        self.network.note("world", &format!("there is the room {id}, version {}", version.as_str()));
        Ok(Room { id, joins })
    }

    /// Has a resident come into the room, unless they have made it. Returns the join.
    async fn come(&self, user: User, room: &RoomId) -> Result<Option<EventId>, MessagingError> {
        let Some((messaging, _)) = self.hosts[user.server].running() else {
            return Err(MessagingError::RemoteFailed("it is off".to_owned()));
        };
        let id = user_id(user);
        messaging.join(&id, &RoomRef::Id(room.clone()), &[server_name(0)], Object::new()).await?;
        messaging.member_event(room, &id).await
    }

    fn new_room(&self, founder: User, version: RoomVersion, hall: Option<&RoomId>) -> NewRoom {
        let admins = if self.plan.hostile { self.plan.residents } else { self.plan.residents.min(ADMINS) };
        let rules = version.rules().auth;
        let first = usize::from(rules.privileged_creators);
        let users: Object =
            (first..admins).map(|server| (User { server, number: 0 }.to_string(), json!(100))).collect();
        let restricted = hall.filter(|_| rules.restricted_joins).map(|hall| InitialState {
            event_type: "m.room.join_rules".to_owned(),
            state_key: String::new(),
            content: join_rule("restricted", hall),
        });
        NewRoom {
            initial_state: restricted.into_iter().collect(),
            power_levels_override: Object::from_iter([("users".to_owned(), Value::Object(users))]),
            ..NewRoom::new(user_id(founder), version, Preset::PublicChat)
        }
    }

    /// Begins what is to happen now. Nobody waits for it.
    fn begin(&self, number: usize, step: &Step) {
        match &step.event {
            Event::Deed { user, room, deed } => {
                let host = self.hosts[user.server].clone();
                let what =
                    if *room == 0 { format!("#{number} {deed:?}") } else { format!("#{number} {deed:?} beside") };
                let Some((messaging, tasks)) = host.running() else {
                    return self.network.note(&user.to_string(), &format!("{what}: the server is off"));
                };
                let actor = self.actor(*user, &self.rooms()[*room], messaging);
                let (network, clock, deed) = (self.network.clone(), Arc::clone(&self.handles.clock), deed.clone());
                let user_acts = async move {
                    let done = tokio::select! {
                        biased;
                        done = actor.perform(&deed, number) => done,
                        () = clock.sleep(PATIENCE) => Err(MessagingError::Internal("nothing came of it".to_owned())),
                    };
                    let said = match done {
                        Ok(Some(event)) => {
                            let said = event.to_string();
                            actor.ledger.note(actor.user, &actor.room, event, host.restored());
                            said
                        }
                        Ok(None) => "done".to_owned(),
                        Err(error) => format!("refused: {error}"),
                    };
                    network.note(&actor.user.to_string(), &format!("{what}: {said}"));
                };
                let server = log::span_of(self.hosts[user.server].name().as_str());
                server.in_scope(|| tasks.spawn(DEED, user_acts));
            }
            Event::Attack { attack, victims } => self.attack(number, *attack, *victims),
            Event::Fault(fault) => {
                self.network.note("world", &format!("#{number} {fault:?}"));
                self.inflict(fault);
            }
        }
    }

    fn actor(&self, user: User, room: &Room, messaging: Messaging) -> Actor {
        let hall = self.rooms()[0].id.clone();
        Actor { user, room: room.id.clone(), hall, messaging, ledger: self.ledger.clone() }
    }

    /// Attacks the hall.
    fn attack(&self, number: usize, attack: Attack, victims: u64) {
        let Some(host) = self.plan.hostile().map(|hostile| &self.hosts[hostile]) else { return };
        let Some(database) = host.database() else { return };
        let attacker = Attacker {
            name: host.name().clone(),
            key: host.key(),
            room: self.rooms()[0].id.clone(),
            beside: self.rooms().get(1).map(|room| room.id.clone()),
            database,
            network: self.network.clone(),
            handles: self.handles.clone(),
        };
        let victims = (0..self.plan.servers).filter(|victim| victims >> victim & 1 == 1).map(server_name).collect();
        let network = self.network.clone();
        self.handles.tasks.spawn("simulated attack", async move {
            let victims: Vec<ServerName> = victims;
            let got = attacker.attack(attack, number, &victims).await;
            network.note(attacker.name.as_str(), &format!("#{number} {attack:?}: {got}"));
        });
    }

    fn inflict(&self, fault: &Fault) {
        match fault {
            Fault::Partition { side, one_way, lasts } => {
                let on_side = |number: usize| side >> number & 1 == 1;
                let numbers = 0..self.hosts.len();
                for (one, other) in numbers.clone().flat_map(|one| numbers.clone().map(move |other| (one, other))) {
                    if on_side(one) && !on_side(other) {
                        let (one, other) = (self.hosts[one].name(), self.hosts[other].name());
                        self.network.cut_one_way(one, other);
                        if !one_way {
                            self.network.cut_one_way(other, one);
                        }
                    }
                }
                let network = self.network.clone();
                self.later(*lasts, move || {
                    network.note("world", "the links are mended");
                    network.heal();
                });
            }
            Fault::Kill { server, lasts } => self.switch_off(*server, *lasts, false, false),
            Fault::LosePower { server, commits, kept, lasts } => {
                self.hosts[*server].when_off(*lasts, false, false);
                self.hosts[*server].trouble().lose_power_after(*commits, *kept);
            }
            Fault::DiskFull { server, lasts } => {
                let host = self.hosts[*server].clone();
                host.trouble().set_full(true);
                let network = self.network.clone();
                self.later(*lasts, move || {
                    network.note(host.name().as_str(), "has space again");
                    host.trouble().set_full(false);
                });
            }
            Fault::Backup { server } => {
                if let Err(error) = self.hosts[*server].back_up() {
                    self.network.note(self.hosts[*server].name().as_str(), &format!("no backup: {error}"));
                }
            }
            Fault::Restore { server, lasts } => self.switch_off(*server, *lasts, true, false),
            Fault::NewKey { server, lasts } => self.switch_off(*server, *lasts, false, true),
        }
    }

    fn switch_off(&self, server: usize, lasts: Duration, restores: bool, new_key: bool) {
        self.hosts[server].when_off(lasts, restores, new_key);
        self.hosts[server].trouble().lose_power();
    }

    fn later(&self, after: Duration, what: impl FnOnce() + Send + 'static) {
        let clock = Arc::clone(&self.handles.clock);
        self.handles.tasks.spawn("the end of a fault", async move {
            clock.sleep(after).await;
            what();
        });
    }

    /// Adds to the trace what each server takes for the state of the rooms.
    async fn describe(&self) {
        for room in self.rooms() {
            self.network.note("world", &format!("of {}", room.id));
            for host in &self.hosts {
                let Some(database) = host.database() else { continue };
                let described = portrait::of(&database, &room.id).await;
                for line in described.unwrap_or_else(|error| vec![error.to_string()]) {
                    self.network.note(host.name().as_str(), &line);
                }
            }
        }
    }

    async fn pause(&self, pause: Duration) {
        self.handles.clock.sleep(pause).await;
    }
}
