//! Account data: what clients store for their users, per account or per room; tags and push rules are account data too.
//!
//! One row for each user, room and type; how many and how large is bounded by limits in `users`. The rows belong to users, not
//! to rooms: a user keeps the data of a room that this server has left or does not know yet. So they carry the room's id, by
//! which a purge finds them; the empty text stands for the account itself.

pub(crate) const SCHEMA: &str = "
CREATE TABLE account_data (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    data_type TEXT NOT NULL,
    content TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id, data_type)
);
CREATE INDEX account_data_by_position ON account_data (user_id, position);
CREATE INDEX account_data_by_room ON account_data (room_id);
";
