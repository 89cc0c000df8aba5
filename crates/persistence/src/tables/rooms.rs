//! Rooms, their current state, and who is in them. Grows with rooms; a room is removed by its purge.

pub(crate) const SCHEMA: &str = "
-- `turn` counts how often the room advanced: a step computed on an older turn is not committed.
-- `state` is the snapshot of the current state; NULL while nobody here has been in the room.
-- `entered` is the join that another server let us in by, the last time; NULL if it was made here.
CREATE TABLE rooms (
    number INTEGER PRIMARY KEY,
    room_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    turn BIGINT NOT NULL DEFAULT 0,
    state BIGINT,
    entered BIGINT
);

-- The state that the forward extremities resolve to.
CREATE TABLE current_state (
    room BIGINT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (room, type, state_key)
) WITHOUT ROWID;

-- How the current state changed, for those who follow it. Grows with the rooms' history.
CREATE TABLE state_changes (
    position BIGINT NOT NULL,
    room BIGINT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event BIGINT,
    PRIMARY KEY (room, position, type, state_key)
) WITHOUT ROWID;

-- Memberships in the current state.
CREATE TABLE members (
    room BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    server TEXT NOT NULL,
    membership TEXT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (room, user_id)
) WITHOUT ROWID;
-- With the user id, in whose order they are asked for: else a server's few users are sought among all members of the room.
CREATE INDEX members_by_server ON members (room, membership, server, user_id);
CREATE INDEX members_by_user ON members (user_id, membership, room);

-- For each user of ours, how they stand to a room: as in the current state, or as an invite, knock or leave from outside says.
-- `stripped` is what an invite or knock told about a room that we are not in, `via` the server that a knock went through or an
-- invite came from.
CREATE TABLE standings (
    user_id TEXT NOT NULL,
    room BIGINT NOT NULL,
    membership TEXT NOT NULL,
    event BIGINT NOT NULL,
    position BIGINT NOT NULL,
    stripped TEXT,
    via TEXT,
    forgotten BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, room)
) WITHOUT ROWID;
CREATE INDEX standings_by_room ON standings (room);

-- Rooms that we joined without being told most of their members. `event` is our join: the state before it is fetched in the
-- background. Of its events `wanted` were named, of which `lacking` are not here. `problem` is why the last attempt failed.
-- Where `whole` is 1 the members are here, but for entries of the state whose signatures could not be checked, since `keys` could not
-- be had: a JSON array of server, key and time. Where it is 0 these are the keys that lacked for what was told at the join.
CREATE TABLE partial_rooms (
    room BIGINT NOT NULL,
    event BIGINT NOT NULL,
    given_by TEXT NOT NULL,
    since BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    wanted BIGINT,
    lacking BIGINT,
    problem TEXT,
    whole BIGINT NOT NULL DEFAULT 0,
    keys TEXT,
    PRIMARY KEY (room)
) WITHOUT ROWID;

-- The servers that were in a partial room when we joined it, as far as the one that let us in knew.
CREATE TABLE partial_servers (
    room BIGINT NOT NULL,
    server TEXT NOT NULL,
    PRIMARY KEY (room, server)
) WITHOUT ROWID;
";

/// Since version 3: whose invites wait, and of which of our users.
pub(crate) const STANDINGS_BY_VIA: &str = "
CREATE INDEX standings_by_via ON standings (via, membership, user_id);
";
