//! Draws plans.

use std::sync::Arc;
use std::time::Duration;

use events::RoomVersion;
use handles::{Random, SeededRandom};

use super::{Attack, Deed, Event, Fault, Plan, Step, USERS, User};
use crate::network::Weather;

/// How long things happen.
const LASTS: Duration = Duration::from_secs(600);
/// How long the servers may take to agree: longer than the longest rest of a destination.
const AGREE_MAX: Duration = Duration::from_secs(3 * 24 * 3600);
/// Servers of a simulation that are in the rooms from the beginning to the end.
const RESIDENTS: (u64, u64) = (2, 8);
/// So many in a few simulations, which take longer: one in [`CROWDED_ONE_IN`].
const CROWD: (u64, u64) = (12, 30);
const CROWDED_ONE_IN: u64 = 50;
/// Servers that come and go.
const GUESTS: (u64, u64) = (0, 3);
/// What users do in the hall.
const DEEDS: (u64, u64) = (30, 120);
/// What they do in the room beside it.
const DEEDS_BESIDE: (u64, u64) = (15, 60);
/// How often somebody comes into that through the hall.
const WAYS_THROUGH_THE_HALL: (u64, u64) = (0, 8);
/// The longest that somebody stays in the hall on the way.
const THROUGH_THE_HALL_MAX: Duration = Duration::from_secs(40);
/// How often they read, and type.
const SIGNS: (u64, u64) = (0, 20);
/// What a hostile server does.
const ATTACKS: (u64, u64) = (5, 30);
/// Enough to remove guests and to set any state but who has power over it. Residents have more: by the rules of the room it could
/// remove or silence them else.
const POWER_OF_IT_MAX: i64 = 50;
/// How often somebody tries to come in through it.
const WAYS_THROUGH_IT: (u64, u64) = (0, 6);
/// What goes wrong in one.
const FAULTS: (u64, u64) = (2, 14);

impl Plan {
    /// Draws the simulation of a seed.
    pub fn drawn(seed: u64) -> Self {
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(seed ^ 5 << 48));
        let is_crowded = random.below(CROWDED_ONE_IN) == 0;
        let mut plan = Self::of_hall(seed, if is_crowded { CROWD } else { RESIDENTS });
        let draw = Draw { random: &*random, residents: plan.residents as u64, servers: plan.servers as u64 };
        if draw.random.below(2) == 0 {
            let version = draw.version_beside();
            plan.rooms.push(version);
            plan.steps.extend(draw.steps_beside(version));
        }
        plan.steps.extend(draw.signs(plan.rooms.len()));
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    /// The part of [`Plan::drawn`] that is about the hall and its events, where there is no crowd.
    pub fn of_one_room(seed: u64) -> Self {
        Self::of_hall(seed, RESIDENTS)
    }

    fn of_hall(seed: u64, residents: (u64, u64)) -> Self {
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(seed));
        let mut draw = Draw { random: &*random, residents: 0, servers: 0 };
        draw.residents = draw.between(residents);
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
            steps.push(Step { at: draw.time(LASTS), event: Event::Deed { user, room: 0, deed } });
        }
        for _ in 0..draw.between(FAULTS) {
            steps.push(Step { at: draw.time(LASTS), event: Event::Fault(draw.fault()) });
        }
        steps.sort_by_key(|step| step.at);
        let (servers, residents) = (count(draw.servers), count(draw.residents));
        Self {
            seed,
            rooms: vec![version],
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

    /// Mostly one that has restricted joins.
    fn version_beside(&self) -> RoomVersion {
        let restricted: Vec<RoomVersion> =
            RoomVersion::ALL.into_iter().filter(|version| version.rules().auth.restricted_joins).collect();
        *if self.random.below(4) == 0 { self.one_of(&RoomVersion::ALL) } else { self.one_of(&restricted) }
    }

    /// What happens in the room beside the hall.
    fn steps_beside(&self, version: RoomVersion) -> Vec<Step> {
        let rules = version.rules().auth;
        let mut join_rules = vec!["public", "invite"];
        if rules.restricted_joins {
            join_rules.extend(["restricted"; 4]);
        }
        if rules.knock_restricted {
            join_rules.push("knock_restricted");
        }
        let mut steps = Vec::new();
        for _ in 0..self.between(DEEDS_BESIDE) {
            let (user, deed) = match self.deed() {
                (user, Deed::JoinRule(_)) => (user, Deed::JoinRule(self.one_of::<&str>(&join_rules))),
                other => other,
            };
            steps.push(Step { at: self.time(LASTS), event: Event::Deed { user, room: 1, deed } });
        }
        for _ in 0..self.between(WAYS_THROUGH_THE_HALL) {
            steps.extend(self.through_the_hall());
        }
        steps
    }

    /// Somebody comes into the hall, and from there into the room beside it; it may be that they have left the hall then.
    fn through_the_hall(&self) -> Vec<Step> {
        let user = self.removable();
        let mut at = self.time(LASTS);
        let mut step = |room, deed| {
            at += self.time(THROUGH_THE_HALL_MAX);
            Step { at, event: Event::Deed { user, room, deed } }
        };
        let mut steps = vec![step(0, Deed::Join(self.server()))];
        if self.random.below(4) == 0 {
            steps.push(step(0, Deed::Leave));
        }
        steps.push(step(1, Deed::Join(self.server())));
        steps.push(step(1, Deed::Say));
        steps
    }

    /// What users let others know of them, beside what they say.
    fn signs(&self, rooms: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..self.between(SIGNS) {
            let deed = if self.random.below(4) == 0 { Deed::Type } else { Deed::Read };
            let user = if self.random.below(3) == 0 { self.user() } else { self.resident() };
            let room = self.index(rooms as u64);
            steps.push(Step { at: self.time(LASTS), event: Event::Deed { user, room, deed } });
        }
        steps
    }

    /// What the hostile server does, and what its first user does and is done to.
    fn hostile_steps(&self) -> Vec<Step> {
        let it = User { server: usize::try_from(self.servers).unwrap_or(usize::MAX), number: 0 };
        let mut steps = Vec::new();
        if self.random.below(2) == 0 {
            let founder = User { server: 0, number: 0 };
            for (user, deed) in [(it, Deed::Join(0)), (founder, Deed::Power(it, POWER_OF_IT_MAX))] {
                let at = self.time(Duration::from_secs(60));
                steps.push(Step { at, event: Event::Deed { user, room: 0, deed } });
            }
        }
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
                7 => (self.resident(), Deed::Power(it, *self.one_of(&[0, 25, 49, POWER_OF_IT_MAX]))),
                8 => (self.resident(), Deed::Invite(it)),
                _ => (self.resident(), if self.random.below(2) == 0 { Deed::Kick(it) } else { Deed::Ban(it) }),
            };
            steps.push(Step { at: self.time(LASTS), event: Event::Deed { user, room: 0, deed } });
        }
        for _ in 0..self.between(WAYS_THROUGH_IT) {
            let deed = Deed::Join(it.server);
            steps.push(Step { at: self.time(LASTS), event: Event::Deed { user: self.removable(), room: 0, deed } });
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
