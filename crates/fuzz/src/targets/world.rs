//! A server, and another one that is not what it seems.

use std::sync::Arc;
use std::time::Duration;

use events::{Object, RoomId, RoomVersion, ServerName, SigningKey, UserId};
use handles::Handles;
use messaging::membership::RoomRef;
use messaging::rooms::{NewRoom, Preset};
use persistence::Database;
use serde_json::json;
use simulation::{Machine, Network, SimulatedServer, Sound};
use transport::client::CallLimits;
use transport::{Client, Health};

/// How long what an input brought about may go on, in virtual time.
pub(super) const AFTERMATH: Duration = Duration::from_secs(300);
/// Of what our peer asks.
pub(super) const LIMITS: CallLimits = CallLimits { timeout: Duration::from_secs(60), response_bytes_max: 10_000_000 };

/// Two servers, and users on them. The same each time: ids and keys are the same, too.
pub(super) struct World {
    pub(super) network: Network,
    pub(super) handles: Handles,
    pub(super) victim: SimulatedServer,
    pub(super) alice: UserId,
    pub(super) peer: SimulatedServer,
    pub(super) eve: UserId,
    /// What the peer signs with.
    pub(super) key: Arc<SigningKey>,
}

/// Runs a future under virtual time. What it started is ended then.
pub(super) fn in_runtime(work: impl AsyncFnOnce(World)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without input and output can be had");
    runtime.block_on(async {
        let world = World::new().await;
        let (network, tasks) = (world.network.clone(), world.handles.tasks.clone());
        let names = [world.victim.name().clone(), world.peer.name().clone()];
        work(world).await;
        tasks.abort();
        // Servers know the network, and it knows them: they would hold each other in memory for ever.
        for name in &names {
            network.detach(name);
        }
    });
}

impl World {
    async fn new() -> Self {
        let handles = Handles::simulated(1);
        let network = Network::new(handles.clone());
        let start = async |name: &str| {
            let name = ServerName::parse(name).expect("it is one");
            let machine = Machine::new(&name, &*handles.random).expect("a disk in memory");
            let fate = Arc::new(Sound { random: Arc::clone(&handles.random), delay_max: Duration::ZERO });
            let server = SimulatedServer::start_machine(&network, &machine, handles.clone(), fate).await;
            (server.expect("it starts"), machine.key)
        };
        let (victim, _) = start("victim.test").await;
        let (peer, key) = start("peer.test").await;
        let user = |id| UserId::parse(id).expect("it is one");
        let (alice, eve) = (user("@alice:victim.test"), user("@eve:peer.test"));
        Self { victim, alice, peer, eve, key, network, handles }
    }

    /// Makes a public room on one of the servers.
    pub(super) async fn room(server: &SimulatedServer, creator: &UserId, version: RoomVersion) -> RoomId {
        server
            .messaging()
            .create_room(NewRoom::new(creator.clone(), version, Preset::PublicChat))
            .await
            .expect("a room")
    }

    /// Joins a room, if it can be joined.
    pub(super) async fn join(server: &SimulatedServer, user: &UserId, room: &RoomId, via: &SimulatedServer) -> bool {
        let via = [via.name().clone()];
        server.messaging().join(user, &RoomRef::Id(room.clone()), &via, Object::new()).await.is_ok()
    }

    /// Asks as the peer.
    pub(super) async fn client(&self) -> Client {
        let database = Database::open_inline(None).expect("a database in memory");
        let health = Health::open(database, self.handles.clone()).await.expect("a database in memory");
        let name = self.peer.name();
        Client::new(name.clone(), Arc::clone(&self.key), self.network.outlet(name), self.handles.clone(), health)
    }

    /// Lets what was begun go on, then looks whether the server is still one.
    pub(super) async fn aftermath(&self) {
        self.handles.clock.sleep(AFTERMATH).await;
        let room = Self::room(&self.victim, &self.alice, RoomVersion::V11).await;
        let content = Object::from_iter([("body".to_owned(), json!("still here"))]);
        let sent = self.victim.messaging().send_message(&self.alice, &room, "m.room.message", content, None).await;
        sent.expect("whatever strangers sent, users go on");
    }
}
