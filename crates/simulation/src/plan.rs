//! What happens in a simulation: drawn from a seed, and nothing but data, so that a failing one can be made smaller.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use events::RoomVersion;
use handles::{Random, SeededRandom};

use crate::network::Weather;

/// Users of each server. The first of a resident server never leaves, and is never removed.
pub const USERS: usize = 3;
/// How long things happen.
const LASTS: Duration = Duration::from_secs(600);
/// How long the servers may take to agree: longer than the longest rest of a destination.
const AGREE_MAX: Duration = Duration::from_secs(3 * 24 * 3600);
/// Servers of a simulation that are in the room from the beginning to the end.
const RESIDENTS: (u64, u64) = (2, 8);
/// Servers that come and go.
const GUESTS: (u64, u64) = (0, 3);
/// What users do in one.
const DEEDS: (u64, u64) = (30, 120);
/// What a hostile server does.
const ATTACKS: (u64, u64) = (5, 30);
/// What goes wrong in one.
const FAULTS: (u64, u64) = (2, 14);

/// A simulation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it was drawn from; also what all else is drawn from while it runs.
    pub seed: u64,
    /// The version of the room.
    pub version: RoomVersion,
    /// How many servers there are.
    pub servers: usize,
    /// The first of them are in the room from the beginning to the end; the others come and go.
    pub residents: usize,
    /// After all these there is one more server, which attacks the others.
    pub hostile: bool,
    /// How requests fare until all is well.
    pub weather: Weather,
    /// The longest that a disk takes.
    pub disk_delay_max: Duration,
    /// How far the clocks of servers are from the true time, in milliseconds.
    pub skews: Vec<i64>,
    /// What happens, in its order.
    pub steps: Vec<Step>,
    /// How long the servers may take to agree, in virtual time, once all is well.
    pub patience: Duration,
}

/// Something that happens at a certain time.
#[derive(Debug, Clone)]
pub struct Step {
    /// When, from the beginning.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Event {
    /// A user does something.
    Deed(User, Deed),
    /// Something goes wrong.
    Fault(Fault),
    /// The hostile server attacks.
    Attack {
        /// What it does.
        attack: Attack,
        /// To whom, as bits.
        victims: u64,
    },
}

/// A user: their server, and who they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The number of the server.
    pub server: usize,
    /// The number of the user there.
    pub number: usize,
}

/// What users do.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Sends a message.
    Say,
    /// Sets the topic.
    Topic,
    /// Redacts one of the own events.
    Redact,
    /// Joins, through this server if the own one is not in the room.
    Join(usize),
    /// Leaves.
    Leave,
    /// Asks to be let in.
    Knock(usize),
    /// Invites somebody.
    Invite(User),
    /// Removes somebody.
    Kick(User),
    /// Bans somebody.
    Ban(User),
    /// Takes a ban back.
    Unban(User),
    /// Gives somebody this level.
    Power(User, i64),
    /// Lets in others by this rule.
    JoinRule(&'static str),
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Servers of one side no longer reach the others; nor the others them, unless it is one way only.
    Partition {
        /// One side, as bits.
        side: u64,
        /// The other side still reaches it.
        one_way: bool,
        /// For how long.
        lasts: Duration,
    },
    /// A server is switched off, wherever it is.
    Kill {
        /// Which.
        server: usize,
        /// For how long.
        lasts: Duration,
    },
    /// A server loses its power at a later commit.
    LosePower {
        /// Which.
        server: usize,
        /// After how many commits.
        commits: u64,
        /// Whether that commit is on the disk.
        kept: bool,
        /// For how long.
        lasts: Duration,
    },
    /// A disk refuses what is written.
    DiskFull {
        /// Whose.
        server: usize,
        /// For how long.
        lasts: Duration,
    },
    /// A server's disk is copied.
    Backup {
        /// Whose.
        server: usize,
    },
    /// A server is switched off, and goes on with its last backup, if there is one.
    Restore {
        /// Which.
        server: usize,
        /// For how long it is off.
        lasts: Duration,
    },
    /// A server is switched off, and goes on with another key.
    NewKey {
        /// Which.
        server: usize,
        /// For how long it is off.
        lasts: Duration,
    },
}

/// What a hostile server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// One event to some, another to others.
    Equivocate,
    /// Some events that build on the same old one, each to others.
    Fork,
    /// Power levels that give its user all power.
    Usurp,
    /// The same, and an event that builds on it.
    BuildOnRejected,
    /// An event of a user of another server.
    Impersonate,
    /// Somebody else's event with other content.
    Mangle,
    /// An event of such a depth.
    Depth(i64),
    /// An event whose parent does not exist.
    Dangle,
    /// An event that cites for its permission what does not exist.
    CiteUnknown,
    /// An event that cites for its permission what has nothing to do with it.
    CiteAnything,
    /// An event that leaves out what it should cite for its permission.
    CiteTooLittle,
    /// An event with ten thousand parents.
    Crowd,
    /// A transaction whose id was there before.
    Replay,
    /// An event of so many days from now.
    OtherTime(i64),
    /// A join of somebody else.
    PutInto,
    /// Bans of all members.
    BanEverybody,
    /// The room is created again.
    SecondCreate,
    /// Numbers that not all room versions have.
    OddNumbers,
    /// Lists in lists in lists.
    Deep,
    /// A redaction of any event.
    Redact,
}

impl Attack {
    /// Of each kind at least one.
    pub const ALL: [Self; 26] = [
        Self::Equivocate,
        Self::Fork,
        Self::Usurp,
        Self::BuildOnRejected,
        Self::Impersonate,
        Self::Mangle,
        Self::Depth(0),
        Self::Depth(2),
        Self::Depth(1_000),
        Self::Depth((1 << 53) - 1),
        Self::Dangle,
        Self::CiteUnknown,
        Self::CiteAnything,
        Self::CiteTooLittle,
        Self::Crowd,
        Self::Replay,
        Self::OtherTime(-10_000),
        Self::OtherTime(-1),
        Self::OtherTime(1),
        Self::OtherTime(10_000),
        Self::PutInto,
        Self::BanEverybody,
        Self::SecondCreate,
        Self::OddNumbers,
        Self::Deep,
        Self::Redact,
    ];
}

impl Plan {
    /// Draws the simulation of a seed.
    pub fn drawn(seed: u64) -> Self {
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(seed));
        let mut draw = Draw { random: &*random, residents: 0, servers: 0 };
        draw.residents = draw.between(RESIDENTS);
        draw.servers = draw.residents + draw.between(GUESTS);
        let version = *draw.one_of(&RoomVersion::ALL);
        let weather = Weather {
            latency_max_ms: *draw.one_of(&[10, 100, 1_000]),
            slow: *draw.one_of(&[0, 5, 30]),
            lost: *draw.one_of(&[0, 10, 50]),
            doubled: *draw.one_of(&[0, 10, 50]),
            broken: *draw.one_of(&[0, 10, 50]),
        };
        let disk_delay_max = Duration::from_millis(*draw.one_of(&[1, 5, 50]));
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let skews = (0..draw.servers).map(|_| *draw.one_of(&[0, 0, 0, -3_000, 3_000, -600_000, 600_000])).collect();
        let mut steps = Vec::new();
        for _ in 0..draw.between(DEEDS) {
            let (user, deed) = draw.deed();
            steps.push(Step { at: draw.time(LASTS), event: Event::Deed(user, deed) });
        }
        for _ in 0..draw.between(FAULTS) {
            steps.push(Step { at: draw.time(LASTS), event: Event::Fault(draw.fault()) });
        }
        steps.sort_by_key(|step| step.at);
        let (servers, residents) = (count(draw.servers), count(draw.residents));
        Self {
            seed,
            version,
            servers,
            residents,
            hostile: false,
            weather,
            disk_delay_max,
            skews,
            steps,
            patience: AGREE_MAX,
        }
    }

    /// The simulation of a seed, with a hostile server beside the others.
    pub fn with_hostile_server(seed: u64) -> Self {
        let mut plan = Self::drawn(seed);
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(seed ^ 4));
        let draw = Draw { random: &*random, residents: plan.residents as u64, servers: plan.servers as u64 };
        plan.steps.extend(draw.hostile_steps());
        plan.steps.sort_by_key(|step| step.at);
        plan.hostile = true;
        plan
    }

    /// The number of the hostile server.
    pub fn hostile(&self) -> Option<usize> {
        self.hostile.then_some(self.servers)
    }
}

/// Draws what happens.
struct Draw<'a> {
    random: &'a dyn Random,
    residents: u64,
    servers: u64,
}

impl Draw<'_> {
    fn between(&self, (least, most): (u64, u64)) -> u64 {
        least + self.random.below(most - least + 1)
    }

    fn index(&self, count: u64) -> usize {
        usize::try_from(self.random.below(count)).unwrap_or(0)
    }

    fn one_of<'t, T>(&self, of: &'t [T]) -> &'t T {
        &of[self.index(of.len() as u64)]
    }

    fn time(&self, until: Duration) -> Duration {
        Duration::from_millis(self.random.below(u64::try_from(until.as_millis()).unwrap_or(u64::MAX)))
    }

    fn server(&self) -> usize {
        self.index(self.servers)
    }

    fn user(&self) -> User {
        User { server: self.server(), number: self.index(USERS as u64) }
    }

    /// Somebody who may come and go.
    fn removable(&self) -> User {
        let user = self.user();
        let stays = (user.server as u64) < self.residents && user.number == 0;
        if stays { User { number: 1, ..user } } else { user }
    }

    /// Somebody who stays.
    fn resident(&self) -> User {
        User { server: self.index(self.residents), number: 0 }
    }

    fn deed(&self) -> (User, Deed) {
        match self.random.below(20) {
            0..=6 => (self.user(), Deed::Say),
            7..=10 => (self.removable(), Deed::Join(self.server())),
            11 => (self.removable(), Deed::Leave),
            12 => (self.resident(), Deed::Topic),
            13 => (self.user(), Deed::Redact),
            14 => (self.resident(), Deed::Invite(self.removable())),
            15 => (self.resident(), Deed::Kick(self.removable())),
            16 => (self.resident(), Deed::Ban(self.removable())),
            17 => (self.resident(), Deed::Unban(self.removable())),
            18 => match self.random.below(2) {
                0 => (self.resident(), Deed::JoinRule(self.one_of::<&str>(&["public", "public", "invite", "knock"]))),
                _ => (self.removable(), Deed::Knock(self.server())),
            },
            _ => (self.user(), Deed::Power(self.user(), *self.one_of(&[0, 25, 50, 50, 100]))),
        }
    }

    /// What the hostile server does, and what its first user does and is done to.
    fn hostile_steps(&self) -> Vec<Step> {
        let it = User { server: usize::try_from(self.servers).unwrap_or(usize::MAX), number: 0 };
        let mut steps = Vec::new();
        for _ in 0..self.between(ATTACKS) {
            let event = Event::Attack {
                attack: *self.one_of(&Attack::ALL),
                victims: 1 + self.random.below((1 << self.servers) - 1),
            };
            steps.push(Step { at: self.time(LASTS), event });
        }
        for _ in 0..self.between(DEEDS) / 10 {
            let (user, deed) = match self.random.below(10) {
                0..=3 => (it, Deed::Join(self.server())),
                4 => (it, Deed::Say),
                5 => (it, Deed::Topic),
                6 => (it, Deed::Leave),
                // Too little to remove residents, or to silence them: by the rules of the room it could then.
                7 => (self.resident(), Deed::Power(it, *self.one_of(&[0, 25, 49, 49]))),
                8 => (self.resident(), Deed::Invite(it)),
                _ => (self.resident(), if self.random.below(2) == 0 { Deed::Kick(it) } else { Deed::Ban(it) }),
            };
            steps.push(Step { at: self.time(LASTS), event: Event::Deed(user, deed) });
        }
        steps
    }

    fn fault(&self) -> Fault {
        let server = self.server();
        let lasts = self.time(Duration::from_secs(240));
        match self.random.below(12) {
            0..=3 => Fault::Partition {
                side: 1 + self.random.below((1 << self.servers) - 2),
                one_way: self.random.below(3) == 0,
                lasts,
            },
            4..=5 => Fault::Kill { server, lasts },
            6..=7 => {
                Fault::LosePower { server, commits: self.random.below(30), kept: self.random.below(2) == 0, lasts }
            }
            8 => Fault::DiskFull { server, lasts },
            9 => Fault::Backup { server },
            10 => Fault::Restore { server, lasts },
            _ => Fault::NewKey { server, lasts },
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "@u{}:s{}.test", self.number, self.server)
    }
}
