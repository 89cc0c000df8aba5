//! Keeps forward extremities few. Each costs the state resolution of every event that comes, on every server.

use events::Object;
use events::limits::OWN_PREV_EVENTS_MAX;
use events::power::Levels;
use persistence::StoreError;
use persistence::transactions::rooms as room_rows;

use crate::commit::Entry;
use crate::due::milliseconds;
use crate::graph::{Graph, RoomTurn};
use crate::limits::{DUMMIES_AT_ONCE_MAX, DUMMIES_PAUSE, EXTREMITIES_MAX};
use crate::send::{Draft, SendError};

/// The type of the events that join extremities and say nothing. As other servers name it; users are shown none.
pub const DUMMY_EVENT_TYPE: &str = "org.matrix.dummy_event";

const _: () = assert!(EXTREMITIES_MAX >= OWN_PREV_EVENTS_MAX);

impl Graph {
    /// Joins the extremities of a room by events of ours if there are too many, and a user of ours may send one.
    ///
    /// The specification leaves it to servers to keep extremities few. As in Synapse, nobody is sent such an event: others fetch
    /// it when something builds on it. Were it sent, servers that join the same extremities at once would make new ones.
    pub(crate) async fn join_extremities(&self, turn: &mut RoomTurn) -> Result<(), StoreError> {
        let now = self.handles().clock.now();
        let pause = milliseconds(DUMMIES_PAUSE);
        let Some(room) = turn.room_mut().filter(|room| room.heads.len() > EXTREMITIES_MAX) else { return Ok(()) };
        if room.joined_heads_at.is_some_and(|at| now - at < pause) {
            return Ok(());
        }
        room.joined_heads_at = Some(now);
        let (room_id, before) = (room.room_id.clone(), room.heads.len());
        let Some(draft) = self.dummy(turn).await? else { return Ok(()) };
        for _ in 0..DUMMIES_AT_ONCE_MAX {
            match self.send_on(turn, std::slice::from_ref(&draft), Entry::Unannounced, None).await {
                Ok(Some(_)) => {}
                // Somebody else advanced the room, and has looked after its extremities.
                Ok(None) => return Ok(()),
                Err(SendError::Store(error)) => return Err(error),
                Err(
                    error @ (SendError::UnknownRoom(_)
                    | SendError::NotInRoom(_)
                    | SendError::Forbidden(_)
                    | SendError::Format(_)
                    | SendError::Partial(_)
                    | SendError::TooAlike
                    | SendError::Stuck { .. }),
                ) => {
                    tracing::warn!(room.id = %room_id, "The {before} extremities of {room_id} stay: {error}");
                    return Ok(());
                }
            }
            if turn.room().is_none_or(|room| room.heads.len() <= EXTREMITIES_MAX) {
                break;
            }
        }
        let after = turn.room().map_or(0, |room| room.heads.len());
        tracing::info!(room.id = %room_id, "Joined the {before} extremities of {room_id}: there are {after}");
        Ok(())
    }

    /// An event that says nothing, of a user of ours who may send it.
    async fn dummy(&self, turn: &RoomTurn) -> Result<Option<Draft>, StoreError> {
        let (number, us) = (turn.row.number, self.server_name().clone());
        let ours = self.database().read(move |tx| room_rows::members_of_server(tx, number, "join", &us)).await?;
        let Some(room) = turn.room() else { return Ok(None) };
        let Some(create) = room.current_event("m.room.create", "") else { return Ok(None) };
        let levels = Levels::new(create, room.current_event("m.room.power_levels", ""));
        let needed = levels.required_for(DUMMY_EVENT_TYPE, false);
        let sender = ours.into_iter().find(|user| levels.user_level(user) >= needed);
        Ok(sender.map(|sender| Draft {
            sender,
            event_type: DUMMY_EVENT_TYPE.to_owned(),
            state_key: None,
            content: Object::new(),
            redacts: None,
        }))
    }
}
