//! The servers in a room: counted once when a room is loaded, then kept with each state by what changes.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;

use events::ServerName;
use events::auth::AuthEvent;
use events::membership::Membership;
use events::shared_map::SharedMap;

/// The servers with a joined user in a state, with how many they have. Copies share what they have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JoinedServers(SharedMap<NonZeroU32>);

/// The servers that ever had a user in a room, under small numbers.
#[derive(Debug, Default)]
pub(crate) struct ServerNumbers {
    names: Vec<ServerName>,
    numbers: HashMap<ServerName, usize>,
}

impl JoinedServers {
    /// Counts the change of one entry of the state, from one event to another.
    pub(crate) fn change(&mut self, servers: &mut ServerNumbers, old: Option<&AuthEvent>, new: Option<&AuthEvent>) {
        let (left, came) = (old.and_then(joined_server), new.and_then(joined_server));
        if left == came {
            return;
        }
        if let Some(server) = left.map(|name| servers.number(name)) {
            let rest = self.0.get(server).and_then(|users| NonZeroU32::new(users.get() - 1));
            match rest {
                Some(rest) => self.0.insert(server, rest),
                None => self.0.remove(server),
            };
        }
        if let Some(server) = came.map(|name| servers.number(name)) {
            let users = self.0.get(server).map_or(NonZeroU32::MIN, |users| users.saturating_add(1));
            self.0.insert(server, users);
        }
    }

    /// The names of those that are not in `before`.
    pub(crate) fn new_since(&self, before: &Self, servers: &ServerNumbers) -> BTreeSet<ServerName> {
        let mut new = BTreeSet::new();
        before.0.diff(&self.0, |server, users_before, users| {
            if users_before.is_none() && users.is_some() {
                new.insert(servers.names[server].clone());
            }
        });
        new
    }

    /// Their names.
    pub(crate) fn names(&self, servers: &ServerNumbers) -> BTreeSet<ServerName> {
        self.0.iter().map(|(server, _)| servers.names[server].clone()).collect()
    }
}

impl ServerNumbers {
    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        // The name is part of a user id, which was parsed.
        let name = ServerName::parse(name).expect("the grammar of user ids includes the server name");
        self.names.push(name.clone());
        self.numbers.insert(name, self.names.len() - 1);
        self.names.len() - 1
    }
}

/// The server whose user is joined by the event.
fn joined_server(event: &AuthEvent) -> Option<&str> {
    let joined = event.membership() == Some(Membership::Join);
    let target = event.target().filter(|_| joined)?;
    target.as_str().split_once(':').map(|(_, server)| server)
}
