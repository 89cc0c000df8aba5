//! Rooms that a user of ours is in by what we know, while the others count them out.

use std::sync::Arc;

use events::{Pdu, RoomVersion, Value};
use pdu::Draft;
use pdu::limits::{LOOK_AFTER, LOOK_PAUSE};
use persistence::transactions::graph::Outcome;
use serde_json::json;

use crate::joins::is_in;
use crate::partial::{member, omits_members};
use crate::peer::{Peer, PeerRoom, object};
use crate::receiving::until_outcome;
use crate::world::{Server, World, message, state};

const V: RoomVersion = RoomVersion::V11;
const ALICE: &str = "@alice:a.test";
const GIL: &str = "@gil:good.test";
const FAY: &str = "@fay:fine.test";
const EVE: &str = "@eve:evil.test";

/// A room of Gil's, in which Fay, Eve and Alice are.
struct Everybody {
    a: Server,
    good: Arc<Peer>,
    fine: Arc<Peer>,
    evil: Arc<Peer>,
    room: PeerRoom,
}

impl Everybody {
    async fn new(world: &World) -> Self {
        let a = world.server("a.test").await;
        let (good, fine, evil) =
            (world.peer("good.test").await, world.peer("fine.test").await, world.peer("evil.test").await);
        let mut room = good.make_room(GIL, V);
        good.add(&mut room, state(GIL, "m.room.join_rules", json!({ "join_rule": "public" })));
        room.line.push(fine.next(&room, member(FAY, FAY, "join")));
        room.line.push(evil.next(&room, member(EVE, EVE, "join")));
        good.host(&room);
        let joined = a.join(&room.id, ALICE, &[&good.name]).await.unwrap();
        room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
        let everybody = Self { a, good, fine, evil, room };
        everybody.host();
        everybody
    }

    /// She was removed, of which her server was `told`, or was not yet, and has come back since.
    async fn with_her_back(world: &World, told: bool) -> (Self, Pdu) {
        let mut all = Self::new(world).await;
        let kick = all.good.add(&mut all.room, member(GIL, ALICE, "leave"));
        all.host();
        if told {
            all.good.send(&all.a, &[object(&kick)]).await;
            until_outcome(world, &all.a, &all.room.id, &kick, Outcome::Accepted).await;
        } else {
            all.a.send(&all.room.id, member(ALICE, ALICE, "leave")).await.unwrap();
        }
        let joined = all.a.join(&all.room.id, ALICE, &[&all.evil.name]).await.unwrap();
        let joined = all.a.visible(&all.room.id, &joined.event_id).await.unwrap();
        assert!(joined.auth_events().contains(kick.event_id()));
        all.room.line.push(joined);
        (all, kick)
    }

    fn peers(&self) -> [&Arc<Peer>; 3] {
        [&self.good, &self.fine, &self.evil]
    }

    /// All go by the room as it is now.
    fn host(&self) {
        self.peers().iter().for_each(|peer| peer.host(&self.room));
    }

    fn give_nothing(&self) {
        self.peers().into_iter().for_each(|peer| gives_nothing(peer));
    }

    /// While Alice's server was off the room went on, and she was removed.
    fn remove_beyond_a_gap(&mut self, by: &Arc<Peer>, removal: Draft) -> Pdu {
        self.good.add(&mut self.room, message(GIL, "she does not hear this"));
        let removal = by.add(&mut self.room, removal);
        self.host();
        self.give_nothing();
        removal
    }

    async fn is_asked(&self, world: &World) {
        world
            .until("the others to be asked", || async { self.peers().iter().all(|peer| peer.asked("make_leave") > 0) })
            .await;
        world.handles.clock.sleep(LOOK_AFTER).await;
    }

    async fn reason(&self) -> Value {
        let member = self.a.current(&self.room.id, "m.room.member", ALICE).await.unwrap();
        let member = self.a.visible(&self.room.id, &member).await.unwrap();
        assert_eq!((member.sender().as_str(), member.membership()), (ALICE, Some("leave")));
        member.content()["reason"].clone()
    }
}

/// Whoever is not in a room is given nothing of it.
fn gives_nothing(peer: &Peer) {
    for question in ["v1/event", "get_missing_events", "v1/backfill", "v1/state"] {
        peer.answers(question, |_| (403, json!({ "errcode": "M_FORBIDDEN", "error": "not you" })));
    }
}

fn ban(by: &str) -> Draft {
    let mut ban = member(by, ALICE, "ban");
    ban.content.insert("reason".to_owned(), json!("spam"));
    ban
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_beyond_a_gap_leaves() {
    let world = World::new();
    let mut all = Everybody::new(&world).await;
    let good = Arc::clone(&all.good);
    let removal = all.remove_beyond_a_gap(&good, ban(GIL));
    all.good.send(&all.a, &[object(&removal)]).await;
    assert!(is_in(&all.a, &all.room.id).await);
    world.until("her to be out", || async { !is_in(&all.a, &all.room.id).await }).await;
    assert_eq!(all.reason().await, "banned by @gil:good.test: spam");
}

/// Who let her in again kept from her what has happened since: her server knows the ban from her last stay, and nobody tells it more.
#[tokio::test(start_paused = true)]
async fn who_was_let_in_again_with_a_state_from_before_they_were_removed_leaves() {
    let world = World::new();
    let mut all = Everybody::new(&world).await;
    let before = all.room.clone();
    let removal = all.good.add(&mut all.room, ban(GIL));
    all.host();
    all.good.send(&all.a, &[object(&removal)]).await;
    until_outcome(&world, &all.a, &all.room.id, &removal, Outcome::Accepted).await;
    all.evil.host(&before);
    all.a.join(&all.room.id, ALICE, &[&all.evil.name]).await.unwrap();
    all.good.send(&all.a, &[object(&removal)]).await;
    assert!(is_in(&all.a, &all.room.id).await);
    world.until("her to be out", || async { !is_in(&all.a, &all.room.id).await }).await;
    assert_eq!(all.reason().await, "banned by @gil:good.test: spam");
}

#[tokio::test(start_paused = true)]
async fn who_left_before_a_backup_that_their_server_goes_on_with_leaves() {
    let world = World::new();
    let mut all = Everybody::new(&world).await;
    all.good.add(&mut all.room, message(GIL, "what the backup does not have"));
    let leave = world.earlier_self("a.test").await.add(&mut all.room, member(ALICE, ALICE, "leave"));
    all.host();
    all.give_nothing();
    all.good.send(&all.a, &[object(&leave)]).await;
    world.until("her to be out", || async { !is_in(&all.a, &all.room.id).await }).await;
    assert_eq!(all.reason().await, "you have left, by what the other servers in the room know");
}

/// Eve removed her when she might, told her server last, and had left by then.
#[tokio::test(start_paused = true)]
async fn who_was_removed_by_somebody_who_has_left_meanwhile_leaves() {
    let world = World::new();
    let mut all = Everybody::new(&world).await;
    all.good.add(&mut all.room, state(GIL, "m.room.power_levels", json!({ "users": { GIL: 100, EVE: 50 } })));
    let mut without = all.room.clone();
    let left = all.evil.add(&mut without, member(EVE, EVE, "leave"));
    let removal = all.evil.add(&mut all.room, ban(EVE));
    all.host();
    all.evil.send(&all.a, &[object(&all.room.line[all.room.line.len() - 2]), object(&left)]).await;
    until_outcome(&world, &all.a, &all.room.id, &left, Outcome::Accepted).await;
    all.good.send(&all.a, &[object(&removal)]).await;
    until_outcome(&world, &all.a, &all.room.id, &removal, Outcome::SoftFailed).await;
    assert!(is_in(&all.a, &all.room.id).await);
    world.until("her to be out", || async { !is_in(&all.a, &all.room.id).await }).await;
    assert_eq!(all.reason().await, "banned by @eve:evil.test: spam");
}

/// The others have not heard of it.
#[tokio::test(start_paused = true)]
async fn one_server_puts_nobody_out() {
    let world = World::new();
    let mut all = Everybody::new(&world).await;
    all.good.add(&mut all.room, state(GIL, "m.room.power_levels", json!({ "users": { GIL: 100, EVE: 50 } })));
    all.good.send(&all.a, &[object(all.room.line.last().unwrap())]).await;
    all.host();
    let before = all.room.clone();
    let evil = Arc::clone(&all.evil);
    let removal = all.remove_beyond_a_gap(&evil, ban(EVE));
    all.good.host(&before);
    all.fine.host(&before);
    all.evil.send(&all.a, &[object(&removal)]).await;
    all.is_asked(&world).await;
    assert!(is_in(&all.a, &all.room.id).await);
}

/// Those who do not answer may count her in.
#[tokio::test(start_paused = true)]
async fn who_cannot_be_asked_puts_nobody_out() {
    let world = World::new();
    let mut all = Everybody::new(&world).await;
    let good = Arc::clone(&all.good);
    let removal = all.remove_beyond_a_gap(&good, ban(GIL));
    let down = [world.take_down("fine.test"), world.take_down("evil.test")];
    all.good.send(&all.a, &[object(&removal)]).await;
    world.until("good to be asked", || async { all.good.asked("make_leave") == 1 }).await;
    world.handles.clock.sleep(LOOK_PAUSE).await;
    assert!(is_in(&all.a, &all.room.id).await);
    let [fine, evil] = down;
    world.bring_back("fine.test", fine);
    world.bring_back("evil.test", evil);
    // She speaks on, and is told again.
    all.good.send(&all.a, &[object(&removal)]).await;
    world.until("her to be out", || async { !is_in(&all.a, &all.room.id).await }).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_no_power_puts_nobody_out() {
    let world = World::new();
    let mut all = Everybody::new(&world).await;
    let evil = Arc::clone(&all.evil);
    let removal = all.remove_beyond_a_gap(&evil, ban(EVE));
    all.evil.send(&all.a, &[object(&removal)]).await;
    world.handles.clock.sleep(2 * LOOK_AFTER).await;
    assert!(is_in(&all.a, &all.room.id).await);
    assert_eq!(all.good.asked("make_leave"), 0);
}

/// Those who do not count what she came in by tell her server once more, be it that it was soft-failed, or that it was lost where forks
/// met.
#[tokio::test(start_paused = true)]
async fn whose_new_join_the_others_do_not_count_leaves() {
    for was_told in [true, false] {
        let world = World::new();
        let (mut all, kick) = Everybody::with_her_back(&world, was_told).await;
        all.room.line.pop();
        all.good.host(&all.room);
        all.fine.host(&all.room);
        let by = if was_told { &all.good } else { &all.fine };
        by.send(&all.a, &[object(&kick)]).await;
        world.until("her to be out", || async { !is_in(&all.a, &all.room.id).await }).await;
        assert_eq!(all.reason().await, "removed by @gil:good.test");
    }
}

/// A removal that comes late is no news to who has come back since.
#[tokio::test(start_paused = true)]
async fn who_was_let_in_since_stays() {
    let world = World::new();
    let (mut all, kick) = Everybody::with_her_back(&world, false).await;
    // They have not heard of her join yet.
    all.room.line.pop();
    all.good.host(&all.room);
    all.fine.host(&all.room);
    all.good.send(&all.a, &[object(&kick)]).await;
    world.handles.clock.sleep(2 * LOOK_AFTER).await;
    assert!(is_in(&all.a, &all.room.id).await);
    assert_eq!(all.fine.asked("make_leave"), 0);
}

/// In a room whose members are not all known nothing may be known of who removed her, either.
#[tokio::test(start_paused = true)]
async fn who_was_removed_before_the_members_are_here_leaves() {
    let world = World::new();
    let mut all = Everybody::new(&world).await;
    let leave = all.a.send(&all.room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    all.room.line.push(all.a.visible(&all.room.id, &leave).await.unwrap());
    all.good.add(&mut all.room, state(GIL, "m.room.power_levels", json!({ "users": { GIL: 100, FAY: 50 } })));
    all.room.line.push(all.fine.next(&all.room, member(FAY, FAY, "join")));
    all.host();
    omits_members(&all.good, &all.room);
    all.give_nothing();
    let joined = all.a.join(&all.room.id, ALICE, &[&all.good.name]).await.unwrap();
    all.room.line.push(all.a.visible(&all.room.id, &joined.event_id).await.unwrap());
    let fine = Arc::clone(&all.fine);
    let removal = all.remove_beyond_a_gap(&fine, ban(FAY));
    // The other one that whoever let her in has named.
    let gone = world.peer("gone.test").await;
    gone.host(&all.room);
    gives_nothing(&gone);
    all.fine.send(&all.a, &[object(&removal)]).await;
    world.until("her to be out", || async { !is_in(&all.a, &all.room.id).await }).await;
    assert_eq!(all.reason().await, "banned by @fay:fine.test: spam");
}
