//! What happens in a simulation: drawn from a seed, and nothing but data, so that a failing one can be made smaller.

mod draw;

use std::fmt;
use std::time::Duration;

use events::RoomVersion;

use crate::network::Weather;

/// Users of each server. The first of a resident server never leaves, and is never removed.
pub const USERS: usize = 3;
/// A simulation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it was drawn from; also what all else is drawn from while it runs.
    pub seed: u64,
    /// The versions of the rooms: the hall, and one beside it, if there is one. Who is in the hall may come into that from there, where
    /// its version has such a rule.
    pub rooms: Vec<RoomVersion>,
    /// How many servers there are.
    pub servers: usize,
    /// The first of them are in the rooms from the beginning to the end; the others come and go.
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
    /// A user does something in a room.
    Deed {
        /// Who.
        user: User,
        /// The number of the room.
        room: usize,
        /// What they do.
        deed: Deed,
    },
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
    /// Says that they have read all that there is.
    Read,
    /// Begins to type.
    Type,
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
    /// State that its user may set, if it has the power: one thing to some, another to others.
    EquivocateState,
    /// The same, each building on the same old event.
    ForkState,
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
    /// An event that cites for its permission what is in another room.
    CiteElsewhere,
    /// An event whose parent is in another room.
    BuildElsewhere,
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
    /// As many EDUs as a transaction may have: receipts and typing of users of all servers, and what nobody understands.
    SendEdus,
}

impl Plan {
    /// The number of the hostile server.
    pub fn hostile(&self) -> Option<usize> {
        self.hostile.then_some(self.servers)
    }
}

impl Attack {
    /// Of each kind at least one.
    pub const ALL: [Self; 31] = [
        Self::Equivocate,
        Self::Fork,
        Self::EquivocateState,
        Self::ForkState,
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
        Self::CiteElsewhere,
        Self::BuildElsewhere,
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
        Self::SendEdus,
    ];
}

impl fmt::Display for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "@u{}:s{}.test", self.number, self.server)
    }
}
