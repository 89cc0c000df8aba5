//! Limits of the event graph. Each bounds what one peer, or one unlucky room, can cost.

use std::time::Duration;

use events::limits::PDU_SIZE_BYTES_MAX;

/// Staged events of a room that are judged together.
pub const BATCH_EVENTS_MAX: usize = 50;
/// How long a transaction of another server is not answered for its events to be judged with it. After that they are staged.
pub const AT_ONCE_PATIENCE: Duration = Duration::from_millis(20);
/// Messages of our users in one room that share a transaction.
pub const SENT_TOGETHER_MAX: usize = 50;
/// Messages that wait to be sent together in one room. Further ones wait for the room's turn by themselves.
pub const WAITING_TO_SEND_MAX: usize = 1_000;
/// Requests for missing events that one batch may cost.
pub const MISSING_EVENTS_ROUNDS_MAX: usize = 60;
/// Events asked for in one `/get_missing_events`. S2S API names no number; other servers give at most 20.
pub const MISSING_EVENTS_MAX: usize = 20;
/// Events that were told for the same batch, and are named so that they are not told again. With our forward extremities these are no
/// more than what a server like ours looks at.
pub const TOLD_EVENTS_MAX: usize = 80;
/// Events that may be fetched for one batch before falling back to the state from a peer.
pub const FETCHED_EVENTS_MAX: usize = 1_200;
/// Parents of one batch that are asked for one by one, since they are in no list of missing events.
pub const UNLISTED_PARENTS_MAX: usize = 10;
/// How long fetching for one batch may take, whatever is still missing then.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(180);
/// Rooms in which what one origin's events refer to is fetched at once.
pub const FETCHES_PER_ORIGIN_MAX: usize = 8;
/// Servers that are asked for the same thing.
pub const FETCH_SERVERS_MAX: usize = 4;
/// Parents of one batch that may be placed on the state that a peer gives.
pub const ADOPTED_PARENTS_MAX: usize = 5;
/// Servers that are asked for the state before such a parent, so that what they say can be compared.
pub const TOLD_STATES_MAX: usize = 2;
/// Cited events that one batch may cost a request of their own each.
pub const SINGLE_EVENTS_MAX: usize = 100;
/// Such requests under way at once.
pub const SINGLE_EVENTS_AT_ONCE: usize = 8;
/// State events, or auth events, in a state that a peer gives.
pub const STATE_EVENTS_MAX: usize = 200_000;
/// Of these, events that we lack: a peer that makes some up fills our disk.
pub const LACKING_STATE_MAX: usize = 20_000;
/// Events in the auth chain of one event.
pub const AUTH_CHAIN_EVENTS_MAX: usize = 20_000;
/// Events of a peer's answer that are parsed and checked together, so that a large answer is never in memory as a whole in
/// the costly form of parsed JSON.
pub const CHECKED_EVENTS_CHUNK: usize = 500;
/// Events in an answer to `/backfill`.
pub const BACKFILL_EVENTS_MAX: usize = 100;
/// Gaps whose events are asked for together.
pub const BACKFILL_GAPS_MAX: u32 = 20;
/// Events of one backfilled batch for which the state before them is asked for.
pub const BACKFILL_EDGES_MAX: usize = 5;
/// Batches of history that are fetched to reach an event of which another server tells.
pub const BACKFILL_BATCHES_MAX: usize = 50;
/// Batches of history that are fetched to see whether an event that is sent to us is old. One that would lie below them is not.
pub const OLD_EVENTS_BATCHES_MAX: usize = 3;
/// How long an event from before our entry waits for our history, which tells whether it is part of that.
pub const OLD_EVENTS_PATIENCE: Duration = Duration::from_hours(1);
/// How long one backfill may take.
pub const BACKFILL_TIME_MAX: Duration = Duration::from_secs(60);
/// Generations of ancestors that are fetched in the background behind one gap in what we heard of a room.
pub const MISSED_GENERATIONS_MAX: i64 = 20_000;
/// Parents of one room behind which such gaps lie, that are remembered at once.
pub const MISSED_PER_ROOM_MAX: i64 = 1_000;
/// How long others are asked for what we missed. After that it is fetched when somebody reads back so far.
pub const MISSED_HORIZON: Duration = Duration::from_secs(7 * 24 * 3600);
/// Events that answering one `/backfill` or `/get_missing_events` may look at: those that are not shown cost, too.
pub const WALKED_EVENTS_MAX: usize = 2_000;
/// Events of one sender that could not be judged, after which the others wait too: each may have cost a whole resolution.
pub const UNJUDGED_MAX: usize = 3;
/// Forward extremities that a room may keep. More are joined by an event of ours.
pub const EXTREMITIES_MAX: usize = 10;
/// How long nobody's word is taken for the state behind a gap, while who sent what is before it is being asked for what we may have
/// lost.
pub const PULL_PATIENCE: Duration = Duration::from_secs(900);
/// How long that is waited for at once, before what came is looked at again later.
pub const PULL_WAIT_MAX: Duration = Duration::from_secs(5);
/// Events of ours that join extremities, one after the other.
pub const DUMMIES_AT_ONCE_MAX: usize = 5;
/// The least time between two times that the extremities of a room are joined so.
pub const DUMMIES_PAUSE: Duration = Duration::from_secs(10);
/// How long a staged event is retried.
pub const STAGED_HORIZON: Duration = Duration::from_secs(24 * 3600);
/// The first pause before a staged event is tried again; doubles each time.
pub const STAGED_RETRY_FIRST: Duration = Duration::from_secs(10);
/// The longest such pause.
pub const STAGED_RETRY_MAX: Duration = Duration::from_secs(3600);
/// Staged events of one origin. More are refused until some were decided about.
pub const STAGED_PER_ORIGIN_MAX: i64 = 20_000;
/// Events of one origin whose signatures could not be checked, since the keys could not be had.
pub const UNVERIFIED_PER_ORIGIN_MAX: i64 = 500;
/// Such events of all origins.
pub const UNVERIFIED_MAX: i64 = 20_000;
/// Such events that are tried again together.
pub const UNVERIFIED_BATCH_MAX: u32 = 50;
/// Rooms kept in memory.
pub const ROOMS_LOADED_MAX: usize = 64;
/// State events of all rooms kept in memory. One takes about a kilobyte.
pub const EVENTS_LOADED_MAX: usize = 60_000;
/// Outliers written in one transaction.
pub const OUTLIERS_CHUNK: usize = 200;
/// Members who give a room without a name its name. C-S API, `GET /sync`, `m.heroes`.
pub const HEROES_MAX: usize = 5;
/// Rooms whose members are fetched at once.
pub const JOINS_AT_ONCE: usize = 4;
/// Attempts to make a room whole in which a state with bad signatures is not taken: others may have the good ones.
pub const SPOILT_STATE_ATTEMPTS: i64 = 5;
/// The first pause after the members of a room could not be had; doubles each time.
pub const PARTIAL_RETRY_FIRST: Duration = Duration::from_secs(2);
/// The longest such pause.
pub const PARTIAL_RETRY_MAX: Duration = Duration::from_secs(600);
/// For so long they are asked for. After that the room is given up, until the next start.
pub const PARTIAL_HORIZON: Duration = Duration::from_hours(24 * 7);
/// Keys of one room that are asked for again since entries of its state were left out without them.
pub const LACKING_KEYS_MAX: usize = 10_000;
/// The first pause before that; doubles each time.
pub const LACKING_KEYS_RETRY_FIRST: Duration = Duration::from_secs(30);
/// The longest such pause.
pub const LACKING_KEYS_RETRY_MAX: Duration = Duration::from_hours(1);
/// Attempts to have them, about a quarter of an hour, before other servers are told the state of the room without such entries.
pub const ATTEMPTS_BEFORE_TELLING: i64 = 5;
/// Events since a join that are judged again for the sake of such an entry.
pub const JUDGED_AGAIN_FOR_KEYS_MAX: usize = 20_000;
/// How long somebody waits for the members of a room who needs them all.
pub const WHOLE_WAIT_MAX: Duration = Duration::from_secs(20);
/// Events of a state that are looked up in one snapshot of the database: it is not to be held for long.
pub const LOOKED_UP_AT_ONCE: usize = 5_000;
/// Events of a large answer that are read and written at once.
pub const EVENTS_WRITTEN_AT_ONCE: usize = 200;
/// State events, or auth events, that a peer may send for a join.
pub const JOIN_EVENTS_MAX: usize = 500_000;
/// Parents without standing of their own that are walked through to find what an event replaces.
pub const ANCESTORS_WALKED_MAX: usize = 100;
/// Servers that are tried for a join, a leave or a knock.
pub const HANDSHAKE_SERVERS_MAX: usize = 10;
/// How long the servers of a room that is being joined are waited for to give their keys. Events of those that do not are left
/// out until they do; in a large room many are gone for ever.
pub const WHOLE_ROOM_KEYS_TIME_MAX: Duration = Duration::from_secs(60);
/// After this long no further server is tried for a join or a knock.
pub const JOIN_TIME_MAX: Duration = Duration::from_secs(600);
/// The first pause before it is looked what became of a join that was not answered; doubles each time.
pub const UNANSWERED_JOIN_RETRY_FIRST: Duration = Duration::from_secs(10);
/// The longest such pause.
pub const UNANSWERED_JOIN_RETRY_MAX: Duration = Duration::from_hours(1);
/// Servers that are asked about one such join.
pub const UNANSWERED_JOIN_SERVERS_MAX: usize = 20;
/// How long it is looked for.
pub const UNANSWERED_JOIN_HORIZON: Duration = Duration::from_hours(24 * 7);
/// How long after a server told us that a user of ours is in a room, or out of it, against what we know, that is looked into: what it
/// does not know yet, or we do not, may be on its way.
pub const LOOK_AFTER: Duration = Duration::from_secs(60);
/// The pause before the same is looked into again.
pub const LOOK_PAUSE: Duration = Duration::from_hours(1);
/// Servers whose words are remembered for that.
pub const LOOKS_SERVERS_MAX: usize = 200;
/// What is remembered of each.
pub const LOOKS_OF_SERVER_MAX: usize = 50;
/// Servers in a room that are asked whether a user of ours is out of it.
pub const COUNTED_OUT_SERVERS_MAX: usize = 10;
/// Characters of the reason of a removal that a user of ours reads in their own leave.
pub const REMOVAL_REASON_MAX: usize = 500;
/// Users of ours that one server is asked about at a time.
pub const COUNTED_IN_USERS_MAX: usize = 20;
/// Leaves of such users that are remembered.
pub const COUNTED_IN_LEAVES_MAX: usize = 10_000;
/// The pause before a server that speaks in a room it was removed from is told so again.
pub const REMOVED_PAUSE: Duration = Duration::from_hours(1);
/// How many are remembered for that; while there are more, no others are told.
pub const REMOVED_TOLD_MAX: usize = 10_000;
/// How long others are given to take note of a leave. Then it is so all the same.
pub const LEAVE_TIME_MAX: Duration = Duration::from_secs(20);
/// Where the topological numbers of a room begin, so that history can be put before it.
pub const TOPOLOGICAL_START: i64 = 1 << 40;
/// The topological numbers left free where we join a room again, or go on behind a gap, for what may be put in between.
pub const TOPOLOGICAL_GAP: i64 = 1 << 20;
/// Parents of an event whose states are resolved again to explain it.
pub const FORKS_EXPLAINED_MAX: usize = 20;
/// Event numbers that are looked through at once for those of a room that is purged.
pub const PURGE_WINDOW: i64 = 5_000;
/// How long the purge of a room waits for what other servers are still to get of it.
pub const PURGE_AWAITED_MAX: Duration = Duration::from_secs(24 * 3600);
/// The pause before it is looked again whether they have.
pub const PURGE_PAUSE: Duration = Duration::from_secs(2);
/// Entries of a server ACL that are looked at: more than fit into an event.
pub const ACL_ENTRIES_MAX: usize = 22_000;
/// Entries of all server ACLs that are kept compiled.
pub const ACL_ENTRIES_CACHED_MAX: u64 = 500_000;
/// Entries of `invite_room_state` or `knock_room_state` that are kept.
pub const STRIPPED_ENTRIES_MAX: usize = 50;
/// Bytes of `invite_room_state` or `knock_room_state` as JSON.
pub const STRIPPED_BYTES_MAX: usize = 256 * 1024;
/// Bytes of them that are kept, and shown in every /sync.
pub const STRIPPED_KEPT_BYTES_MAX: usize = 64 * 1024;
/// Invites of one server that wait for an answer of our users.
pub const INVITES_WAITING_PER_ORIGIN_MAX: i64 = 5_000;
/// Those of them that are for one user.
pub const INVITES_WAITING_PER_ORIGIN_AND_USER_MAX: i64 = 100;
/// Invites of one user, of whatever servers, that wait for an answer.
pub const INVITES_WAITING_PER_USER_MAX: i64 = 1_000;
/// Rooms that nobody here has been in and that one user was invited to, or had knocked at, where that has ended. Of more the oldest are
/// forgotten.
pub const ENDED_OUTSIDE_PER_USER_MAX: u32 = 200;

const _: () = assert!(MISSING_EVENTS_ROUNDS_MAX * MISSING_EVENTS_MAX <= FETCHED_EVENTS_MAX);
const _: () = assert!(MISSING_EVENTS_MAX <= transaction::requests::MISSING_EVENTS_MAX);
const _: () = assert!(BACKFILL_EVENTS_MAX <= transaction::requests::BACKFILL_MAX);
const _: () = assert!(BACKFILL_EVENTS_MAX <= WALKED_EVENTS_MAX);
const _: () = assert!(BATCH_EVENTS_MAX <= FETCHED_EVENTS_MAX);
const _: () = assert!(STATE_EVENTS_MAX <= JOIN_EVENTS_MAX);
const _: () = assert!(SINGLE_EVENTS_MAX <= LACKING_STATE_MAX && LACKING_STATE_MAX <= STATE_EVENTS_MAX);
// A staged event is tried more than once before it is given up, whatever one attempt costs.
const _: () = assert!(FETCH_TIME_MAX.as_secs() + STAGED_RETRY_MAX.as_secs() < STAGED_HORIZON.as_secs());
// One entry of a JSON array of strings takes at least three bytes.
const _: () = assert!(ACL_ENTRIES_MAX * 3 > PDU_SIZE_BYTES_MAX);
