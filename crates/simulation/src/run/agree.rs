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
                    Ok((views, unknowing)) => {
                        events += views.first().map_or(0, View::size);
                        disagreements.extend(self.disagreements(room, &views, farewells).await);
                        disagreements.extend(unknowing);
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
            for user in self.guests_in(&room.id).await? {
                self.say_farewell(user, room, deadline).await?;
            }
        }
        self.until_quiet().await;
        let mut farewells = Vec::new();
        for room in self.rooms() {
            let mut last = Vec::new();
            for server in 0..self.plan.residents {
                last.push(self.say_farewell(User { server, number: 0 }, room, deadline).await?);
            }
            farewells.push(last);
        }
        self.until_quiet().await;
        for (room, farewells) in self.rooms().iter().zip(&farewells) {
            self.until_known(room, farewells).await;
            for Acknowledged { user, event, .. } in farewells {
                self.insist(*user, room, deadline, async |actor| actor.read_up_to(event).await).await?;
            }
        }
        Ok(farewells)
    }

    /// Where the servers differ about a room, and where what their followers hold differs from it.
    async fn disagreements(&self, room: &Room, views: &[View], farewells: &[Acknowledged]) -> Vec<String> {
        let residents = self.plan.residents;
        let mut acknowledged = farewells.to_vec();
        acknowledged.extend(self.ledger.of(&room.id));
        let mut problems = agreement::between(views, residents, &room.joins, &acknowledged, &self.restored());
        problems.extend(agreement::unread(&views[..residents], farewells));
        for (client, view) in self.clients.iter().zip(views) {
            client.follow().await;
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
                is_quiet &= self.look(&room.id).await.is_ok_and(|(views, _)| views.iter().all(View::is_quiet));
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
            let Ok((views, _)) = self.look(&room.id).await else { return false };
            let users = || farewells.iter().map(|farewell| user_id(farewell.user));
            views[..self.plan.residents].iter().all(|view| users().all(|user| view.has_member(&user)))
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

    /// One user of each guest server that is in the room.
    async fn guests_in(&self, room: &RoomId) -> Result<Vec<User>, String> {
        let (views, _) = self.look(room).await?;
        let guests = (self.plan.residents..self.plan.servers)
            .flat_map(|server| (0..USERS).map(move |number| User { server, number }));
        let mut first_of_each: Vec<User> = Vec::new();
        for user in guests {
            let is_member =
                views[1..].iter().any(|view| view.own_members(&views[0]).any(|member| *member == user_id(user)));
            if is_member && first_of_each.last().is_none_or(|last| last.server != user.server) {
                first_of_each.push(user);
            }
        }
        Ok(first_of_each)
    }

    async fn say_farewell(&self, user: User, room: &Room, deadline: Duration) -> Result<Acknowledged, String> {
        let host = &self.hosts[user.server];
        let event = self.insist(user, room, deadline, async |actor| actor.say("farewell").await).await?;
        self.network.note(&user.to_string(), &format!("says farewell: {event}"));
        Ok(Acknowledged { user, room: room.id.clone(), event, restored: host.restored() })
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

    /// What the residents know, and the guests who are in the room now.
    ///
    /// A guest that goes on with a backup from before it was let in does not know that it is in the room. Nobody can tell it, until one
    /// of its users asks again.
    ///
    /// Also says who should know that they are, when all has been said: the first server may have lost that they have left.
    async fn look(&self, room: &RoomId) -> Result<(Vec<View>, Vec<String>), String> {
        let mut views: Vec<View> = Vec::new();
        let mut unknowing = Vec::new();
        for (server, host) in self.hosts.iter().enumerate().take(self.plan.servers) {
            let name = host.name();
            let database = host.database().ok_or_else(|| format!("{name} is off"))?;
            let view = View::read(name, &database, room).await;
            if server < self.plan.residents {
                views.push(view.map_err(|error| format!("{name} cannot be looked into: {error}"))?);
            } else if views[0].has_joined(name) && host.restored() == 0 {
                match view.ok().filter(|view| view.has_joined(name)) {
                    Some(view) => views.push(view),
                    None => unknowing.push(format!("{name} does not know that it is in the room")),
                }
            }
        }
        Ok((views, unknowing))
    }
}
