//! Lets all be well, and looks whether the servers agree.

use std::time::Duration;

use events::RoomId;
use messaging::MessagingError;
use persistence::StoreError;
use persistence::transactions::{graph as graph_rows, rooms as room_rows};

use super::{DEED, LOOKS, Room, World};
use crate::agreement::{self, View};
use crate::deeds::{Acknowledged, Actor, user_id};
use crate::host::Host;
use crate::plan::{USERS, User};
use crate::{growth, second_opinion};

/// How long everything that was said may take to be delivered: longer than the longest rest of a destination.
const QUIET_MAX: Duration = Duration::from_secs(2 * 3600);
/// The longest pause between two looks whether it is.
const QUIET_PAUSE_MAX: Duration = Duration::from_secs(60);

impl World<'_> {
    /// Lets every server in each room send one event and waits until all agree. Returns how many events the first server knows.
    ///
    /// Guests are first: what others soft-failed of theirs becomes part of the room with what they send now, and their event may come
    /// too late to be built on by anybody.
    pub(super) async fn agree(&self, problems: &mut Vec<String>) -> usize {
        let deadline = self.handles.clock.monotonic() + self.plan.patience;
        let mut pause = LOOKS.0;
        self.until_deeds_are_done().await;
        self.until_quiet().await;
        let farewells = match self.farewells(deadline).await {
            Ok(farewells) => farewells,
            Err(problem) => {
                problems.push(problem);
                return 0;
            }
        };
        loop {
            self.pause(pause).await;
            pause = (pause * 2).min(LOOKS.1);
            let mut events = 0;
            let mut disagreements = self.problems_of_subscribers();
            disagreements.extend(self.overgrown());
            for (room, farewells) in self.rooms().iter().zip(&farewells) {
                match self.look(&room.id).await {
                    Ok(look) => {
                        events += look.views.first().map_or(0, View::size);
                        disagreements.extend(self.disagreements(room, &look, farewells).await);
                        disagreements.extend(look.unknowing);
                        // Whoever does not know that they were removed is told when they speak.
                        for user in look.unaware {
                            disagreements.push(format!("{user} does not know that they are not in the room any more"));
                            disagreements.extend(self.say_farewell(user, room, deadline).await.err());
                        }
                        // What one server soft-failed, as the join of somebody who found out late that they were out, takes part in its
                        // state resolution "if further events are received which reference it" (S2S API, "Soft failure").
                        for user in look.unheard {
                            disagreements
                                .push(format!("{user} builds on what others soft-failed, and has said nothing since"));
                            disagreements.extend(self.say_farewell(user, room, deadline).await.err());
                        }
                    }
                    Err(problem) => disagreements.push(problem),
                }
            }
            if disagreements.is_empty() {
                for room in self.rooms() {
                    problems.extend(self.second_opinion(&room.id).await);
                }
                return events;
            }
            if self.handles.clock.monotonic() > deadline {
                problems.extend(disagreements);
                return events;
            }
        }
    }

    /// Has one user of each server say, in each room that it is in, a last word. Returns those of the residents, who have then read it.
    ///
    /// They read it when all members are known everywhere: a receipt of somebody who is not known yet is not kept, for nobody could tell
    /// how many a server may invent.
    async fn farewells(&self, deadline: Duration) -> Result<Vec<Vec<Acknowledged>>, String> {
        for room in self.rooms() {
            for user in self.look(&room.id).await?.guests {
                self.say_farewell(user, room, deadline).await?;
            }
        }
        self.until_quiet().await;
        let mut farewells = Vec::new();
        for room in self.rooms() {
            let mut last = Vec::new();
            for user in self.look(&room.id).await?.residents {
                last.extend(self.say_farewell(user, room, deadline).await?);
            }
            farewells.push(last);
        }
        self.until_quiet().await;
        for (room, farewells) in self.rooms().iter().zip(&farewells) {
            self.until_known(room, farewells).await;
            let stay = self.look(&room.id).await?.residents;
            for Acknowledged { user, event, .. } in farewells.iter().filter(|farewell| stay.contains(&farewell.user)) {
                self.insist(*user, room, deadline, async |actor| actor.read_up_to(event).await).await?;
            }
        }
        Ok(farewells)
    }

    /// Where the servers differ about a room, and where what their followers hold differs from it.
    async fn disagreements(&self, room: &Room, look: &Look, farewells: &[Acknowledged]) -> Vec<String> {
        let (views, residents) = (&look.views, look.residents.len());
        let stays =
            |acknowledged: &&Acknowledged| look.residents.iter().any(|user| user.server == acknowledged.user.server);
        // What a guest says may be soft-failed elsewhere, when they were removed meanwhile, or what a resident says who was.
        let said = farewells.iter().cloned().chain(self.ledger.of(&room.id));
        let acknowledged: Vec<Acknowledged> = said.filter(|said| stays(&said)).collect();
        let mut problems = agreement::between(views, residents, &room.joins, &acknowledged, &self.restored());
        let farewells: Vec<&Acknowledged> = farewells.iter().filter(stays).collect();
        problems.extend(agreement::unread(&views[..residents], &farewells));
        for client in &self.clients {
            client.follow().await;
            let name = self.hosts[client.user().server].name();
            let Some(view) = views.iter().find(|view| view.is_of(name)) else { continue };
            let lacks = client.lacks(&room.id, view.current());
            if !lacks.is_empty() {
                let user = client.user();
                problems.push(format!("a client of {user} does not hold {} for the state", lacks.join(", ")));
            }
        }
        for host in self.hosts.iter().take(self.plan.servers).filter(|host| host.restored() == 0) {
            let name = host.name();
            let view = views.iter().find(|view| view.is_of(name));
            let unheard = view.into_iter().flat_map(View::arrived).filter(|event| !host.heard().has(event));
            problems.extend(unheard.map(|event| format!("{event} did not come to a subscriber of {name}")));
        }
        problems
    }

    /// What is wrong with what came to subscribers.
    fn problems_of_subscribers(&self) -> Vec<String> {
        let mut problems = Vec::new();
        // A guest may come in again through another server, which does not know what they said last.
        let stay: Vec<&Host> =
            self.hosts.iter().take(self.plan.residents).filter(|host| host.restored() == 0).collect();
        for (number, host) in self.hosts.iter().enumerate().take(self.plan.servers) {
            let mut heard = host.heard().twice();
            // A guest may be sent what was said before it came: by servers who took it for a member, since it does not know that it
            // was let in before.
            if number < self.plan.residents {
                heard.extend(stay.iter().flat_map(|sender| host.heard().disorder(sender.name(), sender.heard())));
            }
            problems.extend(heard.into_iter().map(|problem| format!("to a subscriber of {}: {problem}", host.name())));
        }
        problems
    }

    /// What servers still have, or have no more, though nothing happens.
    fn overgrown(&self) -> Vec<String> {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let servers = count(self.hosts.len());
        let world = growth::World { servers, users: count(USERS), rooms: count(self.rooms().len()) };
        let mut overgrown = Vec::new();
        for host in self.hosts.iter().take(self.plan.servers) {
            let mut found = match host.rows_by_table() {
                Ok(rows) => growth::overgrown(&rows, world),
                Err(error) => vec![error.to_string()],
            };
            if let Some((messaging, tasks)) = host.running() {
                found.extend(growth::wrong_tasks(&tasks.by_name()));
                let (_, typing) = messaging.typing().news(None);
                found.extend(typing.values().flatten().map(|user| format!("still shows {user} as typing")));
            }
            overgrown.extend(found.into_iter().map(|found| format!("{} {found}", host.name())));
        }
        overgrown
    }

    /// Waits until everything that was said is delivered, though not for ever: what is said after that builds on all of it.
    async fn until_quiet(&self) {
        let quiet = self.until(async || {
            let mut is_quiet = true;
            for room in self.rooms() {
                is_quiet &= self.look(&room.id).await.is_ok_and(|look| look.views.iter().all(View::is_quiet));
            }
            is_quiet
        });
        if !quiet.await {
            self.network.note("world", "not everything is delivered after so long");
        }
    }

    /// Waits until no user waits for anything any more. Who comes in by a join whose template is from before the last words, which can
    /// take minutes, is told nothing of these before something else is said.
    async fn until_deeds_are_done(&self) {
        let acts = |host: &Host| host.running().is_some_and(|(_, tasks)| tasks.by_name().contains_key(DEED));
        if !self.until(async || !self.hosts.iter().any(acts)).await {
            self.network.note("world", "users still wait after so long");
        }
    }

    /// Waits until every resident takes those who said farewell for members, though not for ever.
    async fn until_known(&self, room: &Room, farewells: &[Acknowledged]) {
        let known = self.until(async || {
            let Ok(look) = self.look(&room.id).await else { return false };
            let stay = farewells.iter().filter(|farewell| look.residents.contains(&farewell.user));
            let users = || stay.clone().map(|farewell| user_id(farewell.user));
            look.views[..look.residents.len()].iter().all(|view| users().all(|user| view.has_member(&user)))
        });
        if !known.await {
            self.network.note("world", "not all members are known everywhere after so long");
        }
    }

    /// Waits until something is so, [`QUIET_MAX`] at most. Returns whether it is.
    async fn until(&self, is_so: impl AsyncFn() -> bool) -> bool {
        let until = self.handles.clock.monotonic() + QUIET_MAX.min(self.plan.patience);
        let mut pause = LOOKS.0;
        while self.handles.clock.monotonic() < until {
            self.pause(pause).await;
            pause = (pause * 2).min(QUIET_PAUSE_MAX);
            if is_so().await {
                return true;
            }
        }
        false
    }

    /// Where the first server, which has always known all of the room, resolves otherwise than another implementation.
    async fn second_opinion(&self, room: &RoomId) -> Vec<String> {
        let host = &self.hosts[0];
        let Some(database) = host.database() else { return vec![format!("{} is off", host.name())] };
        let id = room.clone();
        let differences = database
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(Vec::new()) };
                let places = graph_rows::placed_after(tx, row.number, &agreement::EARLIEST)?;
                second_opinion::differences(tx, &row, &places)
            })
            .await;
        let differences = differences.unwrap_or_else(|error: StoreError| vec![format!("cannot be compared: {error}")]);
        differences.into_iter().map(|difference| format!("{} {difference}", host.name())).collect()
    }

    fn restored(&self) -> Vec<usize> {
        self.hosts.iter().map(Host::restored).collect()
    }

    /// `None` if the user is no member any more, as their own server has found out.
    async fn say_farewell(&self, user: User, room: &Room, deadline: Duration) -> Result<Option<Acknowledged>, String> {
        let host = &self.hosts[user.server];
        let event = self.insist(user, room, deadline, async |actor| match actor.say("farewell").await {
            Ok(event) => Ok(Some(event)),
            Err(MessagingError::Forbidden(_)) if self.has_ended(user, room).await => Ok(None),
            Err(error) => Err(error),
        });
        let Some(event) = event.await? else { return Ok(None) };
        self.network.note(&user.to_string(), &format!("says farewell: {event}"));
        Ok(Some(Acknowledged { user, room: room.id.clone(), event, restored: host.restored() }))
    }

    /// Whether all users of a server may come to be removed: only a hostile moderator does that to residents.
    fn may_remove(&self, server: usize) -> bool {
        self.plan.hostile || server >= self.plan.residents
    }

    async fn has_ended(&self, user: User, room: &Room) -> bool {
        if !self.may_remove(user.server) {
            return false;
        }
        let host = &self.hosts[user.server];
        let Some(database) = host.database() else { return false };
        View::read(host.name(), &database, &room.id).await.is_ok_and(|view| !view.has_member(&user_id(user)))
    }

    /// Has a user do something until it succeeds.
    async fn insist<T>(
        &self,
        user: User,
        room: &Room,
        deadline: Duration,
        act: impl AsyncFn(Actor) -> Result<T, MessagingError>,
    ) -> Result<T, String> {
        let mut pause = LOOKS.0;
        loop {
            let done = match self.hosts[user.server].running() {
                Some((messaging, _)) => act(self.actor(user, room, messaging)).await,
                None => Err(MessagingError::Internal("it is off".to_owned())),
            };
            match done {
                Ok(done) => return Ok(done),
                Err(error) if self.handles.clock.monotonic() > deadline => {
                    return Err(format!("{user} cannot send when all is well: {error}"));
                }
                Err(_) => self.pause(pause).await,
            }
            pause = (pause * 2).min(LOOKS.1);
        }
    }

    /// What those know who are in the room now, and who should know that they are, or are not, when all has been said.
    ///
    /// A guest whom the residents do not count in is not compared with them: whoever is not in a room is given nothing of it (S2S API,
    /// `GET /state_ids`). But if its users have all left by what they know, or were removed, it must get to know that.
    /// A guest that goes on with a backup from before it was let in does not know that it is in the room. Nobody can tell it, until one
    /// of its users asks again. A hostile moderator may remove a resident: nothing is sent to a server that is not in the room any more,
    /// and none of its users may say anything (S2S API, "Authorization rules").
    async fn look(&self, room: &RoomId) -> Result<Look, String> {
        let mut inside = Vec::new();
        let mut outside = Vec::new();
        for (server, host) in self.hosts.iter().enumerate().take(self.plan.servers) {
            let name = host.name();
            let database = host.database().ok_or_else(|| format!("{name} is off"))?;
            match View::read(name, &database, room).await {
                Ok(view) if view.has_joined(name) => inside.push((server, view)),
                Err(error) if server < self.plan.residents => {
                    return Err(format!("{name} cannot be looked into: {error}"));
                }
                Ok(_) | Err(_) => outside.push(server),
            }
        }
        if inside.is_empty() {
            return Err("nobody is in the room".to_owned());
        }
        let mut look = Look::default();
        let reference = |name| inside[0].1.has_joined(name);
        for server in outside {
            let (host, is_resident) = (&self.hosts[server], server < self.plan.residents);
            let was_removed = self.may_remove(server) && inside[0].1.has_seen_off(&user_id(User { server, number: 0 }));
            if reference(host.name()) && (is_resident || host.restored() == 0) {
                look.unknowing.push(format!("{} does not know that it is in the room", host.name()));
            } else if is_resident && !was_removed {
                look.unknowing.push(format!("{} is not in the room, and nobody has removed it", host.name()));
            }
        }
        for (server, view) in &inside {
            let users = || (0..USERS).map(|number| User { server: *server, number });
            let own = || users().filter(|user| view.has_member(&user_id(*user)));
            if view.is_out_by(&inside[0].1) {
                look.unaware.extend(own().next());
            }
            if *server < self.plan.residents {
                look.residents.push(User { server: *server, number: 0 });
            } else {
                let by_both = own().find(|user| inside[0].1.has_member(&user_id(*user)));
                look.guests.extend(by_both.or_else(|| own().next()));
            }
        }
        let is_of_it: Vec<bool> = inside
            .iter()
            .map(|(server, _)| *server < self.plan.residents || reference(self.hosts[*server].name()))
            .collect();
        let (first, first_view) = &inside[0];
        for ((server, view), _) in inside.iter().zip(&is_of_it).skip(1).filter(|(_, is_of_it)| **is_of_it) {
            let mut users = (0..USERS).map(|number| User { server: *server, number });
            if view.has_what_was_soft_failed_by(first_view) {
                look.unheard.extend(users.find(|user| first_view.has_member(&user_id(*user))));
            }
            if first_view.has_what_was_soft_failed_by(view) {
                look.unheard.push(User { server: *first, number: 0 });
            }
        }
        look.views =
            inside.into_iter().zip(is_of_it).filter_map(|((_, view), is_of_it)| is_of_it.then_some(view)).collect();
        Ok(look)
    }
}

/// What is known of a room.
#[derive(Default)]
struct Look {
    /// What those know who are in it, the residents first.
    views: Vec<View>,
    /// The first user of each resident who is in it.
    residents: Vec<User>,
    /// A user of each guest who is in it, by what their own server knows.
    guests: Vec<User>,
    /// Who does not know that they are in it.
    unknowing: Vec<String>,
    /// A user of each server that does not know that its users were removed.
    unaware: Vec<User>,
    /// A user of each server that builds on what others soft-failed.
    unheard: Vec<User>,
}
